//! One request, as a handler sees it.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde_json::Value;
use warp::http::{HeaderMap, Method};

use super::answer::{Failure, bad_field};
use super::app::App;
use super::auth::Role;
use super::body;
use super::limits::Share;
use crate::ids::TaskId;
use crate::model::kind::{self, Kind};
use crate::model::podm::MASK;
use crate::model::problem::Problem;
use crate::secret::SecretKey;
use crate::store::idempotency::fingerprint;
use crate::store::submit::IdempotencyKey;

/// The client's side of the connection, put there by the accept loop.
#[derive(Debug, Clone)]
pub(crate) struct Remote {
    pub(crate) address: SocketAddr,
    /// Of the certificate that it has proven to have.
    pub(crate) subject: Option<Arc<str>>,
    /// Whether the connection is encrypted.
    pub(crate) tls: bool,
}

/// A request that was routed, admitted and read.
pub(crate) struct Call {
    pub(crate) app: Arc<App>,
    pub(crate) method: Method,
    pub(crate) path: String,
    /// What stood in the place of the template's `{…}`.
    pub(crate) params: Vec<String>,
    pub(crate) query: Vec<(String, String)>,
    /// The query as it came.
    pub(crate) raw_query: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// Who asks.
    pub(crate) caller: String,
    /// What they may do.
    pub(crate) role: Role,
    /// Whether the connection is encrypted.
    pub(crate) tls: bool,
    /// Counts the request as under way; who answers for longer than the handler runs keeps it.
    pub(crate) share: Share<String>,
}

impl Call {
    /// The n-th parameter of the path.
    pub(crate) fn param(&self, n: usize) -> &str {
        self.params.get(n).map_or("", String::as_str)
    }

    /// Whether the caller may have tasks of a kind made, repeated or cancelled.
    pub(crate) fn may(&self, kind: &str) -> bool {
        self.role >= Role::Admin || Kind::find(kind).is_none_or(|k| !k.admin)
    }

    /// Refuses what the caller may not do.
    ///
    /// # Errors
    /// 403.
    pub(crate) fn allow(&self, kind: &str) -> Result<(), Problem> {
        if self.may(kind) {
            return Ok(());
        }
        Err(Problem::forbidden(format!("tasks of the kind {kind} need the role admin")))
    }

    /// The path's task id.
    ///
    /// # Errors
    /// 404: what is no task id names no task.
    pub(crate) fn task_id(&self) -> Result<TaskId, Problem> {
        self.param(0).parse().map_err(|_| no_such_task(self.param(0)))
    }

    /// The body's JSON; `None` when there is none.
    ///
    /// # Errors
    /// 400 and 415.
    pub(crate) fn json(&self) -> Result<Option<Value>, Problem> {
        body::json(&self.headers, &self.body)
    }

    /// The body's JSON.
    ///
    /// # Errors
    /// 400 also when there is none.
    pub(crate) fn needed_json(&self) -> Result<Value, Problem> {
        self.json()?.ok_or_else(body::absent)
    }

