//! One worker process: claims tasks of its topics and carries them out.

use std::net::SocketAddr;
use std::process::ExitCode;

use clap::Parser;
use valence::config::CommonArgs;
use valence::daemon::{self, StartError};
use valence::model::topic::Topic;

/// Valence worker: claims tasks of its topics and carries them out.
#[derive(Parser)]
#[command(version)]
struct Args {
    #[command(flatten)]
    common: CommonArgs,
    /// Topics to serve
    #[arg(long = "topic", env = "VALENCE_WORKER_TOPICS", value_delimiter = ',', value_enum, value_name = "TOPIC,…")]
    topics: Option<Vec<Topic>>,
    /// Tasks at once
    #[arg(long, env = "VALENCE_WORKER_CONCURRENCY", value_name = "N")]
    concurrency: Option<usize>,
    /// Reads at once
    #[arg(long, env = "VALENCE_WORKER_SYNC_SLOTS", value_name = "N")]
    sync_slots: Option<usize>,
    /// Address of metrics and health
    #[arg(long, env = "VALENCE_WORKER_LISTEN", value_name = "ADDR")]
    listen: Option<SocketAddr>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    let common = args.common.clone();
    let adjust = |config: &mut valence::config::Config| {
        let worker = &mut config.worker;
        worker.topics = args.topics.unwrap_or(std::mem::take(&mut worker.topics));
        worker.concurrency = args.concurrency.unwrap_or(worker.concurrency);
        worker.sync_slots = args.sync_slots.unwrap_or(worker.sync_slots);
        worker.listen = args.listen.or(worker.listen);
    };
    daemon::run(&common, adjust, async |d| {
        let started = valence::worker::run(&d.config, d.store.clone(), d.pool.clone(), &d.shutdown).await;
        let worker = started.map_err(|e| StartError::Part(e.to_string()))?;
        let served = worker.serve_health(d.config.worker.listen, &d.shutdown).await;
        served.map(drop).map_err(|e| StartError::Part(format!("metrics and health: {e}")))
    })
    .await
}
