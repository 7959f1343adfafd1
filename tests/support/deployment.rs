//! A whole deployment of real processes on loopback: Redis, API, workers, schedulers, simulated Pod Managers. They can be killed,
//! paused and started again; all end when it is dropped.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::redis_server::RedisServer;

/// One process and how to start it again.
pub struct Process {
    pub role: &'static str,
    args: Vec<String>,
    child: Child,
}

pub struct Deployment {
    pub redis: RedisServer,
    pub processes: Vec<Process>,
    pub apis: Vec<String>,
    pub sims: Vec<String>,
    pub http: reqwest::Client,
    pub dir: tempfile::TempDir,
}

fn program(role: &str) -> &'static str {
    match role {
        "api" => env!("CARGO_BIN_EXE_valence-api"),
        "worker" => env!("CARGO_BIN_EXE_valence-worker"),
        "scheduler" => env!("CARGO_BIN_EXE_valence-scheduler"),
        _ => env!("CARGO_BIN_EXE_podm-sim"),
    }
}

/// A loopback port that is free now.
pub fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl Deployment {
    /// Redis that fsyncs always, and so many of each process; `common` are flags of all daemons.
    pub async fn start(apis: usize, workers: usize, schedulers: usize, podms: usize, common: &[&str]) -> Self {
        let redis = RedisServer::start(&["--appendonly", "yes", "--appendfsync", "always"]).await;
        let dir = tempfile::tempdir().unwrap();
        let key = dir.path().join("key");
        valence::secret::SecretKey::create(&key).unwrap();
        let config = dir.path().join("valence.toml");
        let mut d = Self {
            redis,
            processes: Vec::new(),
            apis: Vec::new(),
            sims: Vec::new(),
            http: reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(30)).build().unwrap(),
            dir,
        };
        let mut toml = String::from("[task]\nevents_kept = 2000000\n");
        for n in 0..podms {
            let port = free_port();
            let data = d.dir.path().join(format!("podm{n}"));
            let args = ["--listen", &format!("127.0.0.1:{port}"), "--systems", "16", "--data-dir", data.to_str().unwrap()];
            d.spawn("podm-sim", args.iter().map(|a| (*a).to_owned()).collect());
            d.sims.push(format!("http://127.0.0.1:{port}"));
            toml.push_str(&format!(
                "[[podm]]\nname = 'podm{n}'\nurl = 'http://127.0.0.1:{port}'\nusername = 'admin'\npassword = 'admin'\n"
            ));
        }
        std::fs::write(&config, toml).unwrap();
        let mut shared: Vec<String> = vec![
            "--redis".into(),
            d.redis.url(),
            "--config".into(),
            config.display().to_string(),
            "--secret-key-file".into(),
            key.display().to_string(),
            "--podm-allow-cidrs".into(),
            "127.0.0.0/8".into(),
            "--enable-test-kinds".into(),
        ];
        shared.extend(common.iter().map(|a| (*a).to_owned()));
        let with = |own: &[&str]| -> Vec<String> {
            shared.iter().cloned().chain(own.iter().map(|a| (*a).to_owned())).collect()
        };
        for _ in 0..apis {
            let port = free_port();
            d.spawn("api", with(&["--listen", &format!("127.0.0.1:{port}")]));
            d.apis.push(format!("http://127.0.0.1:{port}"));
        }
        for _ in 0..workers {
            d.spawn("worker", with(&["--concurrency", "8", "--listen", "127.0.0.1:0"]));
        }
        for _ in 0..schedulers {
            d.spawn("scheduler", with(&["--listen", "127.0.0.1:0"]));
        }
        d.until_ready().await;
        d
    }

    fn spawn(&mut self, role: &'static str, args: Vec<String>) {
        let child = start(role, &args);
        self.processes.push(Process { role, args, child });
    }

    /// Kills -9 and starts the same process again at once.
    pub fn kill_and_restart(&mut self, index: usize) {
        let p = &mut self.processes[index];
        p.child.kill().unwrap();
        p.child.wait().unwrap();
        p.child = start(p.role, &p.args);
    }

    /// Kills -9.
    pub fn kill(&mut self, index: usize) {
        let p = &mut self.processes[index];
        p.child.kill().unwrap();
        p.child.wait().unwrap();
    }

    /// Starts a process that was killed.
    pub fn restart(&mut self, index: usize) {
        let p = &mut self.processes[index];
        p.child = start(p.role, &p.args);
    }

    pub fn pid(&self, index: usize) -> u32 {
        self.processes[index].child.id()
    }

    /// Indexes of the processes of a role.
    pub fn of_role(&self, role: &str) -> Vec<usize> {
        (0..self.processes.len()).filter(|i| self.processes[*i].role == role).collect()
    }

    async fn until_ready(&self) {
        for api in &self.apis {
            let url = format!("{api}/readyz");
            until(Duration::from_secs(60), "the API serves", async || {
                self.http.get(&url).send().await.is_ok_and(|r| r.status().is_success())
            })
            .await;
        }
        for sim in &self.sims {
            let url = format!("{sim}/redfish/v1/");
            until(Duration::from_secs(30), "the simulator serves", async || {
                self.http.get(&url).send().await.is_ok_and(|r| r.status().is_success())
            })
            .await;
        }
    }

    pub async fn get(&self, path: &str) -> Value {
        let url = format!("{}{path}", self.apis[0]);
        let answer = self.http.get(&url).send().await.unwrap();
        let status = answer.status();
        let text = answer.text().await.unwrap();
        assert!(status.is_success(), "GET {path}: {status} {text}");
        serde_json::from_str(&text).unwrap()
    }

    pub async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        let url = format!("{}{path}", self.apis[0]);
        let answer = self.http.post(&url).json(&body).send().await.unwrap();
        let status = answer.status().as_u16();
        (status, answer.json().await.unwrap_or(Value::Null))
    }

    /// Nodes that the simulators have: (podm url, index).
    pub async fn sim_nodes(&self) -> Vec<(String, String)> {
        let mut all = Vec::new();
        for sim in &self.sims {
            let seen: Value = self.http.get(format!("{sim}/sim/nodes")).send().await.unwrap().json().await.unwrap();
            let podms = seen.as_array().cloned().unwrap_or_else(|| vec![seen.clone()]);
            for podm in &podms {
                for node in podm["nodes"].as_array().cloned().unwrap_or_default() {
                    let index = node["index"].as_str().map_or_else(|| node["index"].to_string(), str::to_owned);
                    all.push((sim.clone(), index));
                }
            }
        }
        all.sort();
        all
    }

    /// A quiet way to say what a task stands at when a wait fails.
    pub async fn queues(&self) -> Value {
        let seen = self.http.get(format!("{}/v1/queues", self.apis[0])).send().await;
        match seen {
            Ok(answer) => answer.json().await.unwrap_or(Value::Null),
            Err(error) => json!(error.to_string()),
        }
    }
}

fn start(role: &str, args: &[String]) -> Child {
    Command::new(program(role))
        .args(args)
        .env("VALENCE_LOG", std::env::var("VALENCE_LOG").unwrap_or_else(|_| "error".into()))
        .stdout(Stdio::null())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap()
}

/// SIGSTOP, SIGCONT and SIGTERM by pid, with the system's own `kill`.
pub fn signal(pid: u32, signal: &str) {
    let sent = Command::new("kill").args([signal, &pid.to_string()]).status().unwrap();
    assert!(sent.success(), "kill {signal} {pid}");
}

/// Waits for a condition.
pub async fn until(limit: Duration, what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + limit;
    while !holds().await {
        assert!(Instant::now() < deadline, "not within {limit:?}: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

impl Drop for Deployment {
    fn drop(&mut self) {
        for p in &mut self.processes {
            let _ended_already = p.child.kill();
            let _reaped_already = p.child.wait();
        }
    }
}
