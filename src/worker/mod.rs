//! One functionality-service process: claims tasks of its topics, runs their handlers, settles them; answers sync reads.
//!
//! The file list is the list of moving parts. Per bucket one [`fetch`] loop claims tasks into free slots; [`attempt`] runs a claimed
//! task to its settlement; [`heartbeat`] extends all leases and hears of cancels; [`reads`] serves sync tasks in slots of their own;
//! [`presence`] says that this worker is there. Nothing here decides about states: a settlement is a verdict, the scripts do the rest.

pub mod attempt;
pub mod backoff;
mod count;
pub mod fetch;
pub mod heartbeat;
mod patience;
pub mod presence;
pub mod reads;
pub mod running;
mod turns;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use crate::config::Config;
use crate::ironic::Ironic;
use crate::model::kind::Kind;
use crate::model::topic::Topic;
use crate::observe::health;
use crate::podm::Pool;
use crate::shutdown::Shutdown;
use crate::store::Store;
use crate::store::gates::Gatekeeper;
use crate::store::meta::MetaError;
use running::Running;

/// Where metrics and health are served unless said otherwise (DESIGN section 2).
const DEFAULT_LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9464);

/// What all parts of a worker share.
pub struct Worker {
    id: String,
    store: Store,
    pool: Pool,
    ironic: Ironic,
    topics: Vec<Topic>,
    slots: usize,
    sync_slots: usize,
    test_kinds: bool,
    extend: Duration,
    lease: Duration,
    /// From the stop signal on, handlers have so long to end by themselves.
    drain: Duration,
    running: Running,
}

/// Starts a worker; its loops end with `shutdown`, after what runs has ended or was released.
///
/// # Errors
/// When the deployment was started with other settings, or Redis is away.
pub async fn run(config: &Config, store: Store, pool: Pool, shutdown: &Shutdown) -> Result<Arc<Worker>, MetaError> {
    store.agree_on_meta().await?;
    pool.report_to(Gatekeeper::new(&store));
    let grace = config.grace.unsigned_abs();
    let buckets = store.options().buckets;
    let worker = Arc::new(Worker {
        id: format!("{}-{}", host(), &crate::ids::new_record_id()[..8]),
        store,
        pool,
        ironic: Ironic::new(&config.ironic),
        topics: config.worker.topics.clone(),
        slots: config.worker.concurrency,
        sync_slots: config.worker.sync_slots,
        test_kinds: config.enable_test_kinds,
        extend: config.extend(),
        lease: config.lease(),
        drain: grace.saturating_sub((grace / 5).min(Duration::from_secs(5))),
        running: Running::new(config.worker.concurrency, buckets),
    });
    presence::spawn(&worker, shutdown);
    heartbeat::spawn(&worker, shutdown);
    fetch::spawn(&worker, shutdown);
    reads::spawn(&worker, shutdown);
    tracing::info!(worker = %worker.id, topics = ?worker.topics, slots = worker.slots, "worker serves");
    Ok(worker)
}

impl Worker {
    /// Its id, also its consumer name: new for every process.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Whether this worker carries the kind out: test kinds only where they are switched on.
    fn knows(&self, kind: &str) -> bool {
        Kind::find(kind).is_some_and(|k| self.test_kinds || !k.test_only)
    }

    /// Serves metrics and health; ready while Redis answers.
    ///
    /// # Errors
    /// When the address that was asked for is taken.
    pub async fn serve_health(&self, asked: Option<SocketAddr>, shutdown: &Shutdown) -> std::io::Result<SocketAddr> {
        let store = self.store.clone();
        let ready: health::Probe = Arc::new(move || {
            let store = store.clone();
            Box::pin(async move { store.readiness().await })
        });
        health::spawn(asked, DEFAULT_LISTEN, ready, shutdown).await
    }

    /// Slots in use, and slots there are.
    #[must_use]
    pub fn slots(&self) -> (usize, usize) {
        (self.running.count(), self.slots)
    }
}

/// The host's name, reduced to what may stand in a key.
fn host() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name: String = name.trim().chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').take(40).collect();
    if name.is_empty() { "worker".into() } else { name }
}
