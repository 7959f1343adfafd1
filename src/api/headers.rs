//! Headers that answers have whatever they answer, and the answer to OPTIONS.

use warp::http::header::{self, HeaderName};
use warp::http::{HeaderMap, HeaderValue, Method, StatusCode};
use warp::reply::{Reply, Response};

use super::answer::{self, Answer, Failure};

/// The methods that the old service listed in every preflight.
const ALL_METHODS: &str = "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT";

/// Headers of every answer, where the handler has not said otherwise. Any origin may read, as in the old service: who one is is told by
/// a header that no browser sends by itself, so other sites' pages gain nothing by a visitor's browser.
const EVERYWHERE: [(HeaderName, &str); 6] = [
    (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
    (header::CACHE_CONTROL, "no-store"),
];

/// The answer to a handler's outcome, with the headers that all have.
pub(crate) fn settled(answer: Answer, request_id: &str, tls: bool) -> Response {
    let mut response = answer.unwrap_or_else(|failure: Failure| failure.into_response(request_id));
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::from_str(request_id) {
        headers.insert(HeaderName::from_static("x-request-id"), id);
    }
    for (name, value) in &EVERYWHERE {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    if tls {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000"));
    }
    response
}

/// The value of `Allow`.
pub(crate) fn allow(methods: &[Method]) -> String {
    let mut words: Vec<&str> = methods.iter().map(Method::as_str).collect();
    if methods.contains(&Method::GET) {
        words.push("HEAD");
    }
    words.push("OPTIONS");
    words.join(", ")
}

/// The answer to OPTIONS: an empty page, and for a browser's preflight what it wants to hear.
pub(crate) fn options(methods: &[Method], asked: &HeaderMap) -> Response {
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
