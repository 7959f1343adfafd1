//! How every daemon starts and ends: settings, logs, Redis, key, signals; then its own parts; then the drain.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use crate::config::{CommonArgs, Config, ConfigError};
use crate::observe::{log, trace};
use crate::podm::Pool;
use crate::secret::{SecretError, SecretKey};
use crate::shutdown::{Shutdown, sleep_or_stop};
use crate::store::{Store, StoreError};

/// Most time any call to Redis may take before it counts as lost. The API answers 503 when it is over.
const REDIS_LIMIT: Duration = Duration::from_millis(900);

/// What a daemon's parts are given.
pub struct Daemon {
    /// Settings, checked.
    pub config: Config,
    /// The store.
    pub store: Store,
    /// Pod Manager connections.
    pub pool: Pool,
    /// The key that seals credentials, when one is configured.
    pub key: Option<Arc<SecretKey>>,
    /// The stop signal and the loops.
    pub shutdown: Shutdown,
}

/// Why a daemon did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The settings are wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The key cannot be used.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// Redis is away, or refuses.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A part refused to start.
    #[error("{0}")]
    Part(String),
}

/// Runs a daemon from its arguments to its exit code: 0 after a clean drain, 2 for wrong settings, 1 for everything else.
///
/// `adjust` lays the process's own flags over the settings; `parts` starts its loops on [`Daemon::shutdown`].
pub async fn run<F>(
    args: &CommonArgs,
    adjust: impl FnOnce(&mut Config),
    parts: impl FnOnce(Arc<Daemon>) -> F,
) -> ExitCode
where
    F: Future<Output = Result<(), StartError>>,
{
    let config = match settings(args, adjust) {
        Ok(config) => config,
        Err(error) => {
            report(&error.to_string());
            return ExitCode::from(2);
        }
    };
    if args.print_config {
        return write_out(&config.shown());
    }
    log::init(config.log.format, "info");
    let collected = match trace::collect(config.tracing.otlp_endpoint.as_deref(), &config.deployment) {
        Ok(collected) => collected,
        Err(why) => {
            report(&format!("tracing.otlp_endpoint: {why}"));
            return ExitCode::from(2);
        }
    };
    let shutdown = Shutdown::on_signals();
    let grace = config.grace.unsigned_abs();
    let started = start(config, shutdown.clone());
    let ended = async {
        let Some(daemon) = started.await? else { return Ok(()) };
        parts(Arc::new(daemon)).await?;
        shutdown.join(grace).await.map_err(StartError::Part)
    };
    let ended = ended.await;
    collected.end();
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = %error, "ended with a failure");
            report(&error.to_string());
            ExitCode::FAILURE
        }
    }
}

fn settings(args: &CommonArgs, adjust: impl FnOnce(&mut Config)) -> Result<Config, ConfigError> {
    let mut config = Config::load(args)?;
    adjust(&mut config);
    config.check()?;
    Ok(config)
}

/// Opens what all parts share; waits for Redis as long as it takes. `None`: the stop signal came first.
async fn start(config: Config, shutdown: Shutdown) -> Result<Option<Daemon>, StartError> {
    let key = config.secret_key_file.as_deref().map(SecretKey::read).transpose()?.map(Arc::new);
    let pool = Pool::new(&config.redfish, key.clone()).map_err(|e| StartError::Part(e.to_string()))?;
    let Some(store) = open_store(&config, &shutdown).await? else { return Ok(None) };
    pool.keep(&shutdown);
    Ok(Some(Daemon { config, store, pool, key, shutdown }))
}

/// Connects to Redis, again and again while it is away.
///
/// # Errors
/// When it refuses: a wrong URL, a wrong password.
pub async fn open_store(config: &Config, shutdown: &Shutdown) -> Result<Option<Store>, StoreError> {
    loop {
        let redis = &config.redis;
        match Store::connect(&redis.url, redis.sync_url.as_deref(), REDIS_LIMIT, config.store_options()).await {
            Ok(store) => return Ok(Some(store)),
            Err(error) if error.is_transient() => {
                let cause = std::error::Error::source(&error).map(ToString::to_string);
                tracing::warn!(%error, cause, "waiting for Redis");
            }
            Err(error) => return Err(error),
        }
        if !sleep_or_stop(&shutdown.token(), Duration::from_millis(300)).await {
            return Ok(None);
        }
    }
}

fn write_out(text: &str) -> ExitCode {
    use std::io::Write;
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn report(text: &str) {
    use std::io::Write;
    // There is nobody left to tell when stderr is closed.
    let _closed = writeln!(std::io::stderr().lock(), "error: {text}");
}
