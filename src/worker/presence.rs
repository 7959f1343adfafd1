//! Says that this worker is there; keeps Redis's time at hand.

use std::sync::Arc;

use super::Worker;
use crate::model::v1time::rfc3339;
use crate::shutdown::{Shutdown, sleep_or_stop};
use crate::store::StoreError;
use crate::store::workers::{self, presence_times};

pub(super) fn spawn(worker: &Arc<Worker>, shutdown: &Shutdown) {
    let (refresh, _) = presence_times(worker.lease);
    let (worker, token, drained) = (worker.clone(), shutdown.token(), shutdown.drained());
    let started_at = rfc3339(worker.store.clock().now_ms());
    shutdown.spawn("presence", async move {
        let mut shown = (0, 0);
        loop {
            let presence = workers::Worker {
                id: worker.id.clone(),
                topics: worker.topics.clone(),
                slots: u32::try_from(worker.slots).unwrap_or(u32::MAX),
                busy: u32::try_from(worker.running.count()).unwrap_or(u32::MAX),
                sync_slots: u32::try_from(worker.sync_slots).unwrap_or(u32::MAX),
                version: env!("CARGO_PKG_VERSION").to_owned(),
                host: super::host(),
                started_at: started_at.clone(),
                draining: token.is_cancelled(),
            };
            show(&mut shown, busy_and_free(presence.busy, presence.slots));
            if let Err(error) = announce(&worker, &presence).await {
                tracing::warn!(%error, "presence not written");
            }
            if !sleep_or_stop(&drained, refresh).await {
                break;
            }
        }
        show(&mut shown, (0, 0));
        if let Err(error) = worker.store.leave(&worker.id).await {
            tracing::debug!(%error, "presence not removed; it lapses");
        }
        Ok::<(), StoreError>(())
    });
}

/// Attempts that wait for an answer lend their slots: more can be under way than there are, and none is free then.
fn busy_and_free(busy: u32, slots: u32) -> (i64, i64) {
    (busy.into(), slots.saturating_sub(busy).into())
}

/// Shows busy and free slots. As a difference: several workers of one process add up.
fn show(shown: &mut (i64, i64), now: (i64, i64)) {
    let slots = &crate::observe::metrics::get().work.slots;
    slots.with_label_values(&["busy"]).add(now.0 - shown.0);
    slots.with_label_values(&["free"]).add(now.1 - shown.1);
    *shown = now;
}

async fn announce(worker: &Worker, presence: &workers::Worker) -> Result<(), StoreError> {
    worker.store.sync_clock().await?;
    worker.store.announce(presence).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_slots_are_lent_none_is_free_and_never_less_than_none() {
        assert_eq!(busy_and_free(3, 8), (3, 5));
        assert_eq!(busy_and_free(12, 8), (12, 0));
    }
}
