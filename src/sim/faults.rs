//! Fault switches: what goes wrong, for which requests, how often.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_with::skip_serializing_none;

use super::call::Call;

/// Where the connection is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Cut {
    /// Without acting.
    Before,
    /// After acting, without an answer.
    After,
    /// After acting, in the middle of the answer's body.
    Within,
}

/// One switch. The first in the list that matches a request applies to it, and no other.
#[skip_serializing_none]
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Fault {
    /// Only on this PODM, counted from 0.
    pub podm: Option<usize>,
    /// Only this method.
    pub method: Option<String>,
    /// Only paths that begin so.
    pub path_prefix: Option<String>,
    /// Takes so much longer, before it acts.
    pub latency_ms: Option<u64>,
    /// Answers this and does not act.
    pub status: Option<u16>,
    /// Never answers, until the client leaves; acts only together with `cut: after`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub hang: bool,
    /// Cuts the connection.
    pub cut: Option<Cut>,
    /// Lets so many requests that match pass first; goes down to 0.
    pub skip: Option<u64>,
    /// For how many requests; without it, for all. 0: used up.
    pub count: Option<u64>,
    /// Adds a `Retry-After` header.
    pub retry_after_s: Option<u64>,
    /// The answer's body becomes this: a string as it is, anything else as JSON.
    pub body: Option<Value>,
    /// The answer's body becomes so many bytes.
    pub body_bytes: Option<u64>,
    /// The assembly that the request starts will end in `Failed`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub assembly_fails: bool,
}

impl Fault {
    /// The time that this fault adds.
    pub(super) fn latency(&self) -> Duration {
        Duration::from_millis(self.latency_ms.unwrap_or_default())
    }

    /// Whether the request is not acted upon.
    pub(super) fn is_refusal(&self) -> bool {
        self.cut == Some(Cut::Before) || self.status.is_some() || (self.hang && self.cut != Some(Cut::After))
    }

    fn matches(&self, podm: usize, call: &Call) -> bool {
        self.count != Some(0)
            && self.podm.is_none_or(|p| p == podm)
            && self.method.as_ref().is_none_or(|m| m.eq_ignore_ascii_case(call.method.as_str()))
            && self.path_prefix.as_ref().is_none_or(|p| call.path.starts_with(p.as_str()))
    }

    fn problem(&self) -> Option<String> {
        let status = self.status.filter(|s| !(200..=599).contains(s)).map(|s| format!("status {s} is not 200–599"));
        let both = self.body.is_some() && self.body_bytes.is_some();
        status.or_else(|| both.then(|| "body and body_bytes cannot both be given".to_owned()))
    }
}

/// The switches of a process, shared by its PODMs.
#[derive(Debug, Default)]
pub(super) struct Faults(Mutex<Vec<Fault>>);

impl Faults {
    /// The switches as they stand, with their counts.
    pub(super) fn list(&self) -> Vec<Fault> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Replaces all switches.
    ///
    /// # Errors
    /// What is wrong with the list; then nothing is changed.
    pub(super) fn replace(&self, body: &Value) -> Result<(), String> {
        let list: Vec<Fault> = serde_json::from_value(body.clone()).map_err(|e| e.to_string())?;
        if let Some(problem) = list.iter().find_map(Fault::problem) {
            return Err(problem);
        }
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = list;
        Ok(())
    }

    /// The switch that applies to a request; its count goes down by this.
    pub(super) fn take(&self, podm: usize, call: &Call) -> Fault {
        let mut list = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for fault in list.iter_mut().filter(|f| f.matches(podm, call)) {
            match fault.skip {
                Some(left @ 1..) => fault.skip = Some(left - 1),
                _ => {
                    fault.count = fault.count.map(|n| n - 1);
                    return fault.clone();
                }
            }
        }
        Fault::default()
    }
}
