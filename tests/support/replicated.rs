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
    /// Returns when all slots are served and every primary has a replica that holds its data: one that never had it is not elected.
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
            "--repl-diskless-sync-delay",
            "0",
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
                let role = server.field(&["INFO", "replication"], "role");
                let in_step = role == "master" || server.field(&["INFO", "replication"], "master_link_status") == "up";
                if linked && replicas && ok && in_step { Ok(()) } else { Err(said) }
            })
            .await;
        }
        cluster
    }

    pub fn url(&self) -> String {
        let hosts: Vec<String> = self.servers.iter().map(|s| format!("127.0.0.1:{}", s.port)).collect();
        format!("redis-cluster://{}", hosts.join(","))
    }

    /// The index of a primary that serves a slot of the key's.
    pub fn primary_of(&mut self, key: &str) -> usize {
        let slot: u32 = self.servers[0].cli(&["CLUSTER", "KEYSLOT", key]).trim().parse().unwrap();
        (0..self.servers.len())
            .find(|i| {
                let server = &mut self.servers[*i];
                let own = if server.is_primary() { server.cli(&["CLUSTER", "NODES"]) } else { String::new() };
                own.lines().filter(|l| l.contains("myself")).flat_map(|l| l.split(' ').skip(8)).any(|range| {
                    let (from, to) = range.split_once('-').unwrap_or((range, range));
                    matches!((from.parse::<u32>(), to.parse::<u32>()), (Ok(from), Ok(to)) if (from..=to).contains(&slot))
                })
            })
            .unwrap()
    }

    /// The id of a server in the Cluster.
    fn node_id(&self, server: usize) -> String {
        self.servers[server].cli(&["CLUSTER", "MYID"]).trim().to_owned()
    }

    /// Moves a key's slot to another primary, key by key, as an operator's tool does. Returns how many keys it moved.
    pub fn move_slot_of(&mut self, key: &str, to: usize) -> usize {
        let from = self.primary_of(key);
        let slot = self.servers[from].cli(&["CLUSTER", "KEYSLOT", key]).trim().to_owned();
        let (source, target) = (self.node_id(from), self.node_id(to));
        let port = self.servers[to].port.to_string();
        let ok = |said: String| assert_eq!(said.trim(), "OK");
        ok(self.servers[to].cli(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", &source]));
        ok(self.servers[from].cli(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &target]));
        let mut moved = 0;
        loop {
            let keys = self.servers[from].cli(&["CLUSTER", "GETKEYSINSLOT", &slot, "1"]);
            let Some(key) = keys.lines().next().filter(|k| !k.is_empty()) else { break };
            let said = self.servers[from].cli(&["MIGRATE", "127.0.0.1", &port, key, "0", "5000"]);
            assert!(matches!(said.trim(), "OK" | "NOKEY"), "{key}: {said}");
            moved += 1;
        }
        for server in [to, from] {
            ok(self.servers[server].cli(&["CLUSTER", "SETSLOT", &slot, "NODE", &target]));
        }
        moved
    }
}

pub struct Sentinels {
    pub servers: Vec<Server>,
    sentinels: Vec<Server>,
}

impl Sentinels {
    /// Returns when every Sentinel knows both replicas and both other Sentinels: before that, nothing is highly available.
    pub async fn start() -> Self {
        let lasting = ["--appendonly", "yes", "--appendfsync", "always"];
        let first = Server::start(free_port(), &lasting);
        let primary = first.port.to_string();
        let mut servers = vec![first];
        for _ in 0..2 {
            let settings = [&lasting[..], &["--replicaof", "127.0.0.1", &primary]].concat();
            servers.push(Server::start(free_port(), &settings));
        }
        wait::until("the replicas follow", async || {
            let said = servers[0].field(&["INFO", "replication"], "connected_slaves");
            if said == "2" { Ok(()) } else { Err(said) }
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
