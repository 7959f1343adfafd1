//! A primary with two replicas under three Sentinels, of plain redis-server; all of it ends when dropped.

use super::deployment::free_port;
use super::netns::Net;
use super::server::Server;
use super::wait;

pub struct Sentinels {
    pub servers: Vec<Server>,
    pub sentinels: Vec<Server>,
}

impl Sentinels {
    pub async fn start() -> Self {
        Self::start_on(None).await
    }

    /// With a host for each server and Sentinel, when there is a network. Returns when every Sentinel knows both replicas and both other
    /// Sentinels: before that, nothing is highly available.
    pub async fn start_on(mut net: Option<&mut Net>) -> Self {
        let settings = ["--appendonly", "yes", "--appendfsync", "always", "--repl-diskless-sync-delay", "0"];
        let mut host = |role| net.as_mut().map(|net| net.host(role));
        let first = Server::start(free_port(), host("redis"), &settings);
        let (at, primary) = (first.address(), first.port.to_string());
        let mut servers = vec![first];
        for _ in 0..2 {
            let settings = [&settings[..], &["--replicaof", &at, &primary]].concat();
            servers.push(Server::start(free_port(), host("redis"), &settings));
        }
        wait::until("the replicas follow", async || {
            // A replica is connected before it has anything: one that is promoted by then has lost all.
            let said = servers[0].cli(&["INFO", "replication"]);
            if said.matches("state=online").count() == 2 { Ok(()) } else { Err(said) }
        })
        .await;
        let mut one = |_| {
            let (port, host, dir) = (free_port(), host("sentinel"), tempfile::tempdir().unwrap());
            let bind = host.as_ref().map_or("127.0.0.1", |h| &h.address);
            let conf = format!(
                "port {port}\nbind {bind}\nprotected-mode no\nsentinel monitor main {at} {primary} 2\n\
                 sentinel down-after-milliseconds main 1000\nsentinel failover-timeout main 2000\n"
            );
            std::fs::write(dir.path().join("sentinel.conf"), conf).unwrap();
            Server::start_with(port, host, dir, &["sentinel.conf", "--sentinel"])
        };
        let sentinels = (0..3).map(&mut one).collect();
        let this = Self { servers, sentinels };
        this.until_whole().await;
        this
    }

    /// Waits until every Sentinel knows a primary with two replicas that have what it has.
    pub async fn until_whole(&self) {
        for sentinel in &self.sentinels {
            wait::within(std::time::Duration::from_secs(60), "every Sentinel knows all of them", async || {
                let known = |name: &str| sentinel.field(&["SENTINEL", "MASTER", "main"], name);
                let seen = (known("flags"), known("num-slaves"), known("num-other-sentinels"));
                let replicas = sentinel.cli(&["SENTINEL", "REPLICAS", "main"]);
                let in_step = replicas.lines().filter(|l| *l == "ok").count() == 2;
                // As each reports itself, and as it is seen.
                let up = replicas.lines().filter(|l| *l == "slave").count() == 4;
                let whole = seen == ("master".into(), "2".into(), "2".into()) && in_step && up;
                if whole && self.servers.iter().all(Server::is_in_step) { Ok(()) } else { Err((seen, replicas)) }
            })
            .await;
        }
    }

    /// The index of the server that the Sentinels call the primary; none while they do not agree.
    pub fn primary(&self) -> Option<usize> {
        let named = |s: &Server| s.cli(&["SENTINEL", "GET-MASTER-ADDR-BY-NAME", "main"]);
        let first = named(&self.sentinels[0]);
        let port: u16 = first.lines().nth(1)?.trim().parse().ok()?;
        let agreed = self.sentinels.iter().all(|s| named(s) == first);
        self.servers.iter().position(|s| agreed && s.port == port && first.starts_with(&s.address()))
    }

    pub fn url(&self) -> String {
        let hosts: Vec<String> = self.sentinels.iter().map(|s| format!("{}:{}", s.address(), s.port)).collect();
        format!("redis-sentinel://{}/main", hosts.join(","))
    }
}
