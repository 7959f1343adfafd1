//! `valence schedule`: periodic tasks.

use clap::{Args, Subcommand};
use serde_json::Value;

use super::body::{change, given, json};
use super::client::{Client, list};
use super::error::CtlError;
use super::output::{Output, cell, properties};
use super::watch::{Watch, repeat};
use crate::store::schedules::Schedule;

/// What can be done with schedules.
#[derive(Debug, Subcommand)]
pub enum ScheduleCommand {
    /// List schedules
    List {
        /// Again and again.
        #[command(flatten)]
        watch: Watch,
    },
    /// Make a schedule
    Create(Create),
    /// Show one schedule, its next firing and its last
    Show {
        /// Schedule id
        id: String,
    },
    /// Change a schedule; what is not given stays
    Update(Update),
    /// Delete a schedule; tasks it made go on
    Delete {
        /// Schedule id
        id: String,
    },
    /// Let a schedule fire
    Enable {
        /// Schedule id
        id: String,
    },
    /// Keep a schedule from firing
    Disable {
        /// Schedule id
        id: String,
    },
}

/// When and what.
#[derive(Debug, Args)]
#[group(skip)]
pub struct Create {
    /// Name
    #[arg(long)]
    name: String,
    /// Cron expression of five or six fields
    #[arg(long, required_unless_present = "every_s", conflicts_with = "every_s")]
    cron: Option<String>,
    /// Interval in seconds
    #[arg(long, value_name = "SECS")]
    every_s: Option<u64>,
    /// IANA time zone of the cron expression
    #[arg(long, default_value = "UTC", value_name = "ZONE")]
    time_zone: String,
    /// Each firing is late by up to so many seconds
    #[arg(long, default_value_t = 0, value_name = "SECS")]
    jitter_s: u64,
    /// The task to make, as POST /v1/tasks takes it, JSON
    #[arg(long, value_name = "JSON", required_unless_present = "kind", conflicts_with = "kind")]
    task: Option<String>,
    /// The kind of task to make, when it needs no parameters
    #[arg(long)]
    kind: Option<String>,
}

/// What is to be different.
#[derive(Debug, Args)]
#[group(skip)]
pub struct Update {
    /// Schedule id
    id: String,
    /// Name
    #[arg(long)]
    name: Option<String>,
    /// Cron expression of five or six fields
    #[arg(long, conflicts_with = "every_s")]
    cron: Option<String>,
    /// Interval in seconds
    #[arg(long, value_name = "SECS")]
    every_s: Option<u64>,
    /// IANA time zone of the cron expression
    #[arg(long, value_name = "ZONE")]
    time_zone: Option<String>,
    /// Each firing is late by up to so many seconds
    #[arg(long, value_name = "SECS")]
    jitter_s: Option<u64>,
    /// The task to make, as POST /v1/tasks takes it, JSON
    #[arg(long, value_name = "JSON", conflicts_with = "kind")]
    task: Option<String>,
    /// The kind of task to make, when it needs no parameters
    #[arg(long)]
    kind: Option<String>,
}

/// Carries out a command.
pub(super) async fn run(command: ScheduleCommand, api: &Client, out: &mut Output<'_>) -> Result<(), CtlError> {
    match command {
        ScheduleCommand::List { watch } => repeat(watch, out, async |out| show_list(api, out).await).await,
        ScheduleCommand::Create(create) => {
            let answer = api.post(&["v1", "schedules"], &body(create)?).await?;
            Ok(out.said(&answer, &format!("schedule {} ({}) is made", cell(&answer, "id"), cell(&answer, "name")))?)
        }
        ScheduleCommand::Show { id } => show(&api.get(&["v1", "schedules", &id], &[]).await?, out),
        ScheduleCommand::Update(update) => {
            let answer = api.patch(&["v1", "schedules", &update.id.clone()], &changes(update)?).await?;
            show(&answer, out)
        }
        ScheduleCommand::Delete { id } => {
            let nothing = api.delete(&["v1", "schedules", &id]).await?;
            Ok(out.said(&nothing, &format!("schedule {id} is deleted"))?)
        }
        ScheduleCommand::Enable { id } => turn(api, &id, true, out).await,
        ScheduleCommand::Disable { id } => turn(api, &id, false, out).await,
    }
}

async fn turn(api: &Client, id: &str, enabled: bool, out: &mut Output<'_>) -> Result<(), CtlError> {
    let answer = api.patch(&["v1", "schedules", id], &given(vec![("enabled", Some(enabled.into()))]).into()).await?;
    Ok(out.said(&answer, &format!("schedule {id} is {}", if enabled { "enabled" } else { "disabled" }))?)
}

async fn show_list(api: &Client, out: &mut Output<'_>) -> Result<(), CtlError> {
    let answer = api.get(&["v1", "schedules"], &[]).await?;
    let schedules: Vec<Schedule> = list("GET /v1/schedules", "schedules", &answer)?;
    let row = |s: &Schedule| {
        let when = s.cron.clone().unwrap_or_else(|| format!("every {} s", s.every_s.unwrap_or(0)));
        let fires = if s.enabled { "yes" } else { "no" };
        vec![s.id.clone(), s.name.clone(), when, s.time_zone.clone(), fires.into(), cell(&s.task, "kind")]
    };
    let head = ["ID", "NAME", "WHEN", "ZONE", "FIRES", "KIND"];
    Ok(out.list(&answer, "no schedules", &head, schedules.iter().map(row).collect())?)
}

fn show(answer: &Value, out: &mut Output<'_>) -> Result<(), CtlError> {
    Ok(out.card(answer, properties(answer))?)
}

fn changes(update: Update) -> Result<Value, CtlError> {
    let task = match (update.task, update.kind) {
        (Some(text), _) => Some(json("--task", &text)?),
        (None, kind) => kind.map(|kind| of_kind(Some(kind))),
    };
    change(vec![
        ("name", update.name.map(Value::from)),
        ("cron", update.cron.map(Value::from)),
        ("every_s", update.every_s.map(Value::from)),
        ("time_zone", update.time_zone.map(Value::from)),
        ("jitter_s", update.jitter_s.map(Value::from)),
        ("task", task),
    ])
}

/// A task without parameters.
fn of_kind(kind: Option<String>) -> Value {
    Value::Object(given(vec![("kind", kind.map(Value::from))]))
}

fn body(create: Create) -> Result<Value, CtlError> {
    let task: Value = match (create.task, create.kind) {
        (Some(text), _) => json("--task", &text)?,
        (None, kind) => of_kind(kind),
    };
    Ok(given(vec![
        ("name", Some(create.name.into())),
        ("cron", create.cron.map(Value::from)),
        ("every_s", create.every_s.map(Value::from)),
        ("time_zone", Some(create.time_zone.into())),
        ("jitter_s", Some(create.jitter_s.into())),
        ("task", Some(task)),
    ])
    .into())
}
