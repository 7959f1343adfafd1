//! State changes: each bucket's capped events stream, read by one loop a process and handed to whoever waits.
//!
//! The stream is the hint of every kind: a long-poll wakes by it, SSE reads from it and resumes by position. Losing the connection
//! loses nothing, the loop goes on where it was.

use std::collections::HashMap;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use redis::Value as Raw;
use serde_json::{Value, json};
use tokio::sync::{Notify, watch};

use super::entry::Text;
use super::{Store, StoreError, keys};
use crate::ids::{Bucket, TaskId};
use crate::model::state::State;
use crate::model::v1time::rfc3339;
use crate::shutdown::{Shutdown, sleep_or_stop};

/// An entry as Redis gives it: id, and task id → change, in turn.
type Entry = (String, Vec<Text>);

/// Where in a bucket's events stream: an entry, and how many of its changes were seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Position {
    /// ms part of the entry id.
    pub ms: u64,
    /// Sequence part of the entry id.
    pub seq: u64,
    /// How many changes of the entry were seen.
    pub n: u32,
}

impl std::fmt::Display for Position {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}.{}", self.ms, self.seq, self.n)
    }
}

impl FromStr for Position {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (entry, n) = text.split_once('.').ok_or(())?;
        let (ms, seq) = entry.split_once('-').ok_or(())?;
        Ok(Self { ms: ms.parse().map_err(drop)?, seq: seq.parse().map_err(drop)?, n: n.parse().map_err(drop)? })
    }
}

/// One state change.
#[derive(Debug, Clone)]
pub struct Event {
    /// The position after it.
    pub position: Position,
    /// The task.
    pub id: TaskId,
    /// The state it went to, or is in.
    pub state: State,
    /// The claim it happened under, 0 before the first.
    pub claims: u64,
    /// Progress, when that is what changed.
    pub progress: Option<Value>,
}

impl Event {
    /// The data of an SSE event.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut data = json!({
            "id": self.id, "state": self.state, "status": self.state.status(),
            "at": rfc3339(self.position.ms), "claim": self.claims,
        });
        if let (Some(progress), Some(map)) = (&self.progress, data.as_object_mut()) {
            map.insert("progress".into(), progress.clone());
        }
        data
    }
}

/// What a look into the events stream brought.
#[derive(Debug, Default)]
pub struct Events {
    /// Changes after the position, oldest first.
    pub events: Vec<Event>,
    /// The position lies before what is kept: some changes are not to be had any more.
    pub gap: bool,
}

impl Store {
    /// Up to `count` entries' changes after a position.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn events(&self, bucket: Bucket, after: Position, count: usize) -> Result<Events, StoreError> {
        let key = keys::of(bucket, "events");
        let from = format!("{}-{}", after.ms, after.seq);
        let (raw, first): (Vec<Entry>, Vec<(String, Raw)>) = redis::pipe()
            .cmd("XRANGE")
            .arg(&key)
            .arg(&from)
            .arg("+")
            .arg("COUNT")
            .arg(count)
            .cmd("XRANGE")
            .arg(&key)
            .arg("-")
            .arg("+")
            .arg("COUNT")
            .arg(1)
            .query_async(&mut self.redis().shared())
            .await?;
        let oldest = first.first().and_then(|(id, _)| format!("{id}.0").parse::<Position>().ok());
        let asked = after != Position::default();
        let gap = asked && oldest.is_none_or(|oldest| (oldest.ms, oldest.seq) > (after.ms, after.seq));
        Ok(Events { events: raw.iter().flat_map(|e| read_entry(e, after)).collect(), gap })
    }

    /// The position after the newest change.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn events_end(&self, bucket: Bucket) -> Result<Position, StoreError> {
        let newest: Vec<Entry> = redis::cmd("XREVRANGE")
            .arg(keys::of(bucket, "events"))
            .arg("+")
            .arg("-")
            .arg("COUNT")
            .arg(1)
            .query_async(&mut self.redis().shared())
            .await?;
        let end = newest.first().and_then(|(id, fields)| {
            let n = u32::try_from(fields.len() / 2).ok()?;
            Some(Position { n, ..format!("{id}.0").parse().ok()? })
        });
        Ok(end.unwrap_or_default())
    }
}

/// The changes of one entry that lie after a position: fields are task id → `state claims [progress]`.
fn read_entry((entry, fields): &Entry, after: Position) -> Vec<Event> {
    let Ok(base) = format!("{entry}.0").parse::<Position>() else { return Vec::new() };
    let mut events = Vec::with_capacity(fields.len() / 2);
    for (n, pair) in (1u32..).zip(fields.chunks_exact(2)) {
        let position = Position { n, ..base };
        let mut words = pair[1].0.splitn(3, ' ');
        let (Ok(id), Some(state)) = (pair[0].0.parse(), words.next().and_then(State::parse)) else { continue };
        let claims = words.next().and_then(|c| c.parse().ok()).unwrap_or(0);
        let progress = words.next().and_then(|p| serde_json::from_str(p).ok());
        if position > after {
            events.push(Event { position, id, state, claims, progress });
        }
    }
    events
}

