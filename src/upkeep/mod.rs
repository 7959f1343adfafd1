//! The scheduler process's loops: what keeps tasks moving when nobody else does.
//!
//! Each loop is one file with a pass that does one bounded step; any number of schedulers may run them at once, since every step is an
//! atomic script call that finds nothing left to do the second time. A pass that fails is tried again at its next turn.

pub mod circuits;
pub mod expire;
pub mod gauges;
pub mod homes;
pub mod inventory;
mod named;
pub mod places;
pub mod podms;
pub mod probe;
pub mod promote;
pub mod readings;
pub mod reclaim;
pub mod repair;
pub mod reseal;
pub mod retention;
pub mod schedules;
pub mod slots;
pub mod telemetry;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use crate::config::Config;
use crate::observe::health;
use crate::podm::Pool;
use crate::secret::SecretKey;
use crate::shutdown::{Shutdown, sleep_or_stop};
use crate::store::gates::Gatekeeper;
use crate::store::meta::MetaError;
use crate::store::{Store, StoreError};

/// Where metrics and health are served unless said otherwise (DESIGN section 2).
const DEFAULT_LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9465);

/// Starts all loops; they end with `shutdown`.
///
/// # Errors
/// When the deployment was started with other settings, or Redis is away.
pub async fn run(
    config: &Config,
    store: Store,
    pool: Pool,
    key: Option<Arc<SecretKey>>,
    shutdown: &Shutdown,
) -> Result<(), MetaError> {
    store.agree_on_meta().await?;
    pool.report_to(Gatekeeper::new(&store));
    promote::spawn(&store, shutdown);
    reclaim::spawn(&store, shutdown);
    repair::spawn(&store, shutdown);
    retention::spawn(&store, &config.task, shutdown);
    expire::spawn(&store, config.api.sync_timeout.unsigned_abs(), shutdown);
    places::spawn(&store, shutdown);
    schedules::spawn(&store, shutdown);
    gauges::spawn(&store, shutdown);
    circuits::spawn(&store, shutdown);
    homes::spawn(&store, shutdown);
    reseal::spawn(&store, key.clone(), shutdown);
    podms::spawn(&store, key, config.podm.clone(), shutdown);
    probe::spawn(&store, pool, &config.inventory, shutdown);
    inventory::spawn(&store, &config.inventory, shutdown);
    telemetry::spawn(&store, &config.telemetry, shutdown);
    readings::spawn(&store, shutdown);
    tracing::info!("scheduler serves");
    Ok(())
}

/// Serves metrics and health; ready while Redis answers.
///
/// # Errors
/// When the address that was asked for is taken.
pub async fn serve_health(store: Store, asked: Option<SocketAddr>, shutdown: &Shutdown) -> std::io::Result<SocketAddr> {
    let ready: health::Probe = Arc::new(move || {
        let store = store.clone();
        Box::pin(async move { store.readiness().await })
    });
    health::spawn(asked, DEFAULT_LISTEN, ready, shutdown).await
}

/// Calls `pass` for ever; each says how long to wait for the next. A failed one is logged and tried again after a second.
fn spawn_loop<P, F>(name: &'static str, shutdown: &Shutdown, mut pass: P)
where
    P: FnMut() -> F + Send + 'static,
    F: Future<Output = Result<Duration, StoreError>> + Send,
{
    let token = shutdown.token();
    shutdown.spawn(name, async move {
        loop {
            let wait = match pass().await {
                Ok(wait) => wait,
                Err(error) => {
                    tracing::warn!(loop_name = name, %error, "pass failed; trying again");
                    Duration::from_millis(500)
                }
            };
            if !sleep_or_stop(&token, wait).await {
                return Ok::<(), StoreError>(());
            }
        }
    });
}
