//! Redis's clock, as seen from this process: the only clock that counts for due times, leases and ids.
//!
//! A sample of `TIME` plus the monotonic time since it arrived. The estimate never runs ahead of Redis (the sample is already a
//! little old when it arrives), so an id is never younger than what a script reads afterwards. A jump of the host's wall clock
//! changes nothing.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Instant;

/// Shared by all parts of a process; cheap to clone.
#[derive(Clone)]
pub struct ServerClock(Arc<RwLock<(Instant, u64)>>);

impl ServerClock {
    /// A clock that starts at `now_ms`, Redis's time at this moment.
    #[must_use]
    pub fn new(now_ms: u64) -> Self {
        Self(Arc::new(RwLock::new((Instant::now(), now_ms))))
    }

    /// Takes over a newer sample.
    pub fn sync(&self, now_ms: u64) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = (Instant::now(), now_ms);
    }

    /// Redis's time, ms since 1970.
    #[must_use]
    pub fn now_ms(&self) -> u64 {
        let (taken, ms) = *self.0.read().unwrap_or_else(PoisonError::into_inner);
        ms + u64::try_from(taken.elapsed().as_millis()).unwrap_or(u64::MAX / 2)
    }
}
