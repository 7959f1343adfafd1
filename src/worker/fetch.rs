//! Takes tasks from the streams into free slots: one loop a bucket.
//!
//! While there is work, `claim` reads as many entries as [`super::turns`] lets it take free slots, the urgent lanes first. When it finds
//! nothing, a blocking read (on a connection of its own) waits for the next entry, and `claim` is handed what it returned. A blocking read
//! is always awaited to its end, since a dropped one still takes work. After a lost reply the same token is offered again over this
//! consumer's own pending entries, so what was claimed is not stranded.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;

use super::turns::{Turn, Turns};
use super::{Worker, attempt};
use crate::ids::{Bucket, new_token};
use crate::model::topic::{Lane, Priority, Topic};
use crate::shutdown::{Shutdown, sleep_or_stop};
use crate::store::StoreError;
use crate::store::claims::{ClaimReply, Source};
use crate::store::connect::Connection;

/// Out of so many claims, one looks at the low lanes first and one other at the normal ones, so that none starves.
const SHARE: u64 = 8;
/// Under load, how long to let slots come free, so that a claim carries many tasks: a call for a few costs Redis several times as much a
/// task as one for many.
const GATHER: Duration = Duration::from_millis(1);

pub(super) fn spawn(worker: &Arc<Worker>, shutdown: &Shutdown) {
    let buckets = worker.store.options().buckets;
    let turns = Arc::new(Turns::new(worker.slots, buckets));
    for bucket in buckets.iter() {
        let (worker, turns, token, tasks) = (worker.clone(), turns.clone(), shutdown.token(), shutdown.clone());
        shutdown.spawn_source("fetch", async move {
            let mut fetch = Fetch { worker, bucket, turns, round: 0, doubt: None, busy: false, tasks };
            fetch.run(&token).await;
            Ok::<(), StoreError>(())
        });
    }
}

struct Fetch {
    worker: Arc<Worker>,
    bucket: Bucket,
    turns: Arc<Turns>,
    round: u64,
    /// The token of a claim whose reply was lost.
    doubt: Option<String>,
    /// The last claim filled all free slots: there is a backlog.
    busy: bool,
    tasks: Shutdown,
}

impl Fetch {
    async fn run(&mut self, stop: &CancellationToken) {
        let mut connection = None;
        while !stop.is_cancelled() {
            let (turn, slot) = tokio::select! {
                () = stop.cancelled() => break,
                free = self.turns.slot(&self.worker.running, self.busy, self.doubt.is_some()) => free,
            };
            if let Err(error) = self.round((turn, slot), &mut connection, stop).await {
                tracing::warn!(bucket = %self.bucket, %error, "cannot claim; trying again");
                connection = None;
                sleep_or_stop(stop, Duration::from_millis(100)).await;
            }
        }
    }

    /// Claims into `slot` and as many other free ones as it may take; waits for the next entry, with neither slot nor turn, when there is
    /// nothing.
    async fn round(
        &mut self,
        (turn, slot): (Option<Turn>, Option<OwnedSemaphorePermit>),
        connection: &mut Option<Connection>,
        stop: &CancellationToken,
    ) -> Result<(), StoreError> {
        if self.busy {
            self.gather(turn.as_ref()).await;
        }
        let lanes = self.lanes(&[]);
        let source = if self.doubt.is_some() { Source::Own } else { Source::New };
        let running = &self.worker.running;
        let more = slot.as_ref().map_or(0, |_| self.turns.most(turn.as_ref(), running.free() + 1) - 1);
        let mut slots = running.take(more);
        slots.extend(slot);
        let free = slots.len();
        let (claimed, paused) = self.claim(turn, &lanes, &source, slots).await?;
        self.busy = claimed == free;
        if claimed > 0 || matches!(source, Source::Own) || stop.is_cancelled() {
            return Ok(());
        }
        let lanes = self.lanes(&paused);
        if lanes.is_empty() {
            sleep_or_stop(stop, Duration::from_millis(500)).await;
            return Ok(());
        }
        let connection = match connection {
            Some(c) => c,
            None => connection.insert(self.worker.store.redis().blocking().await?),
        };
        let given = match self.worker.store.wait_for_entries(connection, self.bucket, &self.worker.id, &lanes).await {
            Ok(given) => given,
            Err(error) => {
                // Entries may have been delivered to us all the same: look through what is pending.
                self.doubt = Some(new_token());
                return if matches!(error, StoreError::Refused(_)) { Ok(()) } else { Err(error) };
            }
        };
        if !given.is_empty() {
            // A stopping worker takes nothing more, least of all what it has just released: without slots, all of it goes back.
            let most = if stop.is_cancelled() { 0 } else { given.len() };
            let slots = self.worker.running.take(most);
            self.claim(None, &lanes, &Source::Given(given), slots).await?;
        }
        Ok(())
    }

    /// Waits a moment for most of the slots that a claim takes.
    async fn gather(&self, turn: Option<&Turn>) {
        self.worker.running.until_free((self.turns.many(turn) * 7 / 8).saturating_sub(1), GATHER).await;
    }

    /// One claim call; says how many tasks it brought and which topics are paused.
    async fn claim(
        &mut self,
        turn: Option<Turn>,
        lanes: &[Lane],
        source: &Source,
        mut slots: Vec<OwnedSemaphorePermit>,
    ) -> Result<(usize, Vec<Topic>), StoreError> {
        let token = self.doubt.clone().unwrap_or_else(new_token);
        let asked = Instant::now();
        let w = &self.worker;
        let reply = w.store.claim(self.bucket, &w.id, &token, slots.len(), lanes, source);
        let reply = self.turns.answered(turn, reply).await;
        let ClaimReply { paused, claimed } = reply.inspect_err(|_| self.doubt = Some(token.clone()))?;
        self.doubt = None;
        let count = claimed.len();
        for task in claimed {
            if w.running.has(task.id, &task.token) {
                continue;
            }
            // A lost answer, given again, can hold more tasks than slots are free now: they were free when it was asked for.
            let slot = slots.pop();
            super::count::claimed(&task);
            attempt::spawn(w.clone(), task, asked, slot, &self.tasks);
        }
        Ok((count, paused))
    }

    /// The lanes in the order to look at them: urgent ones first, but every few claims the others lead; topics take turns.
    fn lanes(&mut self, paused: &[Topic]) -> Vec<Lane> {
        use Priority::{High, Low, Normal};
        self.round += 1;
        let priorities = match self.round % SHARE {
            0 => [Low, High, Normal],
            4 => [Normal, High, Low],
            _ => [High, Normal, Low],
        };
        let mut topics: Vec<Topic> = self.worker.topics.iter().copied().filter(|t| !paused.contains(t)).collect();
        if !topics.is_empty() {
            let turn = usize::try_from(self.round).unwrap_or(0) % topics.len();
            topics.rotate_left(turn);
        }
        priorities.into_iter().flat_map(|p| topics.iter().map(move |t| Lane { topic: *t, priority: p })).collect()
    }
}
