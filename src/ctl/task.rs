//! `valence task`: look at tasks, wait for them, make, cancel, retry and forget them.

use std::time::Duration;

use clap::Subcommand;
use futures_util::StreamExt as _;
use reqwest::Method;
use serde_json::{Map, Value};

use super::body::{given, json, pair};
use super::client::{Client, list, read};
use super::error::CtlError;
use super::follow::{self, Wait};
use super::output::{Output, cell};
use super::watch::{Watch, repeat};
use crate::model::state::State;
use crate::model::task::Task;
use crate::model::topic::{Priority, Topic};
use crate::store::explain::Explanation;

/// What can be done with tasks.
#[derive(Debug, Subcommand)]
pub enum TaskCommand {
    /// List tasks, newest first
    List {
        /// Only tasks in this state, such as running
        #[arg(long)]
        state: Option<String>,
        /// Only tasks of this status: "In progress", Completed, Failed, Cancelled
        #[arg(long)]
        status: Option<String>,
        /// Only tasks of this topic
        #[arg(long)]
        topic: Option<Topic>,
        /// Only tasks of this kind, such as node.compose
        #[arg(long)]
        kind: Option<String>,
        /// Only tasks at this Pod Manager
        #[arg(long, value_name = "ID")]
        podm: Option<String>,
        /// Only tasks of this node
        #[arg(long, value_name = "ID")]
        node: Option<String>,
        /// Only tasks with this label
        #[arg(long, value_name = "KEY:VALUE")]
        label: Vec<String>,
        /// At most so many
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1000))]
        limit: u32,
        /// Go on where the last page ended
        #[arg(long)]
        marker: Option<String>,
        /// Again and again.
        #[command(flatten)]
        watch: Watch,
    },
    /// Show one task with its history
    Show {
        /// Task id
        id: String,
    },
    /// Wait for the end of a task; exit code 0 when it completed, 1 when not
    Wait {
        /// Task id
        id: String,
        /// Give up waiting after so many seconds; the task goes on
        #[arg(long, value_name = "SECS")]
        timeout: Option<u64>,
    },
    /// Ask a task to end; what it did is undone
    Cancel {
        /// Task id
        id: String,
        /// Wait for the end
        #[arg(long)]
        wait: bool,
    },
    /// Give a failed or cancelled task a new life
    Retry {
        /// Task id
        id: String,
        /// Wait for the end.
        #[command(flatten)]
        wait: Wait,
    },
    /// Forget an ended task
    Delete {
        /// Task id
        id: String,
    },
    /// Say why a task is not running, or not ending, now
    Explain {
        /// Task id
        id: String,
    },
    /// Make a task of any kind (see `valence kind list`)
    Create {
        /// Kind, such as node.compose
        kind: String,
        /// The kind's parameters, JSON; `-` reads it from standard input
        #[arg(long, value_name = "JSON", default_value = "{}")]
        params: String,
        /// The Pod Manager it concerns
        #[arg(long, value_name = "ID")]
        podm: Option<String>,
        /// The node it concerns
        #[arg(long, value_name = "ID")]
        node: Option<String>,
        /// Urgency
        #[arg(long)]
        priority: Option<Priority>,
        /// Not before so many seconds from now
        #[arg(long, value_name = "SECS")]
        delay_s: Option<u64>,
        /// Attempts it gets
        #[arg(long, value_name = "N")]
        max_attempts: Option<u32>,
        /// Seconds it may take
        #[arg(long, value_name = "SECS")]
        timeout_s: Option<u64>,
        /// A word for filtering
        #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
        label: Vec<(String, String)>,
        /// Wait for the end.
        #[command(flatten)]
        wait: Wait,
    },
    /// Make up to 1,000 tasks at once; each is judged on its own
    Batch {
        /// JSON list of tasks, each as POST /v1/tasks takes it; `-` reads it from standard input
        #[arg(value_name = "JSON")]
        tasks: String,
    },
    /// Follow state changes, of one task or of all, until Ctrl-C
    Events {
        /// Task id; all tasks when left out
        id: Option<String>,
    },
}

