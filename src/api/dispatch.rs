//! From a resource to its warp filter, and what is the same for every request: id, limits, admission, headers, metrics, audit.

use std::sync::Arc;
use std::time::Instant;

use bytes::Buf;
use futures_util::Stream;
use warp::Filter;
use warp::filters::BoxedFilter;
use warp::filters::path::FullPath;
use warp::http::header::{self, HeaderName};
use warp::http::{HeaderMap, HeaderValue, Method, StatusCode};
use warp::reply::{Reply, Response};

use super::answer::{self, Answer, Failure};
use super::app::App;
use super::body;
use super::call::{Call, Remote};
use super::resource::{Resource, Route, settle};
use super::v1::TASK_HEADER;
use crate::ids::new_record_id;
use crate::model::problem::Problem;
use crate::observe::metrics;

/// The methods that the old service listed in every preflight.
const ALL_METHODS: &str = "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT";

/// What a request's path and method came to.
#[derive(Clone)]
enum Found {
    Route(Route, Vec<String>),
    /// The path is served, but not with this method.
    Methods(Vec<Method>),
    Nothing,
}

/// What was read off a request without looking at its body.
struct Head {
    method: Method,
    path: String,
    query: String,
    headers: HeaderMap,
    remote: Option<Remote>,
}

/// The filter of a resource. It rejects what is not its own, and nothing else.
pub(crate) fn filter(app: &Arc<App>, resource: Resource) -> BoxedFilter<(Response,)> {
    let resource = Arc::new(resource);
    let look_up = move |method: Method, path: FullPath| {
        let found = match resource.find(&method, path.as_str()) {
            Ok((route, params)) => Ok(Found::Route(route.clone(), params)),
            Err(methods) if methods.is_empty() => Err(warp::reject::not_found()),
            Err(methods) => Ok(Found::Methods(methods)),
        };
        std::future::ready(found)
    };
    answered(app, warp::method().and(warp::path::full()).and_then(look_up).boxed())
}

/// The last filter: nothing is served here.
pub(crate) fn nothing(app: &Arc<App>) -> BoxedFilter<(Response,)> {
    answered(app, warp::any().map(|| Found::Nothing).boxed())
}

fn answered(app: &Arc<App>, found: BoxedFilter<(Found,)>) -> BoxedFilter<(Response,)> {
    let app = app.clone();
    let query = warp::query::raw().or(warp::any().map(String::new)).unify();
    found
        .and(warp::method())
        .and(warp::path::full())
        .and(query)
        .and(warp::header::headers_cloned())
        .and(warp::ext::optional::<Remote>())
        .and(warp::body::stream())
        .then(move |found, method, path: FullPath, query, headers, remote, body| {
            let head = Head { method, path: path.as_str().to_owned(), query, headers, remote };
            serve(app.clone(), found, head, body)
        })
        .boxed()
}

/// Counts a request for as long as it is being answered, also when its client goes away.
struct InFlight;

impl InFlight {
    fn new() -> Self {
        metrics::get().http.in_flight.inc();
        Self
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        metrics::get().http.in_flight.dec();
    }
}

async fn serve<S, B>(app: Arc<App>, found: Found, head: Head, body: S) -> Response
where
    S: Stream<Item = Result<B, warp::Error>> + Send,
    B: Buf + Send,
{
    let (began, _in_flight) = (Instant::now(), InFlight::new());
    let request_id = new_record_id();
    let route = match &found {
        Found::Route(route, _) => route.template.clone(),
        Found::Methods(_) => "wrong method".into(),
        Found::Nothing => "nothing".into(),
    };
    let (method, path, remote) = (head.method.clone(), shown(&head.path).to_owned(), head.remote);
    let answer: Answer = match found {
        Found::Route(route, params) => handle(app, route, params, head, body, &request_id).await,
        Found::Methods(methods) if method == Method::OPTIONS => Ok(options(&methods, &head.headers)),
        Found::Nothing if method == Method::OPTIONS => Ok(options(&[], &head.headers)),
        Found::Methods(methods) => {
            let problem =
                Problem::method_not_allowed(format!("405 Method Not Allowed: {method} is not served under this path"));
            Err(Failure::from(problem).with(header::ALLOW, &allow(&methods)))
        }
        Found::Nothing => Err(answer::no_such_path().into()),
    };
    let mut response = settle(answer, &request_id);
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::from_str(&request_id) {
        headers.insert(HeaderName::from_static("x-request-id"), id);
    }
    headers.entry(header::ACCESS_CONTROL_ALLOW_ORIGIN).or_insert(HeaderValue::from_static("*"));
    let status = response.status();
    if !matches!(method, Method::GET | Method::HEAD | Method::OPTIONS) {
        let from = remote.map(|r| r.0.to_string()).unwrap_or_default();
        let status = status.as_u16();
        tracing::debug!(%request_id, %method, %path, status, remote = %from, "answered");
    }
    count(&method, &route, status, began);
    response
}

