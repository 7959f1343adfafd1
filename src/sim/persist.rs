//! `--data-dir`: one JSON file per PODM, replaced as a whole and on the disk before the client is answered.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use super::SimError;
use super::state::Kept;

/// The file of one PODM.
#[derive(Debug, Clone)]
pub(super) struct Store {
    dir: PathBuf,
    name: String,
}

impl Store {
    /// Opens the file of a PODM, making the folder where needed, and reads what it holds.
    ///
    /// # Errors
    /// [`SimError::Data`] when the folder or file cannot be used, or the file holds something else.
    pub(super) fn open(dir: &Path, podm: usize, systems: usize) -> Result<(Self, Kept), SimError> {
        let store = Self { dir: dir.to_owned(), name: format!("podm-{podm}.json") };
        let wrong = |source| SimError::Data { file: store.file(), source };
        std::fs::create_dir_all(dir).map_err(wrong)?;
        let kept: Kept = match std::fs::read(store.file()) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|e| wrong(io::Error::other(e)))?,
            Err(e) if e.kind() == io::ErrorKind::NotFound => Kept::default(),
            Err(e) => return Err(wrong(e)),
        };
        if kept.nodes.values().any(|n| n.system > systems) {
            return Err(wrong(io::Error::other("a node stands on a system that is no more (--systems)")));
        }
        Ok((store, kept))
    }

    fn file(&self) -> PathBuf {
        self.dir.join(&self.name)
    }

    /// Writes the state beside the file, makes it durable, and puts it in the file's place.
    ///
    /// # Errors
    /// Whatever the disk says; the old file stands then.
    pub(super) fn save(&self, kept: &Kept) -> io::Result<()> {
        let next = self.dir.join(format!("{}.next", self.name));
        let mut file = File::create(&next)?;
        file.write_all(&serde_json::to_vec(kept)?)?;
        file.sync_all()?;
        drop(file);
        std::fs::rename(&next, self.file())?;
        File::open(&self.dir)?.sync_all()
    }
}
