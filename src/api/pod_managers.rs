//! `/v1/pod_managers`: registered Pod Managers. Passwords are sealed before anything is stored and never shown.

use serde_json::json;

use super::answer::{Answer, bad_field};
use super::auth::Role;
use super::call::{Call, read};
use super::podm_states::{self, PodmStates};
use super::resource::{Resource, number, text};
use super::{submit, v1};
use crate::ids::is_record_id;
use crate::model::circuit::PodmState;
use crate::model::inventory::Inventory;
use crate::model::params::{PodmCreate, PodmUpdate, Refresh};
use crate::model::podm::Podm;
use crate::model::topic::Priority;

/// Fields of the row that a PATCH does not change.
const FIXED: [&str; 7] = ["uuid", "url", "status", "cordoned", "draining", "created_at", "updated_at"];

/// Pod Managers.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "a shape for the document")]
pub(crate) struct PodmList(Vec<Podm>);

/// The routes.
pub(crate) fn resource() -> Resource {
    Resource::at("/v1/pod_managers", "v1")
        .get("", "Lists Pod Managers", list)
        .answers::<PodmList>(200)
        .post("", "Registers a Pod Manager", create)
        .role(Role::Admin)
        .takes::<PodmCreate>()
        .answers::<Podm>(200)
        .prefer()
        .get("/states", "How Pod Managers stand now: circuits, gates, age of inventories", podm_states::list)
        .query(&[number("limit", "at most so many, 1 to 1000"), text("marker", "go on after this one")])
        .answers::<PodmStates>(200)
        .get("/{uuid}", "Reads a Pod Manager's record", one)
        .answers::<Podm>(200)
        .patch("/{uuid}", "Changes a Pod Manager's record", update)
        .role(Role::Admin)
        .takes::<PodmUpdate>()
        .answers::<Podm>(200)
        .prefer()
        .get("/{uuid}/state", "How a Pod Manager stands now", podm_states::one)
        .answers::<PodmState>(200)
        .post("/{uuid}/cordon", "The Pod Manager takes no new nodes", podm_states::cordon)
        .answers::<Podm>(200)
        .prefer()
        .post("/{uuid}/uncordon", "The Pod Manager takes new nodes again", podm_states::uncordon)
        .answers::<Podm>(200)
        .prefer()
        .post("/{uuid}/drain", "The Pod Manager begins no changes but deletions", podm_states::drain)
        .answers::<Podm>(200)
        .prefer()
        .post("/{uuid}/refresh", "Reads what a Pod Manager has, before all that waits", refresh)
        .takes::<Refresh>()
        .answers::<Inventory>(200)
        .prefer()
        .delete("/{uuid}", "Decomposes a Pod Manager's nodes and forgets it", delete)
        .role(Role::Admin)
        .prefer()
}

async fn list(call: Call) -> Answer {
    v1::answer(&call, "podm.list", json!({})).await
}

async fn one(call: Call) -> Answer {
    known_form(&call)?;
    v1::answer(&call, "podm.get", json!({"id": call.param(0)})).await
}

/// What cannot be an id names nothing.
pub(super) fn known_form(call: &Call) -> Result<(), super::answer::Failure> {
    if is_record_id(call.param(0)) { Ok(()) } else { Err(submit::no_podm(call.param(0)).into()) }
}

async fn create(call: Call) -> Answer {
    let body = call.needed_json()?;
    let _schema: PodmCreate = read(&body)?;
    v1::act(&call, v1::change("podm.create", body), v1::result).await
}

async fn update(call: Call) -> Answer {
    known_form(&call)?;
    let body = v1::changes(&call, &FIXED)?;
    let _schema: PodmUpdate = read(&body)?;
    let mut task = v1::change("podm.update", body);
    task.podm_id = Some(call.param(0).to_owned());
    v1::act(&call, task, v1::result).await
}

/// The sweep is the scheduler's: somebody who wants to see what is there wants nothing taken away.
async fn refresh(call: Call) -> Answer {
    known_form(&call)?;
    let body = call.json()?.unwrap_or_else(|| json!({}));
    let wanted: Refresh = read(&body)?;
    if wanted.sweep.is_some() {
        return Err(bad_field("sweep", "", "the scheduler sweeps, by its own settings").into());
    }
    let mut task = v1::change("inventory.refresh", body);
    (task.podm_id, task.priority) = (Some(call.param(0).to_owned()), Priority::High);
    v1::act(&call, task, v1::result).await
}

async fn delete(call: Call) -> Answer {
    known_form(&call)?;
    let mut task = v1::change("podm.delete", json!({}));
    task.podm_id = Some(call.param(0).to_owned());
    v1::act(&call, task, v1::result).await
}
