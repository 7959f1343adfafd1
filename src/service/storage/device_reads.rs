//! Reads of pooled devices on record.

use serde_json::{Value, json};

use crate::model::device::{self, Device};
use crate::model::kind;
use crate::model::params::{ById, ListFilter};
use crate::model::problem::Problem;
use crate::service::{ReadContext, equality};
use crate::store::records::Collection;

/// What a list shows.
const BRIEF: [&str; 7] = ["uuid", "podm_id", "type", "state", "node_id", "resource_uri", "pooled_group_id"];

/// `device.list`: brief rows; every filter must match exactly.
///
/// # Errors
/// 400 for an unknown filter, on an empty store too; 503 when Redis is away.
pub async fn list(ctx: &ReadContext, params: Value) -> Result<Value, Problem> {
    let ListFilter { filters } = kind::read(&params)?;
    equality::check(&filters, &device::FIELDS, "devices")?;
    let mut shown = Vec::new();
    for device in ctx.records::<Device>(Collection::Device).await? {
        let row = json!(device);
        if equality::matches(&row, &filters) {
            shown.push(BRIEF.iter().map(|key| ((*key).to_owned(), row[key].clone())).collect());
        }
    }
    Ok(Value::Array(shown))
}

/// `device.get`: the whole row.
///
/// # Errors
/// 404 when there is none; 503 when Redis is away.
pub async fn get(ctx: &ReadContext, params: Value) -> Result<Value, Problem> {
    let ById { id } = kind::read(&params)?;
    let device: Option<Device> = ctx.record(Collection::Device, &id).await?;
    device.map(|d| json!(d)).ok_or_else(|| Problem::not_found(format!("Device {id} not found in database.")))
}
