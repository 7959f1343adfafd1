//! `/v1/devices`: pooled devices on record.

use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;

use super::answer::Answer;
use super::call::{Call, read};
use super::resource::{Query, Resource, text};
use super::{systems, v1};
use crate::model::device::Device;
use crate::model::problem::Problem;

/// What devices can be filtered by.
const FILTER: [Query; 7] = [
    text("uuid", "exactly this"),
    text("podm_id", "exactly this"),
    text("type", "exactly this"),
    text("state", "exactly this"),
    text("node_id", "exactly this"),
    text("resource_uri", "exactly this"),
    text("pooled_group_id", "exactly this"),
];

/// What is read anew.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "read for its checks; the task carries the body")]
pub(crate) struct SyncBody {
    /// The Pod Manager to ask; all of them when absent.
    podm_id: Option<String>,
}

/// The routes.
pub(crate) fn resource() -> Resource {
    Resource::at("/v1/devices", "v1")
        .get("", "Lists pooled devices", list)
        .query(&FILTER)
        .post("/sync", "Reads the devices of Pod Managers anew", sync)
        .takes::<SyncBody>()
        .prefer()
        .get("/{uuid}", "Reads a pooled device's record", one)
        .answers::<Device>(200)
}

async fn list(call: Call) -> Answer {
    let filters = systems::filters(&call, &FILTER, &[], "devices")?;
    v1::answer(&call, "device.list", json!({ "filters": filters })).await
}

async fn one(call: Call) -> Answer {
    v1::answer(&call, "device.get", json!({ "id": call.param(0) })).await
}

async fn sync(call: Call) -> Answer {
    let body = call.json()?.unwrap_or_else(|| json!({}));
    if !body.is_object() {
        return Err(Problem::validation(format!("{body} is not of type 'object'")).into());
    }
    let _schema: SyncBody = read(&body)?;
    v1::act(&call, v1::change("device.sync", body), v1::result).await
}
