//! Logging in to and out of a Redfish service.
//!
//! *Source*: DSP0266, session management: POST of user and password to the collection that the service root links, which needs no
//! credentials; `X-Auth-Token` and `Location` of the answer.

use std::time::Duration;

use secrecy::SecretString;
use serde_json::json;

use super::circuit::Watch;
use super::error::{Cause, RedfishError};
use super::http::{Client, LOGIN_LIMIT, ROOT};
use super::session::{Login, Session};

/// The service root, with the slash as the specification has it.
const SERVICE_ROOT: &str = "/redfish/v1/";

/// The way in to one Pod Manager: a client that proves nothing, and the account.
pub(super) struct Door(pub(super) Client);

impl Door {
    pub(super) fn podm(&self) -> &str {
        self.0.podm()
    }

    /// The place of this process among those that have sessions there.
    pub(super) const fn watch(&self) -> &Watch {
        self.0.watch()
    }

    /// The error where only sessions are allowed and none is to be had.
    pub(super) fn without_session(&self, why: &str) -> RedfishError {
        let why = format!("no session (redfish.auth is \"session\"): {why}");
        self.0.error("GET", ROOT, Cause::Credentials(why))
    }
}

/// Logs in.
///
/// # Errors
/// Only credentials that the Pod Manager refuses.
pub(super) async fn log_in(door: &Door) -> Result<Login, RedfishError> {
    let client = &door.0;
    let looked = tokio::time::timeout(LOGIN_LIMIT, client.get(SERVICE_ROOT)).await;
    let root = match looked {
        Err(_) => return Ok(Login::Unknown),
        Ok(Ok(root)) => root,
        // A root that is closed to strangers, or not there: no Redfish login.
        Ok(Err(e)) if matches!(e.status(), Some(401 | 403 | 404)) => return Ok(Login::Without(e.to_string())),
        Ok(Err(_)) => return Ok(Login::Unknown),
    };
    let Ok(Some(link)) = root.link("Links/Sessions") else {
        return Ok(Login::Without("the service root links no sessions".into()));
    };
    let Some(body) = client.account().map(|a| {
        use secrecy::ExposeSecret;
        json!({ "UserName": a.username, "Password": a.password.expose_secret() })
    }) else {
        return Ok(Login::Without("there are no credentials".into()));
    };
    match client.post_for_token(&link, &body).await {
        Ok((Some(token), location)) => Ok(Login::Open(Session { token: SecretString::from(token), location })),
        Ok((None, _)) => Ok(Login::Without("the answer to the login has no token".into())),
        Err(e) if matches!(e.status(), Some(401 | 403)) => Err(e),
        Err(e) => Ok(Login::Without(e.to_string())),
    }
}

/// Logs out. That it fails is no matter: a sweep ends the session, or it ends by itself some day.
pub(super) async fn log_out(door: &Door, session: &Session, limit: Duration) {
    let Some(location) = &session.location else { return };
    match tokio::time::timeout(limit, door.0.delete_with(location, &session.token)).await {
        Ok(Ok(())) => door.watch().session_ended(location).await,
        Ok(Err(error)) => tracing::debug!(podm = door.podm(), %error, "not logged out"),
        Err(_) => tracing::debug!(podm = door.podm(), "the logout was not answered in time"),
    }
}
