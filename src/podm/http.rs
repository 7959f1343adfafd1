//! Asking one Pod Manager over HTTP: JSON both ways, Basic auth or a session's token, limits, same origin, lease.
//!
//! Every path goes through [`Client::resolve`]: a link, a `Location` or a task monitor that points at another host is refused, so that
//! credentials go nowhere else. A changing request is sent only while the lease is valid. Answers are read with a counter, whatever
//! length they announce.

mod answer;
mod send;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use reqwest::header::{ETAG, HeaderMap, HeaderName, RETRY_AFTER};
use reqwest::{Method, Response};
use secrecy::SecretString;
use serde_json::Value;
use url::Url;

use super::circuit::Watch;
use super::error::{Cause, RedfishError};
use super::resource::Resource;
use super::session::{Proof, Slot};
use super::{quirks, retry_after};
use crate::lease::Lease;
pub(super) use send::Request;

/// Where every Redfish service begins.
pub const ROOT: &str = "/redfish/v1";

/// Carries a session's token.
const TOKEN: HeaderName = HeaderName::from_static("x-auth-token");
/// Most time for each request of a login, which everybody else waits for.
pub(super) const LOGIN_LIMIT: Duration = Duration::from_secs(10);

/// Credentials, unsealed.
#[derive(Clone)]
pub struct Account {
    /// The account's name.
    pub username: String,
    /// Its password.
    pub password: SecretString,
}

/// One Pod Manager, for one attempt or one read.
pub struct Client {
    http: reqwest::Client,
    podm: String,
    origin: Url,
    prefix: String,
    account: Option<Account>,
    auth: Auth,
    lease: Option<Lease>,
    watch: Watch,
    max_body_bytes: u64,
}

/// How a client says who it is.
pub(super) enum Auth {
    /// Not at all: it logs in.
    Nothing,
    /// With the account, every time.
    Basic,
    /// With a session's token, or with the account where there are no sessions.
    Session(Arc<Slot>),
}

