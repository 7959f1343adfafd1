//! One request after its body was read, independent of the connection it came on.

use hyper::header::{HOST, HeaderName};
use hyper::{HeaderMap, Method};
use serde_json::Value;

use super::answer::Answer;

/// A request.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) query: Option<String>,
    pub(super) headers: HeaderMap,
    pub(super) body: Sent,
}

/// The body of a request.
#[derive(Debug, Clone)]
pub(super) enum Sent {
    /// None was sent.
    Nothing,
    /// JSON.
    Json(Value),
    /// Something else.
    Garbage,
}

impl Sent {
    /// Reads the bytes of a body.
    pub(super) fn parse(bytes: &[u8]) -> Self {
        if bytes.iter().all(u8::is_ascii_whitespace) {
            return Self::Nothing;
        }
        serde_json::from_slice(bytes).map_or(Self::Garbage, Self::Json)
    }
}

impl Call {
    /// The parts of the path, so that doubled and trailing slashes do not matter.
    pub(super) fn segments(&self) -> Vec<&str> {
        self.path.split('/').filter(|s| !s.is_empty()).collect()
    }

    /// Whether it is a GET or HEAD.
    pub(super) fn is_read(&self) -> bool {
        matches!(self.method, Method::GET | Method::HEAD)
    }

    /// A header as text.
    pub(super) fn header(&self, name: &HeaderName) -> Option<&str> {
        self.headers.get(name).and_then(|v| v.to_str().ok())
    }

    /// The first value of a query parameter.
    pub(super) fn param(&self, name: &str) -> Option<String> {
        let query = self.query.as_deref().unwrap_or_default();
        url::form_urlencoded::parse(query.as_bytes()).find(|(k, _)| k == name).map(|(_, v)| v.into_owned())
    }

    /// A path as the client would reach it, or as it is.
    pub(super) fn locate(&self, path: &str, as_path: bool) -> String {
        match self.header(&HOST).filter(|_| !as_path) {
            Some(host) => format!("http://{host}{path}"),
            None => path.to_owned(),
        }
    }

    /// The body as a JSON object.
    ///
    /// # Errors
    /// The 400 to answer when it is missing, no JSON, or no object.
    pub(super) fn object(&self) -> Result<&serde_json::Map<String, Value>, Answer> {
        match &self.body {
            Sent::Json(Value::Object(object)) => Ok(object),
            Sent::Nothing => Err(Answer::bad("MalformedJSON", "The request needs a body with a JSON object.")),
            _ => Err(Answer::bad("MalformedJSON", "The body of the request is not a JSON object.")),
        }
    }
}