async fn handle<S, B>(app: Arc<App>, route: Route, params: Vec<String>, head: Head, body: S, request_id: &str) -> Answer
where
    S: Stream<Item = Result<B, warp::Error>> + Send,
    B: Buf + Send,
{
    let (caller, role) = app.tokens.admit(&head.headers, route.role)?;
    let body = body::read(body, app.config.api.max_body_bytes).await?;
    let query = url::form_urlencoded::parse(head.query.as_bytes()).into_owned().collect();
    let call = Call {
        app,
        method: route.method.clone(),
        path: canonical(&head.path).to_owned(),
        params,
        query,
        raw_query: head.query,
        headers: head.headers,
        body,
        caller: caller.clone(),
        role,
    };
    call.check_key()?;
    let changes = route.method != Method::GET;
    let answer = (route.handler)(call).await;
    if changes {
        let status = answer.as_ref().map_or_else(|f| f.problem.status, |r| r.status().as_u16());
        let from = head.remote.map(|r| r.0.to_string()).unwrap_or_default();
        let task = answer.as_ref().ok().and_then(|r| {
            let named = r.headers().get(TASK_HEADER).or_else(|| r.headers().get(header::LOCATION))?;
            // A Location names the task by its path; the log has one form of it.
            named.to_str().ok().map(|n| n.strip_prefix("/v1/tasks/").unwrap_or(n).to_owned())
        });
        tracing::info!(
            target: "valence::audit", %caller, remote = %from, method = %route.method, path = %shown(&head.path), status, request_id,
            task = task.as_deref().unwrap_or(""), "change asked for"
        );
    }
    answer
}

/// A path as logs may have it: what stands behind a Pod Manager's id in the address of its events is a secret.
fn shown(path: &str) -> &str {
    const EVENTS: &str = "/v1/telemetry/events/";
    match path.strip_prefix(EVENTS).and_then(|rest| rest.find('/')) {
        Some(at) => &path[..EVENTS.len() + at],
        None => path,
    }
}

/// A path without the slash at its end: the same for fingerprints and locations.
fn canonical(path: &str) -> &str {
    if path.len() > 1 { path.strip_suffix('/').unwrap_or(path) } else { path }
}

fn allow(methods: &[Method]) -> String {
    let mut words: Vec<&str> = methods.iter().map(Method::as_str).collect();
    if methods.contains(&Method::GET) {
        words.push("HEAD");
    }
    words.push("OPTIONS");
    words.join(", ")
}

/// The answer to OPTIONS: an empty page, and for a browser's preflight what it wants to hear.
fn options(methods: &[Method], asked: &HeaderMap) -> Response {
    let mut response = warp::reply::with_status("", StatusCode::OK).into_response();
    answer::set_header(&mut response, header::CONTENT_TYPE, "text/html; charset=utf-8");
    answer::set_header(&mut response, header::ALLOW, &allow(methods));
    if let Some(origin) = asked.get(header::ORIGIN) {
        let headers = response.headers_mut();
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(ALL_METHODS));
        headers.insert(header::VARY, HeaderValue::from_static("Origin"));
        if let Some(wanted) = asked.get(header::ACCESS_CONTROL_REQUEST_HEADERS) {
            headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, wanted.clone());
        }
    }
    response
}

fn count(method: &Method, route: &str, status: StatusCode, began: Instant) {
    let method = match method.as_str() {
        known @ ("GET" | "HEAD" | "POST" | "PATCH" | "DELETE" | "OPTIONS" | "PUT") => known,
        _ => "other",
    };
    let class = match status.as_u16() / 100 {
        1 => "1xx",
        2 => "2xx",
        3 => "3xx",
        4 => "4xx",
        _ => "5xx",
    };
    let http = &metrics::get().http;
    http.requests.with_label_values(&[method, route, class]).inc();
    http.duration.with_label_values(&[method, route]).observe(began.elapsed().as_secs_f64());
}
