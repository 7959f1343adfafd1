//! One scheduler process: the loops that keep tasks moving. Any number may run.

use std::net::SocketAddr;
use std::process::ExitCode;

use clap::Parser;
use valence::config::CommonArgs;
use valence::daemon::{self, StartError};

/// Valence scheduler: promotes due tasks, reclaims those of dead workers, repairs, fires schedules. Any number may run.
#[derive(Parser)]
#[command(version)]
struct Args {
    #[command(flatten)]
    common: CommonArgs,
    /// Address of metrics and health
    #[arg(long, env = "VALENCE_SCHEDULER_LISTEN", value_name = "ADDR")]
    listen: Option<SocketAddr>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    let adjust =
        |config: &mut valence::config::Config| config.scheduler.listen = args.listen.or(config.scheduler.listen);
    daemon::run(&args.common, adjust, async |d| {
        let started =
            valence::upkeep::run(&d.config, d.store.clone(), d.pool.clone(), d.key.clone(), &d.shutdown).await;
        started.map_err(|e| StartError::Part(e.to_string()))?;
        let served = valence::upkeep::serve_health(d.store.clone(), d.config.scheduler.listen, &d.shutdown).await;
        served.map(drop).map_err(|e| StartError::Part(format!("metrics and health: {e}")))
    })
    .await
}
