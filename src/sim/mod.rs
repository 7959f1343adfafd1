//! Simulated Pod Managers: a product of its own (`podm-sim`), and what Valence is tested against.
//!
//! [`run`] binds one port per PODM and serves until the stop signal. Each PODM is a whole Redfish service, of Intel
//! Rack Scale or with DMTF's CompositionService: hardware computed from a seed, nodes that are made, reset and deleted, sessions,
//! subscriptions, tasks. It can also be an ExpEther Manager, or serve a recorded tree. Faults are switched and requests are read back
//! through control routes.
//!
//! It knows nothing of the rest of the crate, so that it cannot share its mistakes. What a request does is decided under one
//! lock per PODM by plain functions without I/O: a [`Call`](call::Call) goes in, an [`Answer`](answer::Answer) comes out.
//!
//! ```text
//! server → exchange (faults) → fleet (lock, save) → route → one file per resource family
//!        → control (/sim/…)
//! ```
//!
//! Invariants: never two nodes on one system; what was accepted is done, whether the client stays or not; with a data folder, what
//! was answered survives a kill. The resources follow the Intel RSD 2.4/2.5 and DMTF schemas.

mod allocate;
mod answer;
mod args;
mod attach;
mod block_parts;
mod blocks;
mod boot;
mod call;
mod capabilities;
mod chassis;
mod compose;
mod composed;
mod composition;
mod config;
mod constraints;
mod control;
mod counts;
mod delivery;
mod eem;
mod events;
mod exchange;
mod faults;
mod fleet;
mod hardware;
mod log;
mod managers;
mod manifest;
mod nodes;
mod parts;
mod persist;
mod pool;
mod root;
mod route;
mod sensors;
mod server;
mod sessions;
mod state;
mod storage;
mod switches;
mod systems;
mod tasks;
mod tls;
mod tree;
mod view;
mod vlans;
mod volumes;
mod wanted;

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use tokio::net::TcpListener;

use crate::shutdown::Shutdown;

pub use args::SimArgs;
pub use config::{ComposeBy, Deviation, RsdVersion, SimConfig, SimFlavour};
pub use faults::{Cut, Fault};

/// Why a simulator could not start.
#[derive(Debug, thiserror::Error)]
pub enum SimError {
    /// More PODMs than there are ports after the first.
    #[error("there are not {podms} ports from {first} on")]
    Ports {
        /// The first port.
        first: u16,
        /// The number asked for.
        podms: usize,
    },
    /// More PODMs than there are loopback addresses after the first.
    #[error("there are not {podms} loopback addresses of IPv4 from {first} on")]
    Addresses {
        /// The first address.
        first: IpAddr,
        /// The number asked for.
        podms: usize,
    },
    /// A port that cannot be had.
    #[error("cannot listen on {addr}")]
    Bind {
        /// The address.
        addr: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A tree that cannot be served.
    #[error("cannot read the tree {}", dir.display())]
    Tree {
        /// The folder.
        dir: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A certificate that cannot be used.
    #[error("cannot speak TLS: {0}")]
    Tls(String),
    /// A data file that cannot be used.
    #[error("cannot use {}", file.display())]
    Data {
        /// The file.
        file: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// What a started simulator serves, in the order of its PODMs.
#[derive(Debug, Clone)]
pub struct Running {
    /// Where it listens.
    pub addrs: Vec<SocketAddr>,
    /// Whether they speak https.
    pub tls: bool,
}

impl Running {
    /// The base URLs, such as `http://127.0.0.1:9000`.
    #[must_use]
    pub fn urls(&self) -> Vec<String> {
        let scheme = if self.tls { "https" } else { "http" };
        self.addrs.iter().map(|addr| format!("{scheme}://{addr}")).collect()
    }
}

/// Binds the ports, starts to serve them as loops of `shutdown`, and says where they are.
///
/// # Errors
/// [`SimError`]: nothing is left running then.
pub async fn run(config: SimConfig, shutdown: &Shutdown) -> Result<Running, SimError> {
    let acceptor =
        config.tls.as_ref().map(|(cert, key)| tls::acceptor(cert, key)).transpose().map_err(SimError::Tls)?;
    let mut listeners = Vec::with_capacity(config.podms);
    for podm in 0..config.podms {
        let addr = address(&config, podm)?;
        listeners.push(TcpListener::bind(addr).await.map_err(|source| SimError::Bind { addr, source })?);
    }
    let addrs: Vec<SocketAddr> = listeners.iter().filter_map(|l| l.local_addr().ok()).collect();
    let (outbox, events) = delivery::channel();
    let fleet = Arc::new(fleet::Fleet::new(config, outbox)?);
    shutdown.spawn("podm-sim events", delivery::run(events, shutdown.token()));
    for (podm, listener) in listeners.into_iter().enumerate() {
        let serving = server::serve(Arc::clone(&fleet), podm, listener, acceptor.clone(), shutdown.token());
        shutdown.spawn("podm-sim", serving);
    }
    Ok(Running { addrs, tls: acceptor.is_some() })
}

/// The address of a PODM: ports count up, except from 0, which lets the system pick each; or loopback addresses do.
fn address(config: &SimConfig, podm: usize) -> Result<SocketAddr, SimError> {
    let first = config.listen;
    if config.addresses {
        let next =
            |ip: Ipv4Addr| u32::try_from(podm).ok().and_then(|n| u32::from(ip).checked_add(n)).map(Ipv4Addr::from);
        let found = if let IpAddr::V4(ip) = first.ip() { next(ip).filter(Ipv4Addr::is_loopback) } else { None };
        let ip = found.ok_or(SimError::Addresses { first: first.ip(), podms: config.podms })?;
        return Ok(SocketAddr::from((ip, first.port())));
    }
    let mut addr = first;
    if first.port() != 0 {
        let port = u16::try_from(podm).ok().and_then(|n| first.port().checked_add(n));
        addr.set_port(port.ok_or(SimError::Ports { first: first.port(), podms: config.podms })?);
    }
    Ok(addr)
}
