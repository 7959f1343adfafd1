//! `/v1/storages`: storages that Pod Managers have, read live, and the volumes in them.

use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::answer::Answer;
use super::call::{Call, read};
use super::resource::{Query, Resource, exactly, text};
use super::{nodes, submit, systems, v1};
use crate::ids::is_record_id;
use crate::model::kind;

/// What storages can be filtered by.
const FILTER: [&str; 5] = ["id", "name", "type", "health", "resource_uri"];
const SYSTEM: Query = text("system_id", "the system whose storage is meant; a storage service when absent");

/// A volume to make.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "read for its checks; the task carries the body")]
pub(crate) struct VolumeBody {
    /// The Pod Manager; may be left out when there is only one.
    podm_id: Option<String>,
    /// The system whose storage it is; left out for a storage service.
    system_id: Option<String>,
    /// Name of the volume.
    name: String,
    /// Free text.
    description: Option<String>,
    /// How large it must be, GiB.
    #[schema(exclusive_minimum = 0)]
    capacity_gib: f64,
    /// Whether a machine may boot from it; the Pod Manager chooses when absent.
    bootable: Option<bool>,
}

/// The routes.
pub(crate) fn resource() -> Resource {
    let some = text("podm_id", "the Pod Manager to ask; all of them when absent");
    let one = text("podm_id", "the Pod Manager; may be left out when there is only one");
    Resource::at("/v1/storages", "v1")
        .get("", "Lists storages with their volumes and drives", list)
        .query(&[some, SYSTEM])
        .query(&exactly(&FILTER))
        .get("/{id}", "Reads a storage with its volumes and drives", get)
        .query(&[one, SYSTEM])
        .post("/{id}/volumes", "Makes a volume", create)
        .takes::<VolumeBody>()
        .prefer()
        .delete("/{id}/volumes/{volume_id}", "Deletes a volume", delete)
        .query(&[one, SYSTEM])
        .prefer()
}

async fn list(call: Call) -> Answer {
    let filters = systems::filters(&call, &FILTER, &["podm_id", "system_id"], "storages")?;
    let mut params = json!({ "filters": filters });
    systems::add(&mut params, "podm_id", systems::podm(&call).await?.as_deref());
    systems::add(&mut params, "system_id", call.query("system_id"));
    systems::ask(&call, "storage.list", params).await
}

async fn get(call: Call) -> Answer {
    call.only_query(&["podm_id", "system_id"])?;
    let mut params = json!({ "id": call.param(0) });
    systems::add(&mut params, "podm_id", Some(&nodes::named_or_only_podm(&call).await?));
    systems::add(&mut params, "system_id", call.query("system_id"));
    v1::answer(&call, "storage.get", params).await
}

/// `GET /v1/nodes/{uuid}/storages`.
pub(crate) async fn of_node(call: Call) -> Answer {
    if !is_record_id(call.param(0)) {
        return Err(submit::no_node(call.param(0)).into());
    }
    let filters = systems::filters(&call, &FILTER, &[], "storages")?;
    systems::ask(&call, "storage.list", json!({"node_id": call.param(0), "filters": filters})).await
}

async fn create(call: Call) -> Answer {
    let body: Value = call.needed_json()?;
    kind::no_nulls(&body)?;
    let _schema: VolumeBody = read(&body)?;
    let mut params = v1::without(body, &["podm_id"]);
    systems::add(&mut params, "storage_id", Some(call.param(0)));
    let mut task = v1::change("volume.create", params);
    task.podm_id = Some(nodes::named_or_only_podm(&call).await?);
    v1::act(&call, task, v1::result).await
}

async fn delete(call: Call) -> Answer {
    call.only_query(&["podm_id", "system_id"])?;
    let mut params = json!({"storage_id": call.param(0), "volume_id": call.param(1)});
    systems::add(&mut params, "system_id", call.query("system_id"));
    let mut task = v1::change("volume.delete", params);
    task.podm_id = Some(nodes::named_or_only_podm(&call).await?);
    v1::act(&call, task, v1::result).await
}
