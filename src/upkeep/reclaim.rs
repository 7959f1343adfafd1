//! Takes back the tasks of workers that have been silent for a lease.
//!
//! Not within one lease of a start or promotion of Redis: until then the living have had no chance to be heard.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Mutex;

use crate::observe::metrics;
use crate::shutdown::Shutdown;
use crate::store::upkeep::Reclaimed;
use crate::store::{Store, StoreError};

/// Most entries of a lane that one pass takes.
const MOST: usize = 200;

pub(super) fn spawn(store: &Store, shutdown: &Shutdown) {
    // A quarter of the lease, at most half a second: recovery of a dead worker's task is due within lease + 1 s.
    let wait = (store.options().lease / 4).min(Duration::from_millis(500));
    let reclaim = Arc::new(Reclaim::new(store.clone()));
    super::spawn_loop("reclaim", shutdown, move || {
        let reclaim = reclaim.clone();
        async move {
            reclaim.pass().await?;
            Ok(wait)
        }
    });
}

/// The pass, with its memory of which Redis it spoke to.
pub struct Reclaim {
    store: Store,
    seen: Mutex<Option<(String, Instant)>>,
}

impl Reclaim {
    /// A reclaim that has not seen Redis yet.
    #[must_use]
    pub fn new(store: Store) -> Self {
        Self { store, seen: Mutex::default() }
    }

    /// One pass over all buckets.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn pass(&self) -> Result<Reclaimed, StoreError> {
        let mut sum = Reclaimed::default();
        if !self.may_reclaim().await? {
            return Ok(sum);
        }
        for bucket in self.store.options().buckets.iter() {
            let some = match self.store.reclaim(bucket, MOST).await {
                Ok(some) => some,
                Err(error) => {
                    // The other buckets may live on another server.
                    tracing::warn!(%bucket, %error, "cannot reclaim");
                    continue;
                }
            };
            sum.requeued += some.requeued;
            sum.quarantined += some.quarantined;
            sum.dead += some.dead;
        }
        let reclaimed = &metrics::get().upkeep.reclaimed;
        for (word, n) in [("requeued", sum.requeued), ("quarantined", sum.quarantined), ("dead", sum.dead)] {
            reclaimed.with_label_values(&[word]).inc_by(n.into());
        }
        if sum != Reclaimed::default() {
            tracing::info!(requeued = sum.requeued, quarantined = sum.quarantined, dead = sum.dead, "reclaimed");
        }
        Ok(sum)
    }

    /// Whether this Redis has been what it is for a lease at least.
    async fn may_reclaim(&self) -> Result<bool, StoreError> {
        let lease = self.store.options().lease;
        let (identity, uptime_ms) = self.store.redis_identity().await?;
        let mut seen = self.seen.lock().await;
        let since = match &mut *seen {
            Some((known, since)) if *known == identity => *since,
            // The first look of this process: how long Redis has been up says the rest.
            None => {
                let up = Duration::from_millis(uptime_ms);
                let since = Instant::now().checked_sub(up.min(lease)).unwrap_or_else(Instant::now);
                *seen = Some((identity, since));
                since
            }
            Some(_) => {
                tracing::info!("Redis was restarted or promoted; waiting one lease before anything is reclaimed");
                let now = Instant::now();
                *seen = Some((identity, now));
                now
            }
        };
        Ok(since.elapsed() >= lease)
    }
}