/// Carries out a command.
pub(super) async fn run(command: TaskCommand, api: &Client, out: &mut Output<'_>) -> Result<(), CtlError> {
    match command {
        TaskCommand::List { state, status, topic, kind, podm, node, label, limit, marker, watch } => {
            if let Some(bad) = state.as_deref().filter(|s| State::parse(s).is_none()) {
                let all: Vec<_> = State::ALL.iter().map(|s| s.as_str()).collect();
                return Err(CtlError::Usage(format!(
                    "--state {bad}: there is no such state; there are {}",
                    all.join(", ")
                )));
            }
            let mut query = vec![("limit", limit.to_string())];
            let given = [
                ("state", state),
                ("status", status),
                ("topic", topic.map(|t| t.to_string())),
                ("kind", kind),
                ("podm_id", podm),
                ("node_id", node),
                ("marker", marker),
            ];
            query.extend(given.into_iter().filter_map(|(key, value)| Some((key, value?))));
            query.extend(label.into_iter().map(|l| ("label", l)));
            repeat(watch, out, async |out| page(api, &query, out).await).await
        }
        TaskCommand::Show { id } => show(&api.get(&["v1", "tasks", &id], &[]).await?, out),
        TaskCommand::Wait { id, timeout } => {
            let task = follow::to_end(api, &id, out, timeout.map(Duration::from_secs)).await?;
            end(&task, out)
        }
        TaskCommand::Cancel { id, wait } => {
            let task = api.change(Method::POST, &["v1", "tasks", &id, "cancel"], None).await?;
            if !wait {
                return follow::hand_over(&task, out);
            }
            match follow::to_end(api, &id, out, None).await {
                // That is what was asked for. In JSON the task has been shown.
                Err(CtlError::TaskFailed { state, .. }) if state == "cancelled" => {
                    if out.json() {
                        Ok(())
                    } else {
                        Ok(out.line("cancelled")?)
                    }
                }
                Err(error) => Err(error),
                Ok(task) => end(&task, out),
            }
        }
        TaskCommand::Retry { id, wait } => {
            let task = api.change(Method::POST, &["v1", "tasks", &id, "retry"], None).await?;
            follow_or_not(api, &task, wait, out).await
        }
        TaskCommand::Delete { id } => {
            let nothing = api.delete(&["v1", "tasks", &id]).await?;
            Ok(out.said(&nothing, &format!("task {id} is forgotten"))?)
        }
        TaskCommand::Explain { id } => explain(&api.get(&["v1", "tasks", &id, "explain"], &[]).await?, out),
        TaskCommand::Create { kind, params, podm, node, priority, delay_s, max_attempts, timeout_s, label, wait } => {
            let params = json("--params", &params)?;
            let body = given(vec![
                ("kind", Some(kind.into())),
                ("params", Some(params)),
                ("podm_id", podm.map(Value::from)),
                ("node_id", node.map(Value::from)),
                ("priority", priority.map(|p| p.as_str().into())),
                ("delay_s", delay_s.map(Value::from)),
                ("max_attempts", max_attempts.map(Value::from)),
                ("timeout_s", timeout_s.map(Value::from)),
                ("labels", labels(label)),
            ]);
            let task = api.change(Method::POST, &["v1", "tasks"], Some(&body.into())).await?;
            follow_or_not(api, &task, wait, out).await
        }
        TaskCommand::Batch { tasks } => batch(&json("the list", &tasks)?, api, out).await,
        TaskCommand::Events { id } => events(api, id.as_deref(), out).await,
    }
}

fn labels(typed: Vec<(String, String)>) -> Option<Value> {
    let labels: Map<String, Value> = typed.into_iter().map(|(k, v)| (k, v.into())).collect();
    (!labels.is_empty()).then(|| labels.into())
}

/// Makes many, and says what became of each.
async fn batch(tasks: &Value, api: &Client, out: &mut Output<'_>) -> Result<(), CtlError> {
    let answer = api.post(&["v1", "tasks", "batch"], &given(vec![("tasks", Some(tasks.clone()))]).into()).await?;
    let made: Vec<Value> = list("POST /v1/tasks/batch", "tasks", &answer)?;
    let row = |item: &Value| {
        let why = item.get("error").map(|e| cell(e, "detail")).unwrap_or_default();
        vec![cell(item, "id"), why]
    };
    out.list(&answer, "no tasks", &["ID", "ERROR"], made.iter().map(row).collect())?;
    match made.iter().filter(|item| cell(item, "id").is_empty()).count() {
        0 => Ok(()),
        n => Err(CtlError::Wrong(format!("{n} of {} tasks were not made", made.len()))),
    }
}

async fn follow_or_not(api: &Client, task: &Task, wait: Wait, out: &mut Output<'_>) -> Result<(), CtlError> {
    if !wait.wait {
        return follow::hand_over(task, out);
    }
    let task = follow::to_end(api, &task.id.to_string(), out, None).await?;
    end(&task, out)
}

fn end(task: &Task, out: &mut Output<'_>) -> Result<(), CtlError> {
    Ok(out.said(task, &format!("task {} ({}) completed in attempt {}", task.id, task.kind, task.attempt))?)
}

