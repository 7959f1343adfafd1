//! `subscription.list`: the event subscriptions at Pod Managers, live. Addresses are shown without the secrets in them.

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::own;
use crate::model::kind;
use crate::model::params::SubscriptionFilter;
use crate::model::podm::Podm;
use crate::model::problem::Problem;
use crate::podm::SubscriptionView;
use crate::service::{ReadContext, hardware};
use crate::store::records::Collection;

/// All subscriptions; `own` ones are this deployment's. A Pod Manager of several that does not answer is left out and logged.
///
/// # Errors
/// 404 for an unknown Pod Manager; what one answers that is asked alone.
pub async fn list(ctx: &ReadContext, params: Value) -> Result<Value, Problem> {
    let SubscriptionFilter { podm_id } = kind::read(&params)?;
    let alone = podm_id.is_some();
    let podms = match &podm_id {
        Some(id) => vec![super::readings::podm(ctx, id).await?],
        None => ctx.records::<Podm>(Collection::Podm).await?,
    };
    let limited = ctx.within(if alone { ctx.left() } else { ctx.left() / 2 });
    let answers = join_all(podms.iter().map(|podm| ask(&limited, podm))).await;
    let mut shown = Vec::new();
    for (podm, answer) in podms.iter().zip(answers) {
        match answer {
            Ok(all) => shown.extend(all.iter().map(|s| show(ctx, podm, s))),
            Err(problem) if alone => return Err(problem),
            Err(problem) => tracing::warn!(podm = %podm.name, error = %problem.detail, "its subscriptions are missing"),
        }
    }
    Ok(Value::Array(shown))
}

async fn ask(ctx: &ReadContext, podm: &Podm) -> Result<Vec<SubscriptionView>, Problem> {
    let driver = hardware::reader(ctx, podm)?;
    let Some(telemetry) = driver.telemetry() else { return Ok(Vec::new()) };
    let read = async { telemetry.subscriptions().await.map_err(|e| e.problem()) };
    Ok(ctx.at_podm(podm, read).await?.unwrap_or_default())
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
