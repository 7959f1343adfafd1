//! `podm.cordon`: whether a Pod Manager takes new nodes, and whether it begins changes at all.

use serde_json::Value;

use super::reads;
use crate::model::params::PodmCordon;
use crate::model::v1time::v1;
use crate::service::{Context, Verdict};
use crate::store::records::Collection;

/// Sets both and puts them into force; the same again changes nothing.
///
/// # Errors
/// 404 when it is not registered; a retry when Redis is away.
pub async fn run(ctx: &Context) -> Result<Value, Verdict> {
    let PodmCordon { cordoned, draining } = ctx.params()?;
    let mut podm = ctx.podm_record().await?;
    let cordoned = cordoned || draining;
    if (podm.policy.cordoned, podm.policy.draining) != (cordoned, draining) {
        (podm.policy.cordoned, podm.policy.draining) = (cordoned, draining);
        podm.updated_at = v1(ctx.now_ms());
        ctx.put(Collection::Podm, &podm.uuid, &podm).await?;
    }
    ctx.set_limits(&podm).await?;
    Ok(reads::shown(podm)?)
}

/// What an operator has set stays set; another call changes it.
///
/// # Errors
/// None.
pub async fn undo(_ctx: &Context) -> Result<(), Verdict> {
    Ok(())
}
