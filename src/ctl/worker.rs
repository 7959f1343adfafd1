//! `valence worker`: which worker processes are there.

use clap::Subcommand;

use super::client::{Client, list};
use super::error::CtlError;
use super::output::Output;
use super::watch::{Watch, repeat};
use crate::store::workers::Worker;

/// What can be done with workers.
#[derive(Debug, Subcommand)]
pub enum WorkerCommand {
    /// List the workers
    List {
        /// Again and again.
        #[command(flatten)]
        watch: Watch,
    },
}

/// Carries out a command.
pub(super) async fn run(command: WorkerCommand, api: &Client, out: &mut Output<'_>) -> Result<(), CtlError> {
    match command {
        WorkerCommand::List { watch } => repeat(watch, out, async |out| show(api, out).await).await,
    }
}

/// Every worker.
pub(super) async fn workers(api: &Client) -> Result<(serde_json::Value, Vec<Worker>), CtlError> {
    let answer = api.get(&["v1", "workers"], &[]).await?;
    let workers = list("GET /v1/workers", "workers", &answer)?;
    Ok((answer, workers))
}

async fn show(api: &Client, out: &mut Output<'_>) -> Result<(), CtlError> {
    let (answer, workers) = workers(api).await?;
    let row = |w: &Worker| {
        let topics: Vec<_> = w.topics.iter().map(|t| t.as_str()).collect();
        let state = if w.draining { "draining" } else { "live" };
        let slots = format!("{}/{}", w.busy, w.slots);
        vec![
            w.id.clone(),
            topics.join(","),
            slots,
            state.into(),
            w.host.clone(),
            w.version.clone(),
            w.started_at.clone(),
        ]
    };
    let head = ["ID", "TOPICS", "BUSY", "STATE", "HOST", "VERSION", "STARTED"];
    let nothing = "no workers: tasks wait until one starts (valence-worker, or valence up)";
    Ok(out.list(&answer, nothing, &head, workers.iter().map(row).collect())?)
}
