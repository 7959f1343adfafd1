//! Waiting for child tasks. A parent holds no slot meanwhile: it parks, and is told when a child ends, at once by the child's worker, by the
//! scheduler's next promote where there was none. A fallback time wakes it anyway.

use std::time::Duration;

use serde_json::Value;

use crate::ids::TaskId;
use crate::model::problem::Problem;
use crate::model::state::State;
use crate::model::task::TaskError;
use crate::service::{Context, Verdict};
use crate::store::explain::WAITS_FOR;

/// How soon a parent looks at its child by itself, should it not have been told: after half as long again as the child has lived, so that
/// a lost word costs in proportion, and many that wait for long cost little.
const SOONEST: Duration = Duration::from_secs(2);
const LATEST: Duration = Duration::from_secs(120);

/// How a child ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Ended {
    /// Well.
    Completed(Value),
    /// Badly.
    Failed(TaskError),
    /// Somebody cancelled it.
    Cancelled,
}

/// How a child ended; `None` while it has not.
///
/// # Errors
/// A retry when Redis is away.
pub async fn ended(ctx: &Context, child: TaskId) -> Result<Option<Ended>, Verdict> {
    let Some(task) = ctx.task(child).await? else {
        let gone = TaskError::from(Problem::conflict(format!("the task {child} was forgotten before it was seen")));
        return Ok(Some(Ended::Failed(gone)));
    };
    let failed = || TaskError::from(Problem::internal(format!("the task {child} failed and does not say why")));
    Ok(match task.state {
        State::Completed => Some(Ended::Completed(task.body.result)),
        State::Failed => Some(Ended::Failed(task.body.error.unwrap_or_else(failed))),
        State::Cancelled => Some(Ended::Cancelled),
        _ => None,
    })
}

/// As [`ended`], and as failed already where a child has given up and only its undo is left: that may take long, and is its own affair.
///
/// # Errors
/// A retry when Redis is away.
pub async fn ended_or_given_up(ctx: &Context, child: TaskId) -> Result<Option<Ended>, Verdict> {
    match ctx.task(child).await? {
        Some(task) if task.has_given_up() => {
            let silent = || TaskError::from(Problem::unavailable(format!("the task {child} has given up")));
            Ok(Some(Ended::Failed(task.body.error.unwrap_or_else(silent))))
        }
        _ => ended(ctx, child).await,
    }
}

/// Parks until a child may have ended.
#[must_use]
pub fn park(ctx: &Context, child: TaskId) -> Verdict {
    let age = Duration::from_millis(ctx.now_ms().saturating_sub(child.created_ms()));
    Verdict::Park { after: (age / 2).clamp(SOONEST, LATEST), why: format!("{WAITS_FOR}{child}") }
}

/// Cancels a child and waits until it has ended, which it may have done well.
///
/// # Errors
/// A park while it has not ended; a retry when Redis is away.
pub async fn cancel(ctx: &Context, child: TaskId) -> Result<Ended, Verdict> {
    if let Some(end) = ended(ctx, child).await? {
        return Ok(end);
    }
    ctx.cancel_task(child).await?;
    ended(ctx, child).await?.ok_or_else(|| park(ctx, child))
}
