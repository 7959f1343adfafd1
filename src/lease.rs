//! A claim's lease, as its holder sees it on its own monotonic clock.
//!
//! Pessimistic on purpose: it counts from *before* the call that got or extended it, so it is over here no later than in Redis. A worker
//! stops touching hardware when it may be over; what it writes to Redis is fenced by the claim token anyway.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

/// Shared by the worker that extends it and the handler that works under it.
#[derive(Clone)]
pub struct Lease {
    until: Arc<Mutex<Instant>>,
    lost: CancellationToken,
    cut: CancellationToken,
}

impl Lease {
    /// A lease of `length` that was asked for at `asked`.
    #[must_use]
    pub fn new(asked: Instant, length: Duration) -> Self {
        Self {
            until: Arc::new(Mutex::new(asked + length)),
            lost: CancellationToken::new(),
            cut: CancellationToken::new(),
        }
    }

    /// Takes over an extension that was asked for at `asked`.
    pub fn extend(&self, asked: Instant, length: Duration) {
        let mut until = self.until.lock().unwrap_or_else(PoisonError::into_inner);
        *until = (*until).max(asked + length);
    }

    /// Whether the claim can still be believed.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        !self.lost.is_cancelled() && self.left() > Duration::ZERO
    }

    /// Time left.
    #[must_use]
    pub fn left(&self) -> Duration {
        self.until.lock().unwrap_or_else(PoisonError::into_inner).saturating_duration_since(Instant::now())
    }

    /// Redis said that the claim is somebody else's.
    pub fn lose(&self) {
        self.lost.cancel();
    }

    /// The attempt should have ended by now: requests under way are given up, and count as unanswered.
    pub fn cut(&self) {
        self.cut.cancel();
    }

    /// Ends when requests under way are to be given up.
    pub async fn is_cut(&self) {
        self.cut.cancelled().await;
    }

    /// The same lease for the attempt's undo, whose requests are given time again.
    #[must_use]
    pub fn for_undo(&self) -> Self {
        Self { until: Arc::clone(&self.until), lost: self.lost.clone(), cut: CancellationToken::new() }
    }

    /// Ends when the claim is lost: told so by Redis, or not extended in time.
    pub async fn lost(&self) {
        loop {
            let left = self.left();
            if left.is_zero() || self.lost.is_cancelled() {
                return;
            }
            tokio::select! {
                () = self.lost.cancelled() => return,
                () = tokio::time::sleep(left) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_is_over_when_nobody_extends_it_and_when_redis_says_so() {
        let lease = Lease::new(Instant::now(), Duration::from_secs(60));
        assert!(lease.is_valid());
        lease.lose();
        assert!(!lease.is_valid());
        lease.lost().await;
        let past = Lease::new(Instant::now() - Duration::from_secs(2), Duration::from_secs(1));
        assert!(!past.is_valid());
        past.extend(Instant::now(), Duration::from_secs(60));
        assert!(past.is_valid());
    }
}
