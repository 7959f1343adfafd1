//! How many of a worker's slots a claim takes, so that its calls are few and a server that hangs holds up nobody else's tasks.
//!
//! Of one bucket a claim takes all that are free. Several buckets with a backlog take turns, in the order of asking, and each may take a
//! good part of all slots: a share for each of sixteen would make sixteen small calls, and a call costs Redis several times what it
//! carries. Each takes a share of what is free after all
//! - while a call is not answered: its server hangs, and the next calls to it would keep a part of the slots each until none is left;
//! - while slots come free slowly: calls are few then, and urgent tasks would wait for the turn of their bucket behind large parts.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::{Mutex, OwnedMutexGuard, OwnedSemaphorePermit};

use super::running::Running;
use crate::ids::Buckets;
use crate::store::claims::MOST_CLAIMED;

/// A turn brings at most one slot of so many: what is lost to a server that hangs leaves enough for all others.
const PART: usize = 4;
/// A call that is not answered in this time is of a server that hangs, or is as slow as one.
const LATE: Duration = Duration::from_millis(200);
/// Where a slot is waited for so long, a round of sixteen turns takes a third of a second.
const SLOW: Duration = Duration::from_millis(20);

/// Who may take how many slots.
pub(super) struct Turns {
    slots: usize,
    buckets: usize,
    /// Until when slots come free slowly, as far as is known. Locked by the bucket whose turn it is.
    turn: Arc<Mutex<Instant>>,
    /// Calls under way that are late.
    late: AtomicUsize,
}

/// That it is a bucket's turn. Given on by dropping it.
pub(super) type Turn = OwnedMutexGuard<Instant>;

impl Turns {
    pub(super) fn new(slots: usize, buckets: Buckets) -> Self {
        let turn = Arc::new(Mutex::new(Instant::now()));
        Self { slots, buckets: buckets.count().into(), turn, late: AtomicUsize::new(0) }
    }

    /// Waits for a slot, and with a backlog for the bucket's turn first. In doubt it needs none where others do: what was claimed is brought
    /// whatever is free, and the server that did not answer may not answer again.
    pub(super) async fn slot(
        &self,
        running: &Running,
        backlog: bool,
        doubt: bool,
    ) -> (Option<Turn>, Option<OwnedSemaphorePermit>) {
        if self.buckets > 1 && doubt {
            return (None, None);
        }
        if self.buckets == 1 || !backlog {
            return (None, running.slot().await);
        }
        let mut turn = Arc::clone(&self.turn).lock_owned().await;
        let asked = Instant::now();
        let slot = running.slot().await;
        let (now, waited) = (Instant::now(), asked.elapsed());
        if waited > SLOW {
            *turn = now + waited;
        }
        let shared = now < *turn || self.late.load(Ordering::SeqCst) > 0;
        ((!shared).then_some(turn), slot)
    }

    /// How many slots a claim may take, when so many are free.
    pub(super) fn most(&self, turn: Option<&Turn>, free: usize) -> usize {
        turn.map_or_else(|| free.div_ceil(self.buckets), |_| self.part())
    }

    /// How many slots are worth a moment's wait.
    pub(super) fn many(&self, turn: Option<&Turn>) -> usize {
        turn.map_or_else(|| self.slots / self.buckets, |_| self.part())
    }

    fn part(&self) -> usize {
        self.slots.div_ceil(self.buckets.min(PART)).min(MOST_CLAIMED)
    }

    /// Waits for the answer to a claim. The turn is given on when it has come, or is late.
    pub(super) async fn answered<T>(&self, turn: Option<Turn>, claim: impl Future<Output = T>) -> T {
        let mut claim = std::pin::pin!(claim);
        if self.buckets == 1 {
            return claim.await;
        }
        if let Ok(answer) = tokio::time::timeout(LATE, &mut claim).await {
            return answer;
        }
        self.late.fetch_add(1, Ordering::SeqCst);
        drop(turn);
        let answer = claim.await;
        self.late.fetch_sub(1, Ordering::SeqCst);
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(slots: usize, buckets: u16) -> Option<(Arc<Turns>, Running)> {
        let buckets = Buckets::new(buckets)?;
        Some((Arc::new(Turns::new(slots, buckets)), Running::new(slots, buckets)))
    }

    #[tokio::test]
    async fn one_bucket_has_no_turns_and_takes_all_that_is_free() {
        let Some((turns, running)) = of(64, 1) else { return };
        let (turn, slot) = turns.slot(&running, true, true).await;
        assert!(turn.is_none() && slot.is_some(), "nor does it do without a slot");
        assert_eq!((turns.most(None, 60), turns.many(None)), (60, 64));
    }

    #[tokio::test]
    async fn buckets_with_a_backlog_take_a_quarter_one_after_the_other_and_others_a_share_at_once() {
        let Some((turns, running)) = of(64, 16) else { return };
        let (first, _slot) = turns.slot(&running, true, false).await;
        assert_eq!(turns.most(first.as_ref(), 64), 16);
        let mut second = std::pin::pin!(turns.slot(&running, true, false));
        assert!(futures_util::poll!(&mut second).is_pending(), "it is the first's turn");
        assert!(turns.slot(&running, false, false).await.0.is_none());
        assert_eq!((turns.most(None, 64), turns.most(None, 2)), (4, 1));
        turns.answered(first, std::future::ready(())).await;
        assert!(second.await.0.is_some());
    }

    #[tokio::test]
    async fn while_a_call_is_late_everyone_has_a_share_and_who_is_in_doubt_needs_no_slot() {
        let Some((turns, running)) = of(64, 16) else { return };
        let (turn, _slot) = turns.slot(&running, true, false).await;
        let (answer, late) = tokio::sync::oneshot::channel::<()>();
        let asking = tokio::spawn({
            let turns = Arc::clone(&turns);
            async move { turns.answered(turn, late).await }
        });
        assert!(turns.slot(&running, true, false).await.0.is_none(), "the turn was given on, and is none");
        let held = running.take(64);
        let doubt = futures_util::FutureExt::now_or_never(turns.slot(&running, true, true));
        assert!(matches!(doubt, Some((None, None))), "it asks with none, not holding up who has a server that answers");
        drop(held);
        assert!(answer.send(()).is_ok() && asking.await.is_ok());
        assert!(turns.slot(&running, true, false).await.0.is_some(), "turns again");
    }

    #[tokio::test]
    async fn while_slots_come_free_slowly_everyone_has_a_share() {
        let Some((turns, running)) = of(4, 16) else { return };
        let held = running.take(4);
        let waiting = async {
            tokio::time::sleep(SLOW * 2).await;
            drop(held);
        };
        let ((turn, slot), ()) = tokio::join!(turns.slot(&running, true, false), waiting);
        assert!(turn.is_none() && slot.is_some());
        assert!(turns.slot(&running, true, false).await.0.is_none(), "for as long again");
    }
}
