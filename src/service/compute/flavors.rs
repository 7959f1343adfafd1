//! What the flavor kinds share.

use serde_json::Value;

use crate::model::flavor::Flavor;
use crate::model::problem::Problem;
use crate::service::{Context, Verdict};
use crate::store::records::Collection;

/// The answer when there is none of that id.
pub(super) fn missing(id: &str) -> Problem {
    Problem::not_found(format!("Flavor {id} not found in database."))
}

/// A flavor as its v1 JSON.
pub(super) fn shown(flavor: &Flavor) -> Result<Value, Problem> {
    serde_json::to_value(flavor).map_err(|e| Problem::internal(e.to_string()))
}

pub(super) async fn read(ctx: &Context, id: &str) -> Result<Flavor, Verdict> {
    Ok(ctx.record(Collection::Flavor, id).await?.ok_or_else(|| missing(id))?)
}
