//! One request and its answer, within limits.

use reqwest::header::HeaderMap;
use reqwest::{RequestBuilder, StatusCode};
use serde_json::Value;

use super::error::IronicError;
use crate::config::IronicConfig;

/// Longest text of a refusal that is handed on, characters.
const MOST_WORDS: usize = 1000;

/// Connections, and how much of an answer is read.
#[derive(Debug, Clone)]
pub(super) struct Http {
    pub(super) client: reqwest::Client,
    max_body_bytes: u64,
}

/// A success.
pub(super) struct Reply {
    pub(super) headers: HeaderMap,
    /// Null when there was none.
    pub(super) body: Value,
}

impl Http {
    pub(super) fn new(config: &IronicConfig) -> Result<Self, IronicError> {
        let mut builder = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .retry(reqwest::retry::never())
            .referer(false)
            .connect_timeout(config.connect_timeout.unsigned_abs())
            .timeout(config.request_timeout.unsigned_abs())
            .tls_danger_accept_invalid_certs(config.insecure)
            .user_agent(concat!("valence/", env!("CARGO_PKG_VERSION")));
        if let Some(file) = &config.ca {
            let bad = |why: String| IronicError::Setup(format!("ironic.ca: {}: {why}", file.display()));
            let pem = std::fs::read(file).map_err(|e| bad(e.to_string()))?;
            let authorities = reqwest::Certificate::from_pem_bundle(&pem).map_err(|e| bad(e.to_string()))?;
            builder = builder.tls_certs_merge(authorities);
        }
        let client = builder.build().map_err(|e| IronicError::Setup(e.to_string()))?;
        Ok(Self { client, max_body_bytes: config.max_body_bytes })
    }

    /// Sends it and reads the answer.
    ///
    /// # Cancel safety
    /// Dropped, it may have been sent.
    pub(super) async fn send(&self, request: RequestBuilder) -> Result<Reply, IronicError> {
        let mut response = request.send().await.map_err(failed)?;
        let (status, headers) = (response.status(), response.headers().clone());
        tracing::debug!(path = response.url().path(), status = status.as_u16(), "ironic");
        let mut bytes = Vec::new();
        // Once its status is seen a refusal is seen, however its body ends.
        let body = loop {
            match response.chunk().await {
                Ok(Some(chunk)) if (bytes.len() + chunk.len()) as u64 > self.max_body_bytes => {
                    break Err(IronicError::Malformed(format!(
                        "the answer is larger than {} bytes",
                        self.max_body_bytes
                    )));
                }
                Ok(Some(chunk)) => bytes.extend_from_slice(&chunk),
                Ok(None) => break Ok(serde_json::from_slice(&bytes).unwrap_or_default()),
                Err(error) => break Err(failed(error)),
            }
        };
        if status.is_success() {
            return Ok(Reply { headers, body: body? });
        }
        let detail = words(&body.unwrap_or_default()).unwrap_or_else(|| "no reason was given".into());
        Err(match status {
            StatusCode::UNAUTHORIZED => IronicError::Unauthorized(detail),
            _ => IronicError::Refused { status: status.as_u16(), detail },
        })
    }
}

/// What went wrong on the way, without the URL.
fn failed(error: reqwest::Error) -> IronicError {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(inner) = source {
        text = inner.to_string();
        source = inner.source();
    }
    match (error.is_connect(), error.is_timeout()) {
        (true, _) => IronicError::Unreachable(text),
        (false, true) => IronicError::Unanswered("no answer in time".into()),
        (false, false) => IronicError::Unanswered(text),
    }
}

/// The words of a refusal: Ironic's (`error_message`, an object or one in a text) or Keystone's (`error`).
fn words(body: &Value) -> Option<String> {
    let said = match &body["error_message"] {
        Value::String(text) => serde_json::from_str::<Value>(text)
            .ok()
            .and_then(|inner| inner["faultstring"].as_str().map(str::to_owned))
            .or_else(|| Some(text.clone())),
        inner => inner["faultstring"].as_str().map(str::to_owned),
    };
    let said = said.or_else(|| body["error"]["message"].as_str().map(str::to_owned))?;
    Some(said.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MOST_WORDS).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_words_of_a_refusal_are_found_in_every_form() {
        let text = json!({"error_message": "{\"faultcode\": \"Client\", \"faultstring\": \"a\", \"debuginfo\": null}"});
        assert_eq!(words(&text).unwrap(), "a");
        assert_eq!(words(&json!({"error_message": {"faultstring": "b"}})).unwrap(), "b");
        assert_eq!(words(&json!({"error_message": "c"})).unwrap(), "c");
        assert_eq!(words(&json!({"error": {"code": 401, "message": "d"}})).unwrap(), "d");
        assert_eq!(words(&json!("<html>")), None);
    }
}
