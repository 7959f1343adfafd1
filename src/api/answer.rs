//! What goes back to a client: JSON, or an error in the five keys of the v1 API.

use serde::Serialize;
use serde_json::json;
use warp::http::StatusCode;
use warp::http::header::{self, HeaderName, HeaderValue};
use warp::reply::{Reply, Response};

use crate::model::problem::Problem;
use crate::store::StoreError;
use crate::store::submit::SubmitError;

/// Seconds after which a client may ask again when something is away.
const RETRY_AFTER_S: u64 = 2;

/// What a handler returns.
pub(crate) type Answer = Result<Response, Failure>;

/// Why a request is not answered as it hoped.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    pub(crate) problem: Problem,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Failure {
    /// The same with one more header. A value that cannot stand in a header is left out.
    pub(crate) fn with(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.push((name, value));
        }
        self
    }

    /// A header's text.
    pub(crate) fn header(&self, name: &HeaderName) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).and_then(|(_, value)| value.to_str().ok())
    }

    /// The response, in five keys.
    pub(crate) fn into_response(self, request_id: &str) -> Response {
        let Problem { code, title, status, detail, .. } = self.problem;
        let body = json!({"request_id": request_id, "code": code, "status": status, "title": title, "detail": detail});
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = warp::reply::with_status(warp::reply::json(&body), status).into_response();
        response.headers_mut().extend(self.headers);
        response
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        let after = problem.retry_after_s.or((problem.status == 503).then_some(RETRY_AFTER_S));
        let failure = Self { problem, headers: Vec::new() };
        match after {
            Some(after) => failure.with(header::RETRY_AFTER, &after.to_string()),
            None => failure,
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(_) | StoreError::Full | StoreError::Stopping => {
                tracing::debug!(error = ?error, "answering 503");
                Problem::unavailable(error.to_string()).into()
            }
            StoreError::Refused(_) | StoreError::Corrupt { .. } => {
                tracing::error!(error = ?error, "answering 500");
                Problem::internal(error.to_string()).into()
            }
        }
    }
}

impl From<SubmitError> for Failure {
    fn from(error: SubmitError) -> Self {
        match error {
            SubmitError::Refused(problem) => problem.into(),
            SubmitError::Store(error) => error.into(),
        }
    }
}

/// 200 with a JSON body.
pub(crate) fn ok<T: Serialize>(body: &T) -> Response {
    with_status(StatusCode::OK, body)
}

/// A JSON body under some status.
pub(crate) fn with_status<T: Serialize>(status: StatusCode, body: &T) -> Response {
    warp::reply::with_status(warp::reply::json(body), status).into_response()
}

/// 204, no body.
pub(crate) fn empty() -> Response {
    StatusCode::NO_CONTENT.into_response()
}

/// Adds a header; a value that cannot stand in one is left out.
pub(crate) fn set_header(response: &mut Response, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

/// An error that the old service's web framework raised: word and title are one, the detail begins with the status.
pub(crate) fn framework(status: u16, word: &str, detail: &str) -> Problem {
    let phrase = StatusCode::from_u16(status).ok().and_then(|s| s.canonical_reason()).unwrap_or(word);
    let detail = format!("{status} {phrase}: {detail}");
    Problem { code: word.into(), title: word.into(), status, detail, retry_after_s: None }
}

/// 404 for a path that is not served.
pub(crate) fn no_such_path() -> Problem {
    framework(404, "NotFound", "nothing is served under this path")
}

/// A parameter of the path or the query that is not what it must be.
pub(crate) fn bad_field(name: &str, value: &str, why: &str) -> Problem {
    let shown: String = value.chars().take(100).collect();
    Problem::validation(format!("Invalid input for field/attribute '{name}' Value: '{shown}'. {why}"))
}
