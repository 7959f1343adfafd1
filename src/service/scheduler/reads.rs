//! Reads of Pod Managers' records, passwords masked.

use serde_json::Value;

use crate::model::kind;
use crate::model::params::ById;
use crate::model::podm::Podm;
use crate::model::problem::Problem;
use crate::service::ReadContext;
use crate::store::records::Collection;

/// A record as its v1 JSON.
pub(super) fn shown(podm: Podm) -> Result<Value, Problem> {
    serde_json::to_value(podm.masked()).map_err(|e| Problem::internal(e.to_string()))
}

/// `podm.list`.
///
/// # Errors
/// 503 when Redis is away.
pub async fn podm_list(ctx: &ReadContext, _params: Value) -> Result<Value, Problem> {
    let podms: Vec<Podm> = ctx.records(Collection::Podm).await?;
    podms.into_iter().map(shown).collect()
}

/// `podm.get`.
///
/// # Errors
/// 404 when there is none.
pub async fn podm_get(ctx: &ReadContext, params: Value) -> Result<Value, Problem> {
    let ById { id } = kind::read(&params)?;
    let missing = || Problem::not_found(format!("Pod Manager {id} not found in database."));
    shown(ctx.record(Collection::Podm, &id).await?.ok_or_else(missing)?)
}
