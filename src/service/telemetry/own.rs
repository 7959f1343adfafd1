//! This deployment's own subscription at a Pod Manager: how it is known among others, and how it is removed.

use serde::Serialize;

use crate::model::problem::Problem;
use crate::podm::{Begun, RedfishError, SubscriptionView, TelemetryDriver};
use crate::service::{Context, Verdict, hardware};

/// Where the API takes events, below its base URL.
const RECEIVE: &str = "/v1/telemetry/events";

/// The address that a Pod Manager sends its events to. There is a secret in it.
#[must_use]
pub fn destination(receiver: &str, podm_id: &str, key: &str) -> String {
    format!("{}{RECEIVE}/{podm_id}/{key}", receiver.trim_end_matches('/'))
}

/// The base URL in a destination of ours; `None` when it is not ours.
#[must_use]
pub fn receiver_of<'d>(destination: &'d str, podm_id: &str) -> Option<&'d str> {
    destination.split_once(&format!("{RECEIVE}/{podm_id}/")).map(|(receiver, _)| receiver)
}

/// The mark of this deployment's subscription at a Pod Manager.
#[must_use]
pub fn context(deployment: &str, podm_id: &str) -> String {
    format!("valence:{deployment}:{podm_id}")
}

/// All subscriptions of ours; more than one only where something went wrong. `None`: there is no event service.
///
/// # Errors
/// What the driver says.
pub async fn all(
    telemetry: &dyn TelemetryDriver,
    context: &str,
) -> Result<Option<Vec<SubscriptionView>>, RedfishError> {
    let found = telemetry.subscriptions().await?;
    Ok(found.map(|all| all.into_iter().filter(|s| s.context == context).collect()))
}

/// Removes one subscription. `saved` is what the checkpoint says before and after.
///
/// # Errors
/// What the Pod Manager answers, as a verdict.
pub async fn remove<S: Serialize + Sync>(
    ctx: &Context,
    telemetry: &dyn TelemetryDriver,
    path: &str,
    saved: &S,
) -> Result<(), Verdict> {
    let gone = hardware::change(ctx, saved, Some(saved), telemetry.unsubscribe(path)).await?;
    match gone {
        Ok(Begun::Done(()) | Begun::Monitor { .. }) => ctx.checkpoint(saved).await,
        Err(error) => Err(hardware::verdict(ctx, &error)),
    }
}

/// 404 for a Pod Manager that sends no events.
#[must_use]
pub fn no_service(podm: &str) -> Problem {
    Problem::not_found(format!("Pod Manager {podm} has no event service."))
}
