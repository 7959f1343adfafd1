//! What a client says of a task to be, and the [`Definition`] it becomes. `POST /v1/tasks`, its batch form, schedules and the v1 routes all
//! pass through here, so all of them are checked the same way and none stores a credential in clear.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_with::skip_serializing_none;
use utoipa::ToSchema;

use super::answer::bad_field;
use super::app::App;
use super::call::Call;
use crate::ids::{is_record_id, new_record_id};
use crate::model::kind::{Kind, Mode};
use crate::model::problem::Problem;
use crate::model::task::{DEFAULT_MAX_ATTEMPTS, DEFAULT_TIMEOUT_S, Definition};
use crate::model::topic::Priority;
use crate::model::v1time::parse_ms;
use crate::secret::SecretKey;

/// Longest time ahead a task can be put off: a year.
const MOST_DELAY_S: f64 = 366.0 * 86_400.0;
/// Longest a task may take: a day less than deleted records are remembered, so that no late writer outlives the memory.
const MOST_TIMEOUT_S: u64 = 6 * 86_400;
const MOST_ATTEMPTS: u32 = 100;
const MOST_LABELS: usize = 32;
const LABEL_NAME: usize = 64;
const LABEL_VALUE: usize = 256;

/// A task to be.
#[skip_serializing_none]
#[derive(Debug, Clone, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewTask {
    /// What it does; `GET /v1/kinds` lists them.
    pub kind: String,
    /// The kind's own parameters.
    #[serde(default = "empty")]
    pub params: Value,
    /// The Pod Manager it concerns.
    pub podm_id: Option<String>,
    /// The node it concerns.
    pub node_id: Option<String>,
    /// Urgency.
    #[serde(default)]
    pub priority: Priority,
    /// Not before so many seconds; not together with `run_at`.
    #[schema(minimum = 0, maximum = 31622400)]
    pub delay_s: Option<f64>,
    /// Not before this time (RFC 3339); not together with `delay_s`.
    pub run_at: Option<String>,
    /// Attempts it gets.
    #[serde(default = "attempts")]
    #[schema(minimum = 1, maximum = 100)]
    pub max_attempts: u32,
    /// Seconds from acceptance (or `run_at`) to the end.
    #[serde(default = "timeout")]
    #[schema(minimum = 1, maximum = 518400)]
    pub timeout_s: u64,
    /// Free words for filtering.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
}

fn empty() -> Value {
    Value::Object(serde_json::Map::new())
}

const fn attempts() -> u32 {
    DEFAULT_MAX_ATTEMPTS
}

const fn timeout() -> u64 {
    DEFAULT_TIMEOUT_S
}

/// A definition, and how long it is put off.
#[derive(Debug, Clone)]
pub(crate) struct Checked {
    pub(crate) def: Definition,
    pub(crate) delay_ms: Option<u64>,
}

/// The kind of that name, when this server takes tasks of it.
///
/// # Errors
/// 400.
pub(crate) fn kind(app: &App, name: &str) -> Result<&'static Kind, Problem> {
    let known = Kind::find(name).filter(|k| !k.test_only || app.config.enable_test_kinds);
    let kind = known.ok_or_else(|| bad_field("kind", name, "no such kind; GET /v1/kinds lists them"))?;
    if kind.mode == Mode::Sync {
        return Err(bad_field("kind", name, "this kind is a read and not a task; its own route answers it"));
    }
    Ok(kind)
}

impl NewTask {
    /// The task that somebody's JSON describes; its parameters, which any JSON can be, are moved and not copied.
    ///
    /// # Errors
    /// 400 naming the field.
    pub(crate) fn read(mut body: Value) -> Result<Self, Problem> {
        let params = body.get_mut("params").filter(|params| !params.is_null());
        let params = params.map(|params| std::mem::replace(params, empty()));
        let mut task: Self = super::call::read(&body)?;
        if let Some(params) = params {
            task.params = params;
        }
        Ok(task)
    }

