//! `telemetry.collect`: reads everything that a Pod Manager measures and keeps the latest of it.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::model::params::Collect;
use crate::model::problem::Problem;
use crate::podm::Readings;
use crate::service::{Context, Verdict, hardware};
use crate::store::readings::Latest;

/// How long readings that somebody asked for count as fresh, s.
const FRESH_S: u64 = 300;

/// Collects, and says how many readings of which kind there were.
///
/// # Errors
/// 404 when the Pod Manager is not registered; 501 when its driver measures nothing; what the Pod Manager answers. One of many that finds
/// it away ends well, with the error in its result: the next one comes soon.
pub async fn run(ctx: &Context) -> Result<Value, Verdict> {
    let Collect { every_s } = ctx.params()?;
    let podm = ctx.podm_record().await?;
    let driver = hardware::connect(ctx, &podm)?;
    let Some(telemetry) = driver.telemetry() else {
        return Err(Problem::podm(
            501,
            "Not Implemented",
            "Not Implemented",
            format!("the driver {} measures nothing", podm.driver),
        )
        .into());
    };
    let began_ms = ctx.now_ms();
    let read = ctx.reading(telemetry.readings()).await?;
    let Readings { all, incomplete } = match read {
        Ok(read) => read,
        Err(error) if every_s.is_some() => {
            tracing::info!(podm = %podm.name, %error, "readings not collected");
            return Ok(json!({ "podm_id": podm.uuid, "readings": 0, "error": error.problem().detail }));
        }
        Err(error) => return Err(hardware::verdict(ctx, &error)),
    };
    let mut kinds: BTreeMap<&str, u64> = BTreeMap::new();
    for reading in &all {
        *kinds.entry(reading.kind.as_str()).or_default() += 1;
    }
    let unknown = all.iter().filter(|r| r.value.is_none()).count();
    let count = all.len();
    let fresh_s = every_s.map_or(FRESH_S, |s| (3 * s).max(1));
    let dropped = ctx.put_readings(&podm.uuid, Latest { at_ms: began_ms, fresh_s, rows: all }).await?;
    Ok(json!({
        "podm_id": podm.uuid, "readings": count, "kinds": kinds, "unknown": unknown, "dropped": dropped,
        "incomplete": incomplete.into_iter().take(50).collect::<Vec<_>>(),
    }))
}

/// Readings are true, whatever becomes of the task.
///
/// # Errors
/// None.
pub async fn undo(_ctx: &Context) -> Result<(), Verdict> {
    Ok(())
}
