//! Queues as an operator sees them: depth by state and priority, lag, pending, age, totals; pause and resume.

use std::collections::{BTreeMap, HashMap};

use redis::streams::StreamInfoGroupsReply;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Store, StoreError, keys};
use crate::model::topic::{Lane, Priority, Topic};

/// One topic's queue, summed over all buckets.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Queue {
    /// The topic.
    pub topic: String,
    /// Whether workers take nothing new from it.
    pub paused: bool,
    /// Tasks by state, those that have not ended.
    pub depth: BTreeMap<String, i64>,
    /// Entries in the streams by priority: queued ones and those that a worker holds.
    pub priorities: BTreeMap<String, u64>,
    /// Entries not yet taken by a worker.
    pub lag: u64,
    /// Entries that a worker holds.
    pub pending: u64,
    /// Sync entries not yet answered.
    pub sync: u64,
    /// Age of the oldest entry not yet taken, s.
    pub oldest_age_s: f64,
    /// Tasks since the deployment began, by what became of them: enqueued, completed, failed, cancelled, fenced.
    pub totals: BTreeMap<String, i64>,
    /// Tasks a second over the last look, by the same words.
    pub rates: BTreeMap<String, f64>,
    /// Live workers that serve it.
    pub workers: u32,
}

const ENDS: [&str; 5] = ["enqueued", "completed", "failed", "cancelled", "fenced"];

impl Store {
    /// The counters of all buckets: `<topic>:<state or total>` → n.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn counts(&self) -> Result<HashMap<String, i64>, StoreError> {
        let mut pipe = redis::pipe();
        for bucket in self.options().buckets.iter() {
            pipe.hgetall(keys::of(bucket, "count"));
        }
        let maps: Vec<HashMap<String, i64>> = pipe.query_async(&mut self.redis().shared()).await?;
        let mut sum = HashMap::new();
        for (field, n) in maps.into_iter().flatten() {
            *sum.entry(field).or_insert(0) += n;
        }
        Ok(sum)
    }

    /// Every topic's queue; `workers` and `rates` are filled in by the caller.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn queues(&self) -> Result<Vec<Queue>, StoreError> {
        let counts = self.counts().await?;
        let mut queues = Vec::new();
        for topic in Topic::ALL {
            queues.push(self.queue(topic, &counts).await?);
        }
        Ok(queues)
    }

    async fn queue(&self, topic: Topic, counts: &HashMap<String, i64>) -> Result<Queue, StoreError> {
        let mut queue = Queue { topic: topic.to_string(), ..Queue::default() };
        for (field, n) in counts {
            let Some((t, what)) = field.split_once(':') else { continue };
            if t != topic.as_str() {
                continue;
            }
            let totals = ENDS.contains(&what);
            let map = if totals { &mut queue.totals } else { &mut queue.depth };
            map.insert(what.to_owned(), (*n).max(0));
        }
        let mut shared = self.redis().shared();
        let now = self.clock().now_ms();
        for bucket in self.options().buckets.iter() {
            let paused: bool = redis::cmd("SISMEMBER")
                .arg(keys::of(bucket, "paused"))
                .arg(topic.as_str())
                .query_async(&mut shared)
                .await?;
            queue.paused |= paused;
            for redis in self.all_reads() {
                let length = redis::cmd("XLEN").arg(keys::sync_stream(bucket, topic)).to_owned();
                let sync: u64 = length.query_async(&mut redis.shared()).await?;
                queue.sync += sync;
            }
            for priority in Priority::ALL {
                let stream = keys::stream(bucket, Lane { topic, priority });
                let length: u64 = redis::cmd("XLEN").arg(&stream).query_async(&mut shared).await?;
                *queue.priorities.entry(priority.as_str().to_owned()).or_default() += length;
                if length == 0 {
                    continue;
                }
                let groups: StreamInfoGroupsReply =
                    redis::cmd("XINFO").arg("GROUPS").arg(&stream).query_async(&mut shared).await?;
                let group = groups.groups.iter().find(|g| g.name == keys::GROUP);
                let pending = group.map_or(0, |g| u64::try_from(g.pending).unwrap_or(0));
                queue.pending += pending;
                queue.lag += length.saturating_sub(pending);
                let last = group.map_or_else(|| "-".to_owned(), |g| format!("({}", g.last_delivered_id));
                let next: Vec<(String, redis::Value)> = redis::cmd("XRANGE")
                    .arg(&stream)
                    .arg(last)
                    .arg("+")
                    .arg("COUNT")
                    .arg(1)
                    .query_async(&mut shared)
                    .await?;
                let ms = next.first().and_then(|(id, _)| id.split_once('-')?.0.parse::<u64>().ok());
                if let Some(ms) = ms {
                    let age = std::time::Duration::from_millis(now.saturating_sub(ms)).as_secs_f64();
                    queue.oldest_age_s = queue.oldest_age_s.max(age);
                }
            }
        }
        Ok(queue)
    }

    /// Stops, or allows again, taking new tasks of a topic. Running ones go on.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn pause(&self, topic: Topic, paused: bool) -> Result<(), StoreError> {
        for bucket in self.options().buckets.iter() {
            let command = if paused { "SADD" } else { "SREM" };
            let _changed: u32 = redis::cmd(command)
                .arg(keys::of(bucket, "paused"))
                .arg(topic.as_str())
                .query_async(&mut self.redis().shared())
                .await?;
        }
        Ok(())
    }
}
