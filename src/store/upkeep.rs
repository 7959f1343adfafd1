//! What upkeep asks of Redis: promote, reclaim, repair, retention. Each is one bounded step, safe to run twice at once.

use redis::streams::StreamPendingCountReply;

use super::entry::Entry;
use super::meta::field;
use super::tasks::Forget;
use super::{Store, StoreError, keys};
use crate::ids::{Bucket, TaskId};
use crate::model::topic::{Lane, Priority, Topic};

/// What a reclaim did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reclaimed {
    /// Put back into their streams.
    pub requeued: u32,
    /// Set aside until a request that may still be running is surely over.
    pub quarantined: u32,
    /// Ended after their third crash.
    pub dead: u32,
}

/// One look at some live tasks.
#[derive(Debug, Clone, Default)]
pub struct Repaired {
    /// Where to go on; 0 at the end.
    pub next: u64,
    /// What was wrong, one line a task: `<id> <what>`.
    pub found: Vec<String>,
}

/// Every lane there is.
pub fn all_lanes() -> impl Iterator<Item = Lane> {
    Topic::ALL.into_iter().flat_map(|topic| Priority::ALL.into_iter().map(move |priority| Lane { topic, priority }))
}

impl Store {
    /// Puts due tasks into their streams; says how many, and in how many ms the next one is due. Tells parents whose children have ended
    /// without a worker that would.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn promote(&self, bucket: Bucket, most: u32) -> Result<(u32, Option<u64>), StoreError> {
        let (promoted, next, parents): (u32, i64, Vec<String>) =
            self.call(&self.scripts().promote, bucket, most).await?;
        for parent in parents.iter().filter_map(|id| id.parse().ok()) {
            self.nudge(parent).await?;
        }
        Ok((promoted, u64::try_from(next).ok()))
    }

    /// Takes back what has been silent for a lease, at most `most` entries of each lane.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn reclaim(&self, bucket: Bucket, most: usize) -> Result<Reclaimed, StoreError> {
        let lease = self.options().lease.as_millis().to_string();
        let lanes: Vec<Lane> = all_lanes().collect();
        let mut pipe = redis::pipe();
        for lane in &lanes {
            pipe.cmd("XPENDING").arg(keys::stream(bucket, *lane)).arg(keys::GROUP);
            pipe.arg("IDLE").arg(&lease).arg("-").arg("+").arg(most);
        }
        pipe.ignore_errors();
        let pending: Vec<redis::RedisResult<StreamPendingCountReply>> =
            pipe.query_async(&mut self.redis().shared()).await?;
        let mut idle = Vec::new();
        for (lane, reply) in lanes.iter().zip(pending) {
            // An error is NOGROUP: nobody has read this lane yet.
            let entries = reply.map(|r| r.ids).unwrap_or_default();
            idle.extend(entries.into_iter().map(|e| (*lane, e.id, e.consumer)));
        }
        if idle.is_empty() {
            return Ok(Reclaimed::default());
        }
        self.take_back(bucket, idle).await
    }

    async fn take_back(&self, bucket: Bucket, idle: Vec<(Lane, String, String)>) -> Result<Reclaimed, StoreError> {
        let mut pipe = redis::pipe();
        for (lane, entry, _) in &idle {
            pipe.xrange_count(keys::stream(bucket, *lane), entry, entry, 1);
        }
        let entries: Vec<Vec<Entry>> = pipe.query_async(&mut self.redis().shared()).await?;
        let mut consumers: Vec<String> = idle.iter().map(|(_, _, c)| c.clone()).collect();
        consumers.sort_unstable();
        consumers.dedup();
        let gone = self.gone(&consumers).await?;
        let lease = self.options().lease.as_millis().to_string();
        let mut args = vec![lease, self.options().quarantine.as_millis().to_string()];
        for ((lane, entry, consumer), found) in idle.into_iter().zip(entries) {
            let id = found.first().and_then(|e| e.text("t")).unwrap_or_default();
            let crashed = if gone.get(&consumer).copied().unwrap_or(false) { "1" } else { "0" };
            args.extend([lane.to_string(), entry, id, crashed.to_owned()]);
        }
        let replies: Vec<String> = self.call(&self.scripts().reclaim, bucket, args).await?;
        let count = |word: &str| u32::try_from(replies.iter().filter(|r| *r == word).count()).unwrap_or(u32::MAX);
        Ok(Reclaimed { requeued: count("requeued"), quarantined: count("quarantined"), dead: count("dead") })
    }

    /// Deletes consumers that are gone and have nothing pending, each in one step with the look at its pending count.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn drop_idle_consumers(&self, bucket: Bucket) -> Result<u32, StoreError> {
        let mut dropped = 0;
        let lanes = all_lanes().map(|lane| (self.redis(), lane.to_string(), keys::stream(bucket, lane)));
        let reads = self.all_reads().flat_map(|redis| {
            Topic::ALL.into_iter().map(move |topic| (redis, format!("{topic}:sync"), keys::sync_stream(bucket, topic)))
        });
        for (redis, lane, stream) in lanes.chain(reads) {
            let consumers: Result<redis::streams::StreamInfoConsumersReply, _> = redis::cmd("XINFO")
                .arg("CONSUMERS")
                .arg(&stream)
                .arg(keys::GROUP)
                .query_async(&mut redis.shared())
                .await;
            let Ok(consumers) = consumers else { continue };
            let idle: Vec<String> =
                consumers.consumers.into_iter().filter(|c| c.pending == 0).map(|c| c.name).collect();
            for (name, is_gone) in self.gone(&idle).await? {
                if is_gone && name != "upkeep" {
                    let n: u32 = self.call_at(redis, &self.scripts().retire, bucket, &[lane.clone(), name][..]).await?;
                    dropped += n;
                }
            }
        }
        Ok(dropped)
    }

    /// Looks at some live tasks, from a rank on, and puts back what is lost.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn repair(&self, bucket: Bucket, from: u64, many: u32, look_only: bool) -> Result<Repaired, StoreError> {
        let quarantine = self.options().quarantine.as_millis().to_string();
        let look_only = if look_only { "1" } else { "0" };
        let args = [from.to_string(), many.to_string(), quarantine, look_only.to_owned()];
        let (next, found): (u64, Vec<String>) = self.call(&self.scripts().repair, bucket, &args[..]).await?;
        Ok(Repaired { next, found })
    }

    /// Removes ended tasks that are old enough, looking at `many` from a rank on. Says how many went, and where to go on (0 at the
    /// end).
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn retain(
        &self,
        bucket: Bucket,
        dead: bool,
        older_than: std::time::Duration,
        from: u64,
        many: u32,
    ) -> Result<(u32, u64), StoreError> {
        let age_ms = u64::try_from(older_than.as_millis()).unwrap_or(u64::MAX);
        let cutoff = self.clock().now_ms().saturating_sub(age_ms);
        let ids: Vec<String> = redis::cmd("ZRANGEBYSCORE")
            .arg(keys::of(bucket, if dead { "dead" } else { "done" }))
            .arg("-inf")
            .arg(format!("({cutoff}"))
            .arg("LIMIT")
            .arg(from)
            .arg(many)
            .query_async(&mut self.redis().shared())
            .await?;
        let ids: Vec<TaskId> = ids.iter().filter_map(|id| id.parse().ok()).collect();
        if ids.is_empty() {
            return Ok((0, 0));
        }
        let replies = self.forget(bucket, &ids, Some(cutoff)).await?;
        let kept = replies.iter().filter(|r| **r == Forget::Kept).count();
        let gone = u32::try_from(replies.len() - kept).unwrap_or(u32::MAX);
        let end = ids.len() < usize::try_from(many).unwrap_or(usize::MAX);
        Ok((gone, if end { 0 } else { from + u64::try_from(kept).unwrap_or(0) }))
    }

    /// Run ids and replication ids of all primaries, and the uptime of the youngest in ms: a change of the ids means that clients need a
    /// lease to come back.
    ///
    /// # Errors
    /// When one is away.
    pub async fn redis_identity(&self) -> Result<(String, u64), StoreError> {
        let infos = self.redis().infos(&["server", "replication"]).await?;
        let one = |info: &String| ["run_id", "master_replid", "role"].map(|name| field(info, name)).concat();
        let mut ids: Vec<String> = infos.iter().map(one).collect();
        ids.sort();
        let uptimes = infos.iter().map(|info| field(info, "uptime_in_seconds").parse::<u64>().unwrap_or(0));
        Ok((ids.concat(), uptimes.min().unwrap_or(0) * 1000))
    }
}
