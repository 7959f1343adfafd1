//! The scheduler process's loops: what keeps tasks moving when nobody else does.
//!
//! Each loop is one file with a pass that does one bounded step; any number of schedulers may run them at once, since every step is an
//! atomic script call that finds nothing left to do the second time. A pass that fails is tried again at its next turn.

pub mod expire;
pub mod podms;
pub mod promote;
pub mod reclaim;
pub mod repair;
pub mod retention;
pub mod schedules;

use std::sync::Arc;
use std::time::Duration;

use crate::config::Config;
use crate::podm::Pool;
use crate::secret::SecretKey;
use crate::shutdown::{Shutdown, sleep_or_stop};
use crate::store::meta::MetaError;
use crate::store::{Store, StoreError};

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
    promote::spawn(&store, shutdown);
    reclaim::spawn(&store, shutdown);
    repair::spawn(&store, shutdown);
    retention::spawn(&store, &config.task, shutdown);
    expire::spawn(&store, config.api.sync_timeout.unsigned_abs(), shutdown);
    schedules::spawn(&store, shutdown);
    podms::spawn(&store, pool, key, config.podm.clone(), shutdown);
    tracing::info!("scheduler serves");
    Ok(())
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