    /// The body as a type; the error names the field.
    ///
    /// # Errors
    /// 400.
    pub(crate) fn read<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        read(&self.needed_json()?)
    }

    /// A header's text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|v| v.to_str().ok())
    }

    /// A query parameter's first value.
    pub(crate) fn query(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(k, _)| k == name).map(|(_, v)| v.as_str())
    }

    /// Refuses query parameters that are not among `known`, and those given twice unless named `label`.
    ///
    /// # Errors
    /// 400 naming the first of them.
    pub(crate) fn only_query(&self, known: &[&str]) -> Result<(), Problem> {
        for (n, (name, value)) in self.query.iter().enumerate() {
            if !known.contains(&name.as_str()) {
                return Err(bad_field(name, value, "no such query parameter"));
            }
            if name != "label" && self.query[..n].iter().any(|(earlier, _)| earlier == name) {
                return Err(bad_field(name, value, "the query parameter stands twice"));
            }
        }
        Ok(())
    }

    /// A whole number in the query, within bounds.
    ///
    /// # Errors
    /// 400.
    pub(crate) fn query_number(&self, name: &str, least: u64, most: u64) -> Result<Option<u64>, Problem> {
        let Some(text) = self.query(name) else { return Ok(None) };
        match text.parse::<u64>() {
            Ok(n) if (least..=most).contains(&n) => Ok(Some(n)),
            _ => Err(bad_field(name, text, &format!("a whole number from {least} to {most} is wanted"))),
        }
    }

    /// The Idempotency-Key with the request's fingerprint over `body`.
    ///
    /// # Errors
    /// 400 when it is not 1 to 255 visible ASCII characters.
    pub(crate) fn idempotency_key(&self, body: &Value) -> Result<Option<IdempotencyKey>, Failure> {
        let Some(key) = self.given_key()? else { return Ok(None) };
        let body = veiled(body, self.app.key.as_deref()).to_string();
        // The query says what is meant, too: the Pod Manager, say.
        let path = match self.raw_query.as_str() {
            "" => self.path.clone(),
            query => format!("{}?{query}", self.path),
        };
        let print = fingerprint(&[&self.caller, self.method.as_str(), &path, &body]);
        Ok(Some(IdempotencyKey { caller: self.caller.clone(), key, fingerprint: print }))
    }

    fn given_key(&self) -> Result<Option<String>, Problem> {
        let mut given = self.headers.get_all("idempotency-key").iter();
        let Some(first) = given.next() else { return Ok(None) };
        let key = first.to_str().unwrap_or_default();
        let visible = key.bytes().all(|b| (0x21..=0x7e).contains(&b));
        if given.next().is_some() || !visible || !(1..=255).contains(&key.len()) {
            return Err(Problem::bad_request("Idempotency-Key: one of 1 to 255 visible ASCII characters is wanted"));
        }
        Ok(Some(key.to_owned()))
    }

    /// Checks the Idempotency-Key of a request that changes something, before anything else looks at it.
    ///
    /// # Errors
    /// 400.
    pub(crate) fn check_key(&self) -> Result<(), Problem> {
        self.given_key().map(drop)
    }

    /// Root of the URLs in v1 links: what the client called us.
    pub(crate) fn base(&self) -> String {
        let host = self
            .header("host")
            .filter(|h| !h.is_empty() && h.bytes().all(|b| b.is_ascii_graphic() && !b"\"<>\\/".contains(&b)));
        let scheme = if self.tls { "https" } else { "http" };
        format!("{scheme}://{}", host.unwrap_or("localhost"))
    }
}

/// A body whose passwords are marks: its hash, which Redis keeps for a day, helps nobody to guess one.
fn veiled(body: &Value, key: Option<&SecretKey>) -> Value {
    match body {
        Value::Object(map) => map
            .iter()
            .map(|(name, value)| {
                let value = match value {
                    Value::String(secret) if name == "password" => {
                        key.map_or_else(|| MASK.to_owned(), |key| key.mark(secret)).into()
                    }
                    other => veiled(other, key),
                };
                (name.clone(), value)
            })
            .collect(),
        Value::Array(items) => items.iter().map(|item| veiled(item, key)).collect(),
        other => other.clone(),
    }
}

/// JSON as a type; the error names the field.
///
/// # Errors
/// 400.
pub(crate) fn read<T: DeserializeOwned>(value: &Value) -> Result<T, Problem> {
    if value.is_object() {
        return kind::read(value);
    }
    let shown = if value.is_null() { "None".into() } else { value.to_string().chars().take(100).collect::<String>() };
    Err(Problem::validation(format!("{shown} is not of type 'object'")))
}

/// 404 for a task.
pub(crate) fn no_such_task(id: &str) -> Problem {
    let shown: String = id.chars().take(100).collect();
    Problem::not_found(format!("Task {shown} not found."))
}
