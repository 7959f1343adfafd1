//! The Pod Manager's own words about a refusal: Redfish's `error` object with its extended information.
//!
//! *Source*: DSP0266 (error responses) and the v1 API's rule which part becomes which key.

use std::time::Duration;

use serde_json::Value;

/// Longest text that is taken over from a Pod Manager, characters.
const MAX_CHARS: usize = 2_000;

/// A refusal.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Refusal {
    /// HTTP status.
    pub status: u16,
    /// What `Retry-After` asked for.
    pub retry_after: Option<Duration>,
    /// Its `error.code`, or the status's own words.
    pub code: String,
    /// Its `error.message`, or the status's own words.
    pub title: String,
    /// Every extended message, joined by a space; else its message, whatever else it sent, or the status's own words.
    pub detail: String,
    /// Whether the detail is Redfish's error in the Pod Manager's words, and says by itself what it is about.
    pub said: bool,
}

impl Refusal {
    /// Reads a refusal's body, whatever it is.
    #[must_use]
    pub fn read(status: u16, retry_after: Option<Duration>, body: &Value) -> Self {
        let words = reqwest::StatusCode::from_u16(status).ok().and_then(|s| s.canonical_reason()).unwrap_or("Error");
        // An ExpEther Manager has code and message without an object around them.
        let error = if body["error"].is_null() { body } else { &body["error"] };
        let messages = messages(&error["@Message.ExtendedInfo"]);
        let text = |v: &Value| v.as_str().filter(|s| !s.is_empty()).map(cut);
        let title = text(&error["message"]);
        let said = if messages.is_empty() { title.clone() } else { Some(cut(&messages)) };
        Self {
            status,
            retry_after,
            code: text(&error["code"]).unwrap_or_else(|| words.to_owned()),
            title: title.unwrap_or_else(|| words.to_owned()),
            said: said.is_some(),
            detail: said.or_else(|| text(body)).unwrap_or_else(|| words.to_owned()),
        }
    }
}

/// All messages of an extended information: an array, one object, or nothing.
fn messages(info: &Value) -> String {
    let one = |item: &Value| item["Message"].as_str().or_else(|| item["message"].as_str()).map(str::to_owned);
    match info {
        Value::Array(items) => items.iter().filter_map(one).collect::<Vec<_>>().join(" "),
        item => one(item).unwrap_or_default(),
    }
}

fn cut(text: &str) -> String {
    text.chars().take(MAX_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn all_extended_messages_are_told() {
        let body = json!({"error": {"code": "Base.1.0.ResourcesStateMismatch", "message": "Conflict during allocation",
            "@Message.ExtendedInfo": [{"Message": "No computer system fits."}, {"Message": "available: 0"}]}});
        let refusal = Refusal::read(409, None, &body);
        assert_eq!(refusal.code, "Base.1.0.ResourcesStateMismatch");
        assert_eq!(refusal.title, "Conflict during allocation");
        assert_eq!((refusal.detail.as_str(), refusal.said), ("No computer system fits. available: 0", true));
    }

    #[test]
    fn a_body_that_says_nothing_still_makes_an_error_that_does() {
        for body in [Value::Null, json!([]), json!({"error": 5}), json!({"error": {"@Message.ExtendedInfo": {}}})] {
            let refusal = Refusal::read(500, None, &body);
            assert_eq!(refusal.code, "Internal Server Error");
            assert_eq!((refusal.detail.as_str(), refusal.said), ("Internal Server Error", false));
        }
        let page = Refusal::read(400, None, &json!("no"));
        assert_eq!((page.detail.as_str(), page.said), ("no", false));
    }

    #[test]
    fn an_error_need_not_stand_in_an_object() {
        let refusal = Refusal::read(404, None, &json!({"code": "40400", "message": "no such device"}));
        assert_eq!((refusal.code.as_str(), refusal.detail.as_str()), ("40400", "no such device"));
    }

    #[test]
    fn one_message_need_not_stand_in_an_array() {
        let body = json!({"error": {"@Message.ExtendedInfo": {"Message": "alone"}}});
        assert_eq!(Refusal::read(400, None, &body).detail, "alone");
    }
}
