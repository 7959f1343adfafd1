//! `valence audit`: who changed what.

use clap::Args;

use super::client::{Client, list};
use super::error::CtlError;
use super::output::{Output, rows};

const COLUMNS: [&str; 8] = ["at", "actor", "role", "from", "outcome", "action", "target", "task_id"];
const HEAD: [&str; 8] = ["AT", "ACTOR", "ROLE", "FROM", "OUTCOME", "ACTION", "TARGET", "TASK"];

/// Which lines of the audit log.
#[derive(Debug, Args)]
pub struct AuditArgs {
    /// By this caller
    #[arg(long)]
    actor: Option<String>,
    /// Method and route, or its first word, such as DELETE
    #[arg(long)]
    action: Option<String>,
    /// Of this path or id
    #[arg(long)]
    target: Option<String>,
    /// About this task
    #[arg(long, value_name = "ID")]
    task: Option<String>,
    /// done, denied, refused or failed
    #[arg(long)]
    outcome: Option<String>,
    /// Not before this time, RFC 3339
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Not after this time, RFC 3339
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// At most so many lines
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=1000))]
    limit: u16,
    /// Go on after this one
    #[arg(long)]
    marker: Option<String>,
}

/// Lists them, newest first.
pub(super) async fn run(args: AuditArgs, api: &Client, out: &mut Output<'_>) -> Result<(), CtlError> {
    let given = [
        ("actor", args.actor),
        ("action", args.action),
        ("target", args.target),
        ("task_id", args.task),
        ("outcome", args.outcome),
        ("since", args.since),
        ("until", args.until),
        ("limit", Some(args.limit.to_string())),
        ("marker", args.marker),
    ];
    let query: Vec<_> = given.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
    let answer = api.get(&["v1", "audit"], &query).await?;
    let lines: Vec<serde_json::Value> = list("GET /v1/audit", "audit", &answer)?;
    Ok(out.list(&answer, "nothing in the audit log", &HEAD, rows(&lines, &COLUMNS))?)
}
