//! The latest readings of each Pod Manager, what is subscribed to there, and what happens once a time slot however many schedulers run.
//!
//! Only the latest readings are kept: a history is for Prometheus. What is too much is left out and counted.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::each::{each, readable};
use super::{Store, StoreError, keys};
use crate::model::reading::{Reading, Summary, summaries};

/// Readings kept of one Pod Manager.
const MOST: usize = 4_096;
/// Bytes of JSON they may have.
const MOST_BYTES: usize = 2 * 1024 * 1024;
/// How long they are kept without news, s.
const KEPT_S: u64 = 24 * 3600;

/// The latest readings of a Pod Manager.
#[derive(Debug, Clone)]
pub struct Latest {
    /// When they were read, ms since 1970.
    pub at_ms: u64,
    /// How long they count as fresh, s.
    pub fresh_s: u64,
    /// The readings.
    pub rows: Vec<Reading>,
}

/// What the readings of a Pod Manager come to.
#[derive(Debug, Clone)]
pub struct Overview {
    /// When they were read, ms since 1970.
    pub at_ms: u64,
    /// How long they count as fresh, s.
    pub fresh_s: u64,
    /// By kind and unit.
    pub summaries: Vec<Summary>,
}

/// What this deployment subscribed to at a Pod Manager.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscribed {
    /// Base URL of the receiver.
    pub receiver: String,
    /// Because the setting says so; else because somebody asked for it.
    pub by_setting: bool,
    /// RFC 3339 UTC.
    pub since: String,
    /// It is to go: nobody renews it, and whoever was to end it may have failed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ending: bool,
}

/// When they were read, how long they count as fresh, and a text.
type Fields = (Option<u64>, Option<u64>, Option<String>);

impl Store {
    /// Keeps the latest readings; says how many had no room.
    ///
    /// # Errors
    /// When Redis is away or full.
    pub async fn put_readings(&self, podm_id: &str, mut latest: Latest) -> Result<usize, StoreError> {
        let all = latest.rows.len();
        let summary = json(&summaries(&latest.rows))?;
        latest.rows.truncate(MOST);
        let mut rows = json(&latest.rows)?;
        while rows.len() > MOST_BYTES {
            latest.rows.truncate(latest.rows.len() / 2);
            rows = json(&latest.rows)?;
        }
        let key = keys::readings(podm_id);
        let fields = [
            ("at", latest.at_ms.to_string()),
            ("fresh_s", latest.fresh_s.to_string()),
            ("rows", rows),
            ("summary", summary),
        ];
        let () = redis::pipe()
            .atomic()
            // Whatever somebody else has put there.
            .unlink(&key)
            .ignore()
            .hset_multiple(&key, &fields)
            .ignore()
            .cmd("EXPIRE")
            .arg(&key)
            .arg(KEPT_S)
            .ignore()
            .query_async(&mut self.redis().shared())
            .await?;
        Ok(all - latest.rows.len())
    }

