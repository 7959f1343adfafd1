//! A task as Redis holds it, and the one place that turns it into [`Task`].

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::each::each;
use super::{Store, StoreError, keys};
use crate::ids::TaskId;
use crate::model::history::HistoryItem;
use crate::model::state::State;
use crate::model::task::{Definition, Progress, Task, TaskError};
use crate::model::topic::Lane;
use crate::model::v1time::rfc3339;

/// What stands beside a task when it has yielded something or failed: one of the two.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Body {
    /// What it yielded.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub result: Value,
    /// The last error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<TaskError>,
}

/// A task read in one round trip.
#[derive(Debug, Clone)]
pub struct TaskRecord {
    /// Its id.
    pub id: TaskId,
    /// Where it stands.
    pub state: State,
    /// Where it queues.
    pub lane: Lane,
    /// What was asked for.
    pub def: Definition,
    /// Result or error.
    pub body: Body,
    /// How far it is.
    pub progress: Option<Progress>,
    /// When it is due, ms; only while it is delayed.
    pub due_ms: Option<u64>,
    hash: HashMap<String, String>,
    lines: Vec<String>,
}

/// Commands that ask for one task.
const ASKED: usize = 6;

type Answer = Result<redis::Value, StoreError>;

impl TaskRecord {
    pub(super) async fn read(store: &Store, id: TaskId) -> Result<Option<Self>, StoreError> {
        let mut pipe = redis::pipe();
        Self::ask(&mut pipe, id);
        Self::parse(id, &mut each(&mut pipe, store.redis()).await?.into_iter())
    }

    /// A task that has just been put into its stream.
    pub(super) fn queued(id: TaskId, lane: Lane, def: Definition) -> Self {
        Self {
            id,
            state: State::Queued,
            lane,
            def,
            body: Body::default(),
            progress: None,
            due_ms: None,
            hash: HashMap::new(),
            lines: Vec::new(),
        }
    }

