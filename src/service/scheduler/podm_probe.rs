//! `podm.probe`: asks a Pod Manager whether it is there, and keeps its record's status true.

use serde_json::{Value, json};

use super::reach;
use crate::model::podm::PodmStatus;
use crate::service::{Context, Verdict};
use crate::store::records::Collection;

/// Probes it. That it is away, or refuses its credentials, is a result and no error.
///
/// # Errors
/// 404 when it is not registered.
pub async fn run(ctx: &Context) -> Result<Value, Verdict> {
    let podm = ctx.podm_record().await?;
    let (status, detail) = match reach::status(ctx, &podm).await {
        Ok(status) => (status, None),
        Err(Verdict::Fail(error)) => (PodmStatus::Offline, Some(error.problem.detail)),
        Err(other) => return Err(other),
    };
    // Laid over the record, not written into it: somebody may have changed it while the Pod Manager took its time.
    ctx.observe(Collection::Podm, &podm.uuid, &json!({ "status": status })).await?;
    Ok(json!({ "podm_id": podm.uuid, "status": status, "detail": detail }))
}

/// A probe changes nothing but the status, which is true.
///
/// # Errors
/// None.
pub async fn undo(_ctx: &Context) -> Result<(), Verdict> {
    Ok(())
}
