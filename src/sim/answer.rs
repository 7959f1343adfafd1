//! An answer before it becomes HTTP: status, headers, body; and the Redfish error bodies.
//!
//! Handlers return an [`Answer`] and know nothing of hyper, so that a finished answer can also be kept by a task monitor.

use std::hash::{DefaultHasher, Hash, Hasher};

use bytes::Bytes;
use hyper::StatusCode;
use hyper::header::{ALLOW, ETAG, HeaderName, LOCATION, RETRY_AFTER, WWW_AUTHENTICATE};
use serde_json::{Value, json};

/// What an answer carries.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Payload {
    /// Nothing at all.
    Empty,
    /// A JSON value.
    Json(Value),
    /// These bytes, with their content type.
    Raw(&'static str, Bytes),
    /// So many bytes of filler, made as they are sent.
    Filler(u64),
}

/// One answer.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: Vec<(HeaderName, String)>,
    pub(super) payload: Payload,
}

impl Answer {
    /// An answer without a body.
    pub(super) fn empty(status: StatusCode) -> Self {
        Self { status, headers: Vec::new(), payload: Payload::Empty }
    }

    /// 204.
    pub(super) fn no_content() -> Self {
        Self::empty(StatusCode::NO_CONTENT)
    }

    /// A JSON answer.
    pub(super) fn json(status: StatusCode, value: Value) -> Self {
        Self { status, headers: Vec::new(), payload: Payload::Json(value) }
    }

    /// 200 with a resource, its ETag in the header and, unless it is a collection, in the body.
    pub(super) fn entity(mut value: Value) -> Self {
        let tag = etag(&value);
        if let Some(object) = value.as_object_mut()
            && !object.contains_key("Members")
        {
            object.insert("@odata.etag".to_owned(), Value::from(tag.as_str()));
        }
        Self::json(StatusCode::OK, value).with(ETAG, tag)
    }

    /// The same answer with one more header.
    pub(super) fn with(mut self, name: HeaderName, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// The value of a header set so far.
    pub(super) fn header(&self, name: &HeaderName) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// The same answer pointing somewhere.
    pub(super) fn located(self, location: String) -> Self {
        self.with(LOCATION, location)
    }

    /// A Redfish extended error with one message of the Base registry.
    pub(super) fn error(status: StatusCode, message_id: &str, message: &str) -> Self {
        let severity = if status.is_server_error() { "Critical" } else { "Warning" };
        let info = json!({
            "@odata.type": "#Message.v1_0_6.Message",
            "MessageId": format!("Base.1.4.{message_id}"),
            "Message": message,
            "MessageArgs": [],
            "Severity": severity,
            "Resolution": "None.",
        });
        let error = json!({
            "error": {
                "code": format!("Base.1.4.{message_id}"),
                "message": message,
                "@Message.ExtendedInfo": [info],
            }
        });
        Self::json(status, error)
    }

    /// 400 with a reason.
    pub(super) fn bad(message_id: &str, message: &str) -> Self {
        Self::error(StatusCode::BAD_REQUEST, message_id, message)
    }

    /// 404 for a path.
    pub(super) fn not_found(path: &str) -> Self {
        Self::error(StatusCode::NOT_FOUND, "ResourceMissingAtURI", &format!("There is no resource at {path}."))
    }

    /// 405 with the methods that would do.
    pub(super) fn not_allowed(allow: &str) -> Self {
        let text = format!("The method is not supported here; these are: {allow}.");
        Self::error(StatusCode::METHOD_NOT_ALLOWED, "OperationNotAllowed", &text).with(ALLOW, allow)
    }

    /// 409 with a reason.
    pub(super) fn conflict(message: &str) -> Self {
        Self::error(StatusCode::CONFLICT, "ResourceInUse", message)
    }

    /// 412: the resource is not what the client believes.
    pub(super) fn precondition() -> Self {
        let text = "The ETag given does not match the one of the resource.";
        Self::error(StatusCode::PRECONDITION_FAILED, "PreconditionFailed", text)
    }

    /// 401.
    pub(super) fn unauthorized() -> Self {
        let text = "There are no valid credentials in the request.";
        Self::error(StatusCode::UNAUTHORIZED, "NoValidSession", text).with(WWW_AUTHENTICATE, "Basic realm=\"podm-sim\"")
    }

    /// 503 with a time to come back.
    pub(super) fn unavailable(message_id: &str, message: &str, retry_after_s: u64) -> Self {
        Self::error(StatusCode::SERVICE_UNAVAILABLE, message_id, message).with(RETRY_AFTER, retry_after_s.to_string())
    }
}

/// A strong ETag of a resource's content.
pub(super) fn etag(value: &Value) -> String {
    let mut hasher = DefaultHasher::new();
    value.to_string().hash(&mut hasher);
    format!("\"{:016x}\"", hasher.finish())
}

/// Whether a tag is one of those in an `If-Match` or `If-None-Match` header; a weak mark is ignored.
pub(super) fn tag_listed(header: &str, tag: &str) -> bool {
    header.split(',').map(str::trim).any(|t| t == "*" || t.trim_start_matches("W/") == tag)
}
