//! `/redfish/v1/SessionService`, and who a request comes from: Basic credentials or a session's token.
//!
//! Sessions are few and end after a time without use, as on a real BMC, where clients that forget to log out fill the table.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine as _;
use hyper::header::{AUTHORIZATION, HeaderName};
use hyper::{Method, StatusCode};
use serde_json::{Value, json};

use super::answer::Answer;
use super::call::Call;
use super::config::SimConfig;
use super::view::{View, collection, link, ok, resource, with};

const PATH: &str = "/redfish/v1/SessionService";
const TOKEN: HeaderName = HeaderName::from_static("x-auth-token");

#[derive(Debug)]
struct Session {
    token: String,
    used_ms: u64,
}

/// The open sessions of a PODM.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    last: u64,
    open: BTreeMap<u64, Session>,
}

impl Sessions {
    /// Forgets the sessions that were not used for too long.
    fn expire(&mut self, now_ms: u64, timeout: Duration) {
        let timeout_ms = u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX);
        self.open.retain(|_, s| s.used_ms.saturating_add(timeout_ms) > now_ms);
    }

    /// Whether a token is that of an open session, which is used by this.
    fn uses(&mut self, token: &str, now_ms: u64, timeout: Duration) -> bool {
        self.expire(now_ms, timeout);
        match self.open.values_mut().find(|s| s.token == token) {
            Some(session) => {
                session.used_ms = now_ms;
                true
            }
            None => false,
        }
    }
}

/// The user a request comes from, if its credentials are right.
pub(super) fn user_of(call: &Call, config: &SimConfig, sessions: &mut Sessions, now_ms: u64) -> Option<String> {
    let by_token = call.header(&TOKEN).is_some_and(|token| sessions.uses(token, now_ms, config.session_timeout));
    (by_token || is_basic(call, config)).then(|| config.user.clone())
}

fn is_basic(call: &Call, config: &SimConfig) -> bool {
    let Some((scheme, encoded)) = call.header(&AUTHORIZATION).and_then(|h| h.split_once(' ')) else { return false };
    let decoded = base64::engine::general_purpose::STANDARD.decode(encoded.trim()).unwrap_or_default();
    scheme.eq_ignore_ascii_case("basic") && decoded == format!("{}:{}", config.user, config.password).into_bytes()
}

/// Answers below `SessionService`.
pub(super) fn answer(view: &mut View<'_>, rest: &[&str]) -> Answer {
    view.state.sessions.expire(view.now_ms, view.config.session_timeout);
    match rest {
        [] => view.read(service(view.config)),
        ["Sessions"] | ["Sessions", "Members"] if view.call.method == Method::POST => {
            log_in(view).unwrap_or_else(|refusal| refusal)
        }
        ["Sessions"] if view.call.is_read() => {
            let all = view.state.sessions.open.keys().map(|n| format!("{PATH}/Sessions/{n}"));
            view.entity(collection(&format!("{PATH}/Sessions"), "SessionCollection", "Sessions", all))
        }
        ["Sessions"] => Answer::not_allowed("GET, HEAD, POST"),
        ["Sessions", id] => {
            let key = id.parse::<u64>().ok().filter(|n| n.to_string() == *id);
            match key.filter(|n| view.state.sessions.open.contains_key(n)) {
                None => view.missing(),
                Some(n) if view.call.method == Method::DELETE => {
                    view.state.sessions.open.remove(&n);
                    Answer::no_content()
                }
                Some(n) if view.call.is_read() => view.entity(session(n, &view.config.user)),
                Some(_) => Answer::not_allowed("GET, HEAD, DELETE"),
            }
        }
        _ => view.missing(),
    }
}

fn service(config: &SimConfig) -> Value {
    with(
        resource(PATH, "SessionService.v1_1_0.SessionService", "SessionService", "Session Service"),
        json!({
            "Status": ok(),
            "ServiceEnabled": true,
            "SessionTimeout": config.session_timeout.as_secs().max(1),
            "Sessions": link(format!("{PATH}/Sessions")),
        }),
    )
}

fn session(id: u64, user: &str) -> Value {
    let path = format!("{PATH}/Sessions/{id}");
    let base = resource(&path, "Session.v1_1_0.Session", &id.to_string(), &format!("Session {id}"));
    with(base, json!({ "UserName": user }))
}

fn log_in(view: &mut View<'_>) -> Result<Answer, Answer> {
    let body = view.call.object()?;
    let text = |key: &str| {
        let missing = || Answer::bad("PropertyMissing", &format!("{key} is missing or not a string."));
        body.get(key).and_then(Value::as_str).ok_or_else(missing)
    };
    if text("UserName")? != view.config.user || text("Password")? != view.config.password {
        return Err(Answer::unauthorized());
    }
    if view.state.sessions.open.len() >= view.config.max_sessions {
        let text = "There are as many sessions open as there can be.";
        return Err(Answer::unavailable("SessionLimitExceeded", text, 30));
    }
    let id = view.state.sessions.last + 1;
    let token = uuid::Uuid::new_v4().simple().to_string();
    view.state.sessions.last = id;
    view.state.sessions.open.insert(id, Session { token: token.clone(), used_ms: view.now_ms });
    let body = session(id, &view.config.user);
    let location = view.location(&format!("{PATH}/Sessions/{id}"));
    Ok(Answer::json(StatusCode::CREATED, body).located(location).with(TOKEN, token))
}
