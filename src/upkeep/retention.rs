//! Removes ended tasks once they are old enough, in small batches.

use std::time::Duration;

use crate::config::TaskConfig;
use crate::ids::Bucket;
use crate::shutdown::Shutdown;
use crate::store::{Store, StoreError};

/// Tasks looked at in one step.
const STEP: u32 = 200;
/// Between two passes when there was nothing left to remove.
const PAUSE: Duration = Duration::from_secs(10);

pub(super) fn spawn(store: &Store, config: &TaskConfig, shutdown: &Shutdown) {
    let ages = [(false, config.retention.unsigned_abs()), (true, config.dead_letter_retention.unsigned_abs())];
    for bucket in store.options().buckets.iter() {
        let store = store.clone();
        super::spawn_loop("retention", shutdown, move || {
            let store = store.clone();
            async move {
                for (dead, age) in ages {
                    pass(&store, bucket, dead, age).await?;
                }
                Ok(PAUSE)
            }
        });
    }
}

/// Removes all that is old enough; says how many went.
///
/// # Errors
/// When Redis is away.
pub async fn pass(store: &Store, bucket: Bucket, dead: bool, age: Duration) -> Result<u32, StoreError> {
    let (mut from, mut removed) = (0, 0);
    loop {
        let (gone, next) = store.retain(bucket, dead, age, from, STEP).await?;
        removed += gone;
        from = next;
        if from == 0 && gone < STEP {
            return Ok(removed);
        }
    }
}
