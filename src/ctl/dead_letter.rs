//! `valence dead-letter`: tasks that failed for good, and their way back.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::body::given;
use super::client::{Client, list};
use super::error::CtlError;
use super::output::{Output, properties};
use super::watch::{Watch, repeat};
use crate::model::task::Task;

/// What can be done with dead letters.
#[derive(Debug, Subcommand)]
pub enum DeadLetterCommand {
    /// List failed tasks, newest first
    List {
        /// At most so many
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1000))]
        limit: u32,
        /// Again and again.
        #[command(flatten)]
        watch: Watch,
    },
    /// Give failed tasks a new life
    Redrive(Redrive),
}

/// Which, and how fast.
#[derive(Debug, Args)]
pub struct Redrive {
    /// Only tasks of this kind
    #[arg(long)]
    kind: Option<String>,
    /// Only tasks of this topic
    #[arg(long)]
    topic: Option<crate::model::topic::Topic>,
    /// Only tasks at this Pod Manager
    #[arg(long, value_name = "ID")]
    podm: Option<String>,
    /// All of them
    #[arg(long)]
    all: bool,
    /// Only say how many
    #[arg(long)]
    dry_run: bool,
    /// At most so many a second
    #[arg(long, value_name = "N")]
    rate_per_s: Option<u32>,
}

/// Carries out a command.
pub(super) async fn run(command: DeadLetterCommand, api: &Client, out: &mut Output<'_>) -> Result<(), CtlError> {
    match command {
        DeadLetterCommand::List { limit, watch } => repeat(watch, out, async |out| show(api, limit, out).await).await,
        DeadLetterCommand::Redrive(args) => redrive(args, api, out).await,
    }
}

async fn redrive(args: Redrive, api: &Client, out: &mut Output<'_>) -> Result<(), CtlError> {
    let filter = given(vec![
        ("kind", args.kind.map(Value::from)),
        ("topic", args.topic.map(|t| t.as_str().into())),
        ("podm_id", args.podm.map(Value::from)),
    ]);
    if filter.is_empty() && !args.all {
        let what =
            "which ones? --kind, --topic or --podm choose some, --all means every dead letter; --dry-run only counts";
        return Err(CtlError::Usage(what.into()));
    }
    let mut body = json!({"filter": filter, "dry_run": args.dry_run});
    if let (Some(rate), Some(map)) = (args.rate_per_s, body.as_object_mut()) {
        map.insert("rate_per_s".into(), rate.into());
    }
    let answer = api.post(&["v1", "dead-letters", "redrive"], &body).await?;
    Ok(out.card(&answer, properties(&answer))?)
}

async fn show(api: &Client, limit: u32, out: &mut Output<'_>) -> Result<(), CtlError> {
    let answer = api.get(&["v1", "dead-letters"], &[("limit", limit.to_string())]).await?;
    let tasks: Vec<Task> = list("GET /v1/dead-letters", "dead_letters", &answer)?;
    let row = |t: &Task| {
        let error = t.error.as_ref().map(|e| format!("{} {}", e.problem.status, e.problem.detail));
        let finished = t.finished_at.clone().unwrap_or_default();
        vec![t.id.to_string(), t.kind.clone(), finished, t.attempt.to_string(), error.unwrap_or_default()]
    };
    let head = ["ID", "KIND", "FAILED_AT", "ATTEMPTS", "ERROR"];
    Ok(out.list(&answer, "no dead letters", &head, tasks.iter().map(row).collect())?)
}
