//! Asking one Pod Manager over HTTP: JSON both ways, Basic auth or a session's token, limits, same origin, lease.
//!
//! Every path goes through [`Client::resolve`]: a link, a `Location` or a task monitor that points at another host is refused, so that
//! credentials go nowhere else. A changing request is sent only while the lease is valid. Answers are read with a counter, whatever
//! length they announce.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use reqwest::header::{ETAG, HeaderMap, HeaderName, HeaderValue, IF_MATCH, IF_NONE_MATCH, LOCATION, RETRY_AFTER};
use reqwest::{Method, Response};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use url::Url;

use super::circuit::{CUT, Watch};
use super::error::{Cause, RedfishError};
use super::extended::Refusal;
use super::resource::Resource;
use super::session::{Proof, Slot};
use super::told::{TRACEPARENT, Told};
use super::{quirks, retry_after};
use crate::lease::Lease;

/// Where every Redfish service begins.
pub const ROOT: &str = "/redfish/v1";

/// Carries a session's token.
const TOKEN: HeaderName = HeaderName::from_static("x-auth-token");
/// Most time for a login, which everybody else waits for.
const LOGIN_LIMIT: Duration = Duration::from_secs(10);

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
        let response = self.send(Method::GET, "GET", &path, None, None).await?;
        self.resource(path, response).await
    }

    async fn resource(&self, path: String, response: Response) -> Result<Resource, RedfishError> {
        let etag = header(response.headers(), &ETAG);
        let (status, retry_after) = (response.status().as_u16(), wait_of(response.headers()));
        let body = self.body("GET", &path, response).await;
        if !(200..300).contains(&status) {
            return Err(self.refused("GET", &path, status, retry_after, &body.unwrap_or_default()));
        }
        let body = body?;
        if let Some(hidden) = quirks::hidden_status(&body) {
            return Err(self.refused("GET", &path, hidden, retry_after, &body));
        }
        if !body.is_object() {
            return Err(self.error("GET", &path, Cause::Malformed("the answer is no JSON object".into())));
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
        let response = self.send(Method::GET, "GET", &path, None, known).await?;
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
        let response = self.send(Method::GET, "GET", &path, None, None).await?;
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
        let response = self.send(method, name, &path, body, version).await?;
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
        let sent = self.send_once(Method::POST, "POST", &path, Some(body), None, None);
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
        let response = self.send_once(Method::DELETE, "DELETE", &path, None, None, Some(&proof)).await?;
        self.answer("DELETE", &path, response).await.map(drop)
    }

    /// Sends a request; whoever waits long for its answer lends its slot to others.
    pub(super) async fn send(
        &self,
        method: Method,
        name: &'static str,
        path: &str,
        body: Option<&Value>,
        version: Option<&str>,
    ) -> Result<Response, RedfishError> {
        let sent = self.send_proven(method, name, path, body, version);
        match &self.lease {
            Some(lease) => lease.lending(sent).await,
            None => sent.await,
        }
    }

    /// Sends a request. A token that is not known any more is answered 401, which proves that nothing was done: then a new login, and
    /// the request once again.
    async fn send_proven(
        &self,
        method: Method,
        name: &'static str,
        path: &str,
        body: Option<&Value>,
        version: Option<&str>,
    ) -> Result<Response, RedfishError> {
        let Auth::Session(slot) = &self.auth else {
            let proof = matches!(self.auth, Auth::Basic).then_some(Proof::Basic);
            return self.send_once(method, name, path, body, version, proof.as_ref()).await;
        };
        // An error of the login is this request's, which was not sent.
        let refused = |e: RedfishError| self.error(name, path, e.cause);
        let proof = slot.proof(None).await.map_err(refused)?;
        let response = self.send_once(method.clone(), name, path, body, version, Some(&proof)).await?;
        let (Proof::Token(token), 401) = (&proof, response.status().as_u16()) else { return Ok(response) };
        drop(response);
        let proof = slot.proof(Some(token)).await.map_err(refused)?;
        self.send_once(method, name, path, body, version, Some(&proof)).await
    }

    async fn send_once(
        &self,
        method: Method,
        name: &'static str,
        path: &str,
        body: Option<&Value>,
        version: Option<&str>,
        proof: Option<&Proof>,
    ) -> Result<Response, RedfishError> {
        // Here and not earlier: a login may have taken its time.
        if method != Method::GET && self.lease.as_ref().is_some_and(|l| !l.is_valid()) {
            return Err(self.error(name, path, Cause::LeaseOver));
        }
        if let Some(left) = self.watch.asked_to_wait() {
            return Err(self.error(name, path, Cause::NotNow(left)));
        }
        let bad = |e: url::ParseError| self.error(name, path, Cause::Malformed(e.to_string()));
        let url = self.origin.join(path).map_err(bad)?;
        let condition = if method == Method::GET { IF_NONE_MATCH } else { IF_MATCH };
        let told = Told::begin(&self.podm, name, path);
        let mut request = self.http.request(method, url).header("OData-Version", "4.0");
        request = request.header(TRACEPARENT, told.traceparent());
        match (proof, &self.account) {
            (Some(Proof::Token(token)), _) => {
                let mut value = HeaderValue::from_str(token.expose_secret())
                    .map_err(|_| self.error(name, path, Cause::Malformed("the session's token is no header".into())))?;
                value.set_sensitive(true);
                request = request.header(TOKEN, value);
            }
            (Some(Proof::Basic), Some(account)) => {
                request = request.basic_auth(&account.username, Some(account.password.expose_secret()));
            }
            _ => {}
        }
        if let Some(version) = version {
            request = request.header(condition, version);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let asked = self.watch.asking();
        let outcome = asked.awaiting(self.unless_cut(request.send())).await;
        match outcome {
            Ok(response) => {
                let status = response.status().as_u16();
                told.answered(status);
                // A full table of sessions refuses a log-in, and nothing else.
                let is_login = name == "POST" && proof.is_none();
                if is_login {
                    asked.answered(200, None).await;
                } else {
                    asked.answered(status, wait_of(response.headers())).await;
                }
                Ok(response)
            }
            Err(cause) => {
                told.failed(&cause);
                asked.failed(&cause).await;
                Err(self.error(name, path, cause))
            }
        }
    }

    /// Waits for something of a request, unless the attempt should have ended by now.
    async fn unless_cut<T>(&self, some: impl Future<Output = Result<T, reqwest::Error>>) -> Result<T, Cause> {
        let Some(lease) = &self.lease else { return some.await.map_err(cause_of) };
        tokio::select! {
            biased;
            got = some => got.map_err(cause_of),
            () = lease.is_cut() => Err(Cause::Unanswered(CUT.into())),
        }
    }

    /// Judges the answer to a change. Once its status is seen the answer is seen: a body that breaks off is no body.
    async fn answer(&self, name: &'static str, path: &str, response: Response) -> Result<Answer, RedfishError> {
        let (status, retry_after) = (response.status().as_u16(), wait_of(response.headers()));
        let location = header(response.headers(), &LOCATION);
        let body = self.body(name, path, response).await.unwrap_or_default();
        let status = quirks::hidden_status(&body).unwrap_or(status);
        if !(200..300).contains(&status) {
            return Err(self.refused(name, path, status, retry_after, &body));
        }
        let location = location.and_then(|l| self.resolve(&l).ok());
        Ok(Answer { status, location, retry_after, body })
    }

    async fn body(&self, name: &'static str, path: &str, response: Response) -> Result<Value, RedfishError> {
        let bytes = self.bytes(name, path, response).await?;
        if bytes.is_empty() {
            return Ok(Value::Null);
        }
        Ok(serde_json::from_slice(&bytes)
            .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&bytes).into_owned())))
    }

    pub(super) async fn bytes(
        &self,
        name: &'static str,
        path: &str,
        mut response: Response,
    ) -> Result<Vec<u8>, RedfishError> {
        let (mut bytes, asked) = (Vec::new(), self.watch.asking());
        loop {
            let chunk = match self.unless_cut(response.chunk()).await {
                Ok(Some(chunk)) => chunk,
                Ok(None) => break,
                Err(cause) => {
                    asked.failed(&cause).await;
                    return Err(self.error(name, path, cause));
                }
            };
            if (bytes.len() + chunk.len()) as u64 > self.max_body_bytes {
                asked.done();
                return Err(self.error(name, path, Cause::TooLarge(self.max_body_bytes)));
            }
            bytes.extend_from_slice(&chunk);
        }
        asked.done();
        Ok(bytes)
    }

    /// The error of an answer that is a refusal, without our secrets.
    pub(super) fn refused(
        &self,
        name: &'static str,
        path: &str,
        status: u16,
        retry_after: Option<Duration>,
        body: &Value,
    ) -> RedfishError {
        let mut refusal = Refusal::read(status, retry_after, body);
        for text in [&mut refusal.code, &mut refusal.title, &mut refusal.detail] {
            *text = self.without_secrets(text);
        }
        self.error(name, path, Cause::Refused(Box::new(refusal)))
    }

    /// A Pod Manager that repeats what it was sent must not put the password, or a session's token, into our errors.
    fn without_secrets(&self, text: &str) -> String {
        use base64::Engine;
        let token = if let Auth::Session(slot) = &self.auth { slot.token() } else { None };
        let text = token.map_or_else(|| text.to_owned(), |t| text.replace(t.expose_secret(), crate::model::podm::MASK));
        let Some(account) = &self.account else { return text };
        let password = account.password.expose_secret();
        if password.is_empty() {
            return text;
        }
        let header = base64::engine::general_purpose::STANDARD.encode(format!("{}:{password}", account.username));
        text.replace(&header, crate::model::podm::MASK).replace(password, crate::model::podm::MASK)
    }
}

fn header(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    headers.get(name).and_then(|v| v.to_str().ok()).map(str::to_owned)
}

fn wait_of(headers: &HeaderMap) -> Option<Duration> {
    headers.get(RETRY_AFTER).and_then(|v| v.to_str().ok()).and_then(|v| retry_after::parse(v, Timestamp::now()))
}

/// What a transport error means: not sent, not allowed, or nobody knows. The URL is left out; the call names it.
fn cause_of(error: reqwest::Error) -> Cause {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(inner) = source {
        if let Some(refusal) = inner.downcast_ref::<super::guard::NotAllowed>() {
            return Cause::Forbidden(refusal.0.clone());
        }
        text = inner.to_string();
        source = inner.source();
    }
    match (error.is_connect(), error.is_timeout()) {
        (true, _) => Cause::Unreachable(text),
        (false, true) => Cause::Unanswered("no answer in time".into()),
        (false, false) => Cause::Unanswered(text),
    }
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
