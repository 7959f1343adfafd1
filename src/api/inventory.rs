//! `/v1/inventory` and `/v1/drift`: what Pod Managers have, as their last refresh found it, and where that disagrees with the records.

use serde_json::json;

use super::answer::Answer;
use super::call::Call;
use super::resource::{Resource, text};
use super::{submit, v1};
use crate::ids::is_record_id;

/// What each Pod Manager has.
pub(crate) fn resource() -> Resource {
    Resource::at("/v1/inventory", "inventory")
        .get("", "Lists what each Pod Manager has, with its age, and what all have together", list)
        .query(&[text("podm_id", "of this Pod Manager")])
        .get("/{podm_id}", "Shows what a Pod Manager has, row by row", one)
}

/// Where hardware and records disagree.
pub(crate) fn drift() -> Resource {
    Resource::at("/v1/drift", "inventory")
        .get("", "Lists where hardware and records disagree, and what is being done about it", disagreements)
        .query(&[text("podm_id", "at this Pod Manager")])
}

async fn list(call: Call) -> Answer {
    call.only_query(&["podm_id"])?;
    of_podm(&call, "inventory.list").await
}

async fn disagreements(call: Call) -> Answer {
    call.only_query(&["podm_id"])?;
    of_podm(&call, "drift.list").await
}

async fn of_podm(call: &Call, kind: &str) -> Answer {
    v1::answer(call, kind, call.query("podm_id").map_or_else(|| json!({}), |id| json!({ "podm_id": id }))).await
}

async fn one(call: Call) -> Answer {
    if !is_record_id(call.param(0)) {
        return Err(submit::no_podm(call.param(0)).into());
    }
    v1::answer(&call, "inventory.get", json!({ "id": call.param(0) })).await
}
