//! Why a task is not running, or not ending, now: read from where it really stands.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::entry::Entry;
use super::record::TaskRecord;
use super::{Store, StoreError, keys};
use crate::ids::TaskId;
use crate::model::circuit::{Circuit, CircuitState};
use crate::model::podm::Podm;
use crate::model::state::State;
use crate::model::v1time::rfc3339;

/// How the reason of a node begins that waits for a place at a Pod Manager.
pub const NO_PLACE: &str = "waits for a place: ";

/// How the reason of a task begins that waits for the task it names to end.
pub const WAITS_FOR: &str = "waiting for the task ";

/// One reason.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Reason {
    /// Word for programs: `lost running ended queued_behind over_share paused no_worker gate_full circuit_open draining retry_budget
    /// no_capacity no_place scheduled retry quarantine parked cancelling last_error`.
    pub code: String,
    /// One line for people.
    pub message: String,
}

/// Why a task stands where it stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Explanation {
    /// The task.
    pub id: String,
    /// Its state.
    pub state: State,
    /// One line that sums it up.
    pub summary: String,
    /// All that holds it up, the most important first.
    pub reasons: Vec<Reason>,
    /// How many entries stand before it in its stream, when it is queued.
    pub position: Option<u64>,
    /// When it is due (RFC 3339 UTC), when it is delayed.
    pub due_at: Option<String>,
    /// Who holds the gate that it waits for.
    pub holders: Vec<String>,
    /// When it ends as `timeout` at the latest (RFC 3339 UTC).
    pub deadline_at: String,
}

impl Explanation {
    /// The same, with what holds up the task that it waits for.
    #[must_use]
    pub fn with_child(mut self, child: &Self) -> Self {
        let told = child.reasons.iter().map(|reason| {
            let message = format!("the task {} that it waits for: {}", child.id, reason.message);
            Reason { message, ..reason.clone() }
        });
        self.reasons.extend(told);
        // That it waits is no news; why that takes so long is.
        if let Some(first) = child.reasons.first() {
            self.summary = format!("it waits for the task {}: {}", child.id, first.message);
        }
        self
    }
}

impl TaskRecord {
    /// The task that this one waits for.
    #[must_use]
    pub fn waits_for(&self) -> Option<TaskId> {
        self.field("why").filter(|_| self.state == State::Parked)?.strip_prefix(WAITS_FOR)?.parse().ok()
    }
}

