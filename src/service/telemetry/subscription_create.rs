//! `subscription.create`: subscribes to a Pod Manager's events, once for this deployment.
//!
//! Our subscription is known by its Context. It is looked for first, in every attempt: one that stands and leads to the right address is
//! adopted, one that leads elsewhere (the receiver has moved, the key has changed) is replaced. A renewal that finds its subscription ended
//! leaves nothing behind, whether that was before or while it ran.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::own;
use crate::model::params::Subscribe;
use crate::model::problem::Problem;
use crate::model::v1time::rfc3339;
use crate::podm::{Begun, NewSubscription};
use crate::service::{Context, Verdict, hardware};
use crate::store::readings::Subscribed;

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
struct Saved {
    /// One of ours is, or may be, made by this task.
    making: bool,
}

/// Subscribes.
///
/// # Errors
/// 404 when the Pod Manager is not registered or has no event service; what it answers.
pub async fn run(ctx: &Context) -> Result<Value, Verdict> {
    let Subscribe { receiver, by_setting, renewal } = ctx.params()?;
    let podm = ctx.podm_record().await?;
    let driver = hardware::connect(ctx, &podm)?;
    let telemetry = driver.telemetry().ok_or_else(|| own::no_service(&podm.name))?;
    let key = ctx.pool().event_key(&podm.uuid);
    let key = key.ok_or_else(|| Problem::unavailable("no secret key is configured, so no sender could be believed"))?;
    let destination = own::destination(&receiver, &podm.uuid, &key);
    let context = own::context(ctx.deployment(), &podm.uuid);
    let mut saved: Saved = ctx.saved().unwrap_or_default();
    if renewal && !saved.making && !ctx.is_subscribed(&podm.uuid).await? {
        return Ok(ended(&podm.uuid));
    }

    let found = own::all(telemetry, &context).await.map_err(|e| hardware::verdict(ctx, &e))?;
    let found = found.ok_or_else(|| own::no_service(&podm.name))?;
    let mut standing = None;
    for one in found {
        if standing.is_none() && one.destination == destination {
            standing = Some(one.path);
        } else {
            own::remove(ctx, telemetry, &one.path, &saved).await?;
        }
    }
    let path = match standing {
        Some(path) => Some(path),
        None => {
            let before = saved.clone();
            saved.making = true;
            let wanted = NewSubscription { destination: destination.clone(), context: context.clone() };
            match hardware::change(ctx, &saved, Some(&before), telemetry.subscribe(&wanted)).await? {
                Ok(Begun::Done(path)) => {
                    ctx.checkpoint(&saved).await?;
                    path
                }
                Ok(Begun::Monitor { .. }) => {
                    ctx.checkpoint(&saved).await?;
                    None
                }
                Err(error) => return Err(hardware::verdict(ctx, &error)),
            }
        }
    };
    // Accepted is not done: it must be there.
    let there = own::all(telemetry, &context).await.map_err(|e| hardware::verdict(ctx, &e))?.unwrap_or_default();
    let Some(standing) = there.first() else {
        return Err(Verdict::retry(Problem::bad_gateway(format!(
            "Pod Manager {} accepted a subscription and does not show it",
            podm.name
        ))));
    };
    // A renewal writes no note, so it cannot write over the news that it came too late.
    if renewal && !ctx.is_subscribed(&podm.uuid).await? {
        for one in &there {
            own::remove(ctx, telemetry, &one.path, &saved).await?;
        }
        return Ok(ended(&podm.uuid));
    }
    if !renewal {
        let since = rfc3339(ctx.now_ms());
        let note = Subscribed { receiver: receiver.clone(), by_setting, since, ending: false };
        ctx.note_subscribed(&podm.uuid, Some(&note)).await?;
    }
    Ok(json!({ "podm_id": podm.uuid, "resource_uri": path.as_ref().unwrap_or(&standing.path), "receiver": receiver }))
}

/// The result of a renewal that came too late.
fn ended(podm_id: &str) -> Value {
    json!({ "podm_id": podm_id, "left": "the subscription was ended" })
}

/// Removes what this task made; one that stood before stays.
///
/// # Errors
/// What the Pod Manager answers.
pub async fn undo(ctx: &Context) -> Result<(), Verdict> {
    let Some(saved) = ctx.saved::<Saved>().filter(|s| s.making) else { return Ok(()) };
    let podm = ctx.podm_record().await?;
    let driver = hardware::connect(ctx, &podm)?;
    let Some(telemetry) = driver.telemetry() else { return Ok(()) };
    let context = own::context(ctx.deployment(), &podm.uuid);
    let found = own::all(telemetry, &context).await.map_err(|e| hardware::verdict(ctx, &e))?;
    for one in found.unwrap_or_default() {
        own::remove(ctx, telemetry, &one.path, &saved).await?;
    }
    ctx.note_subscribed(&podm.uuid, None).await
}
