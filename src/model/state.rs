//! The states of a task and the one table of legal moves.
//!
//! The scripts in `lua/` carry out the moves; docs/task-states.md draws them. A test walks every script's effects against
//! [`State::may_become`].

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Where a task stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Not due yet: `run_at` or `delay_s` lies ahead.
    Scheduled,
    /// In a stream, waiting for a worker.
    Queued,
    /// A worker holds a claim on it.
    Running,
    /// An attempt failed, or a claim was lost with a request outstanding; due again later.
    Retrying,
    /// Its handler asked to be called again later (a long Redfish operation); no attempt is counted.
    Parked,
    /// A gate is full; woken when there is room.
    Waiting,
    /// A cancel was asked for and its undo is under way.
    Cancelling,
    /// Ended well.
    Completed,
    /// Ended badly; a dead letter that can be redriven.
    Failed,
    /// Ended by a cancel.
    Cancelled,
}

impl State {
    /// Every state, in the order of a task's life.
    pub const ALL: [Self; 10] = [
        Self::Scheduled,
        Self::Queued,
        Self::Running,
        Self::Retrying,
        Self::Parked,
        Self::Waiting,
        Self::Cancelling,
        Self::Completed,
        Self::Failed,
        Self::Cancelled,
    ];

    /// The word used in JSON, Redis and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Scheduled => "scheduled",
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Retrying => "retrying",
            Self::Parked => "parked",
            Self::Waiting => "waiting",
            Self::Cancelling => "cancelling",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// The state of that word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.as_str() == word)
    }

    /// Whether the task has ended.
    #[must_use]
    pub const fn is_terminal(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Cancelled)
    }

    /// The blueprint's word for it.
    #[must_use]
    pub const fn status(self) -> Status {
        match self {
            Self::Completed => Status::Completed,
            Self::Failed => Status::Failed,
            Self::Cancelled => Status::Cancelled,
            _ => Status::InProgress,
        }
    }

    /// Whether a task may go from this state to `next`.
    #[must_use]
    pub const fn may_become(self, next: Self) -> bool {
        use State::{Cancelled, Cancelling, Completed, Failed, Parked, Queued, Retrying, Running, Scheduled, Waiting};
        match self {
            Scheduled => matches!(next, Queued | Cancelled | Failed),
            Queued => matches!(next, Running | Waiting | Cancelling | Cancelled | Failed),
            Running => matches!(next, Completed | Failed | Cancelled | Retrying | Parked | Queued | Cancelling),
            Retrying | Parked | Waiting => matches!(next, Queued | Cancelling | Cancelled | Failed),
            Cancelling => matches!(next, Cancelled | Completed | Failed),
            Completed => false,
            // redrive
            Failed | Cancelled => matches!(next, Queued | Retrying),
        }
    }
}

impl std::fmt::Display for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The blueprint's status words: `In progress` for every state that is not an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub enum Status {
    /// Not ended.
    #[serde(rename = "In progress")]
    InProgress,
    /// Ended well.
    Completed,
    /// Ended badly.
    Failed,
    /// Ended by a cancel.
    Cancelled,
}

impl Status {
    /// The status of that word, in any case.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        [Self::InProgress, Self::Completed, Self::Failed, Self::Cancelled]
            .into_iter()
            .find(|s| s.as_str().eq_ignore_ascii_case(word))
    }

    /// The word used in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InProgress => "In progress",
            Self::Completed => "Completed",
            Self::Failed => "Failed",
            Self::Cancelled => "Cancelled",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_leaves_completed_and_only_redrive_leaves_the_other_ends() {
        for next in State::ALL {
            assert!(!State::Completed.may_become(next));
            let redriven = matches!(next, State::Queued | State::Retrying);
            assert_eq!(State::Failed.may_become(next), redriven);
            assert_eq!(State::Cancelled.may_become(next), redriven);
        }
    }

    #[test]
    fn every_state_that_is_not_an_end_can_reach_one() {
        for start in State::ALL {
            let mut seen = vec![start];
            let mut i = 0;
            while i < seen.len() {
                for next in State::ALL {
                    if seen[i].may_become(next) && !seen.contains(&next) {
                        seen.push(next);
                    }
                }
                i += 1;
            }
            assert!(seen.iter().any(|s| s.is_terminal()), "{start} is a trap");
        }
    }

    #[test]
    fn words_survive_a_round_trip() {
        for s in State::ALL {
            assert_eq!(State::parse(s.as_str()), Some(s));
        }
        assert_eq!(Status::parse("in progress"), Some(Status::InProgress));
    }
}
