//! Tasks from the outside: enqueue, read, cancel, redrive, forget.

use redis::RedisError;

use super::record::TaskRecord;
use super::{Store, StoreError, keys};
use crate::ids::{Bucket, TaskId};
use crate::model::state::State;
use crate::model::task::{ANONYMOUS, DEFAULT_TIMEOUT_S, Definition};
use crate::model::topic::Lane;

/// Seconds that the id of a deleted task with an Idempotency-Key stays taken: as long as the key's record.
pub const TOMBSTONE_S: u64 = 24 * 3600;

/// A task about to be made.
#[derive(Debug, Clone)]
pub struct NewTask {
    /// Its id, which names its bucket.
    pub id: TaskId,
    /// Where it queues.
    pub lane: Lane,
    /// What was asked for.
    pub def: Definition,
    /// Not before so many ms from now.
    pub delay_ms: Option<u64>,
    /// Gates it needs, `name=limit …`; see [`super::gates`].
    pub gates: String,
    /// Whether an Idempotency-Key stands for it.
    pub idempotent: bool,
}

/// A task as the script `enqueue` takes it: id, lane, definition, and what is not as it mostly is.
pub(super) type Row = [String; 4];

impl NewTask {
    /// The task for the script; `text` is its definition, written out.
    pub(super) fn row(&self, text: String) -> Row {
        [self.id.to_string(), self.lane.to_string(), text, self.more()]
    }

    /// `run_at|delay|timeout|idem|by|parent|gates`, or nothing where all of them are empty.
    fn more(&self) -> String {
        let number = |n: Option<u64>| n.map(|n| n.to_string()).unwrap_or_default();
        let timeout = Some(self.def.timeout_s).filter(|s| *s != DEFAULT_TIMEOUT_S);
        let (run_at, delay) = (number(self.def.run_at_ms), number(self.delay_ms));
        let (timeout, idempotent) = (number(timeout.map(|s| s * 1000)), if self.idempotent { "1" } else { "" });
        let parent = self.def.parent_id.map(|id| id.to_string()).unwrap_or_default();
        let more = [&run_at, &delay, &timeout, idempotent, &principal(&self.def), &parent, &self.gates];
        if more.iter().all(|part| part.is_empty()) { String::new() } else { more.join("|") }
    }
}

/// What became of an enqueue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Enqueued {
    /// The task stands.
    New,
    /// A task of that id stood already, or stood once and was deleted.
    Exists,
}

/// What became of a cancel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cancel {
    /// There is no such task.
    Missing,
    /// It has ended.
    Ended,
    /// It is cancelled.
    Cancelled,
    /// Its undo is under way.
    Cancelling,
}

/// What became of a redrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Redrive {
    /// There is no such task.
    Missing,
    /// It is queued again.
    Queued,
    /// Its state forbids it.
    Refused(State),
}

/// What became of a deletion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forget {
    /// There is no such task.
    Missing,
    /// It is gone.
    Gone,
    /// It has not ended, or ended too lately for the cutoff.
    Kept,
}

impl Store {
    /// Makes a task. When this returns, it is in Redis.
    ///
    /// # Errors
    /// [`StoreError::Full`] when Redis takes no new work; else when Redis is away. A task may then stand or not: the same call
    /// with the same id is safe.
    ///
    /// # Cancel safety
    /// A dropped call may still make the task.
    pub async fn enqueue(&self, task: NewTask) -> Result<Enqueued, StoreError> {
        let text = written(&task.def)?;
        self.enqueue_row(task.id.bucket(), task.row(text)).await
    }

    /// As [`Store::enqueue`], of a task whose definition is written out already.
    pub(super) async fn enqueue_row(&self, bucket: Bucket, row: Row) -> Result<Enqueued, StoreError> {
        let store = self.clone();
        let Some(batcher) = self.batchers().enqueue(bucket) else {
            return Err(StoreError::corrupt("the task's bucket", "this deployment has fewer"));
        };
        batcher
            .ask(row, || {
                move |rows| {
                    let store = store.clone();
                    async move { store.enqueue_rows(bucket, rows).await }
                }
            })
            .await
    }

    /// Makes up to 1,000 tasks of one bucket in one call. Answers in the order given.
    ///
    /// # Errors
    /// As [`Store::enqueue`], for all of them.
    pub async fn enqueue_many(&self, bucket: Bucket, tasks: &[NewTask]) -> Result<Vec<Enqueued>, StoreError> {
        let rows = tasks.iter().map(|task| Ok(task.row(written(&task.def)?))).collect::<Result<_, StoreError>>()?;
        self.enqueue_rows(bucket, rows).await
    }

    async fn enqueue_rows(&self, bucket: Bucket, rows: Vec<Row>) -> Result<Vec<Enqueued>, StoreError> {
        let mut args = Vec::with_capacity(1 + 4 * rows.len());
        args.push(rows.len().to_string());
        let waits = self.options().replicas.is_some();
        let ids: Vec<String> = rows.iter().filter(|_| waits).map(|row| row[0].clone()).collect();
        args.extend(rows.into_iter().flatten());
        let replies: String = self.call(&self.scripts().enqueue, bucket, args).await?;
        self.until_stored(bucket, &ids).await?;
        Ok(replies.bytes().map(|letter| if letter == b'n' { Enqueued::New } else { Enqueued::Exists }).collect())
    }

