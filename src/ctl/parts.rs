//! The other parts of Valence as `valence up` starts them: one call each, nothing else.

use std::sync::Arc;

use tokio::net::TcpListener;

use super::error::CtlError;
use crate::config::Config;
use crate::model::topic::Topic;
use crate::podm::Pool;
use crate::secret::SecretKey;
use crate::shutdown::Shutdown;
use crate::store::Store;

fn failed(part: &str, error: impl std::fmt::Display) -> CtlError {
    CtlError::Up(format!("{part}: {error}"))
}

/// Pod Manager connections, with the deployment's key.
pub(super) fn pool(config: &Config) -> Result<Pool, CtlError> {
    Pool::new(&config.redfish, secret_key(config)?).map_err(|e| failed("Pod Manager connections", e))
}

/// The deployment's key.
pub(super) fn secret_key(config: &Config) -> Result<Option<Arc<SecretKey>>, CtlError> {
    let key = config.secret_key_file.as_deref().map(SecretKey::read).transpose();
    Ok(key.map_err(|e| failed("secret key", e))?.map(Arc::new))
}

/// Starts the API on a bound listener.
pub(super) async fn api(
    config: &Config,
    store: &Store,
    shutdown: &Shutdown,
    listener: TcpListener,
) -> Result<(), CtlError> {
    store.agree_on_meta().await.map_err(|e| failed("api", e))?;
    crate::api::spawn(config.clone(), store.clone(), shutdown, listener).map(drop).map_err(|e| failed("api", e))
}

/// Starts the worker of one topic.
pub(super) async fn worker(
    config: &Config,
    store: &Store,
    pool: &Pool,
    topic: Topic,
    shutdown: &Shutdown,
) -> Result<(), CtlError> {
    let mut config = config.clone();
    config.worker.topics = vec![topic];
    let started = crate::worker::run(&config, store.clone(), pool.clone(), shutdown).await;
    started.map(drop).map_err(|e| failed("worker", e))
}

/// Starts the upkeep loops.
pub(super) async fn upkeep(config: &Config, store: &Store, pool: &Pool, shutdown: &Shutdown) -> Result<(), CtlError> {
    let key = secret_key(config)?;
    crate::upkeep::run(config, store.clone(), pool.clone(), key, shutdown).await.map_err(|e| failed("scheduler", e))
}