    /// Checks everything that can be told without looking at Redis.
    ///
    /// # Errors
    /// 400 naming the field; 403 when the kind is not the caller's to use; 503 when there is no key to seal credentials with.
    pub(crate) fn check(mut self, call: &Call) -> Result<Checked, Problem> {
        let app = &*call.app;
        let kind = kind(app, &self.kind)?;
        call.allow(kind.name)?;
        if self.params.is_null() {
            self.params = empty();
        }
        (kind.check)(&self.params)?;
        within("max_attempts", u64::from(self.max_attempts), 1, u64::from(MOST_ATTEMPTS))?;
        within("timeout_s", self.timeout_s, 1, MOST_TIMEOUT_S)?;
        labels(&self.labels)?;
        for (name, id) in [("podm_id", &self.podm_id), ("node_id", &self.node_id)] {
            if let Some(id) = id.as_ref().filter(|id| !is_record_id(id)) {
                return Err(bad_field(name, id, "1 to 64 letters, digits and dashes are wanted"));
            }
        }
        if let Some(id) =
            self.node_id.as_ref().filter(|_| matches!(kind.name, "node.compose" | "node.place" | "node.manage"))
        {
            return Err(bad_field("node_id", id, "the new node gets its id here"));
        }
        if let Some(id) = self.podm_id.as_ref().filter(|_| kind.name == "podm.create") {
            return Err(bad_field("podm_id", id, "the new Pod Manager gets its id here"));
        }
        let (run_at_ms, delay_ms) = self.due(app)?;
        let def = Definition {
            params: self.params,
            priority: self.priority,
            podm_id: self.podm_id,
            node_id: self.node_id,
            labels: self.labels,
            max_attempts: self.max_attempts,
            timeout_s: self.timeout_s,
            run_at_ms,
            caller: Some(call.caller.clone()),
            ..Definition::new(kind.name, Value::Null)
        };
        Ok(Checked { def: sealed(app.key.as_deref(), def)?, delay_ms })
    }

    fn due(&self, app: &App) -> Result<(Option<u64>, Option<u64>), Problem> {
        match (&self.run_at, self.delay_s) {
            (Some(text), Some(_)) => Err(bad_field("run_at", text, "not together with delay_s")),
            (Some(text), None) => {
                let at = parse_ms(text).map_err(|why| bad_field("run_at", text, &why))?;
                let most = app.store.clock().now_ms() + millis(MOST_DELAY_S);
                if at > most {
                    return Err(bad_field("run_at", text, "it lies more than a year ahead"));
                }
                Ok((Some(at), None))
            }
            (None, Some(s)) if (0.0..=MOST_DELAY_S).contains(&s) => Ok((None, Some(millis(s)).filter(|ms| *ms > 0))),
            (None, Some(s)) => Err(bad_field("delay_s", &s.to_string(), "0 to 31622400 is wanted")),
            (None, None) => Ok((None, None)),
        }
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to a year of milliseconds")]
fn millis(s: f64) -> u64 {
    (s * 1000.0).round() as u64
}

/// A number between bounds.
///
/// # Errors
/// 400.
pub(crate) fn within(name: &str, n: u64, least: u64, most: u64) -> Result<(), Problem> {
    if (least..=most).contains(&n) {
        return Ok(());
    }
    Err(bad_field(name, &n.to_string(), &format!("{least} to {most} is wanted")))
}

fn labels(labels: &BTreeMap<String, String>) -> Result<(), Problem> {
    if labels.len() > MOST_LABELS {
        return Err(bad_field("labels", &labels.len().to_string(), "at most 32 labels are possible"));
    }
    for (name, value) in labels {
        let visible = |text: &str| text.chars().all(|c| !c.is_control());
        if name.is_empty() || name.len() > LABEL_NAME || name.contains(':') || !visible(name) {
            return Err(bad_field("labels", name, "a name has 1 to 64 bytes, no colon and no control character"));
        }
        if value.len() > LABEL_VALUE || !visible(value) {
            return Err(bad_field("labels", value, "a value has at most 256 bytes and no control character"));
        }
    }
    Ok(())
}

/// The definition with every password, and every body that is passed on, sealed for the Pod Manager, or the node, it belongs to; a
/// new Pod Manager gets its id here.
///
/// # Errors
/// 503 when there is a password and no key.
fn sealed(key: Option<&SecretKey>, mut def: Definition) -> Result<Definition, Problem> {
    if def.kind == "podm.create" {
        def.podm_id.get_or_insert_with(new_record_id);
    }
    // A registration's Pod Manager is not known yet, its node is.
    let owner = if def.kind == "node.register" { &def.node_id } else { &def.podm_id };
    let owner = owner.clone().unwrap_or_default();
    let seal = |clear: &str| {
        let key = key.ok_or_else(|| {
            Problem::unavailable(
                "no secret key is configured (VALENCE_SECRET_KEY_FILE), so no credentials can be taken",
            )
        })?;
        key.seal(&owner, clear).map(Value::String).map_err(|e| Problem::internal(e.to_string()))
    };
    match def.kind.as_str() {
        "podm.create" | "podm.update" => {
            let list = def.params.get_mut("authentication").and_then(Value::as_array_mut);
            for entry in list.into_iter().flatten() {
                let Some(password) = entry.pointer_mut("/auth_items/password") else { continue };
                *password = seal(password.as_str().unwrap_or_default())?;
            }
        }
        // Nobody knows where in it a secret stands.
        "proxy.write" | "node.register" => {
            if let Some(body) = def.params.get_mut("body") {
                *body = seal(&body.to_string())?;
            }
        }
        _ => {}
    }
    Ok(def)
}
