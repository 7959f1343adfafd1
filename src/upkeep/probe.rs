//! Asks every Pod Manager now and then whether it is there, and keeps its status true. Slow ones hold up nobody: they are asked side by
//! side, each with a limit of its own.

use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream;
use serde_json::json;

use crate::model::podm::{Podm, PodmStatus};
use crate::podm::{Cause, Pool};
use crate::shutdown::Shutdown;
use crate::store::records::Collection;
use crate::store::{Store, StoreError};

/// Between two rounds.
const PAUSE: Duration = Duration::from_secs(15);
/// Most time one Pod Manager gets to answer.
const LIMIT: Duration = Duration::from_secs(10);
/// Pod Managers asked at once.
const AT_ONCE: usize = 16;

pub(super) fn spawn(store: &Store, pool: Pool, shutdown: &Shutdown) {
    let store = store.clone();
    super::spawn_loop("probe", shutdown, move || {
        let (store, pool) = (store.clone(), pool.clone());
        async move {
            pass(&store, &pool).await?;
            Ok(PAUSE)
        }
    });
}

/// Asks all of them once; says whose status changed.
///
/// # Errors
/// When Redis is away.
pub async fn pass(store: &Store, pool: &Pool) -> Result<Vec<String>, StoreError> {
    let podms: Vec<Podm> = store.records(Collection::Podm).await?;
    let asked =
        stream::iter(podms).map(|podm| async move { (look(pool, &podm).await, podm) }).buffer_unordered(AT_ONCE);
    let seen: Vec<(PodmStatus, Podm)> = asked.collect().await;
    let mut changed = Vec::new();
    for (status, podm) in seen.into_iter().filter(|(status, podm)| *status != podm.status) {
        tracing::info!(podm = %podm.name, before = ?podm.status, now = ?status, "status changed");
        store.observe(Collection::Podm, &podm.uuid, &json!({ "status": status })).await?;
        changed.push(podm.uuid);
    }
    Ok(changed)
}

async fn look(pool: &Pool, podm: &Podm) -> PodmStatus {
    let asked = async { pool.connect(podm, None)?.probe().await };
    match tokio::time::timeout(LIMIT, asked).await {
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
