//! Asks every Pod Manager now and then whether it is there, and keeps its status true.
//!
//! Each probe is a task of its own with a limit of its own: one that hangs holds up nobody. Schedulers share the work: each Pod Manager's
//! time slot is booked by one of them.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::sync::{Mutex, Semaphore};
use tokio::task::JoinSet;

use super::slots::Slots;
use crate::config::InventoryConfig;
use crate::model::podm::{Podm, PodmStatus};
use crate::podm::{Cause, PROBE_LIMIT, Pool};
use crate::shutdown::Shutdown;
use crate::store::records::Collection;
use crate::store::{Store, StoreError};

/// Pod Managers asked at once: black holes keep their place for the whole limit.
const AT_ONCE: usize = 256;

pub(super) fn spawn(store: &Store, pool: Pool, config: &InventoryConfig, shutdown: &Shutdown) {
    let every = config.probe_interval.unsigned_abs();
    let prober = Arc::new(Prober::new(store.clone(), pool, every));
    super::spawn_loop("probe", shutdown, move || {
        let prober = prober.clone();
        async move {
            prober.pass().await?;
            Ok((every / 8).clamp(Duration::from_millis(20), Duration::from_secs(2)))
        }
    });
}

/// The pass, with the probes under way.
pub struct Prober {
    store: Store,
    pool: Pool,
    places: Arc<Semaphore>,
    running: Mutex<Running>,
}

struct Running {
    slots: Slots,
    /// Ends with the Pod Manager's id. What still runs when this is dropped is stopped.
    probes: JoinSet<String>,
    of: HashSet<String>,
}

impl Prober {
    /// Nobody was asked yet.
    #[must_use]
    pub fn new(store: Store, pool: Pool, every: Duration) -> Self {
        let slots = Slots::new("probed", every);
        let running = Mutex::new(Running { slots, probes: JoinSet::new(), of: HashSet::new() });
        Self { store, pool, places: Arc::new(Semaphore::new(AT_ONCE)), running }
    }

    /// Begins to ask those whose turn it is, and does not wait for them; says how many.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn pass(&self) -> Result<u32, StoreError> {
        let podms = self.store.podms().await?;
        let mut running = self.running.lock().await;
        let Running { slots, probes, of } = &mut *running;
        while let Some(ended) = probes.try_join_next() {
            match ended {
                Ok(id) => drop(of.remove(&id)),
                // Whose it was is not known: each may be asked again.
                Err(error) => {
                    tracing::error!(%error, "a probe died");
                    of.clear();
                }
            }
        }
        slots.keep(&podms);
        let may_be_asked = podms.iter().map(|podm| podm.uuid.as_str()).filter(|id| !of.contains(*id));
        let due: HashSet<&str> = slots.book_all(&self.store, may_be_asked).await?.into_iter().collect();
        let mut begun = 0;
        for podm in podms.iter().filter(|podm| due.contains(podm.uuid.as_str())).cloned() {
            of.insert(podm.uuid.clone());
            begun += 1;
            let (store, pool, places) = (self.store.clone(), self.pool.clone(), Arc::clone(&self.places));
            probes.spawn(async move {
                let _place = places.acquire().await;
                if let Err(error) = probe(&store, &pool, &podm).await {
                    tracing::warn!(podm = %podm.name, %error, "its status is not kept");
                }
                podm.uuid
            });
        }
        Ok(begun)
    }
}

/// Asks one, and keeps what came of it.
async fn probe(store: &Store, pool: &Pool, podm: &Podm) -> Result<(), StoreError> {
    let status = look(pool, podm).await;
    if status != podm.status {
        tracing::info!(podm = %podm.name, before = ?podm.status, now = ?status, "status changed");
        store.observe(Collection::Podm, &podm.uuid, &json!({ "status": status })).await?;
        if status == PodmStatus::Online && podm.status == PodmStatus::Offline {
            // What it had before it was away may not be what it has.
            store.refresh_soon(&podm.uuid).await?;
        }
    }
    Ok(())
}

async fn look(pool: &Pool, podm: &Podm) -> PodmStatus {
    let asked = async { pool.connect(podm, None)?.probe().await };
    match tokio::time::timeout(PROBE_LIMIT, asked).await {
        Ok(Ok(_)) => PodmStatus::Online,
        // It asked to be left alone, so it is there; or was when it last said so.
        Ok(Err(error)) if matches!(error.cause, Cause::NotNow(_)) => podm.status,
        Ok(Err(error)) => {
            tracing::debug!(podm = %podm.name, %error, "not online");
            PodmStatus::Offline
        }
        Err(_) => PodmStatus::Offline,
    }
}
