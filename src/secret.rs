//! Sealing of PODM credentials: AES-256-GCM under a key from a file, the record's id as associated data.
//!
//! Sealed text is `v1.<key id>.<base64 of nonce, ciphertext and tag>`; the key id tells keys apart when they are rotated. The API seals
//! before it enqueues; only a driver's HTTP client unseals, and a handler that hands credentials on (to Ironic) or passes a sealed body on.

use std::path::Path;

use aws_lc_rs::aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey};
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use secrecy::SecretString;

const NONCE_BYTES: usize = 12;

/// Why something could not be sealed or unsealed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// The key file cannot be used.
    #[error("secret key file {file}: {why}")]
    KeyFile {
        /// Which file.
        file: String,
        /// What is wrong.
        why: String,
    },
    /// No key is configured.
    #[error("no secret key is configured (VALENCE_SECRET_KEY_FILE)")]
    NoKey,
    /// Sealed under a key that this process does not have, for another record, or not sealed text at all.
    #[error("the credentials cannot be unsealed with this deployment's key")]
    Unsealable,
}

/// The deployment's key.
pub struct SecretKey {
    id: String,
    key: RandomizedNonceKey,
    marks: hmac::Key,
    events: hmac::Key,
}

impl std::fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SecretKey({})", self.id)
    }
}

impl SecretKey {
    /// Reads a key file: 32 bytes in base64.
    ///
    /// # Errors
    /// [`SecretError::KeyFile`].
    pub fn read(file: &Path) -> Result<Self, SecretError> {
        let fail = |why: String| SecretError::KeyFile { file: file.display().to_string(), why };
        let text = std::fs::read_to_string(file).map_err(|e| fail(e.to_string()))?;
        let bytes = BASE64.decode(text.trim()).map_err(|_| fail("not base64".into()))?;
        Self::from_bytes(&bytes).ok_or_else(|| fail("32 bytes in base64 are wanted".into()))
    }

    /// Makes a new key and writes its file, readable by the owner only.
    ///
    /// # Errors
    /// [`SecretError::KeyFile`].
    pub fn create(file: &Path) -> Result<Self, SecretError> {
        use std::io::Write;
        use std::os::unix::fs::OpenOptionsExt;
        let fail = |why: String| SecretError::KeyFile { file: file.display().to_string(), why };
        let mut bytes = [0u8; 32];
        aws_lc_rs::rand::fill(&mut bytes).map_err(|_| fail("no random numbers".into()))?;
        let mut out = std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(file)
            .map_err(|e| fail(e.to_string()))?;
        out.write_all(BASE64.encode(bytes).as_bytes()).map_err(|e| fail(e.to_string()))?;
        out.sync_all().map_err(|e| fail(e.to_string()))?;
        Self::from_bytes(&bytes).ok_or_else(|| fail("32 bytes are wanted".into()))
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let key = RandomizedNonceKey::new(&AES_256_GCM, bytes).ok()?;
        let id = digest(&SHA256, bytes).as_ref()[..4].iter().map(|b| format!("{b:02x}")).collect();
        let marks = hmac::Key::new(hmac::HMAC_SHA256, digest(&SHA256, &[b"marks:", bytes].concat()).as_ref());
        let events = hmac::Key::new(hmac::HMAC_SHA256, digest(&SHA256, &[b"events:", bytes].concat()).as_ref());
        Some(Self { id, key, marks, events })
    }

    /// What a Pod Manager must know to be believed as the sender of events; hexadecimal, so that it may stand in a path.
    #[must_use]
    pub fn event_key(&self, podm_id: &str) -> String {
        hmac::sign(&self.events, podm_id.as_bytes()).as_ref().iter().map(|b| format!("{b:02x}")).collect()
    }

    /// A mark by which the same secret is known again, and that tells nothing without the key.
    #[must_use]
    pub fn mark(&self, secret: &str) -> String {
        BASE64.encode(hmac::sign(&self.marks, secret.as_bytes()))
    }

    /// Seals a secret for the record `owner`.
    ///
    /// # Errors
    /// When no random numbers are to be had.
    pub fn seal(&self, owner: &str, secret: &str) -> Result<String, SecretError> {
        let mut data = secret.as_bytes().to_vec();
        let nonce = self
            .key
            .seal_in_place_append_tag(Aad::from(owner.as_bytes()), &mut data)
            .map_err(|_| SecretError::Unsealable)?;
        let mut all = nonce.as_ref().to_vec();
        all.extend(data);
        Ok(format!("v1.{}.{}", self.id, BASE64.encode(all)))
    }

    /// Opens what [`SecretKey::seal`] made for the same owner.
    ///
    /// # Errors
    /// [`SecretError::Unsealable`].
    pub fn unseal(&self, owner: &str, sealed: &str) -> Result<SecretString, SecretError> {
        let mut parts = sealed.splitn(3, '.');
        let (Some("v1"), Some(id), Some(body)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(SecretError::Unsealable);
        };
        if id != self.id {
            return Err(SecretError::Unsealable);
        }
        let all = BASE64.decode(body).map_err(|_| SecretError::Unsealable)?;
        let (nonce, data) = all.split_at_checked(NONCE_BYTES).ok_or(SecretError::Unsealable)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| SecretError::Unsealable)?;
        let mut data = data.to_vec();
        let plain = self
            .key
            .open_in_place(nonce, Aad::from(owner.as_bytes()), &mut data)
            .map_err(|_| SecretError::Unsealable)?;
        let text = std::str::from_utf8(plain).map_err(|_| SecretError::Unsealable)?;
        Ok(SecretString::from(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn only_the_same_key_and_owner_open_a_secret() {
        let dir = tempfile::tempdir().unwrap();
        let key = SecretKey::create(&dir.path().join("a")).unwrap();
        let sealed = key.seal("podm-1", "canary").unwrap();
        assert!(!sealed.contains("canary"));
        let again = SecretKey::read(&dir.path().join("a")).unwrap();
        assert_eq!(again.unseal("podm-1", &sealed).unwrap().expose_secret(), "canary");
        assert_eq!(again.unseal("podm-2", &sealed).unwrap_err(), SecretError::Unsealable);
        let other = SecretKey::create(&dir.path().join("b")).unwrap();
        assert_eq!(other.unseal("podm-1", &sealed).unwrap_err(), SecretError::Unsealable);
        assert_eq!(key.mark("canary"), again.mark("canary"));
        assert_ne!(key.mark("canary"), other.mark("canary"));
        assert_eq!(key.event_key("p"), again.event_key("p"));
        assert_ne!(key.event_key("p"), key.event_key("q"));
        assert_ne!(key.event_key("p"), other.event_key("p"));
    }

    #[test]
    fn an_existing_key_file_is_never_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        SecretKey::create(&dir.path().join("a")).unwrap();
        assert!(SecretKey::create(&dir.path().join("a")).is_err());
    }
}
