//! Calls of nodes that wait for a place: who was called, and has not come yet.
//!
//! Who is called is noted in the step that takes it out of its line, and stays so until it stands in a line again or leaves it, having found
//! its place. So no call is lost with the process that made it: another tells whoever has not come. And nobody is called for a place
//! that another is on the way to, whichever process called it, however long the queue that it comes through.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::future::try_join_all;

use super::lines::BUCKET;
use super::{Store, StoreError};
use crate::ids::TaskId;

/// One that has not come for so long is told once more, ms: whoever called it may have died before it told it.
const LATE_MS: u64 = 2_000;
/// And again after so long: what it was told may have been lost with a part of what Redis had.
const AGAIN: Duration = Duration::from_secs(10);
/// One that has not come for so long is not waited for any more, ms.
const FORGOTTEN_MS: u64 = 30_000;
/// How many are told at once.
const AT_ONCE: usize = 32;

/// Who was called, as far as this process knows.
#[derive(Default)]
pub(super) struct Calls {
    known: Mutex<HashMap<TaskId, Called>>,
    free: tokio::sync::Notify,
}

/// One that was called.
#[derive(Clone)]
struct Called {
    line: String,
    /// When, ms since 1970.
    at_ms: u64,
    /// When this process told it.
    told: Option<Instant>,
    /// Whether it looks for its place now.
    come: bool,
    /// When this process knew so: a read that began before does not tell better.
    known: Instant,
}

impl Called {
    fn new(line: &str, at_ms: u64) -> Self {
        Self { line: line.to_owned(), at_ms, told: None, come: false, known: Instant::now() }
    }
}

impl Calls {
    /// What a read says that began then.
    pub(super) fn learn(&self, read: &HashMap<String, String>, began: Instant) {
        let mut known = self.known();
        let before = std::mem::take(&mut *known);
        for (task, value) in read {
            let Some((at_ms, line)) = value.split_once(' ') else { continue };
            let (Ok(task), Ok(at_ms)) = (task.parse::<TaskId>(), at_ms.parse::<u64>()) else { continue };
            let told = before.get(&task).and_then(|called: &Called| called.told);
            known.insert(task, Called { told, known: began, ..Called::new(line, at_ms) });
        }
        known.extend(before.into_iter().filter(|(_, called)| called.known > began));
    }

    fn known(&self) -> MutexGuard<'_, HashMap<TaskId, Called>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store {
    /// Calls the first of a line: so many that have not ended, when there are so many. Says how many came.
    ///
    /// # Errors
    /// When Redis is away: those that were taken out and not told are told by [`Store::call_again`].
    pub async fn call_line(&self, line: &str, many: u64) -> Result<u64, StoreError> {
        let mut came = 0;
        while came < many {
            let first = self.take_from_line(line, many - came).await?;
            if first.is_empty() {
                break;
            }
            came += self.tell(&first).await?;
        }
        Ok(came)
    }

    /// The first step of a call: the first of a line, taken out of it and noted as called. They do not know yet.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn take_from_line(&self, line: &str, many: u64) -> Result<Vec<TaskId>, StoreError> {
        let first: Vec<String> =
            self.call(&self.scripts().line, BUCKET, &["call", line, &many.to_string()][..]).await?;
        self.with_scene(|scene| {
            let known = scene.lines.iter_mut().find(|known| known.name == line);
            let taken = u64::try_from(first.len()).unwrap_or(u64::MAX);
            known.into_iter().for_each(|known| known.count = known.count.saturating_sub(taken));
        });
        let tasks: Vec<TaskId> = first.iter().filter_map(|id| id.parse().ok()).collect();
        let called = Called::new(line, self.clock().now_ms());
        self.calls().known().extend(tasks.iter().map(|task| (*task, called.clone())));
        Ok(tasks)
    }

    /// Tells those that have not come for a while: whoever called them may have died before it told them.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn call_again(&self) -> Result<(), StoreError> {
        let now_ms = self.clock().now_ms();
        let (mut late, mut forgotten) = (Vec::new(), Vec::new());
        for (task, called) in self.calls().known().iter().filter(|(_, called)| !called.come) {
            let since = now_ms.saturating_sub(called.at_ms);
            if since >= LATE_MS && called.told.is_none_or(|told| told.elapsed() >= AGAIN) {
                late.push(*task);
            }
            if since >= FORGOTTEN_MS {
                forgotten.push((*task, called.line.clone()));
            }
        }
        self.tell(&late).await?;
        for (task, line) in forgotten {
            self.leave_line(&line, task).await?;
        }
        Ok(())
    }

    /// Tells tasks that they are called; says how many have not ended.
    async fn tell(&self, tasks: &[TaskId]) -> Result<u64, StoreError> {
        let mut came = 0;
        for some in tasks.chunks(AT_ONCE) {
            for is_live in try_join_all(some.iter().map(|task| self.tell_one(*task))).await? {
                came += u64::from(is_live);
            }
        }
        Ok(came)
    }

    async fn tell_one(&self, task: TaskId) -> Result<bool, StoreError> {
        let is_live = self.nudge(task).await?;
        let line = self.calls().known().get_mut(&task).map(|called| {
            called.told = Some(Instant::now());
            called.line.clone()
        });
        if let Some(line) = line.filter(|_| !is_live) {
            self.leave_line(&line, task).await?;
        }
        Ok(is_live)
    }

    /// Notes that one that may have been called looks for its place now.
    pub fn has_come(&self, task: TaskId) {
        let known = Instant::now();
        let mut all = self.calls().known();
        let called = all.entry(task).or_insert_with(|| Called::new("", 0));
        (called.come, called.known) = (true, known);
    }

    /// How many of each line were called and have not come yet.
    pub fn called_and_coming(&self) -> HashMap<String, u64> {
        let now_ms = self.clock().now_ms();
        let mut lines = HashMap::new();
        let known = self.calls().known();
        for called in known.values().filter(|called| !called.come && called.at_ms + FORGOTTEN_MS > now_ms) {
            *lines.entry(called.line.clone()).or_default() += 1;
        }
        lines
    }

    /// Says, in this process, that who waits should be called.
    pub fn a_place_is_free(&self) {
        self.calls().free.notify_one();
    }

    /// Waits until somebody says so.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub async fn place_freed(&self) {
        self.calls().free.notified().await;
    }
}
