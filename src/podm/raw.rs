//! Requests that are passed on to a Pod Manager as they are, under the same limits, guard, session and lease as every other.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use reqwest::Method;
use reqwest::header::LOCATION;
use serde_json::Value;

use super::error::RedfishError;
use super::http::{Client, Request};
use crate::model::params::RawMethod;

/// Headers of an answer that are not passed on: those of one connection or one server, and those of our own log-in.
const NOT_PASSED: [&str; 18] = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "content-length",
    "set-cookie",
    "x-auth-token",
    "www-authenticate",
    "authorization",
    "strict-transport-security",
    "alt-svc",
    "clear-site-data",
    "server",
    "date",
];

/// An answer to a request that was passed on.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct RawAnswer {
    /// Its status.
    pub status: u16,
    /// Its headers.
    pub headers: Vec<(String, String)>,
    /// Its body; in base64 when it is no text.
    pub body: String,
    /// Whether it is no text.
    #[serde(default)]
    pub base64: bool,
}

impl Client {
    /// Sends a request as it is and hands back whatever is answered. `path` stands below the service root.
    ///
    /// # Errors
    /// Whatever keeps an answer from coming; as [`Client::change`] for what that means.
    ///
    /// # Cancel safety
    /// As [`Client::change`].
    pub async fn raw(&self, method: RawMethod, path: &str, body: Option<&Value>) -> Result<RawAnswer, RedfishError> {
        let path = self.resolve(path)?;
        let name = method.as_str();
        let sent = match method {
            RawMethod::Get => Method::GET,
            RawMethod::Post => Method::POST,
            RawMethod::Patch => Method::PATCH,
            RawMethod::Delete => Method::DELETE,
        };
        let response = self.send(Request { method: sent, name, path: &path, body, version: None }).await?;
        let status = response.status().as_u16();
        let headers = response
            .headers()
            .iter()
            .filter(|(name, _)| !NOT_PASSED.contains(&name.as_str()) && !name.as_str().starts_with("access-control-"))
            // A client that follows a `Location` to another host would be led there by us.
            .filter(|(name, value)| *name != LOCATION || value.to_str().is_ok_and(|l| self.resolve(l).is_ok()))
            .filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned())))
            .collect();
        let bytes = self.bytes(name, &path, response).await?;
        let (body, base64) = match String::from_utf8(bytes) {
            Ok(text) => (text, false),
            Err(error) => (BASE64.encode(error.as_bytes()), true),
        };
        Ok(RawAnswer { status, headers, body, base64 })
    }
}
