//! Lines of nodes that wait for a place at a Pod Manager: `lua/line.lua`. One set of lines for the deployment, in its first bucket.
//!
//! A node that waits is a parked task beside it: being called is a hint, which may be lost; the task then wakes by its fallback. Those
//! that ended in a line are taken out when they are called, or when they are come upon.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::Deserialize;

use super::{Store, StoreError, keys};
use crate::ids::{Bucket, TaskId};
use crate::model::placement::Line;
use crate::model::state::State;

/// Where the lines are.
const BUCKET: Bucket = Bucket(0);
/// Most lines that are looked at.
const MOST_LINES: usize = 256;
/// Members of a line that are looked at once.
const LOOKED_AT: isize = 64;
/// Longest that one which was called counts as coming: another process may have it.
const COMING: Duration = Duration::from_millis(300);

/// Who was called and has not decided yet; and the hint that a place is free.
#[derive(Default)]
pub(super) struct Calls {
    coming: Mutex<HashMap<TaskId, (String, Instant)>>,
    free: tokio::sync::Notify,
}

/// What of a wish decides how large it is.
#[derive(Deserialize)]
struct Wanted {
    #[serde(default)]
    caller: String,
    cores: f64,
    memory_mib: f64,
}

impl Store {
    /// Puts a task into a line, in which it stands by `place`: less is earlier. How many stand before it.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn join_line(&self, line: &str, wanted: &str, task: TaskId, place: u64) -> Result<u64, StoreError> {
        let args = ["join", line, &task.to_string(), &place.to_string(), wanted];
        let before = self.call(&self.scripts().line, BUCKET, &args[..]).await?;
        self.has_come(task);
        self.with_scene(|scene| {
            // Who comes next in this process sees it already.
            match scene.lines.iter_mut().find(|known| known.name == line) {
                Some(known) => known.count += 1,
                None => scene.lines.extend(read_line((line.to_owned(), place, 1, wanted.to_owned()))),
            }
        });
        Ok(before)
    }

    /// How many stand in a line before a place.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn before_in_line(&self, line: &str, place: u64) -> Result<u64, StoreError> {
        let (key, below) = (keys::of(BUCKET, &format!("line:{line}")), format!("({place}"));
        Ok(redis::cmd("ZCOUNT").arg(key).arg("-inf").arg(below).query_async(&mut self.redis().shared()).await?)
    }

    /// Takes a task out of a line.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn leave_line(&self, line: &str, task: TaskId) -> Result<(), StoreError> {
        let _stood: u8 = self.call(&self.scripts().line, BUCKET, &["leave", line, &task.to_string()][..]).await?;
        Ok(())
    }

    /// Whether nobody waits.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn nobody_waits(&self) -> Result<bool, StoreError> {
        let lines: u64 =
            redis::cmd("ZCARD").arg(keys::of(BUCKET, "lines")).query_async(&mut self.redis().shared()).await?;
        Ok(lines == 0)
    }

    /// Calls the first of a line: so many that have not ended, when there are so many. Says how many came.
    ///
    /// # Errors
    /// When Redis is away: those that were called and not told wake by their fallback.
    pub async fn call_line(&self, line: &str, many: u64) -> Result<u64, StoreError> {
        let mut came = 0;
        while came < many {
            let args = ["call", line, &(many - came).to_string()];
            let first: Vec<String> = self.call(&self.scripts().line, BUCKET, &args[..]).await?;
            if first.is_empty() {
                break;
            }
            self.with_scene(|scene| {
                let known = scene.lines.iter_mut().find(|known| known.name == line);
                known.into_iter().for_each(|known| known.count = known.count.saturating_sub(count_of(&first)));
            });
            for task in first.iter().filter_map(|id| id.parse::<TaskId>().ok()) {
                self.coming().insert(task, (line.to_owned(), Instant::now()));
                if self.nudge(task).await? {
                    came += 1;
                } else {
                    self.has_come(task);
                }
            }
        }
        Ok(came)
    }

    /// Notes that one that may have been called looks for its place now.
    pub fn has_come(&self, task: TaskId) {
        self.coming().remove(&task);
    }

    /// How many of each line were called by this process and have not come yet.
    pub fn called_and_coming(&self) -> HashMap<String, u64> {
        let mut coming = self.coming();
        coming.retain(|_, (_, since)| since.elapsed() < COMING);
        let mut lines = HashMap::new();
        coming.values().for_each(|(line, _)| *lines.entry(line.clone()).or_default() += 1);
        lines
    }

    /// Takes those out of a line that have ended: some of its members, taken at random.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn clear_line(&self, line: &str) -> Result<(), StoreError> {
        let mut shared = self.redis().shared();
        let key = keys::of(BUCKET, &format!("line:{line}"));
        let some: Vec<String> = redis::cmd("ZRANDMEMBER").arg(key).arg(LOOKED_AT).query_async(&mut shared).await?;
        let tasks: Vec<TaskId> = some.iter().filter_map(|id| id.parse().ok()).collect();
        let mut pipe = redis::pipe();
        tasks.iter().for_each(|id| {
            pipe.hget(keys::task(*id), "state");
        });
        let states: Vec<Option<String>> = pipe.query_async(&mut shared).await?;
        for (task, state) in tasks.into_iter().zip(states) {
            if state.and_then(|s| State::parse(&s)).is_none_or(State::is_terminal) {
                self.leave_line(line, task).await?;
            }
        }
        Ok(())
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

    /// Who waits, line by line, those first whose first has waited longest.
    pub(super) async fn lines(&self) -> Result<Vec<Line>, StoreError> {
        let most = MOST_LINES.to_string();
        let found: Vec<(String, u64, u64, String)> =
            self.call(&self.scripts().line, BUCKET, &["look", &most][..]).await?;
        Ok(found.into_iter().filter_map(read_line).collect())
    }

    fn coming(&self) -> std::sync::MutexGuard<'_, HashMap<TaskId, (String, Instant)>> {
        self.calls().coming.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn read_line((name, first, count, wanted): (String, u64, u64, String)) -> Option<Line> {
    let Wanted { caller, cores, memory_mib } = serde_json::from_str(&wanted).ok()?;
    Some(Line { name, caller, wanted, cores, memory_mib, count, first })
}

fn count_of(ids: &[String]) -> u64 {
    u64::try_from(ids.len()).unwrap_or(u64::MAX)
}
