//! Sealing of PODM credentials: AES-256-GCM under a key from a file, the record's id as associated data.
//!
//! Sealed text is `v1.<key id>.<base64 of nonce, ciphertext and tag>`. The file may hold several keys, one a line: the first seals, all
//! open, so that keys can be rotated while everything runs. The API seals before it enqueues; only a driver's HTTP client unseals, and a handler
//! that hands credentials on (to Ironic) or passes a sealed body on.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::SystemTime;

use aws_lc_rs::aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey};
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use secrecy::SecretString;
use subtle::ConstantTimeEq;

const NONCE_BYTES: usize = 12;
const KEY_BYTES: usize = 32;

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

/// The deployment's keys: the first of the file seals, all open. The file is read again when it changes.
pub struct SecretKey {
    file: Option<PathBuf>,
    keys: RwLock<Arc<Keys>>,
}

/// The keys as the file last had them.
struct Keys {
    all: Vec<Key>,
    read_at: Option<Stamp>,
}

/// What tells a file from the one that stood in its place before: two changes can fall into one tick of its clock.
type Stamp = (SystemTime, u64, u64);

struct Key {
    id: String,
    seal: RandomizedNonceKey,
    marks: hmac::Key,
    events: hmac::Key,
}

impl std::fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SecretKey({})", self.keys().first().id)
    }
}

impl Keys {
    fn of(file: &KeyFile, read_at: Option<Stamp>) -> Option<Self> {
        let all: Option<Vec<Key>> = file.keys.iter().map(|bytes| Key::new(bytes)).collect();
        Some(Self { all: all.filter(|all| !all.is_empty())?, read_at })
    }

    /// There is always one.
    fn first(&self) -> &Key {
        &self.all[0]
    }

    /// The oldest, as files are rotated.
    fn last(&self) -> &Key {
        &self.all[self.all.len() - 1]
    }
}

impl Key {
    fn new(bytes: &[u8]) -> Option<Self> {
        let seal = RandomizedNonceKey::new(&AES_256_GCM, bytes).ok()?;
        let marks = hmac::Key::new(hmac::HMAC_SHA256, digest(&SHA256, &[b"marks:", bytes].concat()).as_ref());
        let events = hmac::Key::new(hmac::HMAC_SHA256, digest(&SHA256, &[b"events:", bytes].concat()).as_ref());
        Some(Self { id: id_of(bytes), seal, marks, events })
    }

    fn event_key(&self, podm_id: &str) -> String {
        hex(hmac::sign(&self.events, podm_id.as_bytes()).as_ref())
    }
}

