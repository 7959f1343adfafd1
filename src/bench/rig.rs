//! A deployment of the bench's own: a private redis-server and real processes of this build, all ended when dropped.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};

use super::BenchArgs;
use crate::config::Config;
use crate::store::connect::Redis;
use crate::store::{Store, StoreOptions};

/// What runs.
pub struct Rig {
    dir: PathBuf,
    redis: Vec<Child>,
    url: String,
    processes: Vec<(String, Child)>,
    /// A connection of the bench's own.
    pub store: Store,
}

impl Rig {
    /// Starts an empty Redis.
    ///
    /// # Errors
    /// When redis-server is not installed or does not answer.
    pub async fn start(args: &BenchArgs) -> anyhow::Result<Self> {
        Self::with(args, Config::default().store_options()).await
    }

    /// Starts an empty Redis for a deployment that agrees on other things.
    ///
    /// # Errors
    /// As [`Rig::start`].
    pub async fn with(args: &BenchArgs, options: StoreOptions) -> anyhow::Result<Self> {
        let dir = std::env::temp_dir().join(format!("valence-bench-{}", crate::ids::new_record_id()));
        std::fs::create_dir_all(&dir)?;
        let aof: &[&str] = if args.fsync == "no" {
            &["--appendonly", "no"]
        } else {
            &["--appendonly", "yes", "--appendfsync", &args.fsync]
        };
        let redis = Command::new("redis-server")
            .current_dir(&dir)
            .args(["--port", "0", "--unixsocket", "redis.sock", "--dir", ".", "--save", ""])
            .args(["--maxmemory-policy", "noeviction"])
            .args(aof)
            .stdout(Stdio::null())
            .spawn()
            .context("redis-server must be installed")?;
        let url = format!("redis+unix://{}", dir.join("redis.sock").display());
        Self::around(dir, vec![redis], url, options).await
    }

