//! Redis as a group of servers that has a primary, or several, and elects another when it is gone.

use std::collections::BTreeMap;

use super::history::{self, Changes};
use super::support::cluster::Cluster;
use super::support::netns::Net;
use super::support::sentinels::Sentinels;
use super::support::server::Server;
use super::support::wait;

pub enum Group {
    Sentinels(Sentinels),
    Cluster(Cluster),
}

/// What a bucket of a Cluster is found by.
fn of_bucket(bucket: usize) -> String {
    format!("vl:{{b{bucket:02x}}}:live")
}

impl Group {
    pub async fn start(cluster: bool, net: Option<&mut Net>) -> Self {
        if cluster {
            Self::Cluster(Cluster::start_on(net).await)
        } else {
            Self::Sentinels(Sentinels::start_on(net).await)
        }
    }

    pub fn name(&self) -> &'static str {
        match self {
            Self::Sentinels(_) => "Sentinel",
            Self::Cluster(_) => "Cluster",
        }
    }

    pub fn url(&self) -> String {
        match self {
            Self::Sentinels(group) => group.url(),
            Self::Cluster(group) => group.url(),
        }
    }

    pub fn buckets(&self) -> u16 {
        match self {
            Self::Sentinels(_) => 1,
            Self::Cluster(_) => 16,
        }
    }

    pub fn server(&mut self, index: usize) -> &mut Server {
        match self {
            Self::Sentinels(group) => &mut group.servers[index],
            Self::Cluster(group) => &mut group.servers[index],
        }
    }

    /// The index of the primary that has a bucket, once it is another than `before`.
    pub async fn primary(&mut self, bucket: usize, before: Option<usize>) -> usize {
        wait::until("a primary is elected", async || {
            let found = match self {
                Self::Sentinels(group) => group.primary(),
                Self::Cluster(group) => {
                    group.find_primary_of(&of_bucket(bucket), &before.into_iter().collect::<Vec<_>>())
                }
            };
            found.filter(|i| Some(*i) != before)
        })
        .await
    }

    /// Waits until every server is there and has what it should.
    pub async fn until_whole(&self) {
        match self {
            Self::Sentinels(group) => group.until_whole().await,
            Self::Cluster(group) => group.until_whole().await,
        }
    }

    /// Starts a server that was killed, as a replica of who came after it.
    pub fn rejoin(&mut self, index: usize, successor: usize) {
        let (at, port) = (self.server(successor).address(), self.server(successor).port.to_string());
        match self {
            Self::Sentinels(group) => group.servers[index].restart(&["--replicaof", &at, &port]),
            // It hears of its successor from the others.
            Self::Cluster(group) => group.servers[index].restart(&[]),
        }
    }

    /// Cuts a server off from all others of the group, or mends that; its clients reach it all the same.
    pub fn cut_off(&mut self, index: usize, on: bool) {
        let (servers, sentinels): (&[Server], &[Server]) = match self {
            Self::Sentinels(group) => (&group.servers, &group.sentinels),
            Self::Cluster(group) => (&group.servers, &[]),
        };
        let others = servers.iter().enumerate().filter(|(i, _)| *i != index).map(|(_, s)| s).chain(sentinels);
        let host = servers[index].host.as_ref().unwrap();
        others.for_each(|other| host.deaf_to(&other.address(), on));
    }

    /// All state changes, from the primaries there are now.
    pub async fn changes(&mut self) -> Changes {
        let mut all = BTreeMap::new();
        for bucket in 0..self.buckets() {
            let index = self.primary(usize::from(bucket), None).await;
            let url = format!("redis://{}:{}", self.server(index).address(), self.server(index).port);
            all.insert(bucket, history::changes_of(&url, bucket).await);
        }
        all.into_values().flatten().collect()
    }
}
