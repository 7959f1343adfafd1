//! Sync tasks: reads that a client waits for. No stored task: the entry carries everything, the reply comes by a published
//! message and, in case that is lost, stands under a short-lived key for a while.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::oneshot;

use super::connect::{BLOCK, Connection, Redis};
use super::entry::{Entry, Read};
use super::{Store, StoreError, keys};
use crate::ids::{Bucket, new_record_id};
use crate::model::problem::Problem;
use crate::model::topic::Topic;
use crate::shutdown::Shutdown;

/// A read, as it travels to a worker.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SyncTask {
    /// What to read, such as `node.get`.
    pub kind: String,
    /// The kind's parameters.
    pub params: Value,
    /// Names the reply.
    pub request: String,
    /// The API process that waits.
    pub api: String,
    /// When nobody waits any more: ms since 1970, Redis's time.
    pub deadline_ms: u64,
    /// W3C trace context of the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
}

/// What a worker answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SyncReply {
    /// The value read.
    Ok(Value),
    /// Why not.
    Err(Problem),
}

/// A sync entry that a worker has taken.
#[derive(Clone)]
pub struct TakenSync {
    /// The Redis that had it, and gets the answer.
    from: Redis,
    /// The bucket whose stream had it.
    pub bucket: Bucket,
    /// Its topic.
    pub topic: Topic,
    /// Entry id.
    pub entry: String,
    /// The read; `None` when the entry cannot be read.
    pub task: Option<SyncTask>,
}

/// Seconds a stored reply waits for its reader.
const REPLY_KEPT_S: u64 = 60;
/// Replies up to this size travel inside the message; larger ones are fetched from their key.
const INLINE_BYTES: usize = 64 * 1024;

impl Store {
    /// Sends a read to a topic's workers.
    ///
    /// # Errors
    /// [`StoreError::Full`] when Redis takes nothing new; else when Redis is away.
    pub async fn send_sync(&self, bucket: Bucket, topic: Topic, task: &SyncTask) -> Result<(), StoreError> {
        let text = serde_json::to_string(task).map_err(|e| StoreError::corrupt("a sync task", e))?;
        let _entry: Option<String> = redis::cmd("XADD")
            .arg(keys::sync_stream(bucket, topic))
            .arg("*")
            .arg("t")
            .arg(text)
            .query_async(&mut self.reads().shared())
            .await?;
        Ok(())
    }

    /// Takes up to `count` entries of each topic's sync stream of one Redis, over a connection of its own, waiting at most [`BLOCK`].
    ///
    /// # Errors
    /// When Redis is away.
    ///
    /// # Cancel safety
    /// Not cancel safe: a dropped read still takes entries (their clients then run into their deadline).
    pub async fn take_sync(
        &self,
        (from, connection): (&Redis, &mut Connection),
        bucket: Bucket,
        worker: &str,
        topics: &[Topic],
        count: usize,
    ) -> Result<Vec<TakenSync>, StoreError> {
        let mut cmd = redis::cmd("XREADGROUP");
        cmd.arg("GROUP").arg(keys::GROUP).arg(worker).arg("COUNT").arg(count);
        cmd.arg("BLOCK").arg(BLOCK.as_millis().to_string()).arg("STREAMS");
        for topic in topics {
            cmd.arg(keys::sync_stream(bucket, *topic));
        }
        for _ in topics {
            cmd.arg(">");
        }
        let reply: Read = match cmd.query_async(connection).await {
            Err(e) if e.code() == Some("NOGROUP") => {
                make_sync_groups(from, bucket, topics).await?;
                return Ok(Vec::new());
            }
            other => other?,
        };
        let mut taken = Vec::new();
        for (stream, entries) in reply.unwrap_or_default() {
            let Some(topic) = topics.iter().find(|t| keys::sync_stream(bucket, **t) == stream) else { continue };
            for entry in entries {
                let task = entry.text("t").and_then(|t| serde_json::from_str(&t).ok());
                taken.push(TakenSync { from: from.clone(), bucket, topic: *topic, entry: entry.id, task });
            }
        }
        Ok(taken)
    }

    /// Answers a read and removes its entry.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn reply_sync(&self, taken: &TakenSync, reply: Option<&SyncReply>) -> Result<(), StoreError> {
        let stream = keys::sync_stream(taken.bucket, taken.topic);
        let mut pipe = redis::pipe();
        if let (Some(task), Some(reply)) = (&taken.task, reply) {
            let text = serde_json::to_string(reply).map_err(|e| StoreError::corrupt("a sync reply", e))?;
            let message =
                if text.len() <= INLINE_BYTES { format!("{} {text}", task.request) } else { task.request.clone() };
            pipe.set_ex(keys::sync_reply(taken.bucket, &task.request), text, REPLY_KEPT_S).ignore();
            pipe.publish(keys::reply_channel(&task.api), message).ignore();
        }
        pipe.xack(&stream, keys::GROUP, &[&taken.entry]).ignore();
        pipe.xdel(&stream, &[&taken.entry]).ignore();
        let () = pipe.query_async(&mut taken.from.shared()).await?;
        Ok(())
    }

    /// Removes, of each Redis, up to 500 sync entries that are older than the longest deadline, pending or not. Says how many.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn expire_sync(&self, bucket: Bucket, topic: Topic, longest: Duration) -> Result<u32, StoreError> {
        let longest = u64::try_from(longest.as_millis()).unwrap_or(u64::MAX);
        let oldest = self.clock().now_ms().saturating_sub(longest);
        // Exact trimming drops what lies before; pending ids of dropped entries are acked so that the list stays empty at rest.
        let stream = keys::sync_stream(bucket, topic);
        let mut count = 0;
        for redis in self.all_reads() {
            let mut shared = redis.shared();
            let old: Vec<Entry> = redis::cmd("XRANGE")
                .arg(&stream)
                .arg("-")
                .arg(oldest)
                .arg("COUNT")
                .arg(500)
                .query_async(&mut shared)
                .await?;
            let old: Vec<String> = old.into_iter().map(|e| e.id).collect();
            if !old.is_empty() {
                let mut remove = redis::pipe();
                remove.xack(&stream, keys::GROUP, &old).xdel(&stream, &old);
                let (_, gone): (u32, u32) = remove.query_async(&mut shared).await?;
                count += gone;
            }
        }
        Ok(count)
    }
}

