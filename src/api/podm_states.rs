//! `/v1/pod_managers/states` and `…/{uuid}/state`: how Pod Managers stand now, and the switches that cordon and drain them.

use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use super::answer::{self, Answer};
use super::call::Call;
use super::pod_managers::known_form;
use super::{submit, v1};
use crate::model::circuit::PodmState;
use crate::model::podm::Podm;
use crate::store::records::Collection;

/// States in one answer unless said otherwise.
const PAGE: u64 = 100;

/// How Pod Managers stand, by name.
#[derive(Serialize, ToSchema)]
pub(crate) struct PodmStates {
    states: Vec<PodmState>,
    /// Give it back for the next page; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    marker: Option<String>,
}

/// Every Pod Manager's, a page at a time.
pub(super) async fn list(call: Call) -> Answer {
    call.only_query(&["limit", "marker"])?;
    let limit = usize::try_from(call.query_number("limit", 1, 1000)?.unwrap_or(PAGE)).unwrap_or(1);
    let mut podms: Vec<Podm> = call.app.store.records(Collection::Podm).await?;
    podms.sort_by(|a, b| (&a.name, &a.uuid).cmp(&(&b.name, &b.uuid)));
    // A name and an id, since the one it stands for may be gone by then.
    let after = call.query("marker").map(|m| m.rsplit_once('~').unwrap_or((m, "")));
    podms.retain(|p| after.is_none_or(|after| (p.name.as_str(), p.uuid.as_str()) > after));
    let more = podms.len() > limit;
    podms.truncate(limit);
    let marker = podms.last().filter(|_| more).map(|p| format!("{}~{}", p.name, p.uuid));
    Ok(answer::ok(&PodmStates { states: call.app.store.podm_states(&podms).await?, marker }))
}

/// One Pod Manager's.
pub(super) async fn one(call: Call) -> Answer {
    call.only_query(&[])?;
    known_form(&call)?;
    let missing = || submit::no_podm(call.param(0));
    let podm: Option<Podm> = call.app.store.record(Collection::Podm, call.param(0)).await?;
    let states = call.app.store.podm_states(&[podm.ok_or_else(missing)?]).await?;
    Ok(answer::ok(states.first().ok_or_else(missing)?))
}

/// It takes no new nodes.
pub(super) async fn cordon(call: Call) -> Answer {
    set(call, true, false).await
}

/// It takes new nodes again, and begins changes.
pub(super) async fn uncordon(call: Call) -> Answer {
    set(call, false, false).await
}

/// It takes no new nodes and begins no changes but those that give hardware back.
pub(super) async fn drain(call: Call) -> Answer {
    set(call, true, true).await
}

async fn set(call: Call, cordoned: bool, draining: bool) -> Answer {
    known_form(&call)?;
    let mut task = v1::change("podm.cordon", json!({ "cordoned": cordoned, "draining": draining }));
    task.podm_id = Some(call.param(0).to_owned());
    v1::act(&call, task, v1::result).await
}
