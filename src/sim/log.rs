//! The request log: every Redfish request in the order of arrival, for checkers.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use hyper::header::HeaderName;
use serde::Serialize;
use serde_json::Value;

use super::call::{Call, Sent};

/// Requests remembered: enough for a load test, and a bound on the memory. The oldest go first.
const MAX_ENTRIES: usize = 200_000;

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// One request.
#[derive(Debug, Clone, Serialize)]
struct Entry {
    seq: u64,
    at_ms: u64,
    podm: usize,
    method: String,
    path: String,
    query: Option<String>,
    /// The answer's status; null while there is none, and for ever when the connection was cut or hung.
    status: Option<u16>,
    auth_user: Option<String>,
    /// The trace and span that the client says it asks in.
    traceparent: Option<String>,
    body: Option<Value>,
}

/// The log of a process, shared by its PODMs.
#[derive(Debug, Default)]
pub(super) struct Log(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    last: u64,
    entries: VecDeque<Entry>,
}

impl Log {
    /// Notes a request that came; the number is for [`Log::answered`].
    pub(super) fn arrived(&self, podm: usize, call: &Call, auth_user: Option<String>, at_ms: u64) -> u64 {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        inner.last += 1;
        let seq = inner.last;
        let (method, path) = (call.method.to_string(), call.path.clone());
        let (query, body) = (call.query.clone(), shown(call));
        let traceparent = call.header(&TRACEPARENT).map(str::to_owned);
        inner.entries.push_back(Entry {
            seq,
            at_ms,
            podm,
            method,
            path,
            query,
            status: None,
            auth_user,
            traceparent,
            body,
        });
        if inner.entries.len() > MAX_ENTRIES {
            inner.entries.pop_front();
        }
        seq
    }

    /// Notes the status of an answer.
    pub(super) fn answered(&self, seq: u64, status: u16) {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let first = inner.entries.front().map_or(0, |e| e.seq);
        let at = seq.checked_sub(first).and_then(|n| usize::try_from(n).ok());
        if let Some(entry) = at.and_then(|n| inner.entries.get_mut(n)) {
            entry.status = Some(status);
        }
    }

    /// The requests after a number, as JSON.
    pub(super) fn since(&self, seq: u64) -> Value {
        let inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let wanted: Vec<&Entry> = inner.entries.iter().filter(|e| e.seq > seq).collect();
        serde_json::to_value(wanted).unwrap_or_default()
    }

    /// Forgets all requests; numbers go on.
    pub(super) fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).entries.clear();
    }
}

/// The body as it is kept: a password is not.
fn shown(call: &Call) -> Option<Value> {
    let Sent::Json(body) = &call.body else { return None };
    let mut body = body.clone();
    if let Some(password) = body.get_mut("Password") {
        *password = Value::from("***");
    }
    Some(body)
}