/// A changing request.
#[derive(Debug, Clone, Copy)]
pub enum Change<'a> {
    /// POST, without a body when there is nothing to say.
    Post(Option<&'a Value>),
    /// PATCH, with the version it is meant for when that is known.
    Patch(&'a Value, Option<&'a str>),
    /// PUT.
    Put(&'a Value),
    /// DELETE.
    Delete,
}

/// A success.
#[derive(Debug, Clone)]
pub struct Answer {
    /// 200–299.
    pub status: u16,
    /// What was made, or the task monitor: a path at this Pod Manager. `None` when absent or when it points elsewhere.
    pub location: Option<String>,
    /// When to ask again.
    pub retry_after: Option<Duration>,
    /// Its body; null when there was none, or none that could be read.
    pub body: Value,
}

/// What a look at a resource that is known in some version found.
#[derive(Debug, Clone)]
pub enum Seen {
    /// The same version still.
    Same,
    /// Another one, or one that nothing was known of.
    Changed(Box<Resource>),
    /// Nothing: 404 or 410.
    Gone,
}

impl Client {
    pub(super) fn new(
        http: reqwest::Client,
        podm: String,
        url: &Url,
        account: Option<Account>,
        auth: Auth,
        lease: Option<Lease>,
        max_body_bytes: u64,
    ) -> Self {
        let path = url.path().trim_end_matches('/');
        let prefix = path.strip_suffix(ROOT).unwrap_or(path).trim_end_matches('/').to_owned();
        let mut origin = url.clone();
        origin.set_path("/");
        origin.set_query(None);
        origin.set_fragment(None);
        Self { http, podm, origin, prefix, account, auth, lease, watch: Watch::default(), max_body_bytes }
    }

    /// The same, telling what comes of its requests.
    pub(super) fn watched(self, watch: Watch) -> Self {
        Self { watch, ..self }
    }

    /// Name of the Pod Manager.
    #[must_use]
    pub fn podm(&self) -> &str {
        &self.podm
    }

    pub(super) const fn watch(&self) -> &Watch {
        &self.watch
    }

    pub(super) fn account(&self) -> Option<&Account> {
        self.account.as_ref()
    }

    /// Makes an error about a call.
    #[must_use]
    pub fn error(&self, method: &'static str, path: &str, cause: Cause) -> RedfishError {
        RedfishError { podm: self.podm.clone(), method, path: path.to_owned(), cause }
    }

    /// The path at this Pod Manager that a link means: relative to its root, or a full URL of the same origin.
    ///
    /// # Errors
    /// When it points elsewhere.
    pub fn resolve(&self, link: &str) -> Result<String, RedfishError> {
        let elsewhere = || self.error("GET", link, Cause::Malformed(format!("the link '{link}' points elsewhere")));
        let url = self.origin.join(link).map_err(|_| elsewhere())?;
        let same = url.origin() == self.origin.origin() && url.username().is_empty() && url.password().is_none();
        if !same {
            return Err(elsewhere());
        }
        let path = match url.query() {
            Some(query) => format!("{}?{query}", url.path()),
            None => url.path().to_owned(),
        };
        let is_bare = !self.prefix.is_empty() && !path.starts_with(&format!("{}/", self.prefix));
        Ok(if is_bare { format!("{}{path}", self.prefix) } else { path })
    }

    /// Reads a resource.
    ///
    /// # Errors
    /// Any status but 200, and whatever keeps an answer from coming.
    pub async fn get(&self, link: &str) -> Result<Resource, RedfishError> {
        let path = self.resolve(link)?;
        let response = self.send(Request::get(&path)).await?;
        self.resource(path, response).await
    }

    async fn resource(&self, path: String, response: Response) -> Result<Resource, RedfishError> {
        let etag = header(response.headers(), &ETAG);
        let (status, retry_after) = (response.status().as_u16(), wait_of(response.headers()));
        self.no_redirect("GET", &path, &response)?;
        let sort = answer::sort_of(response.headers());
        let body = self.body("GET", &path, response).await;
        if !(200..300).contains(&status) {
            return Err(self.refused("GET", &path, status, retry_after, &body.unwrap_or_default()));
        }
        let body = body?;
        if let Some(hidden) = quirks::hidden_status(&body) {
            return Err(self.refused("GET", &path, hidden, retry_after, &body));
        }
        if !body.is_object() {
            return Err(self.error("GET", &path, Cause::Malformed(format!("the answer{sort} is no JSON object"))));
        }
        let etag = etag.or_else(|| body["@odata.etag"].as_str().map(str::to_owned));
        Ok(Resource { podm: self.podm.clone(), path, etag, body })
    }

    /// Reads a resource that may be gone: 404 and 410 are `None`.
    ///
    /// # Errors
    /// As [`Client::get`] otherwise.
    pub async fn get_if_there(&self, link: &str) -> Result<Option<Resource>, RedfishError> {
        match self.get(link).await {
            Err(e) if matches!(e.status(), Some(404 | 410)) => Ok(None),
            other => other.map(Some),
        }
    }

    /// Reads a resource unless it still is the version that is known.
    ///
    /// # Errors
    /// As [`Client::get`] otherwise.
    pub async fn get_if_changed(&self, link: &str, known: Option<&str>) -> Result<Seen, RedfishError> {
        let path = self.resolve(link)?;
        let response = self.send(Request { version: known, ..Request::get(&path) }).await?;
        if known.is_some() && response.status() == reqwest::StatusCode::NOT_MODIFIED {
            return Ok(Seen::Same);
        }
        match self.resource(path, response).await {
            // Some answer with the whole, whatever is known.
            Ok(resource) if known.is_some() && resource.etag.as_deref() == known => Ok(Seen::Same),
            Ok(resource) => Ok(Seen::Changed(Box::new(resource))),
            Err(e) if matches!(e.status(), Some(404 | 410)) => Ok(Seen::Gone),
            Err(e) => Err(e),
        }
    }

    /// Asks a task monitor, whose answer is another operation's: any success with its status.
    ///
    /// # Errors
    /// The operation's own refusal, and whatever keeps an answer from coming.
    pub async fn monitor(&self, link: &str) -> Result<Answer, RedfishError> {
        let path = self.resolve(link)?;
        let response = self.send(Request::get(&path)).await?;
        self.answer("GET", &path, response).await
    }

    /// Sends a changing request.
    ///
    /// # Errors
    /// Refusals; [`Cause::LeaseOver`] when it was not sent; [`Cause::Unanswered`] when nobody knows what came of it.
    ///
    /// # Cancel safety
    /// Dropped, it counts as unanswered: the request may have been sent.
    pub async fn change(&self, link: &str, change: Change<'_>) -> Result<Answer, RedfishError> {
        let path = self.resolve(link)?;
        let (method, name, body, version) = match change {
            Change::Post(body) => (Method::POST, "POST", body, None),
            Change::Patch(body, version) => (Method::PATCH, "PATCH", Some(body), version),
            Change::Put(body) => (Method::PUT, "PUT", Some(body), None),
            Change::Delete => (Method::DELETE, "DELETE", None, None),
        };
        let response = self.send(Request { method, name, path: &path, body, version }).await?;
        self.answer(name, &path, response).await
    }

    /// Logs in: the token of the answer, and where the session is.
    ///
    /// # Errors
    /// Refusals, and whatever keeps an answer from coming.
    pub(super) async fn post_for_token(
        &self,
        link: &str,
        body: &Value,
    ) -> Result<(Option<String>, Option<String>), RedfishError> {
        let path = self.resolve(link)?;
        let request = Request { method: Method::POST, name: "POST", body: Some(body), ..Request::get(&path) };
        let sent = self.send_once(&request, None);
        let late = || self.error("POST", &path, Cause::Unanswered("no answer in time".into()));
        let response = tokio::time::timeout(LOGIN_LIMIT, sent).await.map_err(|_| late())??;
        let token = header(response.headers(), &TOKEN).filter(|t| !t.is_empty());
        let answer = self.answer("POST", &path, response).await?;
        let in_body = || answer.body["@odata.id"].as_str().and_then(|p| self.resolve(p).ok());
        Ok((token, answer.location.clone().or_else(in_body)))
    }

    /// Logs out.
    ///
    /// # Errors
    /// Refusals, and whatever keeps an answer from coming.
    pub(super) async fn delete_with(&self, link: &str, token: &SecretString) -> Result<(), RedfishError> {
        let (path, proof) = (self.resolve(link)?, Proof::Token(token.clone()));
        let request = Request { method: Method::DELETE, name: "DELETE", ..Request::get(&path) };
        let response = self.send_once(&request, Some(&proof)).await?;
        self.answer("DELETE", &path, response).await.map(drop)
    }
}

fn header(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    headers.get(name).and_then(|v| v.to_str().ok()).map(str::to_owned)
}

fn wait_of(headers: &HeaderMap) -> Option<Duration> {
    headers.get(RETRY_AFTER).and_then(|v| v.to_str().ok()).and_then(|v| retry_after::parse(v, Timestamp::now()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(url: &str) -> Client {
        let account = Account { username: "u".into(), password: SecretString::from("canary") };
        Client::new(
            reqwest::Client::new(),
            "lab".into(),
            &Url::parse(url).unwrap(),
            Some(account),
            Auth::Basic,
            None,
            1000,
        )
    }

    #[test]
    fn links_are_followed_to_the_same_origin_only() {
        let c = client("https://podm:8443/redfish/v1/");
        assert_eq!(c.resolve("/redfish/v1/Nodes/1").unwrap(), "/redfish/v1/Nodes/1");
        assert_eq!(c.resolve("https://podm:8443/redfish/v1/Nodes/1").unwrap(), "/redfish/v1/Nodes/1");
        assert_eq!(c.resolve("/redfish/v1/Nodes?$skip=2#x").unwrap(), "/redfish/v1/Nodes?$skip=2");
        for bad in ["http://podm:8443/x", "https://podm/x", "//evil/x", "https://evil:8443/", "https://u@podm:8443/x"] {
            assert!(c.resolve(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_pod_manager_behind_a_path_is_reached_there() {
        let c = client("https://gate/podm1");
        assert_eq!(c.resolve("/redfish/v1/Nodes").unwrap(), "/podm1/redfish/v1/Nodes");
        assert_eq!(c.resolve("/podm1/redfish/v1/Nodes").unwrap(), "/podm1/redfish/v1/Nodes");
    }

    #[test]
    fn a_password_that_comes_back_is_masked() {
        let c = client("https://podm");
        let body = serde_json::json!({"error": {"message": "bad canary", "code": "Basic dTpjYW5hcnk="}});
        let text = format!("{:?}", c.refused("POST", "/", 400, None, &body));
        assert!(!text.contains("canary") && !text.contains("dTpjYW5hcnk="), "{text}");
    }
}
