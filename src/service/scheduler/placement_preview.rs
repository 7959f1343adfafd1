//! `placement.preview`: where a node would be placed now, and why. Nothing is reserved.

use serde_json::Value;

use super::wish;
use crate::model::flavor::Flavor;
use crate::model::kind;
use crate::model::params::Place;
use crate::model::problem::Problem;
use crate::placement;
use crate::service::ReadContext;
use crate::store::records::Collection;

/// The explanation; without `chosen` when the node can be nowhere.
///
/// # Errors
/// 404 when there is no such flavor; 400 when a number of it is none; 503 when Redis is away.
pub async fn preview(ctx: &ReadContext, params: Value) -> Result<Value, Problem> {
    let place: Place = kind::read(&params)?;
    let flavor: Option<Flavor> = match &place.flavor_id {
        Some(id) => ctx.record(Collection::Flavor, id).await?,
        None => None,
    };
    let request = wish::request(&place, flavor)?;
    let decision = ctx.preview(|scene| placement::decide(&request, scene)).await?;
    serde_json::to_value(decision.placement).map_err(|e| Problem::internal(e.to_string()))
}
