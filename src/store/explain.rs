//! Why a task is not running, or not ending, now: read from where it really stands.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::record::TaskRecord;
use super::{Store, StoreError, keys};
use crate::model::state::State;
use crate::model::v1time::rfc3339;

/// One reason.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Reason {
    /// Word for programs: `running ended queued_behind paused no_worker gate_full delayed scheduled retry quarantine parked
    /// cancelling last_error`.
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
        let waits_for_worker = matches!(task.state, State::Queued | State::Cancelling) && due.is_none();
        match task.state {
            State::Queued => {
                let before = self.before(task).await?;
                position = Some(before);
                add("queued_behind", format!("{before} entries stand before it in {}", task.lane));
            }
            State::Running => {
                let worker = task.field("worker").unwrap_or("a worker");
                add("running", format!("attempt {} runs on {worker}", task.field("attempt").unwrap_or("1")));
            }
            State::Scheduled => add("scheduled", format!("it is not due before {until}")),
            State::Retrying if task.field("out").is_some() => {
                add("quarantine", format!("a request to the Pod Manager may still be running; due {until} ({why})"));
            }
            State::Retrying => add("retry", format!("the last attempt failed; due {until}: {why}")),
            State::Parked => add("parked", format!("its handler looks again at {until}: {why}")),
            State::Waiting => {
                let gate = why.strip_prefix("gate ").unwrap_or(&why).to_owned();
                let default = if gate.starts_with("node:") { 1 } else { crate::model::kind::PODM_CHANGES };
                let view = self.gate(task.id.bucket(), &gate, default).await?;
                let (held, limit) = (view.holders.len(), view.limit);
                if u64::from(limit) > u64::try_from(held).unwrap_or(u64::MAX) {
                    add("gate_full", format!("earlier tasks stand before it at gate {gate}, {} in line", view.waiting));
                } else {
                    add("gate_full", format!("gate {gate} is full ({held} of {limit}), {} wait at it", view.waiting));
                }
                holders = view.holders;
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

    /// How many undelivered entries stand before the task's, counted up to 10,000.
    async fn before(&self, task: &TaskRecord) -> Result<u64, StoreError> {
        let Some(entry) = task.field("entry") else { return Ok(0) };
        let stream = keys::stream(task.id.bucket(), task.lane);
        let mut shared = self.redis().shared();
        let groups: Result<redis::streams::StreamInfoGroupsReply, _> =
            redis::cmd("XINFO").arg("GROUPS").arg(&stream).query_async(&mut shared).await;
        let group = groups.ok().and_then(|g| g.groups.into_iter().find(|g| g.name == keys::GROUP));
        let from = group.map_or_else(|| "-".to_owned(), |g| format!("({}", g.last_delivered_id));
        let before: redis::streams::StreamRangeReply = redis::cmd("XRANGE")
            .arg(&stream)
            .arg(from)
            .arg(format!("({entry}"))
            .arg("COUNT")
            .arg(10_000)
            .query_async(&mut shared)
            .await?;
        Ok(u64::try_from(before.ids.len()).unwrap_or(0))
    }
}
