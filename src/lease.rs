//! A claim's lease, as its holder sees it on its own monotonic clock.
//!
//! Pessimistic on purpose: it counts from *before* the call that got or extended it, so it is over here no later than in Redis. A worker
//! stops touching hardware when it may be over; what it writes to Redis is fenced by the claim token anyway.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

/// Whoever waits so long for one answer, or for one write, lends its slot.
const LONG: Duration = Duration::from_secs(1);
/// What a read is given at least, however long its client has waited: as long as a connection may take.
const LEAST: Duration = Duration::from_secs(5);

/// A worker's slot, held while an attempt runs. Who waits for somebody else needs none: the slot is given back early, and a place among so
/// many that wait held in its stead, so that a worker's tasks have a bound all the same.
pub struct Slot {
    /// What is held, and whether the slot is lent.
    held: Mutex<(Option<OwnedSemaphorePermit>, bool)>,
    waiting: Arc<Semaphore>,
    unwritten: Option<Arc<Semaphore>>,
}

impl Slot {
    /// A slot that was taken, the places of those that wait, and of those that wait for Redis, where somebody gains by that.
    #[must_use]
    pub fn new(held: Option<OwnedSemaphorePermit>, waiting: Arc<Semaphore>, unwritten: Option<Arc<Semaphore>>) -> Self {
        Self { held: Mutex::new((held, false)), waiting, unwritten }
    }

    /// Waits; when it takes long, others get the slot.
    async fn lending<T>(&self, places: &Arc<Semaphore>, coming: impl Future<Output = T>) -> T {
        let mut coming = std::pin::pin!(coming);
        if let Ok(come) = tokio::time::timeout(LONG, &mut coming).await {
            return come;
        }
        self.lend(places);
        coming.await
    }

    /// Gives the slot to others, once; where too many wait already it is kept.
    fn lend(&self, places: &Arc<Semaphore>) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if !held.1
            && let Ok(place) = Arc::clone(places).try_acquire_owned()
        {
            *held = (Some(place), true);
        }
    }

    /// The attempt is over: gives back whatever is held.
    pub fn leave(&self) {
        *self.held.lock().unwrap_or_else(PoisonError::into_inner) = (None, true);
    }
}

/// Shared by the worker that extends it and the handler that works under it.
#[derive(Clone)]
pub struct Lease {
    until: Arc<Mutex<Instant>>,
    lost: CancellationToken,
    cut: CancellationToken,
    slot: Option<Arc<Slot>>,
    /// Until when somebody waits for the attempt to begin, and whether it has.
    patience: Option<(Instant, Arc<AtomicBool>)>,
}

impl Lease {
    /// A lease of `length` that was asked for at `asked`.
    #[must_use]
    pub fn new(asked: Instant, length: Duration) -> Self {
        Self {
            until: Arc::new(Mutex::new(asked + length)),
            lost: CancellationToken::new(),
            cut: CancellationToken::new(),
            slot: None,
            patience: None,
        }
    }

    /// The same of an attempt that runs in a slot.
    #[must_use]
    pub fn in_slot(self, slot: &Arc<Slot>) -> Self {
        Self { slot: Some(Arc::clone(slot)), ..self }
    }

    /// The same of an attempt that has changed nothing yet, and whose client waits so long for it to begin.
    #[must_use]
    pub fn begun_within(self, patience: Duration) -> Self {
        Self { patience: Some((Instant::now() + patience, Arc::default())), ..self }
    }

    /// How long a read may take; `None` when nobody waits for it, or what has begun is brought to its end.
    #[must_use]
    pub fn patience(&self) -> Option<Duration> {
        let (until, begun) = self.patience.as_ref()?;
        let left = until.saturating_duration_since(Instant::now()).max(LEAST);
        (!begun.load(Ordering::SeqCst)).then_some(left)
    }

    /// A change is about to be sent.
    pub fn begin(&self) {
        if let Some((_, begun)) = &self.patience {
            begun.store(true, Ordering::SeqCst);
        }
    }

