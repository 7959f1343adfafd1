//! What a handler may do to find a place for its node: choose and reserve, or stand in a line until there is one.

use std::time::Duration;

use super::{Context, UNDO_TIME};
use crate::model::placement::{Decision, Scene};
use crate::model::topic::Priority;
use crate::placement::RANK;
use crate::service::Verdict;
use crate::store::lines::MOST_LINES;

impl Context {
    /// Chooses a Pod Manager and reserves hardware there for this task, until it ends.
    ///
    /// # Errors
    /// A retry when Redis is away.
    pub async fn place(&self, decide: impl Fn(&Scene) -> Decision) -> Result<Decision, Verdict> {
        let lasts = Duration::from_secs(self.def.timeout_s) + UNDO_TIME;
        Ok(self.store.place(self.claimed.id, lasts, decide).await?)
    }

    /// Chooses a Pod Manager without reserving anything.
    ///
    /// # Errors
    /// A retry when Redis is away.
    pub async fn preview(&self, decide: impl Fn(&Scene) -> Decision) -> Result<Decision, Verdict> {
        Ok(self.store.preview(decide).await?)
    }

    /// Whether others wait in a line, by what was read a moment ago.
    ///
    /// # Errors
    /// A retry when Redis is away.
    pub async fn is_line_known(&self, line: &str) -> Result<bool, Verdict> {
        self.store.recent_candidates().await?;
        Ok(self.store.with_scene(|scene| {
            let is_all = scene.lines.len() < MOST_LINES;
            !is_all || scene.lines.iter().any(|known| known.name == line && known.count > 0)
        }))
    }

    /// How many stand in a line before this task: by priority and by when each was accepted.
    ///
    /// # Errors
    /// A retry when Redis is away.
    pub async fn before_in_line(&self, line: &str) -> Result<u64, Verdict> {
        Ok(self.store.before_in_line(line, self.place_in_line()).await?)
    }

    /// Stands in a line, by priority and by when the task was accepted; says how many stand before it.
    ///
    /// # Errors
    /// A retry when Redis is away.
    pub async fn join_line(&self, line: &str, wanted: &str) -> Result<u64, Verdict> {
        Ok(self.store.join_line(line, wanted, self.claimed.id, self.place_in_line()).await?)
    }

    fn place_in_line(&self) -> u64 {
        let rank = match self.claimed.lane.priority {
            Priority::High => 0,
            Priority::Normal => 1,
            Priority::Low => 2,
        };
        rank * RANK + self.claimed.id.created_ms()
    }

    /// Leaves a line.
    ///
    /// # Errors
    /// A retry when Redis is away.
    pub async fn leave_line(&self, line: &str) -> Result<(), Verdict> {
        Ok(self.store.leave_line(line, self.claimed.id).await?)
    }

    /// Notes that this task's node is there, and how long composing it took.
    ///
    /// # Errors
    /// A retry when Redis is away.
    pub async fn placed(&self, podm_id: &str, took_ms: u64) -> Result<(), Verdict> {
        let took = Duration::from_millis(took_ms);
        Ok(self.store.reservation_done(podm_id, self.claimed.id, took).await?)
    }

    /// Gives back what this task has reserved at a Pod Manager.
    ///
    /// # Errors
    /// A retry when Redis is away.
    pub async fn give_up_place(&self, podm_id: &str) -> Result<(), Verdict> {
        Ok(self.store.drop_reservation(podm_id, self.claimed.id).await?)
    }

    /// Gives back what an earlier run of this task has reserved and did not live to note.
    ///
    /// # Errors
    /// A retry when Redis is away.
    pub async fn give_up_strays(&self) -> Result<(), Verdict> {
        Ok(self.store.drop_reservations_of(self.claimed.id).await?)
    }

    /// Notes that the compose which this task had begun there has given up, and may have left something.
    ///
    /// # Errors
    /// A retry when Redis is away.
    pub async fn place_left(&self, podm_id: &str) -> Result<(), Verdict> {
        Ok(self.store.reservation_left(podm_id, self.claimed.id).await?)
    }
}
