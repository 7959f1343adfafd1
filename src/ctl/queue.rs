//! `valence queue`: how much waits where; pause and resume.

use clap::Subcommand;
use serde_json::json;

use super::client::{Client, list};
use super::error::CtlError;
use super::output::Output;
use super::watch::{Watch, repeat};
use crate::model::topic::Topic;
use crate::store::queues::Queue;

/// What can be done with queues.
#[derive(Debug, Subcommand)]
pub enum QueueCommand {
    /// List the queues, one a topic
    List {
        /// Again and again.
        #[command(flatten)]
        watch: Watch,
    },
    /// Let workers take nothing new of a topic; running tasks go on
    Pause {
        /// The topic
        topic: Topic,
    },
    /// Let workers take tasks of a topic again
    Resume {
        /// The topic
        topic: Topic,
    },
}

/// Carries out a command.
pub(super) async fn run(command: QueueCommand, api: &Client, out: &mut Output<'_>) -> Result<(), CtlError> {
    match command {
        QueueCommand::List { watch } => repeat(watch, out, async |out| show(api, out).await).await,
        QueueCommand::Pause { topic } => turn(api, topic, "pause", "paused: running tasks go on", out).await,
        QueueCommand::Resume { topic } => turn(api, topic, "resume", "resumed", out).await,
    }
}

async fn turn(api: &Client, topic: Topic, verb: &str, done: &str, out: &mut Output<'_>) -> Result<(), CtlError> {
    let answer = api.post(&["v1", "queues", topic.as_str(), verb], &json!({})).await?;
    Ok(out.said(&answer, &format!("{topic} is {done}"))?)
}

/// Every queue.
pub(super) async fn queues(api: &Client) -> Result<(serde_json::Value, Vec<Queue>), CtlError> {
    let answer = api.get(&["v1", "queues"], &[]).await?;
    let queues = list("GET /v1/queues", "queues", &answer)?;
    Ok((answer, queues))
}

async fn show(api: &Client, out: &mut Output<'_>) -> Result<(), CtlError> {
    let (answer, queues) = queues(api).await?;
    let row = |q: &Queue| {
        let depth = |state: &str| q.depth.get(state).copied().unwrap_or(0).to_string();
        let later: i64 = ["scheduled", "retrying", "parked", "waiting"].iter().filter_map(|s| q.depth.get(*s)).sum();
        let failed = q.totals.get("failed").copied().unwrap_or(0);
        vec![
            q.topic.clone(),
            if q.paused { "paused" } else { "open" }.to_owned(),
            depth("queued"),
            depth("running"),
            later.to_string(),
            q.sync.to_string(),
            format!("{:.1}", q.oldest_age_s),
            failed.to_string(),
            q.workers.to_string(),
        ]
    };
    let head = ["TOPIC", "TAKES", "QUEUED", "RUNNING", "LATER", "SYNC", "OLDEST_S", "FAILED", "WORKERS"];
    Ok(out.list(&answer, "no queues", &head, queues.iter().map(row).collect())?)
}
