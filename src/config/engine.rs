//! Settings of the task engine: Redis, tasks, workers, schedulers, logs.

use std::net::SocketAddr;

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

use crate::model::topic::Topic;
use crate::observe::log::LogFormat;

/// Where Redis is.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct RedisConfig {
    /// `redis://`, `rediss://`, `redis+unix://`, `redis-sentinel://` or `redis-cluster://`.
    pub url: String,
    /// A Redis for sync tasks alone, with nothing to keep: reads then do not wait for the durable one's fsync.
    pub sync_url: Option<String>,
    /// Replicas that must have an accepted task before its client hears of it; 0: none. What all of them have, a failover cannot lose.
    pub wait_replicas: u32,
    /// Most time they may take.
    pub wait_timeout: SignedDuration,
}

/// How tasks are treated.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct TaskConfig {
    /// How long a claim is believed without news; recorded in Redis, the same everywhere.
    pub lease: SignedDuration,
    /// How often a worker extends its claims; a third of the lease unless given, at most half of it.
    pub extend: Option<SignedDuration>,
    /// How long a changing PODM request whose answer was not seen may still be running.
    pub quarantine: SignedDuration,
    /// How long completed and cancelled tasks are kept.
    pub retention: SignedDuration,
    /// How long failed tasks are kept.
    pub dead_letter_retention: SignedDuration,
    /// State changes kept for SSE, per bucket.
    pub events_kept: u32,
}

/// Worker processes.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct WorkerConfig {
    /// Topics it serves.
    pub topics: Vec<Topic>,
    /// Slots for stored tasks.
    pub concurrency: usize,
    /// Slots for sync tasks.
    pub sync_slots: usize,
    /// Metrics and health; a default port that is taken becomes a free one.
    pub listen: Option<SocketAddr>,
}

/// Scheduler processes.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct SchedulerConfig {
    /// Metrics and health; a default port that is taken becomes a free one.
    pub listen: Option<SocketAddr>,
}

/// Logs.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogConfig {
    /// `text` or `json`.
    pub format: LogFormat,
}

impl Default for RedisConfig {
    fn default() -> Self {
        Self {
            url: "redis://127.0.0.1:6379".into(),
            sync_url: None,
            wait_replicas: 0,
            wait_timeout: SignedDuration::from_millis(500),
        }
    }
}

impl Default for TaskConfig {
    fn default() -> Self {
        Self {
            lease: SignedDuration::from_secs(15),
            extend: None,
            quarantine: SignedDuration::from_secs(120),
            retention: SignedDuration::from_hours(7 * 24),
            dead_letter_retention: SignedDuration::from_hours(30 * 24),
            events_kept: 10_000,
        }
    }
}

impl Default for WorkerConfig {
    fn default() -> Self {
        Self { topics: Topic::ALL.to_vec(), concurrency: 64, sync_slots: 16, listen: None }
    }
}