async fn page(api: &Client, query: &[(&str, String)], out: &mut Output<'_>) -> Result<(), CtlError> {
    let answer = api.get(&["v1", "tasks"], query).await?;
    let tasks: Vec<Task> = list("GET /v1/tasks", "tasks", &answer)?;
    let row = |t: &Task| {
        let progress = t.progress.as_ref().map(|p| format!("{}% {}", p.percent, p.step)).unwrap_or_default();
        let attempt = format!("{}/{}", t.attempt, t.max_attempts);
        vec![t.id.to_string(), t.kind.clone(), t.state.to_string(), progress, attempt, t.created_at.clone()]
    };
    let head = ["ID", "KIND", "STATE", "PROGRESS", "ATTEMPT", "CREATED"];
    out.list(&answer, "no tasks", &head, tasks.iter().map(row).collect())?;
    if let (false, Some(marker)) = (out.json(), answer.get("marker").and_then(Value::as_str)) {
        out.line(&format!("There may be more: --marker {marker}"))?;
    }
    Ok(())
}

fn show(answer: &Value, out: &mut Output<'_>) -> Result<(), CtlError> {
    let t: Task = read("GET /v1/tasks/{id}", answer.clone())?;
    let error = t.error.as_ref().map(|e| format!("{} {}: {}", e.problem.status, e.problem.title, e.problem.detail));
    let progress =
        t.progress.as_ref().map(|p| format!("{}% {} {}", p.percent, p.step, p.message).trim_end().to_owned());
    let json = |v: &Value| if v.is_null() { String::new() } else { v.to_string() };
    let labels: Vec<String> = t.labels.iter().map(|(k, v)| format!("{k}={v}")).collect();
    let rows = vec![
        ("id", t.id.to_string()),
        ("kind", t.kind.clone()),
        ("topic", t.topic.to_string()),
        ("status", t.status.as_str().to_owned()),
        ("state", t.state.to_string()),
        ("priority", t.priority.as_str().to_owned()),
        ("progress", progress.unwrap_or_default()),
        ("attempt", format!("{} of {}", t.attempt, t.max_attempts)),
        ("crashes", if t.crashes == 0 { String::new() } else { t.crashes.to_string() }),
        ("podm", t.podm_id.clone().unwrap_or_default()),
        ("node", t.node_id.clone().unwrap_or_default()),
        ("parent", t.parent_id.map(|p| p.to_string()).unwrap_or_default()),
        ("worker", t.worker.clone().unwrap_or_default()),
        ("labels", labels.join(" ")),
        ("params", json(&t.params)),
        ("created", t.created_at.clone()),
        ("due", t.run_at.clone().unwrap_or_default()),
        ("started", t.started_at.clone().unwrap_or_default()),
        ("finished", t.finished_at.clone().unwrap_or_default()),
        ("result", json(&t.result)),
        ("error", error.unwrap_or_default()),
    ];
    out.card(answer, rows)?;
    if out.json() || t.history.is_empty() {
        return Ok(());
    }
    out.line("")?;
    let rows = t.history.iter().map(|h| {
        let attempt = h.attempt.map(|a| a.to_string()).unwrap_or_default();
        let (worker, detail) = (h.worker.clone().unwrap_or_default(), h.detail.clone().unwrap_or_default());
        vec![h.at.clone(), h.state.to_string(), attempt, worker, detail]
    });
    Ok(out.table(&["AT", "STATE", "ATTEMPT", "WORKER", "DETAIL"], rows.collect())?)
}

fn explain(answer: &Value, out: &mut Output<'_>) -> Result<(), CtlError> {
    if out.json() {
        return Ok(out.value(answer)?);
    }
    let why: Explanation = read("GET /v1/tasks/{id}/explain", answer.clone())?;
    out.line(&format!("{}: {}", why.state, why.summary))?;
    for reason in why.reasons.iter().filter(|r| r.message != why.summary) {
        out.line(&format!("- {}: {}", reason.code, reason.message))?;
    }
    if !why.holders.is_empty() {
        out.line(&format!("- held by {}", why.holders.join(", ")))?;
    }
    if why.state.is_terminal() {
        return Ok(());
    }
    Ok(out.line(&format!("It ends as timeout at {} at the latest.", why.deadline_at))?)
}

async fn events(api: &Client, id: Option<&str>, out: &mut Output<'_>) -> Result<(), CtlError> {
    let path: Vec<&str> = id.map_or_else(|| vec!["v1", "events"], |id| vec!["v1", "tasks", id, "events"]);
    let mut body = api.stream(&path).await?.bytes_stream();
    let mut rest = Vec::new();
    while let Some(Ok(chunk)) = body.next().await {
        rest.extend_from_slice(&chunk);
        while let Some(end) = rest.iter().position(|b| *b == b'\n') {
            let line: Vec<u8> = rest.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line);
            let Some(data) = line.trim_end().strip_prefix("data:") else { continue };
            let Ok(event) = serde_json::from_str::<Value>(data) else { continue };
            if out.json() {
                out.line(&event.to_string())?;
                continue;
            }
            let text = |key| cell(&event, key);
            let step = event.get("progress").map(|p| format!(" {}% {}", cell(p, "percent"), cell(p, "step")));
            out.line(&format!("{}  {}  {}{}", text("at"), text("id"), text("state"), step.unwrap_or_default()))?;
        }
    }
    Ok(())
}
