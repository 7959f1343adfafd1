//! Waiting for a task to end. A wait is a view: a client that goes away cancels nothing, and a stop of this process ends the wait with
//! the task as it stands.

use std::time::Duration;

use tokio::time::Instant;

use super::answer::Failure;
use super::app::App;
use super::call::no_such_task;
use crate::ids::TaskId;
use crate::store::record::TaskRecord;

/// How often a task is looked at when no change is heard of: events are hints.
const FALLBACK: Duration = Duration::from_secs(5);
/// How soon it is looked at again when Redis could not be asked.
const AGAIN: Duration = Duration::from_millis(250);

/// The task, once it has ended, or as it stands when `limit` is over or the process stops.
///
/// # Errors
/// 404; 503 when Redis is away at the first look. Later on an absent Redis is waited out.
pub(crate) async fn until_ended(app: &App, id: TaskId, limit: Duration) -> Result<TaskRecord, Failure> {
    let deadline = Instant::now() + limit;
    // The watch stands, and its next change is awaited, before the task is read: no change falls between.
    let watch = app.hub.watch(id);
    let mut seen: Option<TaskRecord> = None;
    loop {
        let mut changed = std::pin::pin!(watch.notify().notified());
        changed.as_mut().enable();
        let mut pause = FALLBACK;
        match app.store.task(id).await {
            Ok(Some(record)) if record.state.is_terminal() => return Ok(record),
            Ok(Some(record)) => seen = Some(record),
            Ok(None) => return Err(no_such_task(&id.to_string()).into()),
            Err(error) if seen.is_some() && error.is_transient() => pause = AGAIN,
            Err(error) => return Err(error.into()),
        }
        if Instant::now() >= deadline || app.stop.is_cancelled() {
            break;
        }
        tokio::select! {
            () = changed => {}
            () = tokio::time::sleep_until(deadline.min(Instant::now() + pause)) => {}
            () = app.stop.cancelled() => {}
        }
    }
    seen.ok_or_else(|| no_such_task(&id.to_string()).into())
}
