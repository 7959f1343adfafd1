//! Schedules: periodic tasks. The record says what and when; the next nominal time stands beside it and only moves forward.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_with::skip_serializing_none;
use utoipa::ToSchema;

use super::{Store, StoreError, keys};

/// A periodic task.
#[skip_serializing_none]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Schedule {
    /// Id.
    pub id: String,
    /// Name for people.
    pub name: String,
    /// Cron expression of five or six fields; or `every_s`.
    pub cron: Option<String>,
    /// Interval in s; or `cron`.
    pub every_s: Option<u64>,
    /// IANA time zone the cron expression is read in.
    pub time_zone: String,
    /// Each firing is late by up to so many s, the same for all schedulers.
    #[serde(default)]
    pub jitter_s: u64,
    /// Whether it fires.
    pub enabled: bool,
    /// The task to make, as `POST /v1/tasks` takes it.
    pub task: Value,
    /// RFC 3339 UTC.
    pub created_at: String,
    /// RFC 3339 UTC.
    pub updated_at: String,
}

impl Store {
    /// The next nominal time of a schedule, ms.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn schedule_next(&self, id: &str) -> Result<Option<u64>, StoreError> {
        let key = keys::record("schedule", id);
        Ok(redis::cmd("HGET").arg(key).arg("next_ms").query_async(&mut self.redis().shared()).await?)
    }

    /// Sets the next nominal time.
    ///
    /// # Errors
    /// When Redis is away or full.
    pub async fn set_schedule_next(&self, id: &str, next_ms: u64) -> Result<(), StoreError> {
        let key = keys::record("schedule", id);
        let _new: u32 =
            redis::cmd("HSET").arg(key).arg("next_ms").arg(next_ms).query_async(&mut self.redis().shared()).await?;
        Ok(())
    }

    /// What the last firing made: `<nominal ms> <task id>`.
    ///
    /// # Errors
    /// When Redis is away or full.
    pub async fn note_firing(&self, id: &str, nominal_ms: u64, task: &str) -> Result<(), StoreError> {
        let key = keys::record("schedule", id);
        let () = redis::pipe()
            .hset(&key, "last", format!("{nominal_ms} {task}"))
            .ignore()
            .hdel(&key, "last_error")
            .ignore()
            .query_async(&mut self.redis().shared())
            .await?;
        Ok(())
    }

    /// Notes why a firing made no task; the next one that makes one takes the note away.
    ///
    /// # Errors
    /// When Redis is away or full.
    pub async fn note_refusal(&self, id: &str, nominal_ms: u64, why: &str) -> Result<(), StoreError> {
        let key = keys::record("schedule", id);
        let text = format!("{}: {why}", crate::model::v1time::rfc3339(nominal_ms));
        let _new: u32 =
            redis::cmd("HSET").arg(key).arg("last_error").arg(text).query_async(&mut self.redis().shared()).await?;
        Ok(())
    }

    /// Why the last firing made no task; `None` when it made one.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn last_refusal(&self, id: &str) -> Result<Option<String>, StoreError> {
        let key = keys::record("schedule", id);
        Ok(redis::cmd("HGET").arg(key).arg("last_error").query_async(&mut self.redis().shared()).await?)
    }

    /// The last firing: nominal time in ms and task id.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn last_firing(&self, id: &str) -> Result<Option<(u64, String)>, StoreError> {
        let key = keys::record("schedule", id);
        let last: Option<String> =
            redis::cmd("HGET").arg(key).arg("last").query_async(&mut self.redis().shared()).await?;
        Ok(last.and_then(|l| l.split_once(' ').and_then(|(ms, t)| Some((ms.parse().ok()?, t.to_owned())))))
    }
}
