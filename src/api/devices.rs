//! `/v1/devices`: pooled devices on record.

use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;

use super::answer::Answer;
use super::call::{Call, read};
use super::resource::{Resource, exactly};
use super::{systems, v1};
use crate::model::device::{self, Device};

/// What is read anew. As of old, whatever else a body holds is ignored.
#[derive(Deserialize, ToSchema)]
pub(crate) struct SyncBody {
    /// The Pod Manager to ask; all of them when absent.
    podm_id: Option<String>,
}

/// The routes.
pub(crate) fn resource() -> Resource {
    Resource::at("/v1/devices", "v1")
        .get("", "Lists pooled devices", list)
        .query(&exactly(&device::FIELDS))
        .post("/sync", "Reads the devices of Pod Managers anew", sync)
        .takes::<SyncBody>()
        .prefer()
        .get("/{uuid}", "Reads a pooled device's record", one)
        .answers::<Device>(200)
}

async fn list(call: Call) -> Answer {
    let filters = systems::filters(&call, &device::FIELDS, &[], "devices")?;
    v1::answer(&call, "device.list", json!({ "filters": filters })).await
}

async fn one(call: Call) -> Answer {
    v1::answer(&call, "device.get", json!({ "id": call.param(0) })).await
}

async fn sync(call: Call) -> Answer {
    let given: SyncBody = read(&call.json()?.unwrap_or_else(|| json!({})))?;
    let mut params = json!({});
    systems::add(&mut params, "podm_id", given.podm_id.as_deref());
    v1::act(&call, v1::change("device.sync", params), v1::result).await
}
