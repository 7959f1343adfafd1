//! What every handler may use: one value a server, shared by all requests.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::ApiError;
use super::audit::Auditor;
use super::auth::Doors;
use super::limits::Limits;
use super::reload;
use super::sampler::Sampler;
use crate::config::Config;
use crate::secret::SecretKey;
use crate::shutdown::Shutdown;
use crate::store::Store;
use crate::store::events::Hub;
use crate::store::sync::Replies;
use crate::store::workers::Roster;

/// The server's parts.
pub(crate) struct App {
    pub(crate) config: Config,
    pub(crate) store: Store,
    /// Wakes those who wait for a task.
    pub(crate) hub: Hub,
    /// Carries reads to workers and their answers back.
    pub(crate) replies: Replies,
    /// Who serves which topic.
    pub(crate) roster: Roster,
    /// Rates of the queues.
    pub(crate) sampler: Sampler,
    /// Who may ask.
    pub(crate) doors: Doors,
    /// How much one caller may ask for.
    pub(crate) limits: Limits,
    /// Keeps who changed what.
    pub(crate) auditor: Auditor,
    /// Seals credentials; without it none are taken.
    pub(crate) key: Option<Arc<SecretKey>>,
    /// Fires when the process is to stop: waits end, streams close.
    pub(crate) stop: CancellationToken,
}

impl App {
    /// Starts the loops that handlers rely on.
    ///
    /// # Errors
    /// When the tokens or the secret key cannot be read.
    pub(crate) fn start(config: Config, store: Store, shutdown: &Shutdown) -> Result<Arc<Self>, ApiError> {
        let key = config.secret_key_file.as_deref().map(SecretKey::read).transpose()?.map(Arc::new);
        if let (Some(key), Some(file)) = (key.clone(), config.secret_key_file.clone()) {
            reload::on_change("secret key file", vec![file], shutdown, move || {
                key.refresh().map(drop).map_err(|e| e.to_string())
            });
        }
        Ok(Arc::new(Self {
            doors: Doors::open(&config.api, shutdown)?,
            limits: Limits::new(&config.api),
            auditor: Auditor::start(&store, config.grace.unsigned_abs(), shutdown),
            key,
            hub: Hub::start(&store, shutdown),
            replies: Replies::start(store.clone(), shutdown),
            roster: Roster::new(store.clone()),
            sampler: Sampler::start(&store, shutdown),
            stop: shutdown.token(),
            store,
            config,
        }))
    }
}
