//! `valence up`: everything on one machine, in one process, with a private Redis beside it.
//!
//! Order of the start: data directory, listener, Redis, key, store, simulated Pod Managers, API, workers, upkeep, registration; then
//! one line `ready: http://…`. What may fail for a reason of the user's comes first. The stop goes the other way: all parts drain,
//! Redis ends last.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use serde_json::json;
use tokio::net::TcpListener;

use super::client::Client;
use super::data_dir::DataDir;
use super::error::CtlError;
use super::output::Output;
use super::redis_child::{Lasting, RedisChild};
use super::{parts, sims};
use crate::config::{CommonArgs, Config, RedisConfig};
use crate::model::topic::Topic;
use crate::observe::{log, trace};
use crate::shutdown::Shutdown;
use crate::store::Store;

/// Longest time for one answer of Redis.
const REPLY_LIMIT: Duration = Duration::from_millis(800);
/// Longest time until the API says that it is ready.
const API_READY: Duration = Duration::from_secs(30);
/// Pause between two looks at it.
const LOOK: Duration = Duration::from_millis(50);

/// What to run and where.
#[derive(Debug, Args)]
pub struct UpArgs {
    /// Where state is kept: $XDG_STATE_HOME/valence or ~/.local/state/valence unless given
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Where the API listens; port 0 picks a free one
    #[arg(long, env = "VALENCE_API_LISTEN", value_name = "ADDR")]
    listen: Option<SocketAddr>,
    /// Start no simulated Pod Managers
    #[arg(long)]
    no_sim: bool,
    /// How many simulated Pod Managers
    #[arg(long, default_value_t = 2, value_name = "N", conflicts_with = "no_sim", value_parser = clap::value_parser!(u16).range(1..=1000))]
    podms: u16,
    /// Settings of all parts.
    #[command(flatten)]
    common: CommonArgs,
}

/// Runs until the stop signal.
pub(super) async fn run(args: UpArgs, out: &mut Output<'_>) -> Result<(), CtlError> {
    let mut config = config(&args)?;
    if args.common.print_config {
        return Ok(out.raw(config.shown().as_bytes())?);
    }
    log::init(config.log.format, "info");
    let collected = trace::collect(config.tracing.otlp_endpoint.as_deref(), &config.deployment);
    let collected = collected.map_err(|why| CtlError::Usage(format!("tracing.otlp_endpoint: {why}")))?;
    let dir = match &args.data_dir {
        Some(dir) => dir.clone(),
        None => DataDir::default_path()?,
    };
    let dir = DataDir::take(&dir)?;
    let listener = bind(config.api.listen).await?;
    if let Ok(addr) = listener.local_addr() {
        config.api.listen = addr;
    }
    if config.secret_key_file.is_none() {
        config.secret_key_file = Some(dir.secret_key()?);
    }
    let shutdown = Shutdown::on_signals();
    let mut redis = Vec::new();
    // A Redis that was named is used; else there are private ones: for what lasts, and for reads, which then wait for no fsync.
    if args.common.redis_url.is_none() && config.redis.url == RedisConfig::default().url {
        let lasting = RedisChild::start(&dir.path().join("redis"), Lasting::Yes).await?;
        config.redis.url = lasting.url();
        redis.push(lasting);
        if config.redis.sync_url.is_none() {
            let reads = RedisChild::start(&dir.path().join("reads"), Lasting::No).await?;
            config.redis.sync_url = Some(reads.url());
            redis.push(reads);
        }
    }
    let outcome = serve(&args, &config, &dir, listener, &mut redis, &shutdown, out).await;
    shutdown.stop();
    let joined = shutdown.join(config.grace.unsigned_abs()).await;
    collected.end();
    for child in redis {
        child.stop().await;
    }
    outcome?;
    joined.map_err(CtlError::Up)
}

