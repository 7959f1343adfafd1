//! The directory where `valence up` keeps its state: Redis's files, the secret key, the simulated Pod Managers' nodes.
//!
//! One `valence up` at a time may have it: the lock on its `lock` file ends with the process, however that ends.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use super::error::CtlError;
use crate::secret::SecretKey;

/// A data directory that this process has.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    /// Held until the process ends.
    _lock: File,
}

impl DataDir {
    /// Where state is kept unless told otherwise: `$XDG_STATE_HOME/valence`, else `~/.local/state/valence`.
    ///
    /// # Errors
    /// When there is neither a state directory nor a home.
    pub fn default_path() -> Result<PathBuf, CtlError> {
        let dir = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|p| p.is_absolute());
        dir("XDG_STATE_HOME")
            .or_else(|| dir("HOME").map(|home| home.join(".local/state")))
            .map(|state| state.join("valence"))
            .ok_or_else(|| CtlError::Usage("neither XDG_STATE_HOME nor HOME is set: give --data-dir DIR".into()))
    }

    /// Makes the directory when it is missing and takes it for this process.
    ///
    /// # Errors
    /// When another process has it, or it cannot be written.
    pub fn take(path: &Path) -> Result<Self, CtlError> {
        let fail = |what: &str, e: io::Error| {
            CtlError::Up(format!("cannot {what} {}: {e}\nChoose another place with --data-dir DIR.", path.display()))
        };
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(|e| fail("make the data directory", e))?;
        let path = path.canonicalize().map_err(|e| fail("use the data directory", e))?;
        let file = path.join("lock");
        let opened = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&file);
        let mut lock = opened.map_err(|e| fail("write into the data directory", e))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                let _unreadable = lock.read_to_string(&mut holder);
                return Err(CtlError::Up(format!(
                    "another `valence up` (process {}) runs on {}\nStop that one first, or give this one its own --data-dir DIR.",
                    holder.trim(),
                    path.display()
                )));
            }
            Err(TryLockError::Error(e)) => return Err(fail("lock the data directory", e)),
        }
        let noted = lock.set_len(0).and_then(|()| write!(lock, "{}", std::process::id()));
        noted.map_err(|e| fail("write into the data directory", e))?;
        Ok(Self { path, _lock: lock })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The secret key file; a new key is written at the first start.
    ///
    /// # Errors
    /// When it cannot be written, or holds something else than a key.
    pub fn secret_key(&self) -> Result<PathBuf, CtlError> {
        let file = self.path.join("secret.key");
        let key = if file.exists() { SecretKey::read(&file) } else { SecretKey::create(&file) };
        key.map(|_| file).map_err(|e| CtlError::Up(e.to_string()))
    }
}
