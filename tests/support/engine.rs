//! A store on a private Redis, and a worker's hands to drive tasks with: for tests of the engine itself.

use std::time::Duration;

use serde_json::json;
use valence::ids::{Bucket, Buckets, TaskId};
use valence::model::task::Definition;
use valence::model::topic::Lane;
use valence::store::claims::{Claimed, Mode, Outcome, Settled, Settlement, Source};
use valence::store::connect::Redis;
use valence::store::record::{Body, TaskRecord};
use valence::store::tasks::{Enqueued, NewTask};
use valence::store::upkeep::all_lanes;
use valence::store::{Store, StoreOptions};

use crate::redis_server::RedisServer;

/// A deployment without processes.
pub struct Engine {
    pub store: Store,
    pub server: RedisServer,
}

/// Short times, so that a test can wait for them.
pub fn options(buckets: u16) -> StoreOptions {
    StoreOptions {
        buckets: Buckets::new(buckets).unwrap(),
        lease: Duration::from_millis(400),
        quarantine: Duration::from_millis(900),
        events_kept: 100_000,
        deployment: "test".into(),
    }
}

impl Engine {
    pub async fn start(buckets: u16) -> Self {
        Self::on(RedisServer::start(&[]).await, buckets).await
    }

    pub async fn on(server: RedisServer, buckets: u16) -> Self {
        let redis = Redis::connect(&server.url(), Duration::from_secs(2)).await.unwrap();
        Self { store: Store::open(redis, options(buckets)).await.unwrap(), server }
    }

    pub fn new_task(&self, kind: &str) -> NewTask {
        self.task_in(kind, self.store.options().buckets.random())
    }

    pub fn task_in(&self, kind: &str, bucket: Bucket) -> NewTask {
        NewTask {
            id: TaskId::mint(self.store.clock().now_ms(), bucket),
            lane: Lane::parse("compute:normal").unwrap(),
            def: Definition::new(kind, json!({})),
            delay_ms: None,
            gates: String::new(),
            idempotent: false,
        }
    }

    /// Enqueues a no-op.
    pub async fn queued(&self) -> TaskId {
        self.put(self.new_task("noop")).await
    }

    pub async fn put(&self, task: NewTask) -> TaskId {
        let id = task.id;
        assert_eq!(self.store.enqueue(task).await.unwrap(), Enqueued::New);
        id
    }

    pub async fn claim_n(&self, worker: &str, free: usize) -> Vec<Claimed> {
        let lanes: Vec<Lane> = all_lanes().collect();
        let mut all = Vec::new();
        for bucket in self.store.options().buckets.iter() {
            let token = valence::ids::new_record_id();
            let left = free - all.len();
            if left > 0 {
                let reply = self.store.claim(bucket, worker, &token, left, &lanes, &Source::New).await.unwrap();
                all.extend(reply.claimed);
            }
        }
        all
    }

    /// Claims exactly one.
    pub async fn claim(&self, worker: &str) -> Claimed {
        self.claim_n(worker, 1).await.pop().expect("a task to claim")
    }

    pub async fn settle(&self, claimed: &Claimed, outcome: Outcome) -> Settled {
        self.settle_with(claimed, outcome, None).await
    }

    pub async fn settle_with(&self, claimed: &Claimed, outcome: Outcome, body: Option<Body>) -> Settled {
        let (id, token) = (claimed.id, claimed.token.clone());
        let detail = "because".into();
        self.store.settle(Settlement { id, token, outcome, ending: None, body, detail }).await.unwrap()
    }

    /// As the worker does when an undo goes on later.
    pub async fn settle_ending(&self, claimed: &Claimed, outcome: Outcome, mode: Mode, body: Option<Body>) -> Settled {
        let (id, token) = (claimed.id, claimed.token.clone());
        let detail = "because".into();
        self.store.settle(Settlement { id, token, outcome, ending: Some(mode), body, detail }).await.unwrap()
    }

    pub async fn task(&self, id: TaskId) -> TaskRecord {
        self.store.task(id).await.unwrap().expect("the task stands")
    }

    pub async fn state(&self, id: TaskId) -> String {
        self.task(id).await.state.to_string()
    }

    /// Promotes what is due in every bucket.
    pub async fn promote(&self) {
        for bucket in self.store.options().buckets.iter() {
            self.store.promote(bucket, 1000).await.unwrap();
        }
    }

    /// Streams, pending lists, delayed and gates hold nothing; nobody is live; the counters agree.
    pub async fn assert_at_rest(&self) {
        let found = valence::upkeep::repair::whole_pass(&self.store, true).await.unwrap();
        assert_eq!(found, Vec::<String>::new());
        for bucket in self.store.options().buckets.iter() {
            let mut con = self.store.redis().shared();
            let keys: Vec<String> =
                redis::cmd("KEYS").arg(format!("vl:{{{bucket}}}:*")).query_async(&mut con).await.unwrap();
            for key in keys {
                let suffix = key.split_once("}:").unwrap().1;
                if suffix.starts_with("s:") {
                    let len: u64 = redis::cmd("XLEN").arg(&key).query_async(&mut con).await.unwrap();
                    assert_eq!(len, 0, "{key} still has entries");
                }
                let empty = ["live", "delayed", "gate:", "gatewait:"];
                assert!(!empty.iter().any(|e| suffix.starts_with(e)), "{key} is not empty");
            }
        }
        for (field, n) in self.store.counts().await.unwrap() {
            let what = field.split_once(':').unwrap().1;
            let live = ["scheduled", "queued", "running", "retrying", "parked", "waiting", "cancelling"];
            assert!(!live.contains(&what) || n == 0, "counter {field} is {n}");
        }
    }
}