type Waiters = Arc<Mutex<HashMap<TaskId, (usize, Arc<Notify>)>>>;

/// A process's ear for state changes.
#[derive(Clone)]
pub struct Hub {
    waiters: Waiters,
    changed: watch::Sender<u64>,
}

impl Hub {
    /// Starts one loop a bucket.
    #[must_use]
    pub fn start(store: &Store, shutdown: &Shutdown) -> Self {
        let hub = Self { waiters: Arc::default(), changed: watch::Sender::new(0) };
        for bucket in store.options().buckets.iter() {
            let (hub, store, token) = (hub.clone(), store.clone(), shutdown.token());
            shutdown.spawn("events", async move {
                let mut last = None;
                while !token.is_cancelled() {
                    if let Err(error) = hub.follow(&store, bucket, &mut last, &token).await {
                        tracing::debug!(%error, %bucket, "events not readable; waiters fall back to polling");
                        sleep_or_stop(&token, Duration::from_millis(200)).await;
                    }
                }
                Ok::<(), StoreError>(())
            });
        }
        hub
    }

    async fn follow(
        &self,
        store: &Store,
        bucket: Bucket,
        last: &mut Option<String>,
        token: &tokio_util::sync::CancellationToken,
    ) -> Result<(), StoreError> {
        let key = keys::of(bucket, "events");
        let mut connection = store.redis().blocking().await?;
        if last.is_none() {
            let end = store.events_end(bucket).await?;
            *last = Some(format!("{}-{}", end.ms, end.seq));
        }
        while !token.is_cancelled() {
            let from = last.clone().unwrap_or_else(|| "0-0".into());
            let reply: Option<Vec<(String, Vec<Entry>)>> = redis::cmd("XREAD")
                .arg("COUNT")
                .arg(1000)
                .arg("BLOCK")
                .arg(super::connect::BLOCK.as_millis().to_string())
                .arg("STREAMS")
                .arg(&key)
                .arg(&from)
                .query_async(&mut connection)
                .await?;
            let entries = reply.into_iter().flatten().flat_map(|(_, entries)| entries);
            let mut some = false;
            for (entry, fields) in entries {
                some = true;
                self.wake(&fields);
                *last = Some(entry);
            }
            if some {
                self.changed.send_modify(|n| *n += 1);
            }
        }
        Ok(())
    }

    fn wake(&self, fields: &[Text]) {
        let waiters = self.waiters.lock().unwrap_or_else(PoisonError::into_inner);
        if waiters.is_empty() {
            return;
        }
        for pair in fields.chunks_exact(2) {
            if let Some((_, notify)) = pair[0].0.parse().ok().and_then(|id: TaskId| waiters.get(&id)) {
                notify.notify_waiters();
            }
        }
    }

    /// Changes whenever any task changed.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// A watch on one task. Make it before reading the task, so that no change falls between.
    #[must_use]
    pub fn watch(&self, id: TaskId) -> Watch {
        let mut waiters = self.waiters.lock().unwrap_or_else(PoisonError::into_inner);
        let (count, notify) = waiters.entry(id).or_default();
        *count += 1;
        Watch { hub: self.waiters.clone(), id, notify: notify.clone() }
    }
}

/// A watch on one task; dropping it ends it.
pub struct Watch {
    hub: Waiters,
    id: TaskId,
    notify: Arc<Notify>,
}

impl Watch {
    /// The next change, or `fallback` at the latest. Create the future (and poll or enable it) before reading the task.
    pub async fn changed(&self, fallback: Duration) {
        let _in_time = tokio::time::timeout(fallback, self.notify.notified()).await;
    }

    /// What to await for the next change from now on.
    #[must_use]
    pub fn notify(&self) -> &Notify {
        &self.notify
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut waiters = self.hub.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((count, _)) = waiters.get_mut(&self.id) {
            *count -= 1;
            if *count == 0 {
                waiters.remove(&self.id);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resumed_reader_sees_the_rest_of_a_half_read_entry() {
        let id = TaskId::mint(1_700_000_000_000, Bucket(0)).to_string();
        let fields: Vec<Text> = ["queued 0", "running 1", r#"running 1 {"percent":5}"#]
            .iter()
            .flat_map(|v| [Text(id.clone()), Text((*v).to_owned())])
            .collect();
        let entry = ("1700000000000-0".to_owned(), fields);
        let all = read_entry(&entry, Position::default());
        assert_eq!(all.len(), 3);
        let rest = read_entry(&entry, all[0].position);
        assert_eq!(rest.len(), 2);
        assert_eq!(rest[0].state, State::Running);
        assert_eq!(rest[1].progress.as_ref().unwrap()["percent"], 5);
        assert_eq!(all[1].position.to_string().parse(), Ok(all[1].position));
    }
}
