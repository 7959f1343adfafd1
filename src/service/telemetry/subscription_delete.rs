//! `subscription.delete`: ends this deployment's subscription at a Pod Manager. Other people's stay.

use std::time::Duration;

use serde_json::Value;

use super::own;
use crate::model::podm::Podm;
use crate::service::{Context, Verdict, hardware};

/// Most time that a Pod Manager on its way out gets for this.
const PARTING: Duration = Duration::from_secs(10);
/// How often it is asked in that time.
const TRIES: u32 = 3;

/// Unsubscribes; none there is a success.
///
/// # Errors
/// 404 when the Pod Manager is not registered; what it answers.
pub async fn run(ctx: &Context) -> Result<Value, Verdict> {
    let podm = ctx.podm_record().await?;
    // First of all: a renewal under way then knows that it came too late, and the scheduler that this is to be done should it fail.
    ctx.note_ending(&podm.uuid).await?;
    let driver = hardware::connect(ctx, &podm)?;
    if let Some(telemetry) = driver.telemetry() {
        let context = own::context(ctx.deployment(), &podm.uuid);
        let found = own::all(telemetry, &context).await.map_err(|e| hardware::verdict(ctx, &e))?;
        for one in found.unwrap_or_default() {
            own::remove(ctx, telemetry, &one.path, &Value::Null).await?;
        }
    }
    ctx.note_subscribed(&podm.uuid, None).await?;
    Ok(hardware::confirmation(ctx, "", "DELETED"))
}

/// A deletion is not taken back: the setting, or somebody, makes a new one.
///
/// # Errors
/// None.
pub async fn undo(_ctx: &Context) -> Result<(), Verdict> {
    Ok(())
}

/// Removes our subscription at a Pod Manager that is being forgotten, as far as it answers: one that is away keeps nobody waiting, and
/// what it still sends is refused. To remove it twice is as to remove it once, so an answer that was lost is no reason to leave it there.
pub async fn part(ctx: &Context, podm: &Podm) {
    let unsubscribe = async || {
        let driver = ctx.pool().connect(podm, Some(ctx.lease().clone()))?;
        let Some(telemetry) = driver.telemetry() else { return Ok(()) };
        let context = own::context(ctx.deployment(), &podm.uuid);
        for one in own::all(telemetry, &context).await?.unwrap_or_default() {
            telemetry.unsubscribe(&one.path).await?;
        }
        Ok::<(), crate::podm::RedfishError>(())
    };
    let parting = async {
        let mut last = unsubscribe().await;
        for _again in 1..TRIES {
            if last.is_err() {
                last = unsubscribe().await;
            }
        }
        last
    };
    match tokio::time::timeout(PARTING, parting).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::info!(podm = %podm.name, %error, "its subscription may be left behind"),
        Err(_) => tracing::info!(podm = %podm.name, "its subscription may be left behind: no answer in time"),
    }
}
