//! Presence: who is there to work on which topic. Shown to people and used for early answers, never for safety.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::each::each;
use super::{Store, StoreError, keys};
use crate::model::topic::Topic;

/// A worker process, as it describes itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Worker {
    /// Its id, new for every process; also its consumer name.
    pub id: String,
    /// Topics it serves.
    pub topics: Vec<Topic>,
    /// Slots for stored tasks.
    pub slots: u32,
    /// Slots in use.
    pub busy: u32,
    /// Slots for sync tasks.
    pub sync_slots: u32,
    /// Version of the build.
    pub version: String,
    /// Host it runs on.
    pub host: String,
    /// Since when (RFC 3339 UTC).
    pub started_at: String,
    /// Whether it is finishing and takes no more.
    pub draining: bool,
}

/// How presence is timed: refreshed every `refresh`, gone after `lapse` without.
#[must_use]
pub fn presence_times(lease: Duration) -> (Duration, Duration) {
    let lapse = (lease / 2).min(Duration::from_secs(6));
    (lapse / 3, lapse)
}

impl Store {
    /// Writes a presence.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn announce(&self, worker: &Worker) -> Result<(), StoreError> {
        let (_, lapse) = presence_times(self.options().lease);
        let lapse_ms = u64::try_from(lapse.as_millis()).unwrap_or(6000);
        let text = serde_json::to_string(worker).map_err(|e| StoreError::corrupt("a presence", e))?;
        let key = keys::worker(&worker.id);
        let now = self.clock().now_ms();
        let () = redis::pipe()
            .hset(&key, "worker", text)
            .ignore()
            .pexpire(&key, i64::try_from(lapse_ms).unwrap_or(6000))
            .ignore()
            .zadd(keys::WORKERS, &worker.id, now + lapse_ms)
            .ignore()
            .zrembyscore(keys::WORKERS, "-inf", now.saturating_sub(60_000))
            .ignore()
            .query_async(&mut self.redis().shared())
            .await?;
        Ok(())
    }

    /// Takes a presence away at a clean end.
    ///
    /// # Errors
    /// When Redis is away; the presence then lapses.
    pub async fn leave(&self, id: &str) -> Result<(), StoreError> {
        let () = redis::pipe()
            .del(keys::worker(id))
            .ignore()
            .zrem(keys::WORKERS, id)
            .ignore()
            .query_async(&mut self.redis().shared())
            .await?;
        Ok(())
    }

    /// Every worker that is there.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn workers(&self) -> Result<Vec<Worker>, StoreError> {
        let mut shared = self.redis().shared();
        let ids: Vec<String> = redis::cmd("ZRANGE").arg(keys::WORKERS).arg(0).arg(-1).query_async(&mut shared).await?;
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let mut pipe = redis::pipe();
        for id in &ids {
            pipe.hget(keys::worker(id), "worker");
        }
        let texts = each::<Option<String>>(&mut pipe, self.redis()).await?;
        Ok(texts.into_iter().filter_map(|text| serde_json::from_str(&text.ok()??).ok()).collect())
    }

    /// Which of these workers are gone.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn gone(&self, ids: &[String]) -> Result<HashMap<String, bool>, StoreError> {
        if ids.is_empty() {
            return Ok(HashMap::new());
        }
        let mut pipe = redis::pipe();
        for id in ids {
            pipe.exists(keys::worker(id));
        }
        let there: Vec<bool> = pipe.query_async(&mut self.redis().shared()).await?;
        Ok(ids.iter().cloned().zip(there.into_iter().map(|t| !t)).collect())
    }
}

/// When the workers were looked at, and who was there.
type Seen = (Instant, Arc<Vec<Worker>>);

/// A view of the workers that is at most a second old: what the API asks before each sync task.
#[derive(Clone)]
pub struct Roster {
    store: Store,
    seen: Arc<RwLock<Option<Seen>>>,
}

impl Roster {
    /// An empty view; the first question fills it.
    #[must_use]
    pub fn new(store: Store) -> Self {
        Self { store, seen: Arc::default() }
    }

    /// The workers, at most a second old.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn workers(&self) -> Result<Arc<Vec<Worker>>, StoreError> {
        let fresh = |seen: &Option<Seen>| {
            seen.as_ref().filter(|(at, _)| at.elapsed() < Duration::from_secs(1)).map(|(_, w)| w.clone())
        };
        if let Some(workers) = fresh(&self.seen.read().unwrap_or_else(PoisonError::into_inner)) {
            return Ok(workers);
        }
        let workers = Arc::new(self.store.workers().await?);
        *self.seen.write().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), workers.clone()));
        Ok(workers)
    }

    /// Whether somebody serves the topic. A stale "no" is asked again before it is believed.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn serves(&self, topic: Topic) -> Result<bool, StoreError> {
        let served = |ws: &[Worker]| ws.iter().any(|w| !w.draining && w.topics.contains(&topic));
        if served(&self.workers().await?) {
            return Ok(true);
        }
        let workers = Arc::new(self.store.workers().await?);
        let answer = served(&workers);
        *self.seen.write().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), workers));
        Ok(answer)
    }
}
