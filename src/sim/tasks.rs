//! `/redfish/v1/TaskService`: tasks and their monitors, for operations that answer 202.
//!
//! A monitor answers 202 while its operation runs, then the operation's own final answer, whatever that is. Once that was read
//! the monitor stays a little (an answer may be lost on the way) and is 404 from then on.

use std::collections::BTreeMap;

use hyper::header::RETRY_AFTER;
use hyper::{Method, StatusCode};
use serde_json::{Value, json};

use super::answer::Answer;
use super::view::{View, collection, link, ok, resource, with};

const PATH: &str = "/redfish/v1/TaskService";

/// Tasks remembered per PODM; the oldest finished one makes room.
const MAX_TASKS: usize = 200;

#[derive(Debug)]
struct Task {
    name: String,
    started_ms: u64,
    ended_ms: Option<u64>,
    /// The final answer; none yet, or never for a cancelled task.
    outcome: Option<Answer>,
    cancelled: bool,
    read_ms: Option<u64>,
}

/// The tasks of a PODM: gone after a restart.
#[derive(Debug, Default)]
pub(super) struct Tasks {
    last: u64,
    all: BTreeMap<u64, Task>,
}

impl Tasks {
    /// Records an operation that begins now; the number names its task and its monitor.
    pub(super) fn begin(&mut self, name: String, now_ms: u64) -> u64 {
        while self.all.len() >= MAX_TASKS {
            let Some(oldest) = self.all.iter().find(|(_, t)| t.ended_ms.is_some()).map(|(n, _)| *n) else { break };
            self.all.remove(&oldest);
        }
        self.last += 1;
        let task = Task { name, started_ms: now_ms, ended_ms: None, outcome: None, cancelled: false, read_ms: None };
        self.all.insert(self.last, task);
        self.last
    }

    /// Whether the operation is still wanted, i.e. was not cancelled.
    pub(super) fn is_wanted(&self, id: u64) -> bool {
        self.all.get(&id).is_some_and(|t| !t.cancelled)
    }

    /// Records the final answer of an operation.
    pub(super) fn finish(&mut self, id: u64, outcome: Answer, now_ms: u64) {
        if let Some(task) = self.all.get_mut(&id) {
            task.ended_ms = Some(now_ms);
            task.outcome = Some(outcome);
        }
    }
}

/// 202 with the task's monitor in `Location` and the task as body.
pub(super) fn accepted(view: &View<'_>, id: u64) -> Answer {
    let body = view.state.tasks.all.get(&id).map_or(Value::Null, |task| render(id, task));
    Answer::json(StatusCode::ACCEPTED, body).located(view.location(&monitor(id))).with(RETRY_AFTER, "1")
}

/// Answers below `TaskService`.
pub(super) fn answer(view: &mut View<'_>, rest: &[&str]) -> Answer {
    let number = |id: &str| id.parse::<u64>().ok().filter(|n| n.to_string() == id);
    match rest {
        [] => view.read(service()),
        ["Tasks"] => {
            let all = view.state.tasks.all.keys().map(|n| format!("{PATH}/Tasks/{n}"));
            view.read(collection(&format!("{PATH}/Tasks"), "TaskCollection", "Tasks", all))
        }
        ["Tasks", id] => {
            let found = number(id).and_then(|n| view.state.tasks.all.get(&n).map(|task| (n, render(n, task))));
            match found {
                None => view.missing(),
                Some((n, _)) if view.call.method == Method::DELETE => cancel(view, n),
                Some((_, body)) if view.call.is_read() => view.entity(body),
                Some(_) => Answer::not_allowed("GET, HEAD, DELETE"),
            }
        }
        ["TaskMonitors", id] => match number(id) {
            Some(n) => read_monitor(view, n),
            None => view.missing(),
        },
        _ => view.missing(),
    }
}

fn read_monitor(view: &mut View<'_>, id: u64) -> Answer {
    let keep_ms = u64::try_from(view.config.monitor_keep.as_millis()).unwrap_or(u64::MAX);
    let (now, method) = (view.now_ms, &view.call.method);
    let Some(task) = view.state.tasks.all.get_mut(&id) else { return view.missing() };
    if task.cancelled || task.read_ms.is_some_and(|at| at.saturating_add(keep_ms) <= now) {
        return view.missing();
    }
    match (method, &task.outcome) {
        (&Method::GET, Some(outcome)) => {
            task.read_ms.get_or_insert(now);
            outcome.clone()
        }
        (&Method::HEAD, Some(outcome)) => outcome.clone(),
        (&Method::GET | &Method::HEAD, None) => accepted(view, id),
        (&Method::DELETE, _) => cancel(view, id),
        _ => Answer::not_allowed("GET, HEAD, DELETE"),
    }
}

/// Cancels a running operation, or forgets a finished one.
fn cancel(view: &mut View<'_>, id: u64) -> Answer {
    let now = view.now_ms;
    match view.state.tasks.all.get_mut(&id) {
        Some(task) if task.ended_ms.is_none() => {
            task.cancelled = true;
            task.ended_ms = Some(now);
        }
        _ => {
            view.state.tasks.all.remove(&id);
        }
    }
    Answer::no_content()
}

fn monitor(id: u64) -> String {
    format!("{PATH}/TaskMonitors/{id}")
}

fn service() -> Value {
    with(
        resource(PATH, "TaskService.v1_1_0.TaskService", "TaskService", "Task Service"),
        json!({
            "Status": ok(),
            "ServiceEnabled": true,
            "CompletedTaskOverWritePolicy": "Oldest",
            "LifeCycleEventOnTaskStateChange": false,
            "Tasks": link(format!("{PATH}/Tasks")),
        }),
    )
}

fn render(id: u64, task: &Task) -> Value {
    let failed = task.outcome.as_ref().is_some_and(|o| o.status.as_u16() >= 400);
    let (state, status) = match (task.cancelled, task.ended_ms) {
        (true, _) => ("Cancelled", "Warning"),
        (false, None) => ("Running", "OK"),
        (false, Some(_)) if failed => ("Exception", "Critical"),
        (false, Some(_)) => ("Completed", "OK"),
    };
    let mut body = with(
        resource(&format!("{PATH}/Tasks/{id}"), "Task.v1_2_0.Task", &id.to_string(), &task.name),
        json!({
            "TaskState": state,
            "TaskStatus": status,
            "TaskMonitor": monitor(id),
            "StartTime": time(task.started_ms),
            "Messages": [],
        }),
    );
    if let Some(ended) = task.ended_ms {
        body["EndTime"] = Value::from(time(ended));
    }
    body
}

/// A time as Redfish writes it.
pub(super) fn time(ms: u64) -> String {
    let second = i64::try_from(ms / 1000).unwrap_or_default();
    jiff::Timestamp::from_second(second).unwrap_or_default().to_string()
}
