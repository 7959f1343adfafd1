//! A task: the immutable [`Definition`] a client gave, and the [`Task`] as it is read back, which is also its JSON.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_with::skip_serializing_none;
use utoipa::ToSchema;

use super::history::HistoryItem;
use super::problem::Problem;
use super::state::{State, Status};
use super::topic::{Priority, Topic};
use super::v1time::rfc3339;
use crate::ids::TaskId;

/// The kind of a task of which nobody can read what it was to do.
const LOST: &str = "unknown";

/// Name of every caller when no tokens are configured.
pub const ANONYMOUS: &str = "anonymous";
/// Attempts a task gets unless it says otherwise (DESIGN: 5).
pub const DEFAULT_MAX_ATTEMPTS: u32 = 5;
/// Seconds from acceptance (or `run_at`) to the end unless the task says otherwise.
pub const DEFAULT_TIMEOUT_S: u64 = 3_600;
/// How long a task whose client waits for the end tries to begin where its Pod Manager is away: as long as a read is waited for.
pub const CLIENT_PATIENCE: Duration = Duration::from_secs(30);
/// Largest definition that is stored, bytes of JSON.
pub const MAX_PARAMS_BYTES: usize = 256 * 1024;
/// Version of the payload's shape that this build writes and reads.
pub const PAYLOAD_VERSION: u32 = 1;

/// What was asked for: written once at enqueue, never changed.
#[skip_serializing_none]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Definition {
    /// What the task does, such as `node.compose`.
    pub kind: String,
    /// The kind's own parameters; credentials in them are sealed.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub params: Value,
    /// Payload version; a worker that does not know it puts the task back.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub pv: u32,
    /// Urgency.
    #[serde(default, skip_serializing_if = "is_default")]
    pub priority: Priority,
    /// The Pod Manager it concerns.
    pub podm_id: Option<String>,
    /// The node it concerns.
    pub node_id: Option<String>,
    /// The task that enqueued it and waits for it.
    pub parent_id: Option<TaskId>,
    /// Free words for filtering.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Attempts it gets.
    #[serde(default = "five", skip_serializing_if = "is_five")]
    pub max_attempts: u32,
    /// Seconds from acceptance (or run_at) to the end.
    #[serde(default = "hour", skip_serializing_if = "is_hour")]
    pub timeout_s: u64,
    /// Not before this time, ms since 1970.
    pub run_at_ms: Option<u64>,
    /// A v1 client is waiting for the answer: an error the PODM reported ends it at once, and what has begun nothing waits for a PODM that is
    /// away no longer than [`CLIENT_PATIENCE`].
    #[serde(default, skip_serializing_if = "is_default")]
    pub podm_errors_final: bool,
    /// W3C trace context of the request.
    pub traceparent: Option<String>,
    /// Who asked (token subject).
    pub caller: Option<String>,
}

const fn one() -> u32 {
    PAYLOAD_VERSION
}
const fn five() -> u32 {
    DEFAULT_MAX_ATTEMPTS
}
const fn hour() -> u64 {
    DEFAULT_TIMEOUT_S
}
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's skip_serializing_if hands a reference")]
const fn is_one(n: &u32) -> bool {
    *n == PAYLOAD_VERSION
}
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's skip_serializing_if hands a reference")]
const fn is_five(n: &u32) -> bool {
    *n == DEFAULT_MAX_ATTEMPTS
}
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's skip_serializing_if hands a reference")]
const fn is_hour(n: &u64) -> bool {
    *n == DEFAULT_TIMEOUT_S
}
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl Definition {
    /// A definition with every default.
    #[must_use]
    pub fn new(kind: &str, params: Value) -> Self {
        Self {
            kind: kind.into(),
            params,
            pv: PAYLOAD_VERSION,
            priority: Priority::Normal,
            podm_id: None,
            node_id: None,
            parent_id: None,
            labels: BTreeMap::new(),
            max_attempts: DEFAULT_MAX_ATTEMPTS,
            timeout_s: DEFAULT_TIMEOUT_S,
            run_at_ms: None,
            podm_errors_final: false,
            traceparent: None,
            caller: None,
        }
    }

    /// What stands for a definition that cannot be read.
    #[must_use]
    pub fn lost() -> Self {
        Self::new(LOST, Value::Null)
    }

    /// Whether it could not be read.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.kind == LOST
    }

    /// How long its client waits yet for a Pod Manager that is away; `None` when nobody waits.
    #[must_use]
    pub fn patience_left(&self, id: TaskId, now_ms: u64) -> Option<Duration> {
        let waited = Duration::from_millis(now_ms.saturating_sub(id.created_ms()));
        self.podm_errors_final.then(|| CLIENT_PATIENCE.saturating_sub(waited))
    }
}

