//! A Redis Cluster of three primaries with a replica each, of plain redis-server; all of it ends when dropped.

use std::process::Command;

use super::deployment::free_port;
use super::netns::Net;
use super::server::Server;
use super::wait;

/// A port that is free together with its Cluster bus, 10,000 above, which is not among those given to outgoing connections.
fn cluster_port() -> u16 {
    let is_fit = |port: &u16| *port < 22_000 && std::net::TcpListener::bind(("127.0.0.1", *port + 10_000)).is_ok();
    std::iter::repeat_with(free_port).find(is_fit).unwrap()
}

pub struct Cluster {
    pub servers: Vec<Server>,
}

impl Cluster {
    pub async fn start() -> Self {
        Self::start_on(None).await
    }

    /// With a host for each server, when there is a network. Returns when all slots are served and every primary has a replica that holds
    /// its data: one that never had it is not elected.
    pub async fn start_on(mut net: Option<&mut Net>) -> Self {
        let settings = [
            ["--cluster-enabled", "yes"],
            ["--cluster-node-timeout", "1000"],
            ["--appendonly", "yes"],
            ["--appendfsync", "always"],
            ["--repl-diskless-sync-delay", "0"],
        ];
        let mut one = |_| {
            let host = net.as_mut().map(|net| net.host("redis"));
            Server::start(cluster_port(), host, settings.as_flattened())
        };
        let servers: Vec<Server> = (0..6).map(&mut one).collect();
        for server in &servers {
            wait::until("the server answers", async || server.cli(&["PING"]).trim() == "PONG").await;
        }
        let addresses: Vec<String> = servers.iter().map(|s| format!("{}:{}", s.address(), s.port)).collect();
        let mut create = Command::new("redis-cli");
        create.args(["--cluster", "create"]).args(&addresses).args(["--cluster-replicas", "1", "--cluster-yes"]);
        let made = create.output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stdout));
        let cluster = Self { servers };
        cluster.until_whole().await;
        cluster
    }

    /// Waits until every server knows all others, and every replica has what its primary has.
    pub async fn until_whole(&self) {
        for server in &self.servers {
            wait::until("every server knows the whole Cluster", async || {
                let said = server.cli(&["CLUSTER", "NODES"]);
                let fits = |l: &&str| l.contains(" connected") && !l.contains("fail");
                let linked = said.lines().filter(fits).count() == 6;
                let replicas = said.lines().filter(|l| l.contains("slave")).count() == 3;
                let ok = server.field(&["CLUSTER", "INFO"], "cluster_state") == "ok";
                if linked && replicas && ok && server.is_in_step() { Ok(()) } else { Err(said) }
            })
            .await;
        }
    }

    pub fn url(&self) -> String {
        let hosts: Vec<String> = self.servers.iter().map(|s| format!("{}:{}", s.address(), s.port)).collect();
        format!("redis-cluster://{}", hosts.join(","))
    }

    /// The index of a primary that serves a slot of the key's.
    pub fn primary_of(&mut self, key: &str) -> usize {
        self.find_primary_of(key, &[]).unwrap()
    }

    /// As [`Self::primary_of`], among those that are not left out; none while there is none.
    pub fn find_primary_of(&mut self, key: &str, without: &[usize]) -> Option<usize> {
        let asked = (0..self.servers.len()).find(|i| !without.contains(i))?;
        let slot: u32 = self.servers[asked].cli(&["CLUSTER", "KEYSLOT", key]).trim().parse().ok()?;
        (0..self.servers.len()).filter(|i| !without.contains(i)).find(|i| {
            let server = &mut self.servers[*i];
            let own = if server.is_primary() { server.cli(&["CLUSTER", "NODES"]) } else { String::new() };
            own.lines().filter(|l| l.contains("myself")).flat_map(|l| l.split(' ').skip(8)).any(|range| {
                let (from, to) = range.split_once('-').unwrap_or((range, range));
                matches!((from.parse::<u32>(), to.parse::<u32>()), (Ok(from), Ok(to)) if (from..=to).contains(&slot))
            })
        })
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