impl Store {
    /// Explains a task. `served`: whether a live worker serves its topic.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn explain(&self, task: &TaskRecord, served: bool) -> Result<Explanation, StoreError> {
        let mut reasons = Vec::new();
        let mut add = |code: &str, message: String| reasons.push(Reason { code: code.into(), message });
        let (mut position, mut holders) = (None, Vec::new());
        let topic = task.lane.topic;
        let due = task.due_ms.map(rfc3339);
        let until = due.clone().unwrap_or_else(|| "now".into());
        let why = task.field("why").unwrap_or_default().to_owned();
        if task.def.is_lost() {
            add(
                "lost",
                "what it was to do cannot be read in Redis any more: nobody can carry it out, and it is ended".into(),
            );
        }
        let waits_for_worker = matches!(task.state, State::Queued | State::Cancelling) && due.is_none();
        match task.state {
            State::Queued => {
                let before = self.before(task).await?;
                position = Some(before);
                add("queued_behind", format!("{before} entries stand before it in {}", task.lane));
                if task.lane.priority != task.def.priority {
                    let asked = task.def.priority.as_str();
                    let whose = "its caller, or its Pod Manager, has its share of the queue";
                    add("over_share", format!("{whose}: it queues in {} in place of {asked}", task.lane));
                }
            }
            State::Running => {
                let worker = task.field("worker").unwrap_or("a worker");
                add("running", format!("attempt {} runs on {worker}", task.field("attempt").unwrap_or("1")));
            }
            State::Scheduled => add("scheduled", format!("it is not due before {until}")),
            State::Retrying if task.field("out").is_some() => {
                add("quarantine", format!("a request to the Pod Manager may still be running; due {until} ({why})"));
            }
            State::Retrying if task.def.kind == "node.place" => {
                add("no_capacity", format!("no Pod Manager takes it now; it is placed anew at {until}: {why}"));
            }
            State::Retrying => add("retry", format!("the last attempt failed; due {until}: {why}")),
            State::Parked if why.starts_with(NO_PLACE) => {
                let what = why.strip_prefix(NO_PLACE).unwrap_or_default();
                let code = if what.contains("open circuit") { "circuit_open" } else { "no_place" };
                add(code, format!("it is promised to no Pod Manager yet, and called when one has a place: {what}"));
            }
            State::Parked => add("parked", format!("its handler looks again at {until}: {why}")),
            State::Waiting => {
                let (reason, held_by) = self.waiting(task, &why, &until).await?;
                reasons.push(reason);
                holders = held_by;
            }
            State::Cancelling => {
                let message = match &due {
                    None => "its undo runs or is queued".to_owned(),
                    Some(due) if task.field("out").is_some() => {
                        format!("its undo begins at {due}: a request to the Pod Manager may still be running")
                    }
                    Some(due) => format!("its undo goes on at {due}: {why}"),
                };
                add("cancelling", message);
            }
            State::Completed | State::Failed | State::Cancelled => add("ended", format!("it is {}", task.state)),
        }
        if waits_for_worker {
            let paused: bool = redis::cmd("SISMEMBER")
                .arg(keys::of(task.id.bucket(), "paused"))
                .arg(topic.as_str())
                .query_async(&mut self.redis().shared())
                .await?;
            if !served {
                reasons
                    .insert(0, Reason { code: "no_worker".into(), message: format!("no live worker serves {topic}") });
            }
            if paused {
                reasons.insert(0, Reason { code: "paused".into(), message: format!("topic {topic} is paused") });
            }
        }
        if let Some(error) = &task.body.error {
            let message = format!("{} {}: {}", error.problem.status, error.problem.code, error.problem.detail);
            reasons.push(Reason { code: "last_error".into(), message });
        }
        Ok(Explanation {
            id: task.id.to_string(),
            state: task.state,
            summary: reasons.first().map(|r| r.message.clone()).unwrap_or_default(),
            reasons,
            position,
            due_at: due,
            holders,
            deadline_at: rfc3339(task.deadline_ms()),
        })
    }

    /// What a waiting task waits for, and who has it.
    async fn waiting(&self, task: &TaskRecord, why: &str, until: &str) -> Result<(Reason, Vec<String>), StoreError> {
        let reason = |code: &str, message: String| Reason { code: code.into(), message };
        let gate = why.strip_prefix("gate ").unwrap_or(why);
        let podm = gate.strip_prefix("podm:").and_then(|g| g.rsplit_once(':'));
        let name = match podm {
            Some((id, _)) => self
                .record::<Podm>(super::records::Collection::Podm, id)
                .await?
                .map_or_else(|| id.to_owned(), |p| p.name),
            None => String::new(),
        };
        if why == "retry budget" {
            let message = format!("tasks of its Pod Manager fail, and retries take turns; its turn is at {until}");
            return Ok((reason("retry_budget", message), Vec::new()));
        }
        if let Some((_, "drain")) = podm {
            let message = format!("Pod Manager {name} is being drained: it begins no changes but deletions");
            return Ok((reason("draining", message), Vec::new()));
        }
        let default = if podm.is_none() { 1 } else { crate::model::kind::PODM_CHANGES };
        let view = self.gate(task.id.bucket(), gate, default).await?;
        let mut silence = String::new();
        if let Some((podm, _)) = podm {
            let Circuit { state, until, why, .. } = self.circuit(podm).await?;
            let why = why.unwrap_or_default();
            let message = match (state, until) {
                (CircuitState::Closed, _) => {
                    silence = if why.is_empty() { why } else { format!("; {why}") };
                    None
                }
                (_, Some(until)) => Some(format!("the circuit to Pod Manager {name} is open until {until}: {why}")),
                (_, None) => Some(format!("the circuit to Pod Manager {name} is half-open, one task tries it: {why}")),
            };
            if let Some(message) = message {
                return Ok((reason("circuit_open", message), view.holders));
            }
        }
        let gate = match podm {
            Some((_, part)) => {
                format!("the gate for {} of Pod Manager {name}", if part == "r" { "reads" } else { "changes" })
            }
            None => {
                gate.strip_prefix("node:").map_or_else(|| format!("gate {gate}"), |id| format!("the gate of node {id}"))
            }
        };
        let (held, limit, line) = (view.holders.len(), view.limit, view.waiting);
        let message = if silence.is_empty() && u64::from(limit) > u64::try_from(held).unwrap_or(u64::MAX) {
            format!("earlier tasks stand before it at {gate}, {line} in line")
        } else {
            format!("{gate} is full ({held} of {limit}), {line} wait at it{silence}")
        };
        Ok((reason("gate_full", message), view.holders))
    }

    /// How many undelivered entries stand before the task's, counted up to 10,000.
    async fn before(&self, task: &TaskRecord) -> Result<u64, StoreError> {
        let Some(entry) = task.field("entry") else { return Ok(0) };
        let stream = keys::stream(task.id.bucket(), task.lane);
        let mut shared = self.redis().shared();
        let groups: Result<redis::streams::StreamInfoGroupsReply, _> =
            redis::cmd("XINFO").arg("GROUPS").arg(&stream).query_async(&mut shared).await;
        let group = groups.ok().and_then(|g| g.groups.into_iter().find(|g| g.name == keys::GROUP));
        let from = group.map_or_else(|| "-".to_owned(), |g| format!("({}", g.last_delivered_id));
        let before: Vec<Entry> = redis::cmd("XRANGE")
            .arg(&stream)
            .arg(from)
            .arg(format!("({entry}"))
            .arg("COUNT")
            .arg(10_000)
            .query_async(&mut shared)
            .await?;
        Ok(u64::try_from(before.len()).unwrap_or(0))
    }
}
