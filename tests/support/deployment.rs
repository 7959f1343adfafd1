//! A whole deployment of real processes on loopback: Redis, API, workers, schedulers, simulated Pod Managers. They can be killed,
//! paused and started again; all end when it is dropped.

use std::process::ExitStatus;
use std::time::Duration;

use serde_json::{Value, json};
use valence::model::node::Node;
use valence::model::podm::Podm;
use valence::store::Store;
use valence::store::records::Collection;

use super::netns::{Host, Net};
pub use super::process::{Process, free_port, signal};
use super::redis::TestRedis;
use super::{process, wait};

/// How many of each process, and the flags that all daemons share.
pub struct Shape<'a> {
    /// Another Redis than a private server of its own.
    pub redis: Option<&'a str>,
    pub apis: usize,
    pub workers: usize,
    pub schedulers: usize,
    pub podms: usize,
    pub flags: &'a [&'a str],
    /// Redis's `appendfsync`.
    pub fsync: &'a str,
    /// The config file, besides its Pod Managers.
    pub config: &'a str,
    /// Workers, schedulers and Pod Managers have a host each on this network, and Redis is reached over it.
    pub net: Option<&'a mut Net>,
    /// Workers have clocks of their own, to be set with [`Process::set_clock`].
    pub clocks: bool,
}

impl Default for Shape<'_> {
    fn default() -> Self {
        Self {
            redis: None,
            apis: 1,
            workers: 1,
            schedulers: 1,
            podms: 0,
            flags: &[],
            fsync: "always",
            config: "[task]\nevents_kept = 2000000\n",
            net: None,
            clocks: false,
        }
    }
}

pub struct Deployment {
    pub redis: TestRedis,
    pub processes: Vec<Process>,
    pub apis: Vec<String>,
    pub sims: Vec<String>,
    pub http: reqwest::Client,
    pub dir: tempfile::TempDir,
    shared: Vec<String>,
    clocks: bool,
}

/// Of eight slots.
pub const WORKER: [&str; 4] = ["--concurrency", "8", "--listen", "127.0.0.1:0"];

fn owned(words: &[&str]) -> Vec<String> {
    words.iter().map(|w| (*w).to_owned()).collect()
}

