//! `reading.list`: the latest readings, each with its age. Old ones are shown as old.

use std::time::Duration;

use serde_json::{Value, json};

use crate::model::kind;
use crate::model::node::Node;
use crate::model::params::ReadingFilter;
use crate::model::podm::{Podm, PodmStatus};
use crate::model::problem::Problem;
use crate::model::reading::Reading;
use crate::model::v1time::rfc3339;
use crate::podm::Surroundings;
use crate::service::{ReadContext, hardware};
use crate::store::records::Collection;

/// The readings that fit, Pod Manager by Pod Manager.
///
/// # Errors
/// 404 for an unknown Pod Manager or node; for a node, what its Pod Manager answers.
pub async fn list(ctx: &ReadContext, params: Value) -> Result<Value, Problem> {
    let filter: ReadingFilter = kind::read(&params)?;
    let node = match &filter.node_id {
        Some(id) => {
            let missing = || Problem::not_found(format!("Composed node '{id}' not found in database."));
            Some(ctx.record::<Node>(Collection::Node, id).await?.ok_or_else(missing)?)
        }
        None => None,
    };
    let asked = filter.podm_id.clone().or_else(|| node.as_ref().map(|n| n.podm_id.clone()));
    let podms = match asked {
        Some(id) => vec![podm(ctx, &id).await?],
        None => ctx.records::<Podm>(Collection::Podm).await?,
    };
    let around = match &node {
        Some(node) => Some(surroundings(ctx, &podm(ctx, &node.podm_id).await?, &node.resource_uri).await?),
        None => None,
    };
    let now = ctx.now_ms();
    let mut shown = Vec::new();
    for podm in podms.iter().filter(|p| node.as_ref().is_none_or(|n| n.podm_id == p.uuid)) {
        let Some(latest) = ctx.readings(&podm.uuid).await? else { continue };
        let age = Duration::from_millis(now.saturating_sub(latest.at_ms)).as_secs_f64();
        let stale = age > Duration::from_secs(latest.fresh_s).as_secs_f64() || podm.status == PodmStatus::Offline;
        let fits = |r: &&Reading| {
            filter.kind.is_none_or(|k| k == r.kind)
                && filter.name.as_ref().is_none_or(|n| *n == r.name)
                && around.as_ref().is_none_or(|around| is_near(r, around))
        };
        for reading in latest.rows.iter().filter(fits) {
            let mut row = serde_json::to_value(reading).map_err(|e| Problem::internal(e.to_string()))?;
            row["podm_id"] = json!(podm.uuid);
            row["read_at"] = json!(rfc3339(latest.at_ms));
            row["age_s"] = json!((age * 1000.0).round() / 1000.0);
            row["stale"] = json!(stale);
            shown.push(row);
        }
    }
    Ok(Value::Array(shown))
}

pub(super) async fn podm(ctx: &ReadContext, id: &str) -> Result<Podm, Problem> {
    let missing = || Problem::not_found(format!("Pod Manager {id} not found in database."));
    ctx.record::<Podm>(Collection::Podm, id).await?.ok_or_else(missing)
}

async fn surroundings(ctx: &ReadContext, podm: &Podm, node: &str) -> Result<Surroundings, Problem> {
    let driver = hardware::reader(ctx, podm)?;
    let Some(telemetry) = driver.telemetry() else { return Ok(Surroundings::default()) };
    let read = async { telemetry.surroundings(node).await.map_err(|e| e.problem()) };
    ctx.at_podm(podm, read).await
}

fn is_near(reading: &Reading, around: &Surroundings) -> bool {
    let same = |paths: &[String], path: &Option<String>| {
        path.as_ref().is_some_and(|p| paths.iter().any(|q| p.trim_end_matches('/') == q.trim_end_matches('/')))
    };
    same(&around.systems, &reading.system) || same(&around.chassis, &reading.chassis)
}