    /// The latest readings; `None` when there are none, or none that can be read: the next collection writes them anew.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn readings(&self, podm_id: &str) -> Result<Option<Latest>, StoreError> {
        let mut pipe = redis::pipe();
        pipe.cmd("HMGET").arg(keys::readings(podm_id)).arg(&["at", "fresh_s", "rows"]);
        let latest = |(at, fresh, rows): Fields| match (at, rows) {
            (Some(at_ms), Some(rows)) => {
                Ok(Some(Latest { at_ms, fresh_s: fresh.unwrap_or(0), rows: read("readings", &rows)? }))
            }
            _ => Ok(None),
        };
        let found = each(&mut pipe, self.redis()).await?.pop().map(|fields| fields.and_then(latest));
        Ok(found.and_then(|found| readable("readings", podm_id, found)))
    }

    /// What the readings of some Pod Managers come to, in their order; `None` as for [`Store::readings`].
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn overviews(&self, podm_ids: &[String]) -> Result<Vec<Option<Overview>>, StoreError> {
        if podm_ids.is_empty() {
            return Ok(Vec::new());
        }
        let mut pipe = redis::pipe();
        for id in podm_ids {
            pipe.cmd("HMGET").arg(keys::readings(id)).arg(&["at", "fresh_s", "summary"]);
        }
        let one = |(at, fresh, text): Fields| match (at, text) {
            (Some(at_ms), Some(text)) => {
                Ok(Some(Overview { at_ms, fresh_s: fresh.unwrap_or(0), summaries: read("readings", &text)? }))
            }
            _ => Ok(None),
        };
        let found = each(&mut pipe, self.redis()).await?.into_iter().map(|fields| fields.and_then(one));
        Ok(podm_ids.iter().zip(found).map(|(id, found)| readable("readings", id, found)).collect())
    }

    /// Books a time slot for something at a Pod Manager. `true` for the first that asks; later slots are booked by later calls.
    ///
    /// # Errors
    /// When Redis is away or full.
    pub async fn book_slot(&self, what: &str, podm_id: &str, slot: u64, lasts_ms: u64) -> Result<bool, StoreError> {
        Ok(self.book_slots(what, &[(podm_id, slot)], lasts_ms).await? == [true])
    }

    /// Books a time slot at each of some Pod Managers, in one round trip.
    ///
    /// # Errors
    /// As [`Store::book_slot`]; some may be booked then, and are nobody's.
    pub async fn book_slots(&self, what: &str, slots: &[(&str, u64)], lasts_ms: u64) -> Result<Vec<bool>, StoreError> {
        if slots.is_empty() {
            return Ok(Vec::new());
        }
        let mut pipe = redis::pipe();
        for (podm_id, slot) in slots {
            pipe.cmd("SET").arg(keys::slot(what, podm_id)).arg(slot).arg("GET").arg("PX").arg(lasts_ms.max(1));
        }
        let before: Vec<Option<u64>> = pipe.query_async(&mut self.redis().shared()).await?;
        Ok(slots.iter().zip(before).map(|((_, slot), before)| before.is_none_or(|b| b < *slot)).collect())
    }

    /// The last task of its kind (`collect-task`, `subscribe`) that the scheduler had made for a Pod Manager.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn last_task(&self, what: &str, podm_id: &str) -> Result<Option<String>, StoreError> {
        let key = keys::slot(what, podm_id);
        Ok(redis::cmd("GET").arg(key).query_async(&mut self.redis().shared()).await?)
    }

    /// Notes it. Not beside the readings, which are put down anew as a whole.
    ///
    /// # Errors
    /// When Redis is away or full.
    pub async fn note_last_task(&self, what: &str, podm_id: &str, task: &str) -> Result<(), StoreError> {
        let key = keys::slot(what, podm_id);
        let () =
            redis::cmd("SET").arg(key).arg(task).arg("EX").arg(KEPT_S).query_async(&mut self.redis().shared()).await?;
        Ok(())
    }

    /// What this deployment subscribed to at a Pod Manager.
    ///
    /// # Errors
    /// When Redis is away, or the note cannot be read.
    pub async fn subscribed(&self, podm_id: &str) -> Result<Option<Subscribed>, StoreError> {
        let key = keys::subscription(podm_id);
        let text: Option<String> = redis::cmd("GET").arg(key).query_async(&mut self.redis().shared()).await?;
        text.map(|text| read("a subscription", &text)).transpose()
    }

    /// Notes a subscription; `None` takes the note away.
    ///
    /// # Errors
    /// When Redis is away or full.
    pub async fn note_subscribed(&self, podm_id: &str, note: Option<&Subscribed>) -> Result<(), StoreError> {
        let key = keys::subscription(podm_id);
        let mut shared = self.redis().shared();
        let () = match note {
            Some(note) => redis::cmd("SET").arg(key).arg(json(note)?).query_async(&mut shared).await?,
            None => redis::cmd("DEL").arg(key).query_async::<u32>(&mut shared).await.map(drop)?,
        };
        Ok(())
    }

    /// Forgets everything that a Pod Manager measured and told.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn forget_telemetry(&self, podm_id: &str) -> Result<(), StoreError> {
        let mut pipe = redis::pipe();
        let of = [keys::readings(podm_id), keys::subscription(podm_id), keys::podm_events(podm_id)];
        let slots = ["collect", "collect-task", "subscribe", "probe"].map(|what| keys::slot(what, podm_id));
        for key in of.iter().chain(&slots) {
            pipe.cmd("DEL").arg(key).ignore();
        }
        let () = pipe.query_async(&mut self.redis().shared()).await?;
        Ok(())
    }
}

fn json<T: Serialize>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|e| StoreError::corrupt("readings", e))
}

fn read<T: DeserializeOwned>(what: &str, text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|e| StoreError::corrupt(what, e))
}