    /// Around servers that have been started, and end with it.
    ///
    /// # Errors
    /// When they do not answer.
    pub async fn around(dir: PathBuf, redis: Vec<Child>, url: String, options: StoreOptions) -> anyhow::Result<Self> {
        let deadline = Instant::now() + Duration::from_secs(10);
        let connected = loop {
            match Redis::connect(&url, Duration::from_secs(30)).await {
                Ok(connected) => break connected,
                Err(error) if Instant::now() > deadline => bail!("redis-server does not answer: {error}"),
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        };
        let store = Store::open(connected, options).await?;
        Ok(Self { dir, redis, url, processes: Vec::new(), store })
    }

    /// URL of the private Redis.
    #[must_use]
    pub fn url(&self) -> String {
        self.url.clone()
    }

    /// Where its files are, removed with it.
    #[must_use]
    pub fn dir(&self) -> &std::path::Path {
        &self.dir
    }

    /// Starts simulated Pod Managers at `127.1.0.1`, `127.1.0.2` and so on, and waits until they serve; says their port.
    ///
    /// # Errors
    /// When they do not.
    pub async fn sims(&mut self, args: &[&str]) -> anyhow::Result<u16> {
        let port = std::net::TcpListener::bind("127.1.0.1:0")?.local_addr()?.port();
        let path = std::env::current_exe()?.with_file_name("podm-sim");
        let child = Command::new(&path)
            .args(["--addresses", "--listen", &format!("127.1.0.1:{port}")])
            .args(args)
            .stdout(Stdio::null())
            .spawn()
            .with_context(|| format!("{} must be built", path.display()))?;
        self.processes.push(("podm-sim".into(), child));
        let deadline = Instant::now() + Duration::from_secs(20);
        while tokio::net::TcpStream::connect(("127.1.0.1", port)).await.is_err() {
            ensure!(Instant::now() < deadline, "podm-sim does not serve");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(port)
    }

    /// Starts a process of this build beside the bench's own executable.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn spawn(&mut self, program: &str, args: &[&str]) -> anyhow::Result<()> {
        let path = std::env::current_exe()?.with_file_name(program);
        let child = Command::new(&path)
            .args(["--redis", &self.url(), "--enable-test-kinds"])
            .args(args)
            .env("VALENCE_LOG", std::env::var("VALENCE_LOG").unwrap_or_else(|_| "warn".into()))
            .stdout(Stdio::null())
            .spawn()
            .with_context(|| format!("{} must be built", path.display()))?;
        self.processes.push((program.to_owned(), child));
        Ok(())
    }

    /// Starts the API on a free loopback port and waits until it serves.
    ///
    /// # Errors
    /// When it does not.
    pub async fn api(&mut self) -> anyhow::Result<String> {
        let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        self.spawn("valence-api", &["--listen", &format!("127.0.0.1:{port}")])?;
        let url = format!("http://127.0.0.1:{port}");
        let client = reqwest::Client::builder().no_proxy().build()?;
        let deadline = Instant::now() + Duration::from_secs(20);
        while Instant::now() < deadline {
            if client.get(format!("{url}/readyz")).send().await.is_ok_and(|r| r.status().is_success()) {
                return Ok(url);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        bail!("valence-api does not serve")
    }

    /// Starts the bare routes on a free loopback port and waits until they serve.
    ///
    /// # Errors
    /// When they do not.
    pub async fn bare(&mut self) -> anyhow::Result<String> {
        let address = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let child = Command::new(std::env::current_exe()?)
            .args(["--bare", &address.to_string(), "--redis", &self.url()])
            .stdout(Stdio::null())
            .spawn()?;
        self.processes.push(("bare".into(), child));
        let deadline = Instant::now() + Duration::from_secs(20);
        while tokio::net::TcpStream::connect(address).await.is_err() {
            ensure!(Instant::now() < deadline, "the bare routes are not served");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(format!("http://{address}"))
    }

    /// Resident memory of the workers, MiB.
    ///
    /// # Errors
    /// When /proc cannot be read.
    pub fn worker_memory(&self) -> anyhow::Result<f64> {
        let mut kib = 0.0;
        for (_, child) in self.processes.iter().filter(|(program, _)| program == "valence-worker") {
            let status = std::fs::read_to_string(format!("/proc/{}/status", child.id()))?;
            let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:"));
            kib += line.and_then(|l| l.split_whitespace().next()?.parse::<f64>().ok()).unwrap_or(f64::NAN);
        }
        Ok(kib / 1024.0)
    }

    /// Tasks of the topic `compute` that are in a state.
    ///
    /// # Errors
    /// When Redis fails.
    pub async fn tasks_in(&self, state: &str) -> anyhow::Result<usize> {
        let counts = self.store.counts().await?;
        Ok(counts.get(&format!("compute:{state}")).and_then(|n| usize::try_from(*n).ok()).unwrap_or(0))
    }

    /// Waits until so many tasks of the topic `compute` have come to a state.
    ///
    /// # Errors
    /// When they do not.
    pub async fn until(&self, state: &str, count: usize, limit: Duration) -> anyhow::Result<()> {
        let deadline = Instant::now() + limit;
        while self.tasks_in(state).await? < count {
            ensure!(Instant::now() < deadline, "fewer than {count} tasks are {state} in time");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    }

    /// Waits until so many workers are there.
    ///
    /// # Errors
    /// When they do not come.
    pub async fn until_workers(&self, count: usize) -> anyhow::Result<()> {
        let deadline = Instant::now() + Duration::from_secs(20);
        while self.store.workers().await?.len() < count {
            ensure!(Instant::now() < deadline, "workers do not come up");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    }

    /// How often Redis was called, by command.
    ///
    /// # Errors
    /// When Redis fails.
    pub async fn calls(&self, command: &str) -> anyhow::Result<f64> {
        let name = format!("cmdstat_{command}:calls=");
        let infos = self.store.redis().infos(&["commandstats"]).await?;
        let lines = infos.iter().filter_map(|text| text.lines().find_map(|l| l.strip_prefix(&name)));
        Ok(lines.filter_map(|l| l.split(',').next()?.parse::<f64>().ok()).sum())
    }

    /// Memory of the processes of a program, MiB; together, as far as it can be read.
    #[must_use]
    pub fn memory(&self, program: &str) -> f64 {
        let of = |pid: u32| {
            let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
            let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:"))?;
            line.split_whitespace().next()?.parse::<f64>().ok()
        };
        let redis = self.redis.iter().map(|child| ("redis-server", child));
        let all = self.processes.iter().map(|(name, child)| (name.as_str(), child)).chain(redis);
        let kib = all.filter(|(name, _)| *name == program).filter_map(|(_, child)| of(child.id()));
        kib.sum::<f64>() / 1024.0
    }

    /// CPU seconds of Redis and of each process so far.
    ///
    /// # Errors
    /// When /proc cannot be read.
    pub fn cpu(&self) -> anyhow::Result<Cpu> {
        let mut cpu = Cpu::default();
        for redis in &self.redis {
            cpu.redis += cpu_of(redis.id())?;
        }
        for (program, child) in &self.processes {
            let s = cpu_of(child.id())?;
            match program.as_str() {
                "valence-api" => cpu.api += s,
                "valence-worker" => cpu.workers += s,
                "valence-scheduler" => cpu.schedulers += s,
                _ => {}
            }
        }
        Ok(cpu)
    }
}

/// CPU seconds.
#[derive(Debug, Clone, Copy, Default)]
pub struct Cpu {
    /// All of Redis.
    pub redis: f64,
    /// API processes.
    pub api: f64,
    /// Workers.
    pub workers: f64,
    /// Schedulers.
    pub schedulers: f64,
}

impl Cpu {
    /// What was used since an earlier reading.
    #[must_use]
    pub fn since(self, before: Self) -> Self {
        Self {
            redis: self.redis - before.redis,
            api: self.api - before.api,
            workers: self.workers - before.workers,
            schedulers: self.schedulers - before.schedulers,
        }
    }
}

/// CPU time of a process from the scheduler's own books: ns on CPU, all threads.
fn cpu_of(pid: u32) -> anyhow::Result<f64> {
    let mut ns = 0u64;
    for task in std::fs::read_dir(format!("/proc/{pid}/task"))? {
        let stat = std::fs::read_to_string(task?.path().join("schedstat")).unwrap_or_default();
        ns += stat.split(' ').next().and_then(|n| n.parse::<u64>().ok()).unwrap_or(0);
    }
    Ok(Duration::from_nanos(ns).as_secs_f64())
}

impl Drop for Rig {
    fn drop(&mut self) {
        for (_, child) in &mut self.processes {
            let _ended_already = child.kill();
            let _reaped_already = child.wait();
        }
        for redis in &mut self.redis {
            let _ended_already = redis.kill();
            let _reaped_already = redis.wait();
        }
        if let Err(error) = std::fs::remove_dir_all(&self.dir) {
            tracing::warn!(dir = %self.dir.display(), %error, "directory not removed");
        }
    }
}
