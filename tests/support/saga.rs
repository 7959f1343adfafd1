//! A worker and a scheduler in this process, on a private Redis, with simulated Pod Managers.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use jiff::SignedDuration;
use serde_json::{Value, json};
use valence::config::{Config, IronicConfig};
use valence::ids::TaskId;
use valence::ironic::Ironic;
use valence::lease::Lease;
use valence::model::node::Node;
use valence::model::state::{State, Status};
use valence::model::task::Definition;
use valence::model::topic::Topic;
use valence::service::{Context, ReadContext, Verdict, handler_of, reader_of};
use valence::shutdown::Shutdown;
use valence::sim::SimConfig;
use valence::store::claims::{Mode, Outcome, Settled, Settlement, Source};
use valence::store::listing::Filter;
use valence::store::record::{Body, TaskRecord};
use valence::store::records::Collection;
use valence::store::upkeep::all_lanes;
use valence::store::{Store, StoreOptions};

use super::podm::{Lab, PASSWORD};
use super::redis::TestRedis;
use super::wait;

/// How long an attempt by hand is believed.
const LEASE: Duration = Duration::from_secs(3);

pub struct Plant {
    pub lab: Lab,
    pub store: Store,
    ironic: Ironic,
    shutdown: Shutdown,
    pub redis: TestRedis,
    /// Tasks whose success was not told once.
    forgotten: Mutex<HashSet<TaskId>>,
}

impl Drop for Plant {
    fn drop(&mut self) {
        self.shutdown.stop();
    }
}

impl Plant {
    /// Everything runs, and every simulated Pod Manager is registered.
    pub async fn start(sim: SimConfig) -> Self {
        let plant = Self::bare(sim, true).await;
        plant.register_all().await;
        plant
    }

    /// Everything runs, with other settings.
    pub async fn start_with(sim: SimConfig, change: impl FnOnce(&mut Config)) -> Self {
        let plant = Self::bare_with(sim, true, change).await;
        plant.register_all().await;
        plant
    }

    /// Without a worker, tasks wait until [`Plant::attempt`] takes them; nothing is registered.
    pub async fn bare(sim: SimConfig, worker: bool) -> Self {
        Self::bare_with(sim, worker, |_| {}).await
    }

    /// With an Ironic that nodes can be registered with.
    pub async fn with_ironic(sim: SimConfig, worker: bool, ironic: IronicConfig) -> Self {
        Self::bare_with(sim, worker, |config| config.ironic = ironic).await
    }

    /// Without a worker, and giving a Pod Manager up that is silent for so long.
    pub async fn impatient(sim: SimConfig, no_answer: Duration, quarantine: Duration, ironic: IronicConfig) -> Self {
        let change = |config: &mut Config| {
            config.ironic = ironic;
            config.task.quarantine = SignedDuration::try_from(quarantine).unwrap();
        };
        Self::around(Lab::start_with(sim, no_answer).await, false, change).await
    }

    /// With a worker, whose Pod Managers may take so long for an answer.
    pub async fn patient(sim: SimConfig, no_answer: Duration) -> Self {
        Self::around(Lab::start_with(sim, no_answer).await, true, |_| {}).await
    }

    async fn bare_with(sim: SimConfig, worker: bool, change: impl FnOnce(&mut Config)) -> Self {
        Self::around(Lab::start(sim).await, worker, change).await
    }

    async fn around(lab: Lab, worker: bool, change: impl FnOnce(&mut Config)) -> Self {
        let server = TestRedis::start().await;
        let mut config = Config::default();
        config.task.lease = SignedDuration::from_secs(3);
        config.task.quarantine = SignedDuration::from_millis(150);
        config.worker.topics = Topic::ALL.to_vec();
        change(&mut config);
        if valence::controls::is_off("quarantine") {
            config.task.quarantine = SignedDuration::ZERO;
        }
        let store = server.open(config.store_options()).await;
        let shutdown = Shutdown::new();
        if worker {
            valence::worker::run(&config, store.clone(), lab.pool.clone(), &shutdown).await.unwrap();
            let key = Some(Arc::clone(&lab.key));
            valence::upkeep::run(&config, store.clone(), lab.pool.clone(), key, &shutdown).await.unwrap();
        }
        let ironic = Ironic::new(&config.ironic);
        Self { lab, store, ironic, shutdown, redis: server, forgotten: Mutex::default() }
    }

    pub async fn register_all(&self) {
        for n in 0..self.lab.urls.len() {
            let task = self.register(n, &format!("lab-{n}"), &self.lab.urls[n]).await;
            assert_eq!(task.state.as_str(), "completed", "{:?}", task.body);
        }
    }

    pub async fn register(&self, n: usize, name: &str, url: &str) -> TaskRecord {
        self.done(self.submit_def(self.registration(n, name, url)).await).await
    }

