//! `event.list`: the newest events of a Pod Manager.

use serde_json::{Value, json};

use crate::model::kind;
use crate::model::params::EventFilter;
use crate::model::problem::Problem;
use crate::model::v1time::rfc3339;
use crate::service::ReadContext;

/// The newest first.
///
/// # Errors
/// 404 for an unknown Pod Manager.
pub async fn list(ctx: &ReadContext, params: Value) -> Result<Value, Problem> {
    let EventFilter { podm_id, limit } = kind::read(&params)?;
    super::readings::podm(ctx, &podm_id).await?;
    let mut shown = Vec::new();
    for (ms, event) in ctx.podm_events(&podm_id, limit.unwrap_or(100).clamp(1, 500)).await? {
        let mut row = serde_json::to_value(event).map_err(|e| Problem::internal(e.to_string()))?;
        row["podm_id"] = json!(podm_id);
        row["received_at"] = json!(rfc3339(ms));
        shown.push(row);
    }
    Ok(Value::Array(shown))
}
