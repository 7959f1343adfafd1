//! `subscription.list`: the event subscriptions at Pod Managers, live. Addresses are shown without the secrets in them.

use std::sync::Arc;

use serde_json::{Value, json};

use super::own;
use crate::model::kind;
use crate::model::params::SubscriptionFilter;
use crate::model::podm::Podm;
use crate::model::problem::Problem;
use crate::podm::{Driver, SubscriptionView};
use crate::service::{ReadContext, gather};

/// All subscriptions as `items`; `own` ones are this deployment's. `incomplete` has the ids of the Pod Managers that did not answer.
///
/// # Errors
/// As [`gather::list`].
pub async fn list(ctx: &ReadContext, params: Value) -> Result<Value, Problem> {
    let SubscriptionFilter { podm_id } = kind::read(&params)?;
    let ask = |driver: Arc<dyn Driver>| async move {
        let Some(telemetry) = driver.telemetry() else { return Ok(Vec::new()) };
        Ok(telemetry.subscriptions().await.map_err(|e| e.problem())?.unwrap_or_default())
    };
    gather::list_as(ctx, podm_id.as_deref(), ask, |podm, found: SubscriptionView| show(ctx, podm, &found)).await
}

fn show(ctx: &ReadContext, podm: &Podm, s: &SubscriptionView) -> Value {
    let own = s.context == own::context(ctx.deployment(), &podm.uuid);
    // Ours has a key behind the base URL; what others have in theirs is theirs.
    let origin = || url::Url::parse(&s.destination).map(|u| u.origin().ascii_serialization()).unwrap_or_default();
    let destination = own::receiver_of(&s.destination, &podm.uuid).filter(|_| own).map_or_else(origin, str::to_owned);
    json!({
        "podm_id": podm.uuid, "resource_uri": s.path, "own": own, "receiver": destination, "context": s.context,
        "protocol": s.protocol, "event_types": s.event_types,
    })
}
