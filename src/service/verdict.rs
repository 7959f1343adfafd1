//! How an attempt ends when it does not end with a result.

use std::time::Duration;

use crate::model::problem::Problem;
use crate::model::task::TaskError;
use crate::store::StoreError;

/// What a handler returns in place of a result. The worker carries it out.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// Try again: the attempt counts. `after` is what the PODM asked for (`Retry-After`); else backoff with full jitter.
    Retry {
        /// Not before this time.
        after: Option<Duration>,
        /// Why.
        error: TaskError,
    },
    /// Never again: undo, then failed.
    Fail(TaskError),
    /// Call again later; the attempt does not count and no slot is held.
    Park {
        /// When.
        after: Duration,
        /// Why, one line for people.
        why: String,
    },
    /// The attempt cannot go on: a cancel was asked for, the claim was lost, or the process stops. The worker knows which.
    Stop,
}

impl Verdict {
    /// A failure that trying again does not help.
    #[must_use]
    pub fn fail(problem: Problem) -> Self {
        Self::Fail(problem.into())
    }

    /// A failure that trying again may help.
    #[must_use]
    pub fn retry(problem: Problem) -> Self {
        Self::Retry { after: None, error: TaskError { retryable: true, ..problem.into() } }
    }
}

impl From<Problem> for Verdict {
    fn from(problem: Problem) -> Self {
        Self::fail(problem)
    }
}

impl From<StoreError> for Verdict {
    fn from(error: StoreError) -> Self {
        let problem = Problem::unavailable(error.to_string());
        if error.is_transient() { Self::retry(problem) } else { Self::fail(problem) }
    }
}