impl Deployment {
    /// Returns when every API is ready and every worker is seen.
    pub async fn start(mut shape: Shape<'_>) -> Self {
        let mut settings = vec!["--appendonly", "yes", "--appendfsync", shape.fsync];
        if shape.net.is_some() {
            settings.extend(["--port", "6379", "--bind", Net::HERE, "--protected-mode", "no"]);
        }
        let redis = TestRedis::start_with(&settings).await;
        let over_net = shape.net.is_some().then(|| format!("redis://{}:6379", Net::HERE));
        let url = shape.redis.map(str::to_owned).or(over_net).unwrap_or_else(|| redis.url());
        let dir = tempfile::tempdir().unwrap();
        let (key, config) = (dir.path().join("key"), dir.path().join("valence.toml"));
        valence::secret::SecretKey::create(&key).unwrap();
        let mut shared =
            owned(&["--podm-allow-cidrs", "127.0.0.0/8,10.77.0.0/24", "--enable-test-kinds", "--redis", &url]);
        shared.extend(owned(&["--config", config.to_str().unwrap(), "--secret-key-file", key.to_str().unwrap()]));
        shared.extend(owned(shape.flags));
        let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(30)).build().unwrap();
        let (processes, apis, sims) = (Vec::new(), Vec::new(), Vec::new());
        let clocks = shape.clocks && process::has_clocks();
        let mut d = Self { redis, processes, apis, sims, http, dir, shared, clocks };
        let mut toml = format!("{}\n", shape.config);
        let mut host = |role: &str| shape.net.as_mut().map(|net| net.host(role));
        for n in 0..shape.podms {
            let host = host("podm");
            let at = format!("{}:{}", host.as_ref().map_or("127.0.0.1", |h| &h.address), free_port());
            let data = d.dir.path().join(format!("podm{n}"));
            let data = data.to_str().unwrap();
            d.spawn("podm-sim", host, owned(&["--listen", &at, "--systems", "16", "--data-dir", data]));
            toml.push_str(&format!(
                "[[podm]]\nname = 'podm{n}'\nurl = 'http://{at}'\nusername = 'admin'\npassword = 'admin'\n"
            ));
            d.sims.push(format!("http://{at}"));
        }
        std::fs::write(&config, toml).unwrap();
        for _ in 0..shape.apis {
            let at = format!("127.0.0.1:{}", free_port());
            d.add("api", &["--listen", &at]);
            d.apis.push(format!("http://{at}"));
        }
        for _ in 0..shape.workers {
            let args = d.with_shared(&WORKER);
            d.spawn("worker", host("worker"), args);
        }
        for _ in 0..shape.schedulers {
            let args = d.with_shared(&["--listen", "127.0.0.1:0"]);
            d.spawn("scheduler", host("sched"), args);
        }
        d.until_ready().await;
        d.until_workers(shape.workers).await;
        d
    }

    /// One more daemon, with flags of its own; says its index.
    pub fn add(&mut self, role: &'static str, own: &[&str]) -> usize {
        let args = self.with_shared(own);
        self.spawn(role, None, args)
    }

    /// As [`Self::add`], reaching Redis another way.
    pub fn add_through(&mut self, redis: &str, role: &'static str, own: &[&str]) -> usize {
        let mut args = self.with_shared(own);
        let at = args.iter().position(|a| a == "--redis").unwrap();
        args[at + 1] = redis.to_owned();
        self.spawn(role, None, args)
    }

    fn with_shared(&self, own: &[&str]) -> Vec<String> {
        self.shared.iter().cloned().chain(owned(own)).collect()
    }

    /// One more worker, of eight slots.
    pub fn worker(&mut self) -> usize {
        self.add("worker", &WORKER)
    }

    fn spawn(&mut self, role: &'static str, host: Option<Host>, args: Vec<String>) -> usize {
        let has_clock = self.clocks && role == "worker";
        let clock = has_clock.then(|| self.dir.path().join(format!("clock{}", self.processes.len())));
        self.processes.push(Process::start(role, args, clock, host));
        self.processes.len() - 1
    }

    /// Kills -9 and starts the same process again at once.
    pub fn kill_and_restart(&mut self, index: usize) {
        self.kill(index);
        self.restart(index);
    }

    /// Kills -9.
    pub fn kill(&mut self, index: usize) {
        self.processes[index].kill();
    }

    /// Starts a process that ended.
    pub fn restart(&mut self, index: usize) {
        self.processes[index].restart();
    }

    /// How a process ended, if it did.
    pub fn ended(&mut self, index: usize) -> Option<ExitStatus> {
        self.processes[index].ended()
    }

    /// Waits for the end of a process; its exit code.
    pub async fn exit_code(&mut self, index: usize, limit: Duration) -> Option<i32> {
        wait::within(limit, "the process ends", async || self.ended(index)).await.code()
    }

    pub fn pid(&self, index: usize) -> u32 {
        self.processes[index].pid()
    }

    /// SIGSTOP, SIGCONT and the like to a process.
    pub fn signal(&self, index: usize, name: &str) {
        signal(self.pid(index), name);
    }

    /// Indexes of the processes of a role.
    pub fn of_role(&self, role: &str) -> Vec<usize> {
        (0..self.processes.len()).filter(|i| self.processes[*i].role == role).collect()
    }

    async fn until_ready(&self) {
        let ready = self.apis.iter().map(|api| format!("{api}/readyz"));
        for url in ready.chain(self.sims.iter().map(|sim| format!("{sim}/redfish/v1/"))) {
            wait::until(&url, async || self.http.get(&url).send().await.and_then(|r| r.error_for_status())).await;
        }
    }

    /// Waits until so many workers are seen.
    pub async fn until_workers(&self, count: usize) {
        wait::until("the workers are seen", async || {
            let seen = self.get("/v1/workers").await;
            if seen["workers"].as_array().unwrap().len() == count { Ok(()) } else { Err(seen) }
        })
        .await;
    }

    pub async fn get(&self, path: &str) -> Value {
        let (status, body) = self.ask(self.http.get(format!("{}{path}", self.apis[0]))).await;
        assert_eq!(status, 200, "GET {path}: {body}");
        body
    }

    pub async fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        self.ask(self.http.post(format!("{}{path}", self.apis[0])).json(body)).await
    }

    async fn ask(&self, request: reqwest::RequestBuilder) -> (u16, Value) {
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap_or(Value::Null))
    }

    /// Enqueues a task; its id.
    pub async fn submit(&self, kind: &str, params: Value) -> String {
        self.submit_task(&json!({"kind": kind, "params": params})).await
    }

    pub async fn submit_task(&self, task: &Value) -> String {
        let (status, body) = self.post("/v1/tasks", task).await;
        assert_eq!(status, 202, "{body}");
        body["id"].as_str().unwrap().to_owned()
    }

    pub async fn task(&self, id: &str) -> Value {
        self.get(&format!("/v1/tasks/{id}")).await
    }

    /// Waits until a look at a task says so; the task.
    pub async fn until_task(&self, id: &str, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
        wait::until(what, async || {
            let task = self.task(id).await;
            if holds(&task) { Ok(task) } else { Err(task) }
        })
        .await
    }

    /// Waits until a task has ended; the task.
    pub async fn done(&self, id: &str) -> Value {
        self.until_task(id, "the task has ended", |t| t["status"] != "In progress").await
    }

    /// A total of a topic's queue.
    pub async fn total(&self, topic: &str, word: &str) -> i64 {
        let seen = self.get("/v1/queues").await;
        let queue = seen["queues"].as_array().unwrap().iter().find(|q| q["topic"] == topic).unwrap();
        queue["totals"][word].as_i64().unwrap_or(0)
    }

    /// The ids of the configured Pod Managers, once they are all registered.
    pub async fn podm_ids(&self) -> Vec<String> {
        let mut ids: Vec<String> = wait::until("the Pod Managers are registered", async || {
            let ids: Vec<String> = self.redis.command(&["SMEMBERS", "vl:podms"]).await;
            if ids.len() == self.sims.len() { Ok(ids) } else { Err(ids) }
        })
        .await;
        ids.sort();
        ids
    }

    /// Nodes that the simulators have: (podm url, index).
    pub async fn sim_nodes(&self) -> Vec<(String, String)> {
        let mut all = Vec::new();
        for sim in &self.sims {
            let seen: Value = self.http.get(format!("{sim}/sim/nodes")).send().await.unwrap().json().await.unwrap();
            for podm in seen.as_array().unwrap() {
                for node in podm["nodes"].as_array().unwrap() {
                    let index = node["index"].as_str().map_or_else(|| node["index"].to_string(), str::to_owned);
                    all.push((sim.clone(), index));
                }
            }
        }
        all.sort();
        all
    }

    /// Nodes on record: (podm url, index).
    pub async fn recorded_nodes(&self, store: &Store) -> Vec<(String, String)> {
        let nodes: Vec<Node> = store.records(Collection::Node).await.unwrap();
        let podms: Vec<Podm> = store.records(Collection::Podm).await.unwrap();
        let url_of = |id: &str| podms.iter().find(|p| p.uuid == id).map(|p| p.url.clone()).unwrap_or_default();
        let mut all: Vec<_> = nodes.iter().map(|n| (url_of(&n.podm_id), n.index.clone())).collect();
        all.sort();
        all
    }
}

impl Drop for Deployment {
    fn drop(&mut self) {
        self.processes.iter_mut().for_each(Process::end);
    }
}
