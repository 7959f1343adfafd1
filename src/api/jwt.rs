//! JSON Web Tokens of an identity provider: signature, issuer, audience and times are checked; the subject is the caller, a claim the role.
//!
//! Only algorithms of the setting are taken, none of them symmetric: a public key can never be used as the secret of an HMAC, and `none` is
//! no algorithm at all.

use std::sync::Arc;

use jsonwebtoken::{Algorithm, Validation, decode, decode_header};
use serde_json::Value;

use super::ApiError;
use super::auth::{Caller, Role};
use super::jwks::Jwks;
use crate::config::{JwtAlgorithm, JwtConfig};
use crate::shutdown::Shutdown;

/// Longest token that is looked at, bytes.
const MOST_BYTES: usize = 8 * 1024;
/// Longest subject, bytes.
const MOST_SUBJECT: usize = 128;
/// Seconds that clocks may differ.
const LEEWAY_S: u64 = 30;

/// Checks tokens.
pub(crate) struct Jwt {
    keys: Jwks,
    algorithms: Vec<Algorithm>,
    issuer: String,
    audience: String,
    role_claim: String,
    role_prefix: String,
}

impl Jwt {
    /// Ready to check tokens; the keys are kept up to date until the stop.
    ///
    /// # Errors
    /// When the file of keys cannot be used, or the URL is not allowed.
    pub(crate) fn keep(config: &JwtConfig, shutdown: &Shutdown) -> Result<Arc<Self>, ApiError> {
        let algorithms = config.algorithms.iter().map(|a| match a {
            JwtAlgorithm::RS256 => Algorithm::RS256,
            JwtAlgorithm::RS384 => Algorithm::RS384,
            JwtAlgorithm::RS512 => Algorithm::RS512,
            JwtAlgorithm::PS256 => Algorithm::PS256,
            JwtAlgorithm::ES256 => Algorithm::ES256,
            JwtAlgorithm::ES384 => Algorithm::ES384,
            JwtAlgorithm::EdDSA => Algorithm::EdDSA,
        });
        let this = Arc::new(Self {
            keys: Jwks::open(config)?,
            algorithms: algorithms.collect(),
            issuer: config.issuer.clone().unwrap_or_default(),
            audience: config.audience.clone().unwrap_or_default(),
            role_claim: config.role_claim.clone(),
            role_prefix: config.role_prefix.clone(),
        });
        let (kept, token) = (Arc::clone(&this), shutdown.token());
        shutdown.spawn("jwks", async move {
            kept.keys.keep(&token).await;
            Ok::<(), std::convert::Infallible>(())
        });
        Ok(this)
    }

    /// Whose token it is; `None` for whatever is not beyond doubt. Why stands in the debug log, without the token.
    pub(crate) async fn verify(&self, token: &str) -> Option<Caller> {
        let refused = |why: String| {
            tracing::debug!(why, "a JWT is not taken");
            None
        };
        if token.len() > MOST_BYTES || token.bytes().filter(|b| *b == b'.').count() != 2 {
            return None;
        }
        let header = match decode_header(token) {
            Ok(header) => header,
            Err(error) => return refused(error.to_string()),
        };
        if !self.algorithms.contains(&header.alg) {
            return refused(format!("the algorithm {:?} is not allowed", header.alg));
        }
        let Some(key) = self.keys.find(header.kid.as_deref(), header.alg).await else {
            return refused("no such key".into());
        };
        let mut validation = Validation::new(header.alg);
        validation.set_issuer(&[&self.issuer]);
        validation.set_audience(&[&self.audience]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        (validation.validate_nbf, validation.leeway) = (true, LEEWAY_S);
        let claims = match decode::<Value>(token, &key, &validation) {
            Ok(read) => read.claims,
            Err(error) => return refused(error.to_string()),
        };
        let subject = claims.get("sub").and_then(Value::as_str).unwrap_or_default();
        if subject.is_empty() || subject.len() > MOST_SUBJECT || subject.chars().any(char::is_control) {
            return refused("its subject cannot be a caller's name".into());
        }
        match role(&claims, &self.role_claim, &self.role_prefix) {
            // A prefix, so that no subject is taken for the holder of a token of the file.
            Some(role) => Some(Caller { name: format!("jwt:{subject}"), role }),
            None => refused(format!("no role in its claim {}", self.role_claim)),
        }
    }
}

/// The highest role that a claim gives: a text or a list of them, at a path with dots, words with a prefix.
fn role(claims: &Value, path: &str, prefix: &str) -> Option<Role> {
    let direct = claims.get(path);
    let claim = direct.or_else(|| path.split('.').try_fold(claims, |at, part| at.get(part)))?;
    let word = |text: &str| match text.strip_prefix(prefix)? {
        "reader" => Some(Role::Reader),
        "operator" => Some(Role::Operator),
        "admin" => Some(Role::Admin),
        _ => None,
    };
    match claim {
        // OAuth scopes are one text of many words.
        Value::String(words) => words.split(' ').filter_map(word).max(),
        Value::Array(items) => items.iter().filter_map(Value::as_str).filter_map(word).max(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_is_read_from_texts_lists_and_paths_and_from_nothing_else() {
        let claims = serde_json::json!({
            "role": "operator", "scope": "openid v-reader v-admin", "realm": {"roles": ["x", "reader"]}, "n": 5, "a.b": "admin",
        });
        assert_eq!(role(&claims, "role", ""), Some(Role::Operator));
        assert_eq!(role(&claims, "scope", "v-"), Some(Role::Admin));
        assert_eq!(role(&claims, "realm.roles", ""), Some(Role::Reader));
        assert_eq!(role(&claims, "a.b", ""), Some(Role::Admin));
        for nothing in ["n", "realm", "none", "scope"] {
            assert_eq!(role(&claims, nothing, ""), None, "{nothing}");
        }
    }
}
