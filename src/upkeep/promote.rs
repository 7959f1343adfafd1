//! Puts due tasks into their streams: retries, schedules, parked and waiting ones.

use std::time::Duration;

use crate::ids::Bucket;
use crate::observe::metrics;
use crate::shutdown::Shutdown;
use crate::store::{Store, StoreError};

/// Most tasks one call promotes: keeps it short.
const MOST: u32 = 200;
/// Longest sleep: a task that becomes due earlier than anything known is late by at most this.
const LONGEST: Duration = Duration::from_millis(200);

pub(super) fn spawn(store: &Store, shutdown: &Shutdown) {
    for bucket in store.options().buckets.iter() {
        let store = store.clone();
        super::spawn_loop("promote", shutdown, move || {
            let store = store.clone();
            async move { pass(&store, bucket).await }
        });
    }
}

/// One pass over a bucket; says when the next is worth while.
///
/// # Errors
/// When Redis is away.
pub async fn pass(store: &Store, bucket: Bucket) -> Result<Duration, StoreError> {
    loop {
        let (promoted, next_ms) = store.promote(bucket, MOST).await?;
        metrics::get().upkeep.promoted.with_label_values::<&str>(&[]).inc_by(promoted.into());
        if promoted < MOST {
            return Ok(next_ms.map_or(LONGEST, |ms| Duration::from_millis(ms).min(LONGEST)));
        }
    }
}
