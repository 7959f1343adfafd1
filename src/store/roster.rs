//! The records of all Pod Managers, as those need them who look at all of them again and again: read once, shared, and read again when
//! one has changed.
//!
//! Whoever changes such a record changes the stamp after it, so what was read under a stamp that still stands is what is there. A process of
//! an older build changes no stamp: the number of ids tells at once what it has added or deleted, and all is read again now and then.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::each::each;
use super::records::Collection;
use super::{Store, StoreError, keys};
use crate::model::podm::Podm;

/// How long what was read serves, changed or not.
const KEPT: Duration = Duration::from_secs(30);

/// What was read last. One at a time looks.
#[derive(Default)]
pub(super) struct Roster(tokio::sync::Mutex<Option<Held>>);

struct Held {
    stamp: Stamp,
    read: Instant,
    podms: Arc<[Podm]>,
}

/// The stamp, and how many ids there are.
type Stamp = [Option<String>; 2];

impl Store {
    /// The records of all Pod Managers as they are now.
    ///
    /// # Errors
    /// When Redis is away. A row that cannot be read is left out and logged.
    pub async fn podms(&self) -> Result<Arc<[Podm]>, StoreError> {
        let mut held = self.roster().0.lock().await;
        // Before they are read: what changes meanwhile is read next time.
        let stamp = self.podms_stamp().await?;
        if let Some(held) = held.as_ref().filter(|held| held.stamp == stamp && held.read.elapsed() < KEPT) {
            return Ok(Arc::clone(&held.podms));
        }
        let (read, podms) = (Instant::now(), self.records(Collection::Podm).await?.into());
        *held = Some(Held { stamp, read, podms: Arc::clone(&podms) });
        Ok(podms)
    }

    async fn podms_stamp(&self) -> Result<Stamp, StoreError> {
        let mut pipe = redis::pipe();
        pipe.get(keys::PODMS_STAMP).scard(keys::index(Collection::Podm.as_str()));
        let mut stamp = Stamp::default();
        for (part, answer) in stamp.iter_mut().zip(each(&mut pipe, self.redis()).await?) {
            // What somebody else has put there says nothing; the next change replaces it.
            *part = answer.unwrap_or_default();
        }
        Ok(stamp)
    }
}