async fn make_sync_groups(redis: &Redis, bucket: Bucket, topics: &[Topic]) -> Result<(), StoreError> {
    for topic in topics {
        let made: Result<(), redis::RedisError> = redis::cmd("XGROUP")
            .arg("CREATE")
            .arg(keys::sync_stream(bucket, *topic))
            .arg(keys::GROUP)
            .arg("0")
            .arg("MKSTREAM")
            .query_async(&mut redis.shared())
            .await;
        match made {
            Err(e) if e.code() != Some("BUSYGROUP") => return Err(e.into()),
            _ => {}
        }
    }
    Ok(())
}

type Waiters = Arc<Mutex<HashMap<String, oneshot::Sender<Option<SyncReply>>>>>;

/// An API process's ear for sync replies.
#[derive(Clone)]
pub struct Replies {
    store: Store,
    api: Arc<str>,
    waiters: Waiters,
}

impl Replies {
    /// Starts to listen, under a new name for this process.
    #[must_use]
    pub fn start(store: Store, shutdown: &Shutdown) -> Self {
        let this = Self { store, api: new_record_id().into(), waiters: Arc::default() };
        let listener = this.clone();
        let token = shutdown.token();
        shutdown.spawn("sync replies", async move {
            while !token.is_cancelled() {
                tokio::select! {
                    () = token.cancelled() => {}
                    lost = listener.listen() => {
                        if let Err(error) = lost {
                            tracing::debug!(%error, "sync reply channel lost; the stored replies bridge it");
                        }
                        crate::shutdown::sleep_or_stop(&token, Duration::from_millis(100)).await;
                    }
                }
            }
            Ok::<(), StoreError>(())
        });
        this
    }

    async fn listen(&self) -> Result<(), StoreError> {
        let mut pubsub = self.store.reads().pubsub().await?;
        pubsub.subscribe(keys::reply_channel(&self.api)).await?;
        let mut messages = pubsub.on_message();
        while let Some(message) = messages.next().await {
            let text: String = message.get_payload().unwrap_or_default();
            let (request, body) = text.split_once(' ').map_or((text.as_str(), None), |(r, b)| (r, Some(b)));
            let waiter = self.waiters.lock().unwrap_or_else(PoisonError::into_inner).remove(request);
            if let Some(waiter) = waiter {
                // A waiter that has gone away ran into its deadline.
                let _gone = waiter.send(body.and_then(|b| serde_json::from_str(b).ok()));
            }
        }
        Ok(())
    }

    /// Sends a read and waits for its answer, at most `limit`. `None`: nobody answered in time.
    ///
    /// # Errors
    /// When Redis is away or full.
    pub async fn ask(
        &self,
        bucket: Bucket,
        topic: Topic,
        kind: &str,
        params: Value,
        limit: Duration,
        traceparent: Option<String>,
    ) -> Result<Option<SyncReply>, StoreError> {
        let request = new_record_id();
        let (sender, receiver) = oneshot::channel();
        self.waiters.lock().unwrap_or_else(PoisonError::into_inner).insert(request.clone(), sender);
        let _forget = Forget { waiters: self.waiters.clone(), request: request.clone() };
        let deadline_ms = self.store.clock().now_ms() + u64::try_from(limit.as_millis()).unwrap_or(0);
        let task = SyncTask {
            kind: kind.to_owned(),
            params,
            request: request.clone(),
            api: self.api.to_string(),
            deadline_ms,
            traceparent,
        };
        self.store.send_sync(bucket, topic, &task).await?;
        let key = keys::sync_reply(bucket, &request);
        Ok(tokio::time::timeout(limit, self.wait(receiver, &key)).await.ok())
    }

    /// The message, or the stored reply, whichever is seen first; the key is looked at more and more slowly.
    async fn wait(&self, receiver: oneshot::Receiver<Option<SyncReply>>, key: &str) -> SyncReply {
        let mut receiver = Some(receiver);
        let mut pause = Duration::from_millis(200);
        loop {
            if let Some(heard) = &mut receiver {
                match tokio::time::timeout(pause, heard).await {
                    Ok(Ok(Some(reply))) => return reply,
                    Ok(_) => receiver = None,
                    Err(_) => {}
                }
            } else {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            let stored: Result<Option<String>, _> =
                redis::cmd("GET").arg(key).query_async(&mut self.store.reads().shared()).await;
            if let Some(reply) = stored.ok().flatten().and_then(|t| serde_json::from_str(&t).ok()) {
                return reply;
            }
            pause = (pause * 2).min(Duration::from_secs(2));
        }
    }
}

/// Takes a waiter off the list however its wait ends.
struct Forget {
    waiters: Waiters,
    request: String,
}

impl Drop for Forget {
    fn drop(&mut self) {
        self.waiters.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.request);
    }
}
