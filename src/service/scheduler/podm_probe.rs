//! `podm.probe`: asks a Pod Manager whether it is there, and keeps its record's status true.

use serde_json::{Value, json};

use super::reach;
use crate::model::podm::{Podm, PodmStatus};
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
    // Read anew: somebody may have changed the record while the Pod Manager took its time.
    let now: Option<Podm> = ctx.record(Collection::Podm, &podm.uuid).await?;
    if let Some(mut now) = now.filter(|n| n.status != status) {
        now.status = status;
        ctx.put(Collection::Podm, &podm.uuid, &now).await?;
    }
    Ok(json!({ "podm_id": podm.uuid, "status": status, "detail": detail }))
}

/// A probe changes nothing but the status, which is true.
///
/// # Errors
/// None.
pub async fn undo(_ctx: &Context) -> Result<(), Verdict> {
    Ok(())
}
