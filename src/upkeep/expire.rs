//! Removes reads that nobody waits for any more, and the consumers of workers that are gone.

use std::time::Duration;

use crate::ids::Bucket;
use crate::model::topic::Topic;
use crate::shutdown::Shutdown;
use crate::store::{Store, StoreError};

/// Between two passes.
const PAUSE: Duration = Duration::from_secs(5);

pub(super) fn spawn(store: &Store, longest: Duration, shutdown: &Shutdown) {
    for bucket in store.options().buckets.iter() {
        let store = store.clone();
        super::spawn_loop("expire", shutdown, move || {
            let store = store.clone();
            async move {
                pass(&store, bucket, longest).await?;
                Ok(PAUSE)
            }
        });
    }
}

/// One pass over a bucket.
///
/// # Errors
/// When Redis is away.
pub async fn pass(store: &Store, bucket: Bucket, longest: Duration) -> Result<(), StoreError> {
    for topic in Topic::ALL {
        // A little later than the deadline: the worker that holds it drops it then.
        while store.expire_sync(bucket, topic, longest + Duration::from_secs(5)).await? == 500 {}
    }
    store.drop_idle_consumers(bucket).await?;
    Ok(())
}
