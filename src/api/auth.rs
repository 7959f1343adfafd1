//! Who asks, and what they may do: bearer tokens from a file, hashed at rest, compared in constant time.
//!
//! The file is TOML (or JSON of the same shape):
//!
//! ```toml
//! [[token]]
//! name = "terraform"
//! role = "operator"            # reader | operator | admin
//! sha256 = "2c26b46b68ffc68f…" # of the token: printf %s "$TOKEN" | sha256sum
//! ```

use std::path::Path;

use aws_lc_rs::digest::{SHA256, digest};
use serde::Deserialize;
use subtle::{Choice, ConstantTimeEq};
use warp::http::HeaderMap;
use warp::http::header::{AUTHORIZATION, WWW_AUTHENTICATE};

use super::ApiError;
use super::answer::Failure;
use crate::model::problem::Problem;
use crate::model::task::ANONYMOUS;

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
    /// Change Pod Managers, queues and schedules.
    Admin,
}

/// The tokens that are known; `None`: everybody may do everything.
pub(crate) struct Tokens(Option<Vec<Token>>);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(alias = "tokens")]
    token: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: String,
    role: Role,
    sha256: String,
}

struct Token {
    name: String,
    role: Role,
    hash: [u8; 32],
}

impl Tokens {
    /// Reads the file, when there is one.
    ///
    /// # Errors
    /// When it cannot be read or says something that is not understood.
    pub(crate) fn read(file: Option<&Path>) -> Result<Self, ApiError> {
        let Some(file) = file else { return Ok(Self(None)) };
        let fail = |why: String| ApiError::Tokens { file: file.display().to_string(), why };
        let text = std::fs::read_to_string(file).map_err(|e| fail(e.to_string()))?;
        let parsed: File = if text.trim_start().starts_with('{') {
            serde_json::from_str(&text).map_err(|e| fail(e.to_string()))?
        } else {
            toml::from_str(&text).map_err(|e| fail(e.to_string()))?
        };
        let tokens: Option<Vec<Token>> = parsed
            .token
            .into_iter()
            .map(|e| Some(Token { hash: unhex(&e.sha256)?, name: e.name, role: e.role }))
            .collect();
        let tokens = tokens.ok_or_else(|| fail("a sha256 is not 64 hexadecimal digits".into()))?;
        if tokens.is_empty() || tokens.iter().any(|t| t.name.is_empty() || t.role == Role::Anyone) {
            return Err(fail("at least one token, each with a name and the role reader, operator or admin".into()));
        }
        Ok(Self(Some(tokens)))
    }

    /// The caller's name and role, when the caller may do what needs `role`.
    ///
    /// # Errors
    /// 401 when nobody known asks, 403 when they may not.
    pub(crate) fn admit(&self, headers: &HeaderMap, role: Role) -> Result<(String, Role), Failure> {
        let Some(tokens) = &self.0 else { return Ok((ANONYMOUS.into(), Role::Admin)) };
        if role == Role::Anyone {
            return Ok((ANONYMOUS.into(), Role::Anyone));
        }
        let known = bearer(headers).and_then(|token| find(tokens, token));
        let Some(known) = known else {
            let problem = Problem::unauthorized("a known bearer token is wanted");
            return Err(Failure::from(problem).with(WWW_AUTHENTICATE, "Bearer realm=\"valence\""));
        };
        if known.role < role {
            let detail = format!("token {} has the role {:?}, {role:?} is needed", known.name, known.role);
            return Err(Problem::forbidden(detail.to_lowercase()).into());
        }
        Ok((known.name.clone(), known.role))
    }
}

/// The token of exactly one `Authorization: Bearer …`.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut given = headers.get_all(AUTHORIZATION).iter();
    let (Some(only), None) = (given.next(), given.next()) else { return None };
    let (scheme, token) = only.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Looks at every token, so that the time taken says nothing.
fn find<'t>(tokens: &'t [Token], given: &str) -> Option<&'t Token> {
    let hash = digest(&SHA256, given.as_bytes());
    let mut found = None;
    for token in tokens {
        let same: Choice = token.hash.ct_eq(hash.as_ref());
        if bool::from(same) {
            found = Some(token);
        }
    }
    found
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    let text = text.trim();
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    let mut bytes = [0u8; 32];
    for (i, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * i..2 * i + 2)?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(values: &[&str]) -> HeaderMap {
        values.iter().map(|v| (AUTHORIZATION, v.parse().unwrap())).collect()
    }

    fn tokens() -> Tokens {
        let hash = digest(&SHA256, b"secret");
        let hex: String = hash.as_ref().iter().map(|b| format!("{b:02x}")).collect();
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("tokens.toml");
        std::fs::write(&file, format!("[[token]]\nname='t'\nrole='operator'\nsha256='{hex}'")).unwrap();
        Tokens::read(Some(&file)).unwrap()
    }

    #[test]
    fn only_one_known_bearer_token_is_admitted_and_only_to_its_role() {
        let tokens = tokens();
        assert_eq!(
            tokens.admit(&headers(&["bearer secret"]), Role::Operator).unwrap(),
            ("t".to_owned(), Role::Operator)
        );
        assert_eq!(tokens.admit(&headers(&["Bearer secret"]), Role::Admin).unwrap_err().problem.status, 403);
        for bad in [&[][..], &["Bearer wrong"], &["Basic secret"], &["Bearer secret", "Bearer secret"], &["secret"]] {
            assert_eq!(tokens.admit(&headers(bad), Role::Reader).unwrap_err().problem.status, 401, "{bad:?}");
        }
        assert!(tokens.admit(&HeaderMap::new(), Role::Anyone).is_ok());
    }
}
