//! Fires schedules: each nominal time once, however many schedulers run.
//!
//! A firing is an enqueue under the key `schedule:<id>:<nominal time>`, followed by moving the schedule on. A crash between the two
//! fires again under the same key, which makes nothing new. Times missed while no scheduler ran come down to the last one.

use std::time::Duration;

use crate::model::recurrence::{Recurrence, jitter_ms};
use crate::model::task::Definition;
use crate::shutdown::Shutdown;
use crate::store::records::Collection;
use crate::store::schedules::Schedule;
use crate::store::submit::{IdempotencyKey, SubmitError};
use crate::store::{Store, StoreError};

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(500);

pub(super) fn spawn(store: &Store, shutdown: &Shutdown) {
    let store = store.clone();
    super::spawn_loop("schedules", shutdown, move || {
        let store = store.clone();
        async move {
            pass(&store, store.clock().now_ms()).await?;
            Ok(PAUSE)
        }
    });
}

/// Fires what is due at `now_ms`; says how many tasks were made.
///
/// # Errors
/// When Redis is away.
pub async fn pass(store: &Store, now_ms: u64) -> Result<u32, StoreError> {
    let mut fired = 0;
    let schedules: Vec<Schedule> = store.records(Collection::Schedule).await?;
    for schedule in schedules.into_iter().filter(|s| s.enabled) {
        match look_at(store, &schedule, now_ms).await {
            Ok(made) => fired += u32::from(made),
            Err(error) if error.is_transient() => return Err(error),
            // A broken schedule does not stop the others.
            Err(error) => tracing::error!(schedule = %schedule.id, %error, "a schedule cannot be fired"),
        }
    }
    Ok(fired)
}

async fn look_at(store: &Store, schedule: &Schedule, now_ms: u64) -> Result<bool, StoreError> {
    let rule = Recurrence::parse(schedule.cron.as_deref(), schedule.every_s, &schedule.time_zone);
    let rule = rule.map_err(|e| StoreError::corrupt(format!("schedule {}", schedule.id), e))?;
    let Some(next) = store.schedule_next(&schedule.id).await? else {
        // New, or Redis was emptied: it begins with the next nominal time.
        if let Some(next) = rule.next_after(now_ms) {
            store.set_schedule_next(&schedule.id, next).await?;
        }
        return Ok(false);
    };
    let key = format!("schedule:{}:{next}", schedule.id);
    if now_ms < next + jitter_ms(&key, schedule.jitter_s) {
        return Ok(false);
    }
    let nominal = rule.last_between(next, now_ms).unwrap_or(next);
    let made = fire(store, schedule, nominal).await?;
    if let Some(next) = rule.next_after(nominal.max(now_ms)) {
        store.set_schedule_next(&schedule.id, next).await?;
    }
    Ok(made)
}

async fn fire(store: &Store, schedule: &Schedule, nominal_ms: u64) -> Result<bool, StoreError> {
    let key = format!("schedule:{}:{nominal_ms}", schedule.id);
    let def: Definition = serde_json::from_value(schedule.task.clone())
        .map_err(|e| StoreError::corrupt(format!("schedule {}", schedule.id), e))?;
    let key = IdempotencyKey { caller: "schedule".into(), key, fingerprint: "schedule".into() };
    match store.submit(def, None, Some(key)).await {
        Ok(submitted) => {
            store.note_firing(&schedule.id, nominal_ms, &submitted.id.to_string()).await?;
            Ok(submitted.new)
        }
        Err(SubmitError::Store(error)) => Err(error),
        Err(SubmitError::Refused(problem)) => {
            tracing::warn!(schedule = %schedule.id, error = %problem.detail, "a firing was refused");
            store.note_refusal(&schedule.id, nominal_ms, &problem.detail).await?;
            Ok(false)
        }
    }
}
