//! Who asks, and what they may do: a bearer token of the file, a JWT of the identity provider, or a client certificate.
//!
//! A request that carries an `Authorization` header is judged by it alone; one that carries none is judged by the certificate its
//! connection was opened with. Nothing configured: everybody may do everything, and the server binds loopback only.

use std::sync::Arc;

use serde::Deserialize;
use warp::http::HeaderMap;
use warp::http::header::{AUTHORIZATION, WWW_AUTHENTICATE};

use super::ApiError;
use super::answer::Failure;
use super::call::Remote;
use super::jwt::Jwt;
use super::tokens::Tokens;
use crate::config::ApiConfig;
use crate::model::problem::Problem;
use crate::model::task::ANONYMOUS;
use crate::shutdown::Shutdown;

/// What is said to whoever proves nothing, and does not come with a JWT.
pub(super) const UNKNOWN: &str = "a known bearer token is wanted";

/// What a caller may do; each may do what the one before may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Role {
    /// Nothing is needed: health, the document, the version.
    Anyone,
    /// Read.
    Reader,
    /// Change nodes, flavors and tasks.
    Operator,
    /// Change Pod Managers, queues and schedules; read the audit log.
    Admin,
}

impl Role {
    /// The word in files, claims and answers; those that a caller can have.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Anyone => "anyone",
            Self::Reader => "reader",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }
}

/// Somebody who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Caller {
    pub(crate) name: String,
    pub(crate) role: Role,
}

impl Caller {
    /// Nobody in particular, who may do what `role` may.
    pub(crate) fn anonymous(role: Role) -> Self {
        Self { name: ANONYMOUS.into(), role }
    }
}

/// A request that is not admitted, and who asked when that is known.
pub(crate) struct Denied {
    pub(crate) caller: Option<Caller>,
    pub(crate) failure: Failure,
}

/// Every way to prove who one is.
pub(crate) struct Doors {
    tokens: Option<Tokens>,
    jwt: Option<Arc<Jwt>>,
}

impl Doors {
    /// Reads what is configured, and keeps it up to date until the stop.
    ///
    /// # Errors
    /// When a file cannot be used.
    pub(crate) fn open(config: &ApiConfig, shutdown: &Shutdown) -> Result<Self, ApiError> {
        let tokens = config.tokens_file.as_deref().map(|file| Tokens::keep(file, shutdown)).transpose()?;
        let jwt = if config.jwt.jwks.is_some() { Some(Jwt::keep(&config.jwt, shutdown)?) } else { None };
        Ok(Self { tokens, jwt })
    }

    /// The caller, when they may do what needs `role`.
    ///
    /// # Errors
    /// 401 when nobody known asks, 403 when they may not.
    pub(crate) async fn admit(
        &self,
        headers: &HeaderMap,
        remote: Option<&Remote>,
        role: Role,
    ) -> Result<Caller, Denied> {
        if self.tokens.is_none() && self.jwt.is_none() {
            return Ok(Caller::anonymous(Role::Admin));
        }
        if role == Role::Anyone {
            return Ok(Caller::anonymous(Role::Anyone));
        }
        let given = headers.contains_key(AUTHORIZATION);
        let caller = self.known(headers, remote).await.map_err(|why| {
            let challenge =
                if given { "Bearer realm=\"valence\", error=\"invalid_token\"" } else { "Bearer realm=\"valence\"" };
            Denied {
                caller: None,
                failure: Failure::from(Problem::unauthorized(why)).with(WWW_AUTHENTICATE, challenge),
            }
        })?;
        if caller.role < role {
            let (has, needs) = (caller.role.as_str(), role.as_str());
            let problem = Problem::forbidden(format!("{} has the role {has}, {needs} is needed", caller.name));
            return Err(Denied { caller: Some(caller), failure: problem.into() });
        }
        Ok(caller)
    }

    /// Who asks, or why that is not known.
    async fn known(&self, headers: &HeaderMap, remote: Option<&Remote>) -> Result<Caller, String> {
        let tokens = self.tokens.as_ref();
        if !headers.contains_key(AUTHORIZATION) {
            let subject = remote.and_then(|r| r.subject.as_deref());
            let caller = subject.and_then(|s| tokens?.of_certificate(s));
            return caller.ok_or_else(|| UNKNOWN.to_owned());
        }
        let given = bearer(headers).ok_or(UNKNOWN)?;
        match (tokens.and_then(|t| t.find(given)), &self.jwt) {
            (Some(caller), _) => Ok(caller),
            (None, Some(jwt)) => jwt.verify(given).await,
            (None, None) => Err(UNKNOWN.into()),
        }
    }
}

/// The token of exactly one `Authorization: Bearer …`.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut given = headers.get_all(AUTHORIZATION).iter();
    let (Some(only), None) = (given.next(), given.next()) else { return None };
    let (scheme, token) = only.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(values: &[&str]) -> HeaderMap {
        values.iter().map(|v| (AUTHORIZATION, v.parse().unwrap())).collect()
    }

    async fn status(doors: &Doors, given: &HeaderMap, subject: Option<&str>, role: Role) -> u16 {
        let remote = Remote { address: ([127, 0, 0, 1], 1).into(), subject: subject.map(Into::into), tls: true };
        doors.admit(given, Some(&remote), role).await.map_or_else(|d| d.failure.problem.status, |_| 200)
    }

    #[tokio::test]
    async fn only_one_known_proof_is_admitted_and_only_to_its_role() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("tokens.toml");
        let hex = super::super::tokens::hash_of("secret");
        let text = format!(
            "[[token]]\nname='t'\nrole='operator'\nsha256='{hex}'\n[[certificate]]\nname='c'\nrole='reader'\nsubject='CN=c'"
        );
        std::fs::write(&file, text).unwrap();
        let doors = Doors { tokens: Some(Tokens::read(&file).unwrap()), jwt: None };
        let (good, none) = (headers(&["bearer secret"]), HeaderMap::new());
        let remote = None;
        assert_eq!(doors.admit(&good, remote, Role::Operator).await.ok().unwrap().name, "t");
        assert_eq!(status(&doors, &good, None, Role::Admin).await, 403);
        for bad in [&[][..], &["Bearer wrong"], &["Basic secret"], &["Bearer secret", "Bearer secret"], &["secret"]] {
            assert_eq!(status(&doors, &headers(bad), None, Role::Reader).await, 401, "{bad:?}");
        }
        assert_eq!(status(&doors, &none, None, Role::Anyone).await, 200);
        assert_eq!(status(&doors, &none, Some("CN=c"), Role::Reader).await, 200);
        assert_eq!(status(&doors, &none, Some("CN=c"), Role::Operator).await, 403);
        assert_eq!(status(&doors, &none, Some("CN=d"), Role::Reader).await, 401);
        assert_eq!(status(&doors, &headers(&["Bearer wrong"]), Some("CN=c"), Role::Reader).await, 401);
    }
}
