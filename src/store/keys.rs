//! The only place where a key is spelled. Types, owners, lifetimes and size bounds: docs/keys.md.
//!
//! Keys of a task and of the gates beside it begin with their bucket's hash tag, `vl:{b00}:`; scripts get that prefix and append the
//! same suffixes. Records of the v1 API are global, one key each.

use crate::ids::{Bucket, TaskId};
use crate::model::topic::{Lane, Topic};

/// Name of the consumer group on every stream.
pub const GROUP: &str = "workers";
/// How the deployment's unchangeable settings are recorded.
pub const META: &str = "vl:meta";
/// The audit log.
pub const AUDIT: &str = "vl:audit";
/// Index of live workers: id → ms when the presence lapses.
pub const WORKERS: &str = "vl:workers";

/// Another one after each change of a Pod Manager's record.
pub const PODMS_STAMP: &str = "vl:podms:stamp";

/// `vl:{b00}:`, what every key of a bucket begins with.
#[must_use]
pub fn prefix(bucket: Bucket) -> String {
    format!("vl:{{{bucket}}}:")
}

/// Named beside the prefix to scripts on a Cluster, and like it never a key itself. While a bucket moves between primaries, Redis
/// sends a call whose one key is missing on to the new primary, where the bucket is not yet; a call with two missing keys is
/// answered TRYAGAIN until the bucket is there as a whole (Redis 7.0, `getNodeByQuery`).
#[must_use]
pub fn whole(bucket: Bucket) -> String {
    format!("vl:{{{bucket}}}:whole")
}

/// A key of a bucket.
#[must_use]
pub fn of(bucket: Bucket, suffix: &str) -> String {
    format!("vl:{{{bucket}}}:{suffix}")
}

/// The state hash of a task; `:d`, `:r`, `:c`, `:p`, `:h` and `:x` stand beside it.
#[must_use]
pub fn task(id: TaskId) -> String {
    format!("vl:{{{}}}:t:{id}", id.bucket())
}

/// The stream of a lane.
#[must_use]
pub fn stream(bucket: Bucket, lane: Lane) -> String {
    format!("vl:{{{bucket}}}:s:{lane}")
}

/// The stream of a topic's sync tasks.
#[must_use]
pub fn sync_stream(bucket: Bucket, topic: Topic) -> String {
    format!("vl:{{{bucket}}}:s:{topic}:sync")
}

/// The stored reply to a sync task.
#[must_use]
pub fn sync_reply(bucket: Bucket, request: &str) -> String {
    format!("vl:{{{bucket}}}:reply:{request}")
}

/// The channel on which an API process hears its sync replies.
#[must_use]
pub fn reply_channel(api: &str) -> String {
    format!("vl:reply:{api}")
}

/// The channel on which a worker hears of cancels.
#[must_use]
pub fn worker_channel(worker: &str) -> String {
    format!("vl:cancel:{worker}")
}

/// The record of an Idempotency-Key.
#[must_use]
pub fn idempotency(bucket: Bucket, digest: &str) -> String {
    format!("vl:{{{bucket}}}:idem:{digest}")
}

/// A worker's presence.
#[must_use]
pub fn worker(id: &str) -> String {
    format!("vl:worker:{id}")
}

/// A v1 record: `vl:podm:<id>`, `vl:node:<id>`, `vl:flavor:<id>`, `vl:schedule:<id>`.
#[must_use]
pub fn record(collection: &str, id: &str) -> String {
    format!("vl:{collection}:{id}")
}

/// The set of a collection's ids.
#[must_use]
pub fn index(collection: &str) -> String {
    format!("vl:{collection}s")
}

/// The set of ids that a Pod Manager has of a collection.
#[must_use]
pub fn home(collection: &str, podm_id: &str) -> String {
    format!("vl:{collection}s:of:{podm_id}")
}

/// Says that these sets were made for a collection.
#[must_use]
pub fn homes(collection: &str) -> String {
    format!("vl:{collection}s:homes")
}

/// A claim on a name that must be unique in a collection, such as a PODM's name or url.
#[must_use]
pub fn unique(collection: &str, what: &str) -> String {
    format!("vl:{collection}s:by-{what}")
}

/// The latest readings of a Pod Manager.
#[must_use]
pub fn readings(podm_id: &str) -> String {
    format!("vl:readings:{podm_id}")
}

/// What a Pod Manager has, by its last refresh.
#[must_use]
pub fn inventory(podm_id: &str) -> String {
    format!("vl:inventory:{podm_id}")
}

/// What this deployment subscribed to at a Pod Manager.
#[must_use]
pub fn subscription(podm_id: &str) -> String {
    format!("vl:subscription:{podm_id}")
}

/// The sessions that processes have open at a Pod Manager.
#[must_use]
pub fn sessions(podm_id: &str) -> String {
    format!("vl:sessions:{podm_id}")
}

/// The events that a Pod Manager sent.
#[must_use]
pub fn podm_events(podm_id: &str) -> String {
    format!("vl:podm-events:{podm_id}")
}

/// What a caller may still ask for.
#[must_use]
pub fn rate(digest: &str) -> String {
    format!("vl:rate:{digest}")
}

/// The last time slot of a Pod Manager for which something was done.
#[must_use]
pub fn slot(what: &str, podm_id: &str) -> String {
    format!("vl:slot:{what}:{podm_id}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_keys_of_a_task_share_its_buckets_hash_tag() {
        let id = TaskId::mint(1_700_000_000_000, Bucket(10));
        for key in [task(id), of(id.bucket(), "delayed"), sync_stream(id.bucket(), Topic::Compute)] {
            assert!(key.starts_with("vl:{b0a}:"), "{key}");
        }
        let lane = Lane::parse("compute:high").unwrap();
        assert_eq!(stream(Bucket(0), lane), "vl:{b00}:s:compute:high");
    }
}
