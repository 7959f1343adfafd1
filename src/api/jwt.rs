//! JSON Web Tokens of an identity provider: signature, issuer, audience and times are checked; the subject is the caller, a claim the role.
//!
//! Only algorithms of the setting are taken, none of them symmetric: a public key can never be used as the secret of an HMAC, and `none` is
//! no algorithm at all.

use std::sync::Arc;

use jsonwebtoken::dangerous::insecure_decode_claims;
use jsonwebtoken::errors::{Error, ErrorKind};
use jsonwebtoken::{Algorithm, Validation, decode, decode_header};
use serde_json::Value;

use super::ApiError;
use super::auth::{Caller, Role, UNKNOWN};
use super::jwks::Jwks;
use crate::config::{JwtAlgorithm, JwtConfig};
use crate::model::v1time::rfc3339;
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

    /// Whose token it is.
    ///
    /// # Errors
    /// Why it is not taken, for whoever sent it. What its claims lack is told to the holder of a token that the identity provider has signed;
    /// of any other it is said only that it is not. Nothing of the token is repeated but its own times.
    pub(crate) async fn verify(&self, token: &str) -> Result<Caller, String> {
        if token.len() > MOST_BYTES || token.bytes().filter(|b| *b == b'.').count() != 2 {
            return Err(UNKNOWN.into());
        }
        let header = decode_header(token).map_err(|error| self.lacks(&error, token))?;
        if !self.algorithms.contains(&header.alg) {
            return Err(format!("the JWT's algorithm {:?} is not allowed here", header.alg));
        }
        let key = self.keys.find(header.kid.as_deref(), header.alg).await;
        let key = key.ok_or("the JWT names a key that the identity provider's set does not have")?;
        let mut validation = Validation::new(header.alg);
        validation.set_issuer(&[&self.issuer]);
        validation.set_audience(&[&self.audience]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        (validation.validate_nbf, validation.leeway) = (true, LEEWAY_S);
        let claims = decode::<Value>(token, &key, &validation).map_err(|error| self.lacks(&error, token))?.claims;
        let subject = claims.get("sub").and_then(Value::as_str).unwrap_or_default();
        if subject.is_empty() || subject.len() > MOST_SUBJECT || subject.chars().any(char::is_control) {
            return Err("the JWT's sub cannot be a caller's name".into());
        }
        match role(&claims, &self.role_claim, &self.role_prefix) {
            // A prefix, so that no subject is taken for the holder of a token of the file.
            Some(role) => Ok(Caller { name: format!("jwt:{subject}"), role }),
            None => Err(format!("the JWT gives no role: {} holds none that Valence knows", self.role_claim)),
        }
    }

    /// What a token lacks, in words for its holder. Its signature was looked at before its claims were.
    fn lacks(&self, error: &Error, token: &str) -> String {
        tracing::debug!(%error, "a JWT is not taken");
        let time = |claim| insecure_decode_claims::<Value>(token).ok()?.get(claim)?.as_u64();
        let at =
            |claim| time(claim).map_or(String::new(), |s| format!(": {claim} is {}", rfc3339(s.saturating_mul(1000))));
        match error.kind() {
            ErrorKind::ExpiredSignature => format!("the JWT has expired{}", at("exp")),
            ErrorKind::ImmatureSignature => format!("the JWT is not valid yet{}", at("nbf")),
            ErrorKind::InvalidIssuer => format!("the JWT is of another issuer: iss must be {}", self.issuer),
            ErrorKind::InvalidAudience => {
                format!("the JWT is meant for somebody else: aud must hold {}", self.audience)
            }
            ErrorKind::MissingRequiredClaim(claim) => format!("the JWT has no {claim}"),
            ErrorKind::InvalidClaimFormat(claim) => format!("the JWT's {claim} is none"),
            ErrorKind::InvalidSignature => "the JWT's signature is not of the key that it names".into(),
            _ => "the bearer token cannot be read".into(),
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