    /// Reads many tasks in one round trip; those that are gone are left out, and so is what cannot be read: it must not hide the others.
    pub(super) async fn read_many(store: &Store, ids: &[TaskId]) -> Result<Vec<Self>, StoreError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let mut pipe = redis::pipe();
        for id in ids {
            Self::ask(&mut pipe, *id);
        }
        let mut answers = each(&mut pipe, store.redis()).await?.into_iter();
        let mut records = Vec::with_capacity(ids.len());
        for id in ids {
            match Self::parse(*id, &mut answers) {
                Ok(record) => records.extend(record),
                Err(error) => tracing::error!(task_id = %id, %error, "a task cannot be read"),
            }
        }
        Ok(records)
    }

    fn ask(pipe: &mut redis::Pipeline, id: TaskId) {
        let key = keys::task(id);
        pipe.hgetall(&key).get(format!("{key}:d")).get(format!("{key}:r")).get(format!("{key}:p"));
        pipe.lrange(format!("{key}:h"), 0, -1).zscore(keys::of(id.bucket(), "delayed"), id.to_string());
    }

    /// Reads one task's answers, all of them, also after one that cannot be read.
    fn parse(id: TaskId, answers: &mut impl Iterator<Item = Answer>) -> Result<Option<Self>, StoreError> {
        let asked: [Option<Answer>; ASKED] = std::array::from_fn(|_| answers.next());
        let [hash, def, body, progress, lines, due] = asked.map(|answer| answer.unwrap_or(Ok(redis::Value::Nil)));
        let hash: HashMap<String, String> = typed(id, hash)?;
        if hash.is_empty() {
            return Ok(None);
        }
        let what = || format!("task {id}");
        let state = hash.get("state").and_then(|s| State::parse(s));
        let state = state.ok_or_else(|| StoreError::corrupt(what(), "no known state"))?;
        let lane = hash.get("lane").and_then(|l| Lane::parse(l));
        let lane = lane.ok_or_else(|| StoreError::corrupt(what(), "no known lane"))?;
        let def = typed::<Option<String>>(id, def).and_then(|def| {
            let def = def.ok_or_else(|| StoreError::corrupt(what(), "no definition"))?;
            serde_json::from_str(&def).map_err(|e| StoreError::corrupt(what(), e))
        });
        // How it stands is known all the same.
        let def = def.unwrap_or_else(|error| {
            tracing::error!(task_id = %id, %error, "what a task was to do cannot be read");
            Definition::lost()
        });
        let (body, progress): (Option<String>, Option<String>) = (typed(id, body)?, typed(id, progress)?);
        let (lines, due): (Vec<String>, Option<f64>) = (typed(id, lines)?, typed(id, due)?);
        let body = body.map(|b| serde_json::from_str(&b)).transpose();
        let progress = progress.map(|p| serde_json::from_str(&p)).transpose();
        Ok(Some(Self {
            id,
            state,
            lane,
            def,
            body: body.map_err(|e| StoreError::corrupt(what(), e))?.unwrap_or_default(),
            progress: progress.map_err(|e| StoreError::corrupt(what(), e))?,
            due_ms: due.map(to_ms),
            hash,
            lines,
        }))
    }

    /// A field of the state hash, when it is there and not empty.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&str> {
        self.hash.get(name).map(String::as_str).filter(|v| !v.is_empty())
    }

    /// How often it was claimed. The field is there once that differs from the attempts.
    #[must_use]
    pub fn claims(&self) -> u64 {
        self.number("claims").or_else(|| self.number("attempt")).unwrap_or(0)
    }

    fn number<T: std::str::FromStr>(&self, name: &str) -> Option<T> {
        self.field(name).and_then(|v| v.parse().ok())
    }

    /// When it must have ended, ms since 1970.
    #[must_use]
    pub fn deadline_ms(&self) -> u64 {
        self.number("deadline").unwrap_or_else(|| self.id.created_ms() + self.def.timeout_s * 1000)
    }

    /// How long it took from its first run to its end, ms; `None` when it has not ended, or never ran.
    #[must_use]
    pub fn ran_ms(&self) -> Option<u64> {
        let runs = self.lines.iter().filter(|line| line.contains("|running|"));
        let first = runs.filter_map(|line| line.split('|').next()?.parse::<u64>().ok()).min();
        let began = first.or_else(|| self.number("started"))?;
        self.number::<u64>("finished").map(|finished| finished.saturating_sub(began))
    }

    /// Whether it has failed and only its undo is left to do.
    #[must_use]
    pub fn has_given_up(&self) -> bool {
        !self.state.is_terminal() && matches!(self.field("ending"), Some("failed" | "timeout"))
    }

    /// The task as the API shows it; `links` and masking are the API's.
    #[must_use]
    pub fn into_task(self) -> Task {
        let time = |name: &str| self.number::<u64>(name).map(rfc3339);
        let (attempt, crashes) = (self.number("attempt").unwrap_or(0), self.number("crashes").unwrap_or(0));
        let (started_at, finished_at) = (time("started"), time("finished"));
        let run_at = self.due_ms.map(rfc3339).or_else(|| time("run_at"));
        let (worker, history) = (self.field("worker").map(str::to_owned), self.history());
        let Self { id, state, lane, def, body, progress, .. } = self;
        let mut error = body.error;
        if let Some(e) = &mut error {
            e.podm_id = e.podm_id.take().or_else(|| def.podm_id.clone());
            e.at = e.at.take().or_else(|| finished_at.clone());
        }
        Task {
            id,
            kind: def.kind,
            topic: lane.topic,
            status: state.status(),
            state,
            priority: lane.priority,
            params: def.params,
            result: body.result,
            error,
            progress: progress.map(|p| if state == State::Completed { p.done() } else { p }),
            attempt,
            max_attempts: def.max_attempts,
            crashes,
            podm_id: def.podm_id,
            node_id: def.node_id,
            parent_id: def.parent_id,
            labels: def.labels,
            traceparent: def.traceparent,
            created_at: Task::created_at(id),
            started_at,
            finished_at,
            run_at,
            timeout_s: def.timeout_s,
            worker,
            history,
            links: Vec::new(),
        }
    }

    /// The whole history: the beginning and the end are in the hash, what lies between was written down line by line.
    #[must_use]
    pub fn history(&self) -> Vec<HistoryItem> {
        let first = if self.field("run_at").is_some() { State::Scheduled } else { State::Queued };
        let mut items = vec![HistoryItem::new(self.id.created_ms(), first)];
        items.extend(self.lines.iter().filter_map(|line| HistoryItem::parse(line)));
        if let Some(started) = self.number::<u64>("started") {
            let run = HistoryItem {
                worker: self.field("worker").map(str::to_owned),
                attempt: self.number("attempt"),
                ..HistoryItem::new(started, State::Running)
            };
            if !items.iter().any(|i| i.state == State::Running && i.at == run.at) {
                items.push(run);
            }
        }
        if let Some(finished) = self.number("finished").filter(|_| self.state.is_terminal()) {
            let detail = self.body.error.as_ref().map(|e| e.problem.detail.clone());
            items.push(HistoryItem { detail, ..HistoryItem::new(finished, self.state) });
        }
        items
    }
}

fn typed<T: redis::FromRedisValue>(id: TaskId, answer: Answer) -> Result<T, StoreError> {
    redis::from_redis_value(answer?).map_err(|e| StoreError::corrupt(format!("task {id}"), e))
}

/// A zset score that holds ms since 1970.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "ms since 1970 are below 2^53")]
pub(super) fn to_ms(score: f64) -> u64 {
    score.max(0.0) as u64
}