    /// Waits until the replicas that are asked for have these tasks of a bucket, or the tombstones of those that were deleted.
    async fn until_stored(&self, bucket: Bucket, ids: &[String]) -> Result<(), StoreError> {
        let one = |id: &String| [keys::of(bucket, &format!("t:{id}")), keys::of(bucket, &format!("t:{id}:x"))];
        let both: Vec<String> = ids.iter().flat_map(one).collect();
        self.until_replicated(&both, ids.len()).await
    }

    /// Whether a task stands, with the replicas too that are asked for: one that was refused for want of them does so when it is
    /// asked for again.
    ///
    /// # Errors
    /// When Redis is away, or too few replicas have it in time.
    pub(super) async fn stands(&self, id: TaskId) -> Result<bool, StoreError> {
        let stands = self.task(id).await?.is_some();
        if stands {
            self.until_stored(id.bucket(), &[id.to_string()]).await?;
        }
        Ok(stands)
    }

    /// Reads a task.
    ///
    /// # Errors
    /// When Redis is away, or what it holds cannot be read.
    pub async fn task(&self, id: TaskId) -> Result<Option<TaskRecord>, StoreError> {
        if !self.options().buckets.contains(id.bucket()) {
            return Ok(None);
        }
        TaskRecord::read(self, id).await
    }

    /// Cancels a task, or asks its worker to.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn cancel(&self, id: TaskId) -> Result<Cancel, StoreError> {
        if !self.options().buckets.contains(id.bucket()) {
            return Ok(Cancel::Missing);
        }
        let reply: String = self.call(&self.scripts().cancel, id.bucket(), id.to_string()).await?;
        Ok(match reply.split_once(' ') {
            Some(("asked", worker)) => {
                if !worker.is_empty() {
                    self.hint_cancel(worker, id).await;
                }
                Cancel::Cancelling
            }
            _ => match reply.as_str() {
                "missing" => Cancel::Missing,
                "ended" => Cancel::Ended,
                "cancelling" => Cancel::Cancelling,
                _ => Cancel::Cancelled,
            },
        })
    }

    /// Tells the worker at once; it would hear of it at its next extend anyway.
    async fn hint_cancel(&self, worker: &str, id: TaskId) {
        let sent: Result<(), RedisError> = redis::cmd("PUBLISH")
            .arg(keys::worker_channel(worker))
            .arg(id.to_string())
            .query_async(&mut self.redis().shared())
            .await;
        if let Err(error) = sent {
            tracing::debug!(task_id = %id, %error, "cancel hint not sent");
        }
    }

    /// Queues a failed or cancelled task again, its attempts reset.
    ///
    /// # Errors
    /// [`StoreError::Full`] when Redis takes no new work; else when Redis is away.
    pub async fn redrive(&self, id: TaskId) -> Result<Redrive, StoreError> {
        let Some(record) = self.task(id).await? else { return Ok(Redrive::Missing) };
        let timeout = record.def.timeout_s.saturating_mul(1000);
        let quarantine = self.options().quarantine.as_millis().to_string();
        let args = [id.to_string(), timeout.to_string(), quarantine];
        let reply: String = self.call(&self.scripts().redrive, id.bucket(), &args[..]).await?;
        Ok(match reply.strip_prefix("state ").and_then(State::parse) {
            Some(state) => Redrive::Refused(state),
            None if reply == "missing" => Redrive::Missing,
            None => Redrive::Queued,
        })
    }

    /// Deletes ended tasks of one bucket; with `before_ms`, only those that ended before it.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn forget(
        &self,
        bucket: Bucket,
        ids: &[TaskId],
        before_ms: Option<u64>,
    ) -> Result<Vec<Forget>, StoreError> {
        let mut args = vec![TOMBSTONE_S.to_string(), before_ms.map(|n| n.to_string()).unwrap_or_default()];
        args.extend(ids.iter().map(ToString::to_string));
        let replies: Vec<String> = self.call(&self.scripts().forget, bucket, args).await?;
        let read = |r: &String| match r.as_str() {
            "ok" => Forget::Gone,
            "missing" => Forget::Missing,
            _ => Forget::Kept,
        };
        Ok(replies.iter().map(read).collect())
    }
}

/// A definition as it is stored.
///
/// # Errors
/// When it cannot be written as JSON.
pub(super) fn written(def: &Definition) -> Result<String, StoreError> {
    serde_json::to_string(def).map_err(|e| StoreError::corrupt("a definition", e))
}

/// Who asked, in a few letters, for a fair share of the queue. Where nobody has a name there is nobody to be fair to.
fn principal(def: &Definition) -> String {
    use aws_lc_rs::digest::{SHA256, digest};
    let Some(caller) = def.caller.as_deref().filter(|c| *c != ANONYMOUS) else { return String::new() };
    digest(&SHA256, caller.as_bytes()).as_ref().iter().take(6).map(|b| format!("{b:02x}")).collect()
}
