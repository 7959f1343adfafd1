//! Lines of nodes that wait for a place at a Pod Manager: `lua/line.lua`. One set of lines for the deployment, in its first bucket.
//!
//! A node that waits is a parked task beside it, and comes when it is called ([`super::calls`]). Those that ended in a line are taken out when
//! they are called, or when they are come upon.

use std::collections::HashMap;
use std::time::Instant;

use serde::Deserialize;

use super::{Store, StoreError, keys};
use crate::ids::{Bucket, TaskId};
use crate::model::placement::Line;
use crate::model::state::State;

/// Where the lines are.
pub(super) const BUCKET: Bucket = Bucket(0);
/// Most lines that a process knows of.
pub const MOST_LINES: usize = 4_096;
/// Members of a line that are looked at once.
const LOOKED_AT: isize = 64;
/// A line as the script shows it: its name, where its first stands, how many stand in it, what it wants.
type Shown = (String, u64, u64, String);

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
        self.has_come(task);
        Ok(())
    }

    /// Whether nobody waits, or is on the way.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn nobody_waits(&self) -> Result<bool, StoreError> {
        let mut exists = redis::cmd("EXISTS");
        exists.arg(keys::of(BUCKET, "lines")).arg(keys::of(BUCKET, "called"));
        let there: u64 = exists.query_async(&mut self.redis().shared()).await?;
        Ok(there == 0)
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

    /// Who waits, line by line, those first whose first has waited longest. Who was called by then is known as well.
    pub(super) async fn lines(&self) -> Result<Vec<Line>, StoreError> {
        let (began, most) = (Instant::now(), MOST_LINES.to_string());
        let (found, called): (Vec<Shown>, HashMap<String, String>) =
            self.call(&self.scripts().line, BUCKET, &["look", &most][..]).await?;
        self.calls().learn(&called, began);
        Ok(found.into_iter().filter_map(read_line).collect())
    }
}

fn read_line((name, first, count, wanted): Shown) -> Option<Line> {
    let Wanted { caller, cores, memory_mib } = serde_json::from_str(&wanted).ok()?;
    Some(Line { name, caller, wanted, cores, memory_mib, count, first })
}