    pub fn registration(&self, n: usize, name: &str, url: &str) -> Definition {
        self.registration_as(&self.lab.uuids[n], name, url)
    }

    /// The registration of a Pod Manager under an id; the password is sealed for that id alone.
    pub fn registration_as(&self, id: &str, name: &str, url: &str) -> Definition {
        let sealed = self.lab.key.seal(id, PASSWORD).unwrap();
        let params = json!({"name": name, "url": url, "driver": self.lab.driver_name,
            "authentication": [{"type": "basic", "auth_items": {"username": "admin", "password": sealed}}]});
        let mut def = Definition::new("podm.create", params);
        def.podm_id = Some(id.to_owned());
        def
    }

    /// Without a worker: registers the first Pod Manager, and lets its devices be read.
    pub async fn enrol(&self) {
        let id = self.submit_def(self.registration(0, "lab-0", &self.lab.url)).await;
        assert_eq!(self.drive(id, &[]).await.state.as_str(), "completed");
        while self.attempt(Duration::from_secs(10)).await {}
        self.cancel_scheduled().await;
    }

    /// What is scheduled does not come: a refresh that is due by the clock would ask a Pod Manager for things in the middle of a task.
    pub async fn cancel_scheduled(&self) {
        let live = Filter { status: Some(Status::InProgress), ..Filter::default() };
        for task in self.store.list(&live, 10, None).await.unwrap().tasks {
            if task.state == State::Scheduled {
                self.store.cancel(task.id).await.unwrap();
            }
        }
    }

    pub async fn submit(&self, kind: &str, params: Value, podm: Option<&str>, node: Option<&str>) -> TaskId {
        let mut def = Definition::new(kind, params);
        def.podm_id = podm.map(str::to_owned);
        def.node_id = node.map(str::to_owned);
        self.submit_def(def).await
    }

    pub async fn submit_def(&self, def: Definition) -> TaskId {
        self.store.submit(def, None, None).await.unwrap().id
    }

    /// Submits, and waits for the end.
    pub async fn run(&self, kind: &str, params: Value, podm: Option<&str>, node: Option<&str>) -> TaskRecord {
        self.done(self.submit(kind, params, podm, node).await).await
    }

    /// Composes a node at the first Pod Manager.
    pub async fn compose(&self, params: Value) -> TaskRecord {
        self.run("node.compose", params, Some(&self.lab.uuids[0]), None).await
    }

    /// Waits until a task has ended.
    pub async fn done(&self, id: TaskId) -> TaskRecord {
        wait::until("the task has ended", async || {
            let task = self.store.task(id).await.unwrap().unwrap();
            if task.state.is_terminal() { Ok(task) } else { Err((task.state, task.history())) }
        })
        .await
    }

    pub async fn node_rows(&self) -> Vec<Node> {
        self.store.records(Collection::Node).await.unwrap()
    }

    pub async fn read(&self, kind: &str, params: Value) -> Result<Value, valence::model::problem::Problem> {
        let deadline = Instant::now() + Duration::from_secs(10);
        let ctx = ReadContext::new(self.store.clone(), self.lab.pool.clone(), valence::ids::new_record_id(), deadline);
        reader_of(kind).unwrap()(Arc::new(ctx), params).await
    }

    /// What is composed and what is on record are the same nodes, each assembled.
    pub async fn assert_agrees(&self, nodes: usize) {
        let there = self.lab.nodes().await;
        let rows = self.node_rows().await;
        assert_eq!((there.len(), rows.len()), (nodes, nodes), "{there:?} {rows:?}");
        for node in &there {
            assert_eq!(node["state"], "Assembled", "{node}");
            assert!(rows.iter().any(|r| node["index"] == r.index.as_str()), "{node} {rows:?}");
        }
    }

    /// One attempt by hand, dropped after `limit` as if its process had died: whatever can be claimed is run, or undone, and settled.
    /// `false` when there was nothing to claim.
    pub async fn attempt(&self, limit: Duration) -> bool {
        self.attempt_until(tokio::time::sleep(limit), false).await
    }

    /// As [`Plant::attempt`], dropped as soon as `died` is there. With `forget`, it dies after its last step, before its success is told:
    /// once a task.
    pub async fn attempt_until(&self, died: impl Future<Output = ()>, forget: bool) -> bool {
        self.attempt_under(Lease::new(Instant::now(), LEASE), died, forget).await.is_some()
    }