    /// Waits for something that is not this worker's work: when it takes long, others get the slot.
    pub async fn lending<T>(&self, coming: impl Future<Output = T>) -> T {
        match &self.slot {
            Some(slot) => slot.lending(&slot.waiting, coming).await,
            None => coming.await,
        }
    }

    /// Waits until Redis has written what the task left: when its server hangs, tasks of others' buckets get the slot.
    pub async fn writing<T>(&self, written: impl Future<Output = T>) -> T {
        match self.slot.as_ref().and_then(|slot| Some((slot, slot.unwritten.as_ref()?))) {
            Some((slot, places)) => slot.lending(places, written).await,
            None => written.await,
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
        Self {
            until: Arc::clone(&self.until),
            lost: self.lost.clone(),
            cut: CancellationToken::new(),
            slot: self.slot.clone(),
            patience: None,
        }
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
    async fn who_waits_long_lends_its_slot_while_there_are_places_to_wait_and_leaves_nothing_held() {
        let (slots, waiting) = (Arc::new(Semaphore::new(2)), Arc::new(Semaphore::new(1)));
        let enter = || {
            let slot = Arc::new(Slot::new(Arc::clone(&slots).try_acquire_owned().ok(), Arc::clone(&waiting), None));
            (Lease::new(Instant::now(), Duration::from_secs(60)).in_slot(&slot), slot)
        };
        let ((one, first), (two, second)) = (enter(), enter());
        one.lending(std::future::ready(())).await;
        assert_eq!(slots.available_permits(), 0, "a quick answer lends nothing");
        tokio::select! {
            () = one.lending(std::future::pending()) => {}
            lent = slots.acquire() => drop(lent),
        }
        assert_eq!((slots.available_permits(), waiting.available_permits()), (1, 0));
        two.lending(tokio::time::sleep(LONG * 2)).await;
        assert_eq!(slots.available_permits(), 1, "there is no place to wait, so the slot is kept");
        first.leave();
        second.leave();
        assert_eq!((slots.available_permits(), waiting.available_permits()), (2, 1));
    }

    #[tokio::test]
    async fn who_waits_for_a_write_lends_its_slot_where_buckets_have_places_for_that() {
        let (slots, waiting) = (Arc::new(Semaphore::new(1)), Arc::new(Semaphore::new(0)));
        let enter = |unwritten: Option<&Arc<Semaphore>>| {
            let held = Arc::clone(&slots).try_acquire_owned().ok();
            let slot = Arc::new(Slot::new(held, Arc::clone(&waiting), unwritten.cloned()));
            (Lease::new(Instant::now(), Duration::from_secs(60)).in_slot(&slot), slot)
        };
        let (only, slot) = enter(None);
        only.writing(tokio::time::sleep(LONG * 2)).await;
        assert_eq!(slots.available_permits(), 0, "the one bucket's tasks wait for the one server, each in its slot");
        slot.leave();
        let places = Arc::new(Semaphore::new(1));
        let (one, first) = enter(Some(&places));
        tokio::select! {
            () = one.writing(std::future::pending()) => {}
            lent = slots.acquire() => drop(lent),
        }
        let (two, second) = enter(Some(&places));
        two.writing(tokio::time::sleep(LONG * 2)).await;
        assert_eq!((slots.available_permits(), places.available_permits()), (0, 0), "as many as there are places");
        first.leave();
        second.leave();
        assert_eq!((slots.available_permits(), places.available_permits()), (1, 1));
    }

    #[test]
    fn reads_are_given_up_with_the_client_s_patience_until_a_change_is_sent() {
        let lease = Lease::new(Instant::now(), Duration::from_secs(60));
        assert_eq!(lease.patience(), None, "nobody waits");
        let waited_for = lease.begun_within(Duration::from_secs(30));
        assert!(waited_for.patience().is_some_and(|left| left > Duration::from_secs(20)));
        assert_eq!(waited_for.for_undo().patience(), None);
        waited_for.clone().begin();
        assert_eq!(waited_for.patience(), None, "what has begun is brought to its end");
        let late = Lease::new(Instant::now(), Duration::from_secs(60)).begun_within(Duration::ZERO);
        assert_eq!(late.patience(), Some(LEAST), "a task that came late to its turn is given a moment");
    }

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
