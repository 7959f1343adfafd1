//! The file of those who may ask: bearer tokens, hashed at rest and compared in constant time, and subjects of client certificates.
//!
//! It is TOML (or JSON of the same shape), read again when it changes:
//!
//! ```toml
//! [[token]]
//! name = "terraform"
//! role = "operator"            # reader | operator | admin
//! sha256 = "2c26b46b68ffc68f…" # of the token: printf %s "$TOKEN" | sha256sum
//!
//! [[certificate]]
//! name = "rack-controller"
//! role = "admin"
//! subject = "CN=rack-controller,O=Example" # as `openssl x509 -noout -subject -nameopt RFC2253,-esc_msb` writes it
//! ```

use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use aws_lc_rs::digest::{SHA256, digest};
use serde::Deserialize;
use subtle::{Choice, ConstantTimeEq};

use super::ApiError;
use super::auth::{Caller, Role};
use super::reload;
use crate::shutdown::Shutdown;

/// Those who are known, as the file last said it.
pub(crate) struct Tokens(Arc<RwLock<Arc<Known>>>);

struct Known {
    tokens: Vec<Token>,
    certificates: Vec<Certificate>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default, alias = "tokens")]
    token: Vec<Entry>,
    #[serde(default, alias = "certificates")]
    certificate: Vec<Certificate>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: String,
    role: Role,
    sha256: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Certificate {
    name: String,
    role: Role,
    subject: String,
}

struct Token {
    caller: Caller,
    hash: [u8; 32],
}

impl Tokens {
    /// Reads the file, and again when it changes; a file that has become unusable changes nothing.
    ///
    /// # Errors
    /// When it cannot be read or says something that is not understood.
    pub(crate) fn keep(file: &Path, shutdown: &Shutdown) -> Result<Self, ApiError> {
        let this = Self::read(file)?;
        let (known, path) = (Arc::clone(&this.0), file.to_owned());
        reload::on_change("tokens file", vec![file.to_owned()], shutdown, move || {
            let fresh = read(&path).map_err(|e| e.to_string())?;
            *known.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(fresh);
            Ok(())
        });
        Ok(this)
    }

    /// Reads the file once.
    ///
    /// # Errors
    /// When it cannot be read or says something that is not understood.
    pub(crate) fn read(file: &Path) -> Result<Self, ApiError> {
        Ok(Self(Arc::new(RwLock::new(Arc::new(read(file)?)))))
    }

    fn known(&self) -> Arc<Known> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whose token it is. Every token is looked at, so that the time taken says nothing.
    pub(crate) fn find(&self, given: &str) -> Option<Caller> {
        let known = self.known();
        let hash = digest(&SHA256, given.as_bytes());
        let mut found = None;
        for token in &known.tokens {
            let same: Choice = token.hash.ct_eq(hash.as_ref());
            if bool::from(same) {
                found = Some(token.caller.clone());
            }
        }
        found
    }

    /// Whose certificate it is.
    pub(crate) fn of_certificate(&self, subject: &str) -> Option<Caller> {
        let known = self.known();
        let found = known.certificates.iter().find(|c| c.subject == subject)?;
        Some(Caller { name: found.name.clone(), role: found.role })
    }
}

fn read(file: &Path) -> Result<Known, ApiError> {
    let fail = |why: String| ApiError::Tokens { file: file.display().to_string(), why };
    let text = std::fs::read_to_string(file).map_err(|e| fail(e.to_string()))?;
    let parsed: File = if text.trim_start().starts_with('{') {
        serde_json::from_str(&text).map_err(|e| fail(e.to_string()))?
    } else {
        toml::from_str(&text).map_err(|e| fail(e.to_string()))?
    };
    let one = |e: Entry| Some(Token { hash: unhex(&e.sha256)?, caller: Caller { name: e.name, role: e.role } });
    let tokens: Option<Vec<Token>> = parsed.token.into_iter().map(one).collect();
    let tokens = tokens.ok_or_else(|| fail("a sha256 is not 64 hexadecimal digits".into()))?;
    let certificates = parsed.certificate;
    let sound = |name: &str, role: Role| !name.is_empty() && role != Role::Anyone;
    let all_sound = tokens.iter().all(|t| sound(&t.caller.name, t.caller.role))
        && certificates.iter().all(|c| sound(&c.name, c.role) && !c.subject.is_empty());
    if tokens.is_empty() && certificates.is_empty() || !all_sound {
        let why = "at least one token or certificate, each with a name and the role reader, operator or admin";
        return Err(fail(why.into()));
    }
    Ok(Known { tokens, certificates })
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
pub(crate) fn hash_of(token: &str) -> String {
    digest(&SHA256, token.as_bytes()).as_ref().iter().map(|b| format!("{b:02x}")).collect()
}
