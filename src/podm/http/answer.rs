//! Reading an answer: with a counter, to JSON, refusals without our secrets.

use std::time::Duration;

use reqwest::Response;
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, LOCATION};
use secrecy::ExposeSecret;
use serde_json::Value;

use super::{Answer, Auth, Client, header, wait_of};
use crate::podm::error::{Cause, RedfishError};
use crate::podm::extended::Refusal;
use crate::podm::quirks;

/// What an answer says it is, for the error that it is something else: a compressed one, or a page.
pub(super) fn sort_of(headers: &HeaderMap) -> String {
    let said = header(headers, &CONTENT_ENCODING).or_else(|| header(headers, &CONTENT_TYPE));
    said.map(|said| format!(" ({})", said.chars().take(100).collect::<String>())).unwrap_or_default()
}

impl Client {
    /// Judges the answer to a change. Once its status is seen the answer is seen: a body that breaks off is no body.
    pub(super) async fn answer(
        &self,
        name: &'static str,
        path: &str,
        response: Response,
    ) -> Result<Answer, RedfishError> {
        let (status, retry_after) = (response.status().as_u16(), wait_of(response.headers()));
        let location = header(response.headers(), &LOCATION);
        self.no_redirect(name, path, &response)?;
        let body = self.body(name, path, response).await.unwrap_or_default();
        let status = quirks::hidden_status(&body).unwrap_or(status);
        if !(200..300).contains(&status) {
            return Err(self.refused(name, path, status, retry_after, &body));
        }
        let location = location.and_then(|l| self.resolve(&l).ok());
        Ok(Answer { status, location, retry_after, body })
    }

    /// Redirects are not followed: credentials and changes go where the record says. The error says where it leads.
    pub(super) fn no_redirect(&self, name: &'static str, path: &str, response: &Response) -> Result<(), RedfishError> {
        let target = header(response.headers(), &LOCATION).filter(|_| response.status().is_redirection());
        let Some(target) = target else { return Ok(()) };
        let (status, target) = (response.status().as_u16(), self.without_secrets(&target));
        let target: String = target.chars().take(300).collect();
        let why = format!("answered {status}: it leads to '{target}', and redirects are not followed");
        Err(self.error(name, path, Cause::Malformed(why)))
    }

    pub(super) async fn body(&self, name: &'static str, path: &str, response: Response) -> Result<Value, RedfishError> {
        let bytes = self.bytes(name, path, response).await?;
        if bytes.is_empty() {
            return Ok(Value::Null);
        }
        // Some begin with a byte order mark, which RFC 8259 allows to be ignored.
        let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
        Ok(serde_json::from_slice(text).unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&bytes).into_owned())))
    }

    pub(in crate::podm) async fn bytes(
        &self,
        name: &'static str,
        path: &str,
        mut response: Response,
    ) -> Result<Vec<u8>, RedfishError> {
        let (mut bytes, asked) = (Vec::new(), self.watch.asking());
        loop {
            let chunk = match self.unless_cut(response.chunk()).await {
                Ok(Some(chunk)) => chunk,
                Ok(None) => break,
                Err(cause) => {
                    asked.failed(&cause).await;
                    return Err(self.error(name, path, cause));
                }
            };
            if (bytes.len() + chunk.len()) as u64 > self.max_body_bytes {
                asked.done();
                return Err(self.error(name, path, Cause::TooLarge(self.max_body_bytes)));
            }
            bytes.extend_from_slice(&chunk);
        }
        asked.done();
        Ok(bytes)
    }

    /// The error of an answer that is a refusal, without our secrets.
    pub(in crate::podm) fn refused(
        &self,
        name: &'static str,
        path: &str,
        status: u16,
        retry_after: Option<Duration>,
        body: &Value,
    ) -> RedfishError {
        let mut refusal = Refusal::read(status, retry_after, body);
        for text in [&mut refusal.code, &mut refusal.title, &mut refusal.detail] {
            *text = self.without_secrets(text);
        }
        self.error(name, path, Cause::Refused(Box::new(refusal)))
    }

    /// A Pod Manager that repeats what it was sent must not put the password, or a session's token, into our errors.
    fn without_secrets(&self, text: &str) -> String {
        use base64::Engine;
        let token = if let Auth::Session(slot) = &self.auth { slot.token() } else { None };
        let text = token.map_or_else(|| text.to_owned(), |t| text.replace(t.expose_secret(), crate::model::podm::MASK));
        let Some(account) = &self.account else { return text };
        let password = account.password.expose_secret();
        if password.is_empty() {
            return text;
        }
        let header = base64::engine::general_purpose::STANDARD.encode(format!("{}:{password}", account.username));
        text.replace(&header, crate::model::podm::MASK).replace(password, crate::model::podm::MASK)
    }
}
