//! `valence system` and `valence rack`: what Pod Managers have, live.

use clap::Subcommand;
use serde_json::Value;

use super::client::{Client, list};
use super::error::CtlError;
use super::output::{Output, cell, properties};
use super::watch::{Watch, repeat};

/// What can be done with systems and racks.
#[derive(Debug, Subcommand)]
pub enum LiveCommand {
    /// List all there are
    List {
        /// Only those of this Pod Manager
        #[arg(long, value_name = "ID")]
        podm: Option<String>,
        /// Again and again.
        #[command(flatten)]
        watch: Watch,
    },
    /// Show one
    Show {
        /// Its id
        id: String,
        /// Its Pod Manager; all of them are asked when left out
        #[arg(long, value_name = "ID")]
        podm: Option<String>,
    },
}

/// Carries out a command on `one` of `what`, such as a `system` of `systems`.
pub(super) async fn run(
    command: LiveCommand,
    (what, one): (&str, &str),
    api: &Client,
    out: &mut Output<'_>,
) -> Result<(), CtlError> {
    let at = |podm: Option<String>| podm.into_iter().map(|id| ("podm_id", id)).collect::<Vec<_>>();
    match command {
        LiveCommand::List { podm, watch } => {
            let query = at(podm);
            repeat(watch, out, async |out| show_list(api, what, &query, out).await).await
        }
        LiveCommand::Show { id, podm } => {
            let answer = api.get(&["v1", what, &id], &at(podm)).await?;
            Ok(out.card(&answer, properties(the_one(&answer, what, one, &id)?))?)
        }
    }
}

/// Shows a list of what Pod Managers have. The whole answer is shown: drivers differ, so the columns are the keys that the first one has.
async fn show_list(api: &Client, what: &str, query: &[(&str, String)], out: &mut Output<'_>) -> Result<(), CtlError> {
    let answer = api.get(&["v1", what], query).await?;
    let systems: Vec<Value> = list(&format!("GET /v1/{what}"), what, &answer)?;
    let plain = |v: &Value| !v.is_object() && !v.is_array();
    let first = systems.first().and_then(Value::as_object);
    let mut keys: Vec<&str> =
        first.map(|m| m.iter().filter(|(_, v)| plain(v)).map(|(k, _)| k.as_str()).collect()).unwrap_or_default();
    keys.sort_by_key(|k| (!matches!(*k, "id" | "uuid" | "name"), *k));
    let head: Vec<String> = keys.iter().map(|k| k.to_uppercase()).collect();
    let head: Vec<&str> = head.iter().map(String::as_str).collect();
    let rows = systems.iter().map(|s| keys.iter().map(|k| cell(s, k)).collect()).collect();
    Ok(out.list(
        &answer,
        &format!("no {what}: are Pod Managers registered and online? (valence podm list)"),
        &head,
        rows,
    )?)
}

/// v1 answers one of something with a list of none or one.
fn the_one<'a>(answer: &'a Value, what: &str, one: &str, id: &str) -> Result<&'a Value, CtlError> {
    answer.as_array().map_or(Some(answer), |found| found.first()).ok_or_else(|| CtlError::Refused {
        what: format!("GET /v1/{what}/{id}"),
        status: 404,
        title: "Resource could not be found".into(),
        detail: format!("No Pod Manager has a {one} {id}."),
        next: format!("\n`valence {one} list` shows what there is."),
    })
}
