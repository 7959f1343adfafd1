//! Walks over all live tasks, slowly and for ever, and puts back what is not where its state says; also keeps the deployment's
//! settings recorded, should Redis have been emptied.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::observe::metrics;
use crate::shutdown::Shutdown;
use crate::store::{Store, StoreError};

/// Live tasks looked at in one step.
const STEP: u32 = 500;
/// Between two steps.
const PAUSE: Duration = Duration::from_secs(1);

pub(super) fn spawn(store: &Store, shutdown: &Shutdown) {
    for bucket in store.options().buckets.iter() {
        let (store, next) = (store.clone(), Arc::new(AtomicU64::new(0)));
        super::spawn_loop("repair", shutdown, move || {
            let (store, next) = (store.clone(), next.clone());
            async move {
                let repaired = store.repair(bucket, next.load(Ordering::Relaxed), STEP, false).await?;
                next.store(repaired.next, Ordering::Relaxed);
                let count = u64::try_from(repaired.found.len()).unwrap_or(0);
                metrics::get().upkeep.repaired.with_label_values::<&str>(&[]).inc_by(count);
                for what in &repaired.found {
                    tracing::warn!(%bucket, what, "repaired");
                }
                if repaired.next == 0
                    && let Err(error) = store.agree_on_meta().await
                {
                    tracing::warn!(%error, "the deployment's settings do not agree");
                }
                Ok(PAUSE)
            }
        });
    }
}

/// Looks at everything once; for `valence doctor` and tests.
///
/// # Errors
/// When Redis is away.
pub async fn whole_pass(store: &Store, look_only: bool) -> Result<Vec<String>, StoreError> {
    let mut found = Vec::new();
    for bucket in store.options().buckets.iter() {
        let mut next = 0;
        loop {
            let repaired = store.repair(bucket, next, STEP, look_only).await?;
            found.extend(repaired.found);
            next = repaired.next;
            if next == 0 {
                break;
            }
        }
    }
    Ok(found)
}