fn id_of(bytes: &[u8]) -> String {
    hex(&digest(&SHA256, bytes).as_ref()[..4])
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn changed_at(file: &Path) -> Option<Stamp> {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata(file).and_then(|m| Ok((m.modified()?, m.ino(), m.size()))).ok()
}

impl SecretKey {
    /// Reads a key file: 32 bytes in base64 a line.
    ///
    /// # Errors
    /// [`SecretError::KeyFile`].
    pub fn read(file: &Path) -> Result<Self, SecretError> {
        let at = changed_at(file);
        Self::of(file, &KeyFile::read(file)?, at)
    }

    /// Makes a new key and writes its file, readable by the owner only.
    ///
    /// # Errors
    /// [`SecretError::KeyFile`].
    pub fn create(file: &Path) -> Result<Self, SecretError> {
        let made = KeyFile::create(file)?;
        Self::of(file, &made, changed_at(file))
    }

    fn of(file: &Path, keys: &KeyFile, at: Option<Stamp>) -> Result<Self, SecretError> {
        let keys = Keys::of(keys, at).ok_or_else(|| fail(file, "no usable key"))?;
        Ok(Self { file: Some(file.to_owned()), keys: RwLock::new(Arc::new(keys)) })
    }

    fn keys(&self) -> Arc<Keys> {
        Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads the file again when it is another. Says whether it was.
    ///
    /// # Errors
    /// [`SecretError::KeyFile`]; the keys from before stay.
    pub fn refresh(&self) -> Result<bool, SecretError> {
        let Some(file) = &self.file else { return Ok(false) };
        let at = changed_at(file);
        if at.is_none() || at == self.keys().read_at {
            return Ok(false);
        }
        let fresh = Keys::of(&KeyFile::read(file)?, at).ok_or_else(|| fail(file, "no usable key"))?;
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(fresh);
        Ok(true)
    }

    /// What a Pod Manager must know to be believed as the sender of events; hexadecimal, so that it may stand in a path.
    #[must_use]
    pub fn event_key(&self, podm_id: &str) -> String {
        self.keys().first().event_key(podm_id)
    }

    /// Whether it is what a Pod Manager must know, by any of the keys.
    #[must_use]
    pub fn is_event_key(&self, podm_id: &str, given: &str) -> bool {
        let same = |key: &Key| bool::from(key.event_key(podm_id).as_bytes().ct_eq(given.as_bytes()));
        self.keys().all.iter().fold(false, |any, key| any | same(key))
    }

    /// A mark by which the same secret is known again, and that tells nothing without the key. It is the oldest key's, so that a repeated
    /// request is the same request also when a key came in between.
    #[must_use]
    pub fn mark(&self, secret: &str) -> String {
        BASE64.encode(hmac::sign(&self.keys().last().marks, secret.as_bytes()))
    }

    /// Seals a secret for the record `owner`.
    ///
    /// # Errors
    /// When no random numbers are to be had.
    pub fn seal(&self, owner: &str, secret: &str) -> Result<String, SecretError> {
        let keys = self.keys();
        let key = keys.first();
        let mut data = secret.as_bytes().to_vec();
        let nonce = key
            .seal
            .seal_in_place_append_tag(Aad::from(owner.as_bytes()), &mut data)
            .map_err(|_| SecretError::Unsealable)?;
        let mut all = nonce.as_ref().to_vec();
        all.extend(data);
        Ok(format!("v1.{}.{}", key.id, BASE64.encode(all)))
    }

    /// Opens what [`SecretKey::seal`] made for the same owner. A key that is not known may have come into the file since.
    ///
    /// # Errors
    /// [`SecretError::Unsealable`].
    pub fn unseal(&self, owner: &str, sealed: &str) -> Result<SecretString, SecretError> {
        let mut parts = sealed.splitn(3, '.');
        let (Some("v1"), Some(id), Some(body)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(SecretError::Unsealable);
        };
        let mut keys = self.keys();
        if !keys.all.iter().any(|k| k.id == id) && self.refresh() == Ok(true) {
            keys = self.keys();
        }
        let key = keys.all.iter().find(|k| k.id == id).ok_or(SecretError::Unsealable)?;
        let all = BASE64.decode(body).map_err(|_| SecretError::Unsealable)?;
        let (nonce, data) = all.split_at_checked(NONCE_BYTES).ok_or(SecretError::Unsealable)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| SecretError::Unsealable)?;
        let mut data = data.to_vec();
        let plain = key
            .seal
            .open_in_place(nonce, Aad::from(owner.as_bytes()), &mut data)
            .map_err(|_| SecretError::Unsealable)?;
        let text = std::str::from_utf8(plain).map_err(|_| SecretError::Unsealable)?;
        Ok(SecretString::from(text.to_owned()))
    }

    /// Whether a text looks as if it were sealed: `v1.`, eight hexadecimal digits, a dot.
    #[must_use]
    pub fn is_sealed(text: &str) -> bool {
        let mut parts = text.splitn(3, '.');
        let (Some("v1"), Some(id), Some(body)) = (parts.next(), parts.next(), parts.next()) else { return false };
        id.len() == 8 && id.bytes().all(|b| b.is_ascii_hexdigit()) && !body.is_empty()
    }

    /// The same secret under the key that seals now; `None` when that key has sealed it already.
    ///
    /// # Errors
    /// [`SecretError::Unsealable`].
    pub fn reseal(&self, owner: &str, sealed: &str) -> Result<Option<String>, SecretError> {
        use secrecy::ExposeSecret;
        if sealed.split('.').nth(1) == Some(self.keys().first().id.as_str()) {
            return Ok(None);
        }
        self.seal(owner, self.unseal(owner, sealed)?.expose_secret()).map(Some)
    }
}

fn fail(file: &Path, why: impl ToString) -> SecretError {
    SecretError::KeyFile { file: file.display().to_string(), why: why.to_string() }
}

/// The file of keys, as it is written.
pub struct KeyFile {
    keys: Vec<[u8; KEY_BYTES]>,
}

impl KeyFile {
    /// Reads it: one key a line, in base64; empty lines and those that begin with `#` are nothing.
    ///
    /// # Errors
    /// [`SecretError::KeyFile`].
    pub fn read(file: &Path) -> Result<Self, SecretError> {
        let text = std::fs::read_to_string(file).map_err(|e| fail(file, e))?;
        let lines = text.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#'));
        let one = |line: &str| BASE64.decode(line).ok()?.try_into().ok();
        let keys: Option<Vec<[u8; KEY_BYTES]>> = lines.map(one).collect();
        let keys = keys.filter(|k| !k.is_empty()).ok_or_else(|| fail(file, "32 bytes in base64 a line are wanted"))?;
        Ok(Self { keys })
    }

    /// Makes a file with one new key; one that is there is never overwritten.
    ///
    /// # Errors
    /// [`SecretError::KeyFile`].
    pub fn create(file: &Path) -> Result<Self, SecretError> {
        let mut this = Self { keys: Vec::new() };
        this.stage()?;
        this.write(file).map_err(|e| fail(file, e))?;
        Ok(this)
    }

    /// Changes a file: the new one takes the old one's place in one step.
    ///
    /// # Errors
    /// [`SecretError::KeyFile`].
    pub fn change(file: &Path, change: impl FnOnce(&mut Self) -> Result<(), SecretError>) -> Result<Self, SecretError> {
        let mut this = Self::read(file)?;
        change(&mut this)?;
        let mut beside = file.as_os_str().to_owned();
        beside.push(format!(".{}.new", std::process::id()));
        let beside = PathBuf::from(beside);
        this.write(&beside).and_then(|()| std::fs::rename(&beside, file)).map_err(|e| fail(file, e))?;
        Ok(this)
    }

    /// Ids of its keys, in order.
    #[must_use]
    pub fn ids(&self) -> Vec<String> {
        self.keys.iter().map(|bytes| id_of(bytes)).collect()
    }

    /// Puts a new key last.
    ///
    /// # Errors
    /// When no random numbers are to be had.
    pub fn stage(&mut self) -> Result<(), SecretError> {
        let mut bytes = [0u8; KEY_BYTES];
        aws_lc_rs::rand::fill(&mut bytes).map_err(|_| SecretError::Unsealable)?;
        self.keys.push(bytes);
        Ok(())
    }

    /// Puts the last key first.
    ///
    /// # Errors
    /// None; it fits [`KeyFile::change`].
    pub fn promote(&mut self) -> Result<(), SecretError> {
        self.keys.rotate_right(1);
        Ok(())
    }

    /// Drops every key but the first.
    ///
    /// # Errors
    /// None; it fits [`KeyFile::change`].
    pub fn prune(&mut self) -> Result<(), SecretError> {
        self.keys.truncate(1);
        Ok(())
    }

    fn write(&self, file: &Path) -> std::io::Result<()> {
        use std::io::Write;
        use std::os::unix::fs::OpenOptionsExt;
        let mut out = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)?;
        for key in &self.keys {
            writeln!(out, "{}", BASE64.encode(key))?;
        }
        out.sync_all()
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

    #[test]
    fn a_rotated_file_opens_what_was_sealed_before_and_a_pruned_one_does_not() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("a");
        let key = SecretKey::create(&file).unwrap();
        let (sealed, mark, event) = (key.seal("p", "canary").unwrap(), key.mark("canary"), key.event_key("p"));
        KeyFile::change(&file, |k| k.stage().and_then(|()| k.promote())).unwrap();
        let rotated = SecretKey::read(&file).unwrap();
        assert_eq!(rotated.unseal("p", &sealed).unwrap().expose_secret(), "canary");
        assert_eq!(rotated.mark("canary"), mark);
        assert_ne!(rotated.event_key("p"), event);
        assert!(rotated.is_event_key("p", &event) && rotated.is_event_key("p", &rotated.event_key("p")));
        assert!(!rotated.is_event_key("q", &event));
        let anew = rotated.reseal("p", &sealed).unwrap().unwrap();
        assert_eq!(rotated.reseal("p", &anew).unwrap(), None);
        // A process that has the file from before reads it again when it meets the new key.
        assert_eq!(key.unseal("p", &anew).unwrap().expose_secret(), "canary");
        KeyFile::change(&file, KeyFile::prune).unwrap();
        let pruned = SecretKey::read(&file).unwrap();
        assert_eq!(pruned.unseal("p", &anew).unwrap().expose_secret(), "canary");
        assert_eq!(pruned.unseal("p", &sealed).unwrap_err(), SecretError::Unsealable);
    }
}
