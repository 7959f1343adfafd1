//! Redis as it is run where it must survive the loss of a server: a Cluster of three primaries with a replica each, and a primary with two
//! replicas under three Sentinels. All of plain redis-server, on loopback, in private directories; all end when dropped.

use std::process::{Child, Command, Stdio};

use super::deployment::free_port;
use super::wait;

pub struct Server {
    pub port: u16,
    child: Child,
    dir: tempfile::TempDir,
}

impl Server {
    fn start(port: u16, settings: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let child = Command::new("redis-server")
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--dir"])
            .arg(dir.path())
            .args(settings)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        Self { port, child, dir }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// `redis-cli` on it; what it prints.
    pub fn cli(&self, args: &[&str]) -> String {
        let mut cli = Command::new("redis-cli");
        let said = cli.args(["-h", "127.0.0.1", "-p", &self.port.to_string()]).args(args).output().unwrap();
        String::from_utf8_lossy(&said.stdout).into_owned()
    }

    /// The value after a name in what `redis-cli` prints.
    fn field(&self, args: &[&str], name: &str) -> String {
        let said = self.cli(args);
        let mut lines = said.lines();
        let found = lines.by_ref().find(|l| l.trim() == name || l.starts_with(&format!("{name}:")));
        match found {
            Some(line) if line.contains(':') => line.split_once(':').unwrap().1.trim().to_owned(),
            Some(_) => lines.next().unwrap_or_default().trim().to_owned(),
            None => String::new(),
        }
    }

    pub fn is_primary(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none() && self.field(&["INFO", "replication"], "role") == "master"
    }

    /// Kills -9.
    pub fn kill(&mut self) {
        let _ended_already = self.child.kill();
        let _reaped_already = self.child.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A port that is free together with its Cluster bus, 10,000 above, which is not among those given to outgoing connections.
fn cluster_port() -> u16 {
    let is_fit = |port: &u16| *port < 22_000 && std::net::TcpListener::bind(("127.0.0.1", *port + 10_000)).is_ok();
    std::iter::repeat_with(free_port).find(is_fit).unwrap()
}

pub struct Cluster {
    pub servers: Vec<Server>,
}

impl Cluster {
    /// Returns when all slots are served and every primary has its replica.
    pub async fn start() -> Self {
        let settings = [
            "--cluster-enabled",
            "yes",
            "--cluster-node-timeout",
            "1000",
            "--appendonly",
            "yes",
            "--appendfsync",
            "always",
        ];
        let servers: Vec<Server> = (0..6).map(|_| Server::start(cluster_port(), &settings)).collect();
        for server in &servers {
            wait::until("the server answers", async || server.cli(&["PING"]).trim() == "PONG").await;
        }
        let addresses: Vec<String> = servers.iter().map(|s| format!("127.0.0.1:{}", s.port)).collect();
        let mut create = Command::new("redis-cli");
        create.args(["--cluster", "create"]).args(&addresses).args(["--cluster-replicas", "1", "--cluster-yes"]);
        let made = create.output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stdout));
        let cluster = Self { servers };
        for server in &cluster.servers {
            wait::until("every server knows the whole Cluster", async || {
                let said = server.cli(&["CLUSTER", "NODES"]);
                let linked = said.lines().filter(|l| l.contains(" connected")).count() == 6;
                let replicas = said.lines().filter(|l| l.contains("slave")).count() == 3;
                let ok = server.field(&["CLUSTER", "INFO"], "cluster_state") == "ok";
                if linked && replicas && ok { Ok(()) } else { Err(said) }
            })
            .await;
        }
        cluster
    }

    pub fn url(&self) -> String {
        let hosts: Vec<String> = self.servers.iter().map(|s| format!("127.0.0.1:{}", s.port)).collect();
        format!("redis-cluster://{}", hosts.join(","))
    }
}

pub struct Sentinels {
    pub servers: Vec<Server>,
    sentinels: Vec<Server>,
}

impl Sentinels {
    /// Returns when every Sentinel knows both replicas and both other Sentinels: before that, nothing is highly available.
    pub async fn start() -> Self {
        Self::start_with("always").await
    }

    /// With servers that fsync so.
    pub async fn start_with(fsync: &str) -> Self {
        let lasting = ["--appendonly", "yes", "--appendfsync", fsync, "--repl-diskless-sync-delay", "0"];
        let first = Server::start(free_port(), &lasting);
        let primary = first.port.to_string();
        let mut servers = vec![first];
        for _ in 0..2 {
            let settings = [&lasting[..], &["--replicaof", "127.0.0.1", &primary]].concat();
            servers.push(Server::start(free_port(), &settings));
        }
        wait::until("the replicas follow", async || {
            // A replica is connected before it has anything: one that is promoted by then has lost all.
            let said = servers[0].cli(&["INFO", "replication"]);
            if said.matches("state=online").count() == 2 { Ok(()) } else { Err(said) }
        })
        .await;
        let mut sentinels = Vec::new();
        for _ in 0..3 {
            let (port, dir) = (free_port(), tempfile::tempdir().unwrap());
            let file = dir.path().join("sentinel.conf");
            let conf = format!(
                "port {port}\nbind 127.0.0.1\nsentinel monitor main 127.0.0.1 {primary} 2\n\
                 sentinel down-after-milliseconds main 1000\nsentinel failover-timeout main 5000\n"
            );
            std::fs::write(&file, conf).unwrap();
            let mut start = Command::new("redis-server");
            let child = start.arg(&file).arg("--sentinel").stdout(Stdio::null()).spawn().unwrap();
            sentinels.push(Server { port, child, dir });
        }
        for sentinel in &sentinels {
            wait::until("every Sentinel knows all of them", async || {
                let known = |name: &str| sentinel.field(&["SENTINEL", "MASTER", "main"], name);
                let seen = (known("num-slaves"), known("num-other-sentinels"));
                if seen == ("2".into(), "2".into()) { Ok(()) } else { Err(seen) }
            })
            .await;
        }
        Self { servers, sentinels }
    }

    pub fn url(&self) -> String {
        let hosts: Vec<String> = self.sentinels.iter().map(|s| format!("127.0.0.1:{}", s.port)).collect();
        format!("redis-sentinel://{}/main", hosts.join(","))
    }
}
