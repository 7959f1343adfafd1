//! A store on a private Redis, and a worker's hands to drive tasks with: for tests of the engine itself.

use std::time::Duration;

use serde_json::json;
use valence::ids::{Bucket, Buckets, TaskId};
use valence::model::task::Definition;
use valence::model::topic::Lane;
use valence::store::claims::{Claimed, Mode, Outcome, Settled, Settlement, Source};
use valence::store::record::{Body, TaskRecord};
use valence::store::tasks::{Enqueued, NewTask};
use valence::store::upkeep::all_lanes;
use valence::store::{Store, StoreOptions};

use super::redis::TestRedis;

/// A deployment without processes.
pub struct Engine {
    pub store: Store,
    pub server: TestRedis,
}

/// Short times, so that a test can wait for them.
pub fn options(buckets: u16) -> StoreOptions {
    StoreOptions {
        buckets: Buckets::new(buckets).unwrap(),
        lease: Duration::from_millis(400),
        quarantine: Duration::from_millis(900),
        events_kept: 100_000,
        deployment: "test".into(),
        replicas: None,
    }
}

impl Engine {
    pub async fn start(buckets: u16) -> Self {
        Self::on(TestRedis::start().await, buckets).await
    }

    pub async fn on(server: TestRedis, buckets: u16) -> Self {
        Self { store: server.open(options(buckets)).await, server }
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

    /// A no-op that needs the one place for changes at a Pod Manager.
    pub fn gated(&self, timeout_s: u64) -> NewTask {
        let mut task = self.new_task("noop");
        task.gates = "podm:p1:w=1".into();
        task.def.timeout_s = timeout_s;
        task
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

    /// Nothing lies about in any bucket.
    pub async fn assert_at_rest(&self) {
        assert_eq!(unrest(&self.store).await, Vec::<String>::new());
    }
}

/// Every key of a bucket but its tasks', of which there may be many thousands.
async fn queue_keys(con: &mut valence::store::connect::Connection, prefix: &str) -> Vec<String> {
    let (mut cursor, mut all) = (0, Vec::new());
    loop {
        let mut scan = redis::cmd("SCAN");
        scan.arg(cursor).arg("MATCH").arg(format!("{prefix}[^t]*")).arg("COUNT").arg(5000);
        let (next, keys): (u64, Vec<String>) = scan.query_async(con).await.unwrap();
        all.extend(keys);
        if next == 0 {
            all.sort();
            all.dedup();
            return all;
        }
        cursor = next;
    }
}

/// What is not as it is when every task has ended: streams, delayed and gates that hold something, somebody live, counters that disagree,
/// whatever else repair would mend.
pub async fn unrest(store: &Store) -> Vec<String> {
    let mut found = valence::upkeep::repair::whole_pass(store, true).await.unwrap();
    let mut con = store.redis().shared();
    for bucket in store.options().buckets.iter() {
        for key in queue_keys(&mut con, &format!("vl:{{{bucket}}}:")).await {
            let suffix = key.split_once("}:").unwrap().1;
            if suffix.starts_with("s:") {
                let len: u64 = redis::cmd("XLEN").arg(&key).query_async(&mut con).await.unwrap();
                if len > 0 {
                    found.push(format!("{key} still has {len} entries"));
                }
            }
            // Sessions at Pod Managers stay open between tasks. A place that a killed reader left has lapsed, and the next one to ask clears it away.
            let of_podm = suffix.starts_with("gate:podm:");
            let session = of_podm && suffix.ends_with(":s");
            let now = store.clock().now_ms();
            let lapsed = of_podm && {
                let held: u64 =
                    redis::cmd("ZCOUNT").arg(&key).arg(now).arg("+inf").query_async(&mut con).await.unwrap();
                held == 0
            };
            if !session && !lapsed && ["live", "delayed", "gate:", "gatewait:"].iter().any(|e| suffix.starts_with(e)) {
                found.push(format!("{key} is not empty"));
            }
        }
    }
    for (field, n) in store.counts().await.unwrap() {
        let what = field.split_once(':').unwrap().1;
        let live = ["scheduled", "queued", "running", "retrying", "parked", "waiting", "cancelling"];
        if live.contains(&what) && n != 0 {
            found.push(format!("counter {field} is {n}"));
        }
    }
    found
}