async fn serve(
    args: &UpArgs,
    config: &Config,
    dir: &DataDir,
    listener: TcpListener,
    redis: &mut [RedisChild],
    shutdown: &Shutdown,
    out: &mut Output<'_>,
) -> Result<(), CtlError> {
    let url = config.api_url();
    let port = redis.first().map(RedisChild::port);
    for failed in redis.iter_mut().filter_map(RedisChild::failure) {
        let stopping = shutdown.token();
        shutdown.spawn("redis", async move {
            tokio::select! {
                () = stopping.cancelled() => Ok(()),
                Ok(why) = failed => Err(why),
            }
        });
    }
    let why = |e: crate::store::StoreError| {
        let cause = std::error::Error::source(&e).map(|c| format!(": {c}")).unwrap_or_default();
        CtlError::Up(format!("{e}{cause}"))
    };
    let redis = &config.redis;
    let connected = Store::connect(&redis.url, redis.sync_url.as_deref(), REPLY_LIMIT, config.store_options()).await;
    let store = connected.map_err(why)?;
    store.agree_on_meta().await.map_err(|e| CtlError::Up(e.to_string()))?;

    let pool = parts::pool(config)?;
    pool.keep(shutdown);
    let sims = if args.no_sim {
        Vec::new()
    } else {
        sims::start(&dir.path().join("podm"), args.podms.into(), shutdown).await?
    };
    parts::api(config, &store, shutdown, listener).await?;
    for topic in Topic::ALL {
        if config.worker.topics.contains(&topic) {
            parts::worker(config, &store, &pool, topic, shutdown).await?;
        }
    }
    parts::upkeep(config, &store, &pool, shutdown).await?;

    let api = Client::of_this_process(&url)?;
    if !ready(&api, shutdown).await? {
        return Ok(());
    }
    let registered = tokio::select! {
        done = sims::register(config, &store, &sims) => done,
        () = stopping(shutdown) => return Ok(()),
    };
    if let Err(error) = registered {
        out.note(&format!("The simulated Pod Managers are not registered: {error}"));
    }
    let mut lines: Vec<String> = sims.iter().map(|sim| format!("Pod Manager  {sim}  (simulated)")).collect();
    lines.extend(port.map(|port| format!("Redis        127.0.0.1:{port}")));
    lines.push(format!("State        {}", dir.path().display()));
    lines.push(format!("API          {url}/v1"));
    lines.push(format!("ready: {url}"));
    let told = json!({ "ready": url, "pod_managers": sims, "redis_port": port, "data_dir": dir.path() });
    out.said(&told, &lines.join("\n"))?;
    stopping(shutdown).await;
    Ok(())
}

fn config(args: &UpArgs) -> Result<Config, CtlError> {
    let usage = |e: crate::config::ConfigError| CtlError::Usage(e.to_string());
    let mut config = Config::load(&args.common).map_err(usage)?;
    if let Some(listen) = args.listen {
        config.api.listen = listen;
    }
    // The simulated Pod Managers are plain http on loopback.
    if let Ok(loopback) = "127.0.0.0/8".parse()
        && !config.redfish.allow_cidrs.contains(&loopback)
    {
        config.redfish.allow_cidrs.push(loopback);
    }
    config.check().map_err(usage)?;
    Ok(config)
}

async fn bind(addr: SocketAddr) -> Result<TcpListener, CtlError> {
    TcpListener::bind(addr).await.map_err(|e| {
        CtlError::Up(format!(
            "cannot listen on {addr}: {e}\nIs another `valence up` running? Choose another address with --listen, such as --listen 127.0.0.1:0."
        ))
    })
}

/// Waits until the API says that it is ready; false when the stop came first.
async fn ready(api: &Client, shutdown: &Shutdown) -> Result<bool, CtlError> {
    let begun = Instant::now();
    loop {
        let seen = api.look(&["readyz"]).await;
        if shutdown.is_stopping() {
            return Ok(false);
        }
        match seen {
            Ok((status, _)) if status.is_success() => return Ok(true),
            Ok((status, why)) if begun.elapsed() > API_READY => {
                return Err(CtlError::Up(format!("the API is not ready: {status} {why}")));
            }
            Err(error) if begun.elapsed() > API_READY => return Err(error),
            _ => tokio::time::sleep(LOOK).await,
        }
    }
}

async fn stopping(shutdown: &Shutdown) {
    shutdown.token().cancelled().await;
}