/// An error kept on a task: [`Problem`] plus where and when.
#[skip_serializing_none]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TaskError {
    /// What happened.
    #[serde(flatten)]
    pub problem: Problem,
    /// The Pod Manager it happened at.
    pub podm_id: Option<String>,
    /// When (RFC 3339 UTC).
    pub at: Option<String>,
    /// Whether trying again may help.
    #[serde(default)]
    pub retryable: bool,
    /// Whether the client that waited was told a refusal of what it had asked for (4xx): then nobody else is to look after it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub answered: bool,
}

impl From<Problem> for TaskError {
    fn from(problem: Problem) -> Self {
        Self { problem, podm_id: None, at: None, retryable: false, answered: false }
    }
}

/// How far a task is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Progress {
    /// 0–100.
    pub percent: u8,
    /// The step's name, such as `assembling`.
    pub step: String,
    /// One line for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
}

impl Progress {
    /// The progress of a task that ended well, whatever its last step said.
    #[must_use]
    pub fn done(mut self) -> Self {
        self.percent = 100;
        "done".clone_into(&mut self.step);
        self.message.clear();
        self
    }
}

/// A link to something the task concerns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Link {
    /// Where.
    pub href: String,
    /// What: `self`, `node`, `parent` …
    pub rel: String,
}

/// A task as the API shows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Task {
    /// UUIDv7; its last byte is the bucket.
    #[schema(value_type = String)]
    pub id: TaskId,
    /// What it does.
    pub kind: String,
    /// The service family that does it.
    pub topic: Topic,
    /// The blueprint's word.
    pub status: Status,
    /// Where it stands.
    pub state: State,
    /// Urgency.
    pub priority: Priority,
    /// The kind's parameters; secrets show as `***`.
    pub params: Value,
    /// What it yielded; null until it has.
    pub result: Value,
    /// The last error; null when there was none.
    pub error: Option<TaskError>,
    /// How far it is; null when its kind does not say.
    pub progress: Option<Progress>,
    /// The attempt under way, or the last one; 0 before the first.
    pub attempt: u32,
    /// Attempts it gets.
    pub max_attempts: u32,
    /// How often its worker died; the third within an hour ends it.
    pub crashes: u32,
    /// The Pod Manager it concerns.
    pub podm_id: Option<String>,
    /// The node it concerns.
    pub node_id: Option<String>,
    /// The task that waits for it.
    #[schema(value_type = Option<String>)]
    pub parent_id: Option<TaskId>,
    /// Free words.
    pub labels: BTreeMap<String, String>,
    /// W3C trace context that it was asked for in; its requests to Pod Managers are spans of the same trace.
    pub traceparent: Option<String>,
    /// Accepted at (RFC 3339 UTC).
    pub created_at: String,
    /// When the last attempt began.
    pub started_at: Option<String>,
    /// When it ended.
    pub finished_at: Option<String>,
    /// When it is, or was first, due.
    pub run_at: Option<String>,
    /// Seconds it may take.
    pub timeout_s: u64,
    /// The worker that has it, or had it last.
    pub worker: Option<String>,
    /// What happened to it, oldest first.
    pub history: Vec<HistoryItem>,
    /// Where to look next.
    pub links: Vec<Link>,
}

impl Task {
    /// `created_at` of an id.
    #[must_use]
    pub fn created_at(id: TaskId) -> String {
        rfc3339(id.created_ms())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_cost_no_bytes_in_redis() {
        let def = Definition::new("noop", Value::Null);
        assert_eq!(serde_json::to_string(&def).unwrap(), r#"{"kind":"noop"}"#);
        assert_eq!(serde_json::from_str::<Definition>(r#"{"kind":"noop"}"#).unwrap(), def);
    }
}
