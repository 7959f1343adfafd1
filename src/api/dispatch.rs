//! From a resource to its warp filter, and what is the same for every request: id, limits, admission, headers, metrics, audit.

use std::sync::Arc;
use std::time::Instant;

use bytes::Buf;
use futures_util::Stream;
use tracing::Instrument as _;
use warp::Filter;
use warp::filters::BoxedFilter;
use warp::filters::path::FullPath;
use warp::http::header;
use warp::http::{HeaderMap, HeaderValue, Method, StatusCode};
use warp::reply::Response;

use super::answer::{self, Answer, Failure};
use super::app::App;
use super::audit;
use super::auth::{Caller, Denied};
use super::body::Incoming;
use super::call::{Call, Remote};
use super::headers;
use super::limits::counted;
use super::resource::{Resource, Route};
use super::v1::TASK_HEADER;
use crate::ids::new_record_id;
use crate::model::audit::AuditEntry;
use crate::model::problem::Problem;
use crate::model::trace::TraceContext;
use crate::observe::metrics;
use crate::observe::trace::{Side, Span};

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
    let mut body = Incoming::new(body, &head.headers);
    let request_id = new_record_id();
    let asked_in = head.headers.get("traceparent").and_then(|v| v.to_str().ok()).and_then(TraceContext::parse);
    let span = Span::begin(Side::Server, asked_in);
    let log = tracing::error_span!("request", %request_id, trace_id = %span.context.trace());
    let route = match &found {
        Found::Route(route, _) => route.template.clone(),
        Found::Methods(_) => "wrong method".into(),
        Found::Nothing => "nothing".into(),
    };
    let (method, path, remote) = (head.method.clone(), shown(&head.path).to_owned(), head.remote.clone());
    let answer: Answer = match found {
        Found::Route(route, params) => {
            span.around(handle(app, route, params, head, &mut body, &request_id)).instrument(log.clone()).await
        }
        Found::Methods(methods) if method == Method::OPTIONS => Ok(headers::options(&methods, &head.headers)),
        Found::Nothing if method == Method::OPTIONS => Ok(headers::options(&[], &head.headers)),
        Found::Methods(methods) => {
            let problem =
                Problem::method_not_allowed(format!("405 Method Not Allowed: {method} is not served under this path"));
            Err(Failure::from(problem).with(header::ALLOW, &headers::allow(&methods)))
        }
        Found::Nothing => Err(answer::no_such_path().into()),
    };
    let mut response = headers::settled(answer, &request_id, remote.as_ref().is_some_and(|r| r.tls));
    if !body.skip().await {
        // The connection ends with this answer, and a client should hear of it before it asks again.
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    let status = response.status();
    if !matches!(method, Method::GET | Method::HEAD | Method::OPTIONS) {
        let (from, status) = (remote.map(|r| tracing::field::display(r.address)), status.as_u16());
        log.in_scope(|| tracing::debug!(%method, %path, status, remote = from, "answered"));
    }
    let (words, failed) =
        ([("http.request.method", method.as_str()), ("http.route", route.as_str())], status.as_u16() >= 500);
    span.end(|| format!("{method} {route}"), &words, failed.then(|| status.as_str()));
    count(word(&method), &route, status, began);
    response
}

/// The answer to what was refused before it could be routed.
pub(crate) fn refused(problem: Problem, tls: bool) -> Response {
    let (began, request_id) = (Instant::now(), new_record_id());
    tracing::debug!(%request_id, why = problem.detail, "refused");
    let response = headers::settled(Err(problem.into()), &request_id, tls);
    count("other", "refused", response.status(), began);
    response
}

async fn handle<S, B>(
    app: Arc<App>,
    route: Route,
    params: Vec<String>,
    mut head: Head,
    body: &mut Incoming<S>,
    request_id: &str,
) -> Answer
where
    S: Stream<Item = Result<B, warp::Error>> + Send,
    B: Buf + Send,
{
    let (admitted, answer) = match app.doors.admit(&head.headers, head.remote.as_ref(), route.role).await {
        Ok(caller) => {
            let answer = admitted(&app, &route, params, &mut head, body, caller.clone()).await;
            (Some(caller), answer)
        }
        Err(Denied { caller, failure }) => (caller, Err(failure)),
    };
    if route.changes {
        app.auditor.note(line(&app, &route, &head, admitted, &answer, request_id));
    }
    answer
}

/// Reads the body and calls the handler.
async fn admitted<S, B>(
    app: &Arc<App>,
    route: &Route,
    params: Vec<String>,
    head: &mut Head,
    body: &mut Incoming<S>,
    caller: Caller,
) -> Answer
where
    S: Stream<Item = Result<B, warp::Error>> + Send,
    B: Buf + Send,
{
    let share = app.limits.enter(&app.store, &counted(&caller, head.remote.as_ref())).await?;
    let body = body.read(app.config.api.max_body_bytes).await?;
    let query = url::form_urlencoded::parse(head.query.as_bytes()).into_owned().collect();
    let call = Call {
        app: Arc::clone(app),
        method: route.method.clone(),
        path: canonical(&head.path).to_owned(),
        params,
        query,
        raw_query: head.query.clone(),
        headers: std::mem::take(&mut head.headers),
        body,
        caller: caller.name,
        role: caller.role,
        tls: head.remote.as_ref().is_some_and(|r| r.tls),
        share,
    };
    if route.changes {
        call.check_key()?;
    }
    (route.handler)(call).await
}

/// The line of the audit log about a request that was to change something.
fn line(
    app: &App,
    route: &Route,
    head: &Head,
    caller: Option<Caller>,
    answer: &Answer,
    request_id: &str,
) -> AuditEntry {
    let (status, headers) = match answer {
        Ok(response) => (response.status().as_u16(), Some(response.headers())),
        Err(failure) => (failure.problem.status, None),
    };
    let task = headers.and_then(|h| {
        let named = h.get(TASK_HEADER).or_else(|| h.get(header::LOCATION))?.to_str().ok()?;
        // A Location names the task by its path; the log has one form of it.
        Some(named.strip_prefix("/v1/tasks/").unwrap_or(named).to_owned())
    });
    let (actor, role) = caller.map_or_else(|| ("unknown".into(), None), |c| (c.name, Some(c.role.as_str().into())));
    AuditEntry {
        at_ms: app.store.clock().now_ms(),
        actor,
        role,
        from: head.remote.as_ref().map(|r| r.address.ip().to_canonical().to_string()),
        action: format!("{} {}", route.method, route.template),
        target: shown(&head.path).chars().take(300).collect(),
        task_id: task.or_else(|| answer.as_ref().err().and_then(|f| f.header(&TASK_HEADER)).map(str::to_owned)),
        outcome: audit::outcome(status).into(),
        detail: Some(format!("status {status}, request {request_id}")),
    }
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

/// A method as metrics name it.
fn word(method: &Method) -> &str {
    match method.as_str() {
        known @ ("GET" | "HEAD" | "POST" | "PATCH" | "DELETE" | "OPTIONS" | "PUT") => known,
        _ => "other",
    }
}

fn count(method: &str, route: &str, status: StatusCode, began: Instant) {
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
