//! A request's body: read whole, counted as it comes, so that a missing or false Content-Length changes nothing.

use std::pin::Pin;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use futures_util::{Stream, StreamExt};
use serde_json::Value;
use warp::http::HeaderMap;
use warp::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, EXPECT};

use super::{answer, json};
use crate::model::problem::Problem;

/// Longest time a client may take to send its body.
const READ_LIMIT: Duration = Duration::from_secs(10);
/// Most bytes of a body, and longest time, that are spent on what nobody wants: many clients look for an answer only when all is sent.
const MOST_SKIPPED: u64 = 1024 * 1024;
const SKIP_LIMIT: Duration = Duration::from_millis(500);

/// A body that is on its way.
pub(crate) struct Incoming<S> {
    stream: Pin<Box<S>>,
    /// What its Content-Length says.
    length: Option<u64>,
    /// Its client sends it only when it is told to, which reading it does.
    awaits: bool,
}

impl<S, B> Incoming<S>
where
    S: Stream<Item = Result<B, warp::Error>>,
    B: Buf,
{
    pub(crate) fn new(stream: S, headers: &HeaderMap) -> Self {
        let length = headers.get(CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse().ok());
        Self { stream: Box::pin(stream), length, awaits: headers.contains_key(EXPECT) }
    }

    /// Reads it, at most `most` bytes.
    ///
    /// # Errors
    /// 413, 408, or 400 when the connection broke off.
    pub(crate) async fn read(&mut self, most: u64) -> Result<Bytes, Problem> {
        let too_large = || Problem::too_large(format!("a body may have {most} bytes"));
        if self.awaits && self.length.is_some_and(|length| length > most) {
            return Err(too_large());
        }
        self.awaits = false;
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let gather = async {
            let mut all = BytesMut::new();
            while let Some(part) = self.stream.next().await {
                let broken = "the body broke off, or is not framed as it must be";
                let mut part = part.map_err(|_| answer::framework(400, "BadRequest", broken))?;
                if all.len() + part.remaining() > most {
                    return Err(too_large());
                }
                while part.has_remaining() {
                    let chunk = part.chunk();
                    all.extend_from_slice(chunk);
                    let read = chunk.len();
                    part.advance(read);
                }
            }
            Ok(all.freeze())
        };
        match tokio::time::timeout(READ_LIMIT, gather).await {
            Ok(read) => read,
            Err(_) => Err(answer::framework(408, "RequestTimeout", "the body did not arrive in time")),
        }
    }

    /// Reads and forgets what nobody wanted, when it is little, so that the connection can be used again; whether it can.
    pub(crate) async fn skip(&mut self) -> bool {
        if self.awaits {
            return false;
        }
        let rest = async {
            let mut skipped = 0;
            while let Some(part) = self.stream.next().await {
                let Ok(part) = part else { return false };
                skipped += part.remaining() as u64;
                if skipped > MOST_SKIPPED {
                    return false;
                }
            }
            true
        };
        tokio::time::timeout(SKIP_LIMIT, rest).await.unwrap_or(false)
    }
}

/// The JSON of a body; `None` when there is none, or when its content type says that it is something else.
///
/// # Errors
/// 400 when it says JSON and is not; 415 when it is compressed.
pub(crate) fn json(headers: &HeaderMap, body: &[u8]) -> Result<Option<Value>, Problem> {
    let encoding = headers.get(CONTENT_ENCODING).and_then(|v| v.to_str().ok()).unwrap_or("identity");
    if !encoding.eq_ignore_ascii_case("identity") && !body.is_empty() {
        return Err(Problem::unsupported_media_type("bodies are read as they are, without Content-Encoding"));
    }
    if !says_json(headers) || body.is_empty() {
        return Ok(None);
    }
    json::read(body)
        .map(Some)
        .map_err(|error| answer::framework(400, "BadRequest", &format!("the body is not JSON: {error}")))
}

fn says_json(headers: &HeaderMap) -> bool {
    let Some(kind) = headers.get(CONTENT_TYPE).and_then(|v| v.to_str().ok()) else { return false };
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json"))
}

/// What v1 said when a body is needed and there is none.
pub(crate) fn absent() -> Problem {
    Problem::validation("None is not of type 'object'")
}
