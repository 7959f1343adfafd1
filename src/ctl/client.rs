//! The API over HTTP: one request, one JSON answer, errors that say what to do next.

use std::time::Duration;

use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use reqwest::{Method, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use serde_json::Value;
use url::Url;

use super::cli::Global;
use super::error::CtlError;
use super::trust;
use crate::model::task::Task;

/// Longest time for one answer; sync reads end after 30 s, long-polls are asked for less.
const ANSWER_LIMIT: Duration = Duration::from_secs(45);
/// Longest time to connect.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);

/// The API of one deployment.
pub(super) struct Client {
    base: Url,
    http: reqwest::Client,
}

impl Client {
    /// Where the API is.
    pub(super) fn address(&self) -> &str {
        self.base.as_str().trim_end_matches('/')
    }

    /// A client as the command line wants it.
    pub(super) fn of(global: &Global) -> Result<Self, CtlError> {
        Self::new(&global.api_url, global.token.clone(), trust::builder(global)?)
    }

    /// A client for the API of this very process, whatever certificate it has: nobody else can stand between.
    pub(super) fn of_this_process(url: &str) -> Result<Self, CtlError> {
        Self::new(url, None, reqwest::Client::builder().tls_danger_accept_invalid_certs(true))
    }

    fn new(url: &str, token: Option<SecretString>, http: reqwest::ClientBuilder) -> Result<Self, CtlError> {
        let bad = |why: String| CtlError::Usage(format!("--api-url {url}: {why}"));
        let mut base = Url::parse(url).map_err(|e| bad(e.to_string()))?;
        if !matches!(base.scheme(), "http" | "https") || base.cannot_be_a_base() {
            return Err(bad("an http or https URL is wanted, such as http://127.0.0.1:8181".into()));
        }
        if !base.path().ends_with('/') {
            base.set_path(&format!("{}/", base.path()));
        }
        let mut headers = HeaderMap::new();
        if let Some(token) = token {
            let mut value = HeaderValue::from_str(&format!("Bearer {}", token.expose_secret()))
                .map_err(|_| CtlError::Usage("the token has characters that a header cannot carry".into()))?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        let http = http
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT_LIMIT)
            .timeout(ANSWER_LIMIT)
            .user_agent(concat!("valence/", env!("CARGO_PKG_VERSION")))
            .default_headers(headers)
            .build()
            .map_err(|e| CtlError::Usage(format!("--client-cert: {}", trust::cause(&e))))?;
        Ok(Self { base, http })
    }

    /// GET.
    pub(super) async fn get(&self, path: &[&str], query: &[(&str, String)]) -> Result<Value, CtlError> {
        self.send(Method::GET, path, query, None).await
    }

    /// POST of a body.
    pub(super) async fn post(&self, path: &[&str], body: &Value) -> Result<Value, CtlError> {
        self.send(Method::POST, path, &[], Some(body)).await
    }

    /// PATCH with a body.
    pub(super) async fn patch(&self, path: &[&str], body: &Value) -> Result<Value, CtlError> {
        self.send(Method::PATCH, path, &[], Some(body)).await
    }

    /// DELETE.
    pub(super) async fn delete(&self, path: &[&str]) -> Result<Value, CtlError> {
        self.send(Method::DELETE, path, &[], None).await
    }

    /// Asks for a change that becomes a task, without waiting for its end.
    pub(super) async fn change(&self, method: Method, path: &[&str], body: Option<&Value>) -> Result<Task, CtlError> {
        self.change_at(method, path, &[], body).await
    }

    /// The same, with a query.
    pub(super) async fn change_at(
        &self,
        method: Method,
        path: &[&str],
        query: &[(&str, String)],
        body: Option<&Value>,
    ) -> Result<Task, CtlError> {
        let what = format!("{method} {}", shown(path));
        let value = self.request(method, path, query, body, true).await?.1;
        read(&what, value)
    }

    /// GET of `/readyz`, whose 503 carries an answer too.
    pub(super) async fn look(&self, path: &[&str]) -> Result<(StatusCode, Value), CtlError> {
        let response = self.http.get(self.url(path)?).send().await.map_err(|e| self.unreachable(&e))?;
        let status = response.status();
        let bytes = response.bytes().await.map_err(|e| self.unreachable(&e))?;
        if status.is_success() || status == StatusCode::SERVICE_UNAVAILABLE {
            return Ok((status, serde_json::from_slice(&bytes).unwrap_or(Value::Null)));
        }
        Err(refused(format!("GET {}", shown(path)), status, &bytes))
    }

    /// A stream of server-sent events; the caller reads the body.
    pub(super) async fn stream(&self, path: &[&str]) -> Result<reqwest::Response, CtlError> {
        let url = self.url(path)?;
        let request =
            self.http.get(url).header("Accept", "text/event-stream").timeout(Duration::from_secs(365 * 24 * 3600));
        let response = request.send().await.map_err(|e| self.unreachable(&e))?;
        if response.status().is_success() {
            return Ok(response);
        }
        let (status, body) = (response.status(), response.bytes().await.unwrap_or_default());
        Err(refused(format!("GET {}", shown(path)), status, &body))
    }

    async fn send(
        &self,
        method: Method,
        path: &[&str],
        query: &[(&str, String)],
        body: Option<&Value>,
    ) -> Result<Value, CtlError> {
        Ok(self.request(method, path, query, body, false).await?.1)
    }

    async fn request(
        &self,
        method: Method,
        path: &[&str],
        query: &[(&str, String)],
        body: Option<&Value>,
        respond_async: bool,
    ) -> Result<(StatusCode, Value), CtlError> {
        let what = format!("{method} {}", shown(path));
        let mut request = self.http.request(method, self.url(path)?);
        if !query.is_empty() {
            request = request.query(query);
        }
        if respond_async {
            request = request.header("Prefer", "respond-async");
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await.map_err(|e| self.unreachable(&e))?;
        let status = response.status();
        let bytes = response.bytes().await.map_err(|e| self.unreachable(&e))?;
        if !status.is_success() {
            return Err(refused(what, status, &bytes));
        }
        if bytes.is_empty() {
            return Ok((status, Value::Null));
        }
        let value = serde_json::from_slice(&bytes).map_err(|e| CtlError::Answer { what, why: e.to_string() })?;
        Ok((status, value))
    }

    /// Joins path segments, each escaped: an id from the command line cannot leave its place.
    fn url(&self, path: &[&str]) -> Result<Url, CtlError> {
        if let Some(bad) = path.iter().find(|p| p.is_empty() || **p == "." || **p == "..") {
            return Err(CtlError::Usage(format!("{bad:?} cannot be an id")));
        }
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        Ok(url)
    }

    fn unreachable(&self, error: &reqwest::Error) -> CtlError {
        let why = if error.is_timeout() { "no answer in time".into() } else { trust::cause(error) };
        let next = trust::advice(&why, self.base.scheme());
        CtlError::Unreachable { url: self.base.to_string(), why, next: next.to_owned() }
    }
}

fn shown(path: &[&str]) -> String {
    path.iter().map(|p| format!("/{p}")).collect()
}

fn refused(what: String, status: StatusCode, body: &[u8]) -> CtlError {
    let problem: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
    let text = |key: &str| problem.get(key).and_then(Value::as_str).map(str::to_owned);
    let title = text("title").unwrap_or_else(|| status.canonical_reason().unwrap_or("error").to_owned());
    let detail = text("detail").unwrap_or_else(|| String::from_utf8_lossy(body).chars().take(300).collect());
    let mut next = match status.as_u16() {
        401 => "\nGive a token with VALENCE_API_TOKEN or --token.".to_owned(),
        403 => "\nYour role does not allow it; another token or certificate may.".to_owned(),
        404 => "\nThe resource's `list` command shows what there is.".to_owned(),
        429 | 503 | 504 => "\nTry again in a moment; `valence doctor` says what is wrong.".to_owned(),
        _ => String::new(),
    };
    if status.is_server_error()
        && let Some(request) = text("request_id")
    {
        next = format!("{next}\nThe API's log has more under request id {request}.");
    }
    CtlError::Refused { what, status: status.as_u16(), title, detail, next }
}

/// Reads an answer as `T`.
pub(super) fn read<T: DeserializeOwned>(what: &str, value: Value) -> Result<T, CtlError> {
    serde_path_to_error::deserialize(value).map_err(|e| CtlError::Answer { what: what.to_owned(), why: e.to_string() })
}

/// The list in an answer: bare as in v1, or under `key`.
pub(super) fn list<T: DeserializeOwned>(what: &str, key: &str, answer: &Value) -> Result<Vec<T>, CtlError> {
    let items = answer.get(key).unwrap_or(answer);
    read(what, items.clone())
}
