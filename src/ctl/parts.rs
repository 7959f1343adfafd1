//! The other parts of Valence as `valence up` starts them: one call each, nothing else.

use tokio::net::TcpListener;

use super::error::CtlError;
use crate::config::Config;
use crate::model::topic::Topic;
use crate::shutdown::Shutdown;
use crate::store::Store;

fn not_built_yet(part: &str) -> CtlError {
    CtlError::Up(format!("not built yet: {part}"))
}

/// Starts the API on a bound listener.
#[expect(clippy::unused_async, reason = "the part's own start may wait")]
pub(super) async fn api(
    _config: &Config,
    _store: &Store,
    _shutdown: &Shutdown,
    _listener: TcpListener,
) -> Result<(), CtlError> {
    Err(not_built_yet("api"))
}

/// Starts the worker of one topic.
#[expect(clippy::unused_async, reason = "the part's own start may wait")]
pub(super) async fn worker(
    _config: &Config,
    _store: &Store,
    _topic: Topic,
    _shutdown: &Shutdown,
) -> Result<(), CtlError> {
    Err(not_built_yet("worker"))
}

/// Starts the upkeep loops.
#[expect(clippy::unused_async, reason = "the part's own start may wait")]
pub(super) async fn upkeep(_config: &Config, _store: &Store, _shutdown: &Shutdown) -> Result<(), CtlError> {
    Err(not_built_yet("upkeep"))
}
