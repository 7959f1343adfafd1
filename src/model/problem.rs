//! The one shape of every error that leaves Valence: the five keys of the v1 API.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// An error as a client sees it, and as it is kept on a task. Plain values, so that an old task stays readable after an upgrade.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// Short word or phrase for programs, such as `Not Found` or a Pod Manager's own error code.
    pub code: String,
    /// One line for people, the same for all errors of a class.
    pub title: String,
    /// HTTP status.
    pub status: u16,
    /// What happened to this request.
    pub detail: String,
    /// Seconds after which it is worth while to ask again: a header of the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(ignore)]
    pub retry_after_s: Option<u64>,
}

impl Problem {
    fn of(status: u16, code: &str, title: &str, detail: impl Into<String>) -> Self {
        Self { code: code.into(), title: title.into(), status, detail: detail.into(), retry_after_s: None }
    }

    /// The same, worth asking again after so long.
    #[must_use]
    pub fn again_after(mut self, time: std::time::Duration) -> Self {
        self.retry_after_s = Some(time.as_secs() + 1);
        self
    }

    /// A Pod Manager's refusal, with its own words.
    pub fn podm(status: u16, code: &str, title: &str, detail: impl Into<String>) -> Self {
        Self::of(if (400..600).contains(&status) { status } else { 500 }, code, title, detail)
    }

    /// 400: the request breaks its schema.
    pub fn validation(detail: impl Into<String>) -> Self {
        Self::of(400, "Bad Request", "Validation Error", detail)
    }

    /// 400: the request is well formed but cannot be.
    pub fn bad_request(detail: impl Into<String>) -> Self {
        Self::of(400, "Bad Request", "Bad Request", detail)
    }

    /// 401.
    pub fn unauthorized(detail: impl Into<String>) -> Self {
        Self::of(401, "Unauthorized", "Authorization Error", detail)
    }

    /// 403: known, but not allowed.
    pub fn forbidden(detail: impl Into<String>) -> Self {
        Self::of(403, "Forbidden", "Forbidden", detail)
    }

    /// 404.
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::of(404, "Not Found", "Resource could not be found", detail)
    }

    /// 404: no such Pod Manager driver.
    pub fn unknown_driver(detail: impl Into<String>) -> Self {
        Self::of(404, "Not Found", "Unsupported Driver Specified", detail)
    }

    /// 405.
    pub fn method_not_allowed(detail: impl Into<String>) -> Self {
        Self::of(405, "MethodNotAllowed", "MethodNotAllowed", detail)
    }

    /// 409: the state of the resource forbids it.
    pub fn conflict(detail: impl Into<String>) -> Self {
        Self::of(409, "Conflict", "Conflict", detail)
    }

    /// 409: there is one already.
    pub fn exists(detail: impl Into<String>) -> Self {
        Self::of(409, "Conflict", "Resource Already Exists", detail)
    }

    /// 413.
    pub fn too_large(detail: impl Into<String>) -> Self {
        Self::of(413, "Payload Too Large", "Payload Too Large", detail)
    }

    /// 415.
    pub fn unsupported_media_type(detail: impl Into<String>) -> Self {
        Self::of(415, "Unsupported Media Type", "Unsupported Media Type", detail)
    }

    /// 422: an Idempotency-Key seen before, with another request.
    pub fn unprocessable(detail: impl Into<String>) -> Self {
        Self::of(422, "Unprocessable Content", "Unprocessable Content", detail)
    }

    /// 429: the caller asks too often, or for too much at once.
    pub fn too_many_requests(detail: impl Into<String>) -> Self {
        Self::of(429, "Too Many Requests", "Too Many Requests", detail)
    }

    /// 500, for a caller who may not see more.
    pub fn internal(detail: impl Into<String>) -> Self {
        Self::of(500, "Internal Server Error", "An unknown exception occured", detail)
    }

    /// 502: the Pod Manager answered something that cannot be used.
    pub fn bad_gateway(detail: impl Into<String>) -> Self {
        Self::of(502, "Bad Gateway", "Bad Gateway", detail)
    }

    /// 503.
    pub fn unavailable(detail: impl Into<String>) -> Self {
        Self::of(503, "Service Unavailable", "Connection Error", detail)
    }

    /// 504.
    pub fn timeout(detail: impl Into<String>) -> Self {
        Self::of(504, "Gateway Timeout", "Gateway Timeout", detail)
    }
}