    /// An attempt that stops at `stopped` for longer than its lease: another takes the task over and brings it to its end, then the first
    /// goes on, and is fenced. `None` when there was nothing to claim, or it ended before it was to stop.
    pub async fn overtaken(&self, id: TaskId, stopped: impl Future<Output = ()>) -> Option<TaskRecord> {
        let lease = Lease::new(Instant::now(), LEASE);
        let mut sleeper = Box::pin(self.attempt_under(lease.clone(), std::future::pending(), false));
        tokio::select! {
            biased;
            () = stopped => {}
            _ = &mut sleeper => return None,
        }
        let options = StoreOptions { lease: Duration::ZERO, ..self.store.options().clone() };
        let reaper = self.redis.open(options).await;
        reaper.reclaim(valence::ids::Bucket(0), 100).await.unwrap();
        let task = self.drive(id, &[]).await;
        lease.lose();
        assert_eq!(sleeper.await, Some(Settled::Fenced));
        Some(task)
    }

    async fn attempt_under(&self, lease: Lease, died: impl Future<Output = ()>, forget: bool) -> Option<Settled> {
        let bucket = valence::ids::Bucket(0);
        self.store.promote(bucket, 100).await.unwrap();
        let lanes: Vec<_> = all_lanes().collect();
        let token = valence::ids::new_record_id();
        let reply = self.store.claim(bucket, "hand", &token, 1, &lanes, &Source::New).await.unwrap();
        let claimed = reply.claimed.into_iter().next()?;
        let (id, mode, def) = (claimed.id, claimed.mode, claimed.def.clone().unwrap());
        let stop = tokio_util::sync::CancellationToken::new();
        let handler = handler_of(&def.kind).unwrap();
        let ctx = Context::new(self.store.clone(), self.lab.pool.clone(), claimed, def, lease, stop.clone());
        let ctx = Arc::new(ctx.with_ironic(self.ironic.clone()));
        let ended = |mode| if mode == Mode::Cancel { Outcome::Cancelled } else { Outcome::Failed };
        let (mut body, mut ending) = (None, None);
        let outcome = if mode == Mode::Run {
            match or_died((handler.run)(Arc::clone(&ctx)), died).await {
                Err(_died) => Outcome::Release,
                Ok(Ok(_)) if forget && self.forgotten.lock().unwrap().insert(id) => Outcome::Release,
                Ok(Ok(result)) => {
                    body = Some(Body { result, error: None });
                    Outcome::Completed
                }
                Ok(Err(Verdict::Fail(error))) => {
                    body = Some(Body { result: Value::Null, error: Some(error) });
                    ending = Some(Mode::Fail);
                    Outcome::Retry(Duration::ZERO)
                }
                Ok(Err(Verdict::Park { .. })) => Outcome::Park(Duration::from_millis(20)),
                Ok(Err(Verdict::Retry { .. } | Verdict::Stop)) => Outcome::Retry(Duration::from_millis(20)),
            }
        } else {
            match or_died((handler.undo)(Arc::clone(&ctx)), died).await {
                Ok(Ok(())) => ended(mode),
                _ => {
                    ending = Some(mode);
                    Outcome::Retry(Duration::from_millis(20))
                }
            }
        };
        let settlement = Settlement { id, token, outcome, ending, body, detail: "by hand".into() };
        Some(self.store.settle(settlement).await.unwrap())
    }

    /// Attempts by hand until the task has ended; the n-th attempt lives as long as `limits` says, the rest as long as they need.
    pub async fn drive(&self, id: TaskId, limits: &[Duration]) -> TaskRecord {
        self.driven(id, limits, false).await
    }

    /// As [`Plant::drive`]; the worker of every task dies once after the last step, before it tells of its success.
    pub async fn drive_forgetful(&self, id: TaskId) -> TaskRecord {
        self.driven(id, &[], true).await
    }

    async fn driven(&self, id: TaskId, limits: &[Duration], forget: bool) -> TaskRecord {
        let mut limits = limits.iter();
        let mut next = None;
        wait::until("the task has ended", async || {
            loop {
                let task = self.store.task(id).await.unwrap().unwrap();
                if task.state.is_terminal() {
                    return Ok(task);
                }
                let limit = *next.get_or_insert_with(|| limits.next().copied().unwrap_or(Duration::from_secs(10)));
                if !self.attempt_until(tokio::time::sleep(limit), forget).await {
                    return Err(task.history());
                }
                next = None;
            }
        })
        .await
    }
}

/// An id of a task that was accepted so long ago.
pub fn accepted_ago(store: &Store, ago: Duration, podm: &str) -> TaskId {
    let now_ms = store.clock().now_ms();
    let fresh = TaskId::mint(now_ms, store.options().buckets.of_name(podm)).to_string();
    let at = format!("{:012x}", u128::from(now_ms) - ago.as_millis());
    format!("{}-{}{}", &at[..8], &at[8..], &fresh[13..]).parse().unwrap()
}

async fn or_died<T>(work: impl Future<Output = T>, died: impl Future<Output = ()>) -> Result<T, ()> {
    tokio::select! {
        done = work => Ok(done),
        () = died => Err(()),
    }
}
