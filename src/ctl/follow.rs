//! Following a task to its end: a progress bar for people at a terminal, plain lines otherwise, silence for `--json`.
//!
//! Waiting is a view: leaving it cancels nothing. An API that goes away meanwhile is given time to come back, the task is in Redis.

use std::time::{Duration, Instant};

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;
use tokio::signal::unix::{SignalKind, signal};

use super::client::{Client, read};
use super::error::CtlError;
use super::output::Output;
use crate::model::state::State;
use crate::model::task::Task;

/// Seconds of one long-poll: also how often progress is shown.
const POLL_S: u64 = 1;
/// How long the API may be away before waiting is given up.
const AWAY: Duration = Duration::from_secs(30);
/// Pause before an API that is away is asked again.
const AGAIN: Duration = Duration::from_millis(500);

/// Whether to stay until the end.
#[derive(Debug, Clone, Copy, Args)]
pub struct Wait {
    /// Wait for the end and show progress
    #[arg(long)]
    pub(super) wait: bool,
}

/// Waits for the end of a task and gives it back when it ended well.
pub(super) async fn to_end(
    api: &Client,
    id: &str,
    out: &mut Output<'_>,
    limit: Option<Duration>,
) -> Result<Task, CtlError> {
    let mut shown = Shown::new(out);
    // Once for all: a Ctrl-C between two questions is not lost.
    let mut interrupted = signal(SignalKind::interrupt())?;
    let begun = Instant::now();
    let mut heard = Instant::now();
    loop {
        let query = [("wait", POLL_S.to_string())];
        let path = ["v1", "tasks", id];
        let answer = tokio::select! {
            answer = api.get(&path, &query) => answer,
            _ = interrupted.recv() => {
                shown.clear();
                return Err(CtlError::Left { id: id.to_owned() });
            }
        };
        match answer {
            Ok(answer) => {
                heard = Instant::now();
                let task: Task = read("GET /v1/tasks/{id}", answer)?;
                shown.show(&task, out)?;
                if task.state.is_terminal() {
                    shown.clear();
                    return ended_well(task, out);
                }
            }
            Err(CtlError::Unreachable { .. }) if heard.elapsed() < AWAY => tokio::time::sleep(AGAIN).await,
            Err(CtlError::Refused { status: 503, .. }) if heard.elapsed() < AWAY => tokio::time::sleep(AGAIN).await,
            Err(error) => return Err(error),
        }
        if let Some(limit) = limit
            && begun.elapsed() >= limit
        {
            shown.clear();
            return Err(CtlError::StillRunning { id: id.to_owned(), waited_s: limit.as_secs() });
        }
    }
}

/// Says which task was made and how to follow it.
pub(super) fn hand_over(task: &Task, out: &mut Output<'_>) -> Result<(), CtlError> {
    if out.json() {
        out.value(task)?;
        return Ok(());
    }
    out.line(&format!("task {} ({}) is {}", task.id, task.kind, task.state))?;
    Ok(out.line(&format!("Follow it with: valence task wait {}", task.id))?)
}

/// Either hands the task over or waits for it; its result when it was waited for.
pub(super) async fn maybe(
    api: &Client,
    task: &Task,
    wait: Wait,
    out: &mut Output<'_>,
) -> Result<Option<Value>, CtlError> {
    if wait.wait {
        return Ok(Some(to_end(api, &task.id.to_string(), out, None).await?.result));
    }
    hand_over(task, out)?;
    Ok(None)
}

fn ended_well(task: Task, out: &mut Output<'_>) -> Result<Task, CtlError> {
    if task.state == State::Completed {
        return Ok(task);
    }
    // A program learns of the failure where it would have learned of the success; the exit code tells them apart.
    if out.json() {
        out.value(&task)?;
    }
    let why = task.error.as_ref().map(|e| format!(": {} {}: {}", e.problem.status, e.problem.title, e.problem.detail));
    Err(CtlError::TaskFailed { id: task.id.to_string(), state: task.state.to_string(), why: why.unwrap_or_default() })
}

/// What has been shown of a task so far.
struct Shown {
    bar: Option<ProgressBar>,
    last: String,
}

impl Shown {
    fn new(out: &Output<'_>) -> Self {
        let bar = (out.tty() && !out.json()).then(|| {
            let bar = ProgressBar::new(100);
            if let Ok(style) = ProgressStyle::with_template("{spinner} [{bar:30}] {percent:>3}% {msg} ({elapsed})") {
                bar.set_style(style.progress_chars("=> "));
            }
            bar.enable_steady_tick(Duration::from_millis(200));
            bar
        });
        Self { bar, last: String::new() }
    }

    fn show(&mut self, task: &Task, out: &mut Output<'_>) -> Result<(), CtlError> {
        let step = task.progress.as_ref().map(|p| format!(" {}% {}", p.percent, p.step));
        let line = format!("{}{}", task.state, step.unwrap_or_default());
        if let Some(bar) = &self.bar {
            bar.set_position(task.progress.as_ref().map_or(0, |p| u64::from(p.percent)));
            bar.set_message(
                task.progress.as_ref().map_or(task.state.to_string(), |p| format!("{} {}", task.state, p.step)),
            );
        } else if !out.json() && line != self.last {
            out.line(&line)?;
        }
        self.last = line;
        Ok(())
    }

    fn clear(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
