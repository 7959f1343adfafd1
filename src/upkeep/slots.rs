//! Time slots of Pod Managers: what is done there once a slot, however many schedulers run.
//!
//! Each Pod Manager has slots of its own, set apart from the others' by its id, so that the work spreads over the time. Whoever comes
//! first books a slot in Redis; what was booked already is remembered, so that Redis is asked once a slot.

use std::collections::HashMap;
use std::time::Duration;

use crate::model::podm::Podm;
use crate::store::{Store, StoreError};

/// Longest and shortest pause between two looks at which slots have begun.
const LOOK: (Duration, Duration) = (Duration::from_secs(5), Duration::from_millis(50));

/// The slots for one sort of work.
pub struct Slots {
    what: &'static str,
    length_ms: u64,
    seen: HashMap<String, u64>,
}

impl Slots {
    /// Slots of a length.
    #[must_use]
    pub fn new(what: &'static str, length: Duration) -> Self {
        let length_ms = u64::try_from(length.as_millis()).unwrap_or(u64::MAX).max(1);
        Self { what, length_ms, seen: HashMap::new() }
    }

    /// How long to wait between two looks at slots of a length.
    #[must_use]
    pub fn pause(length: Duration) -> Duration {
        (length / 4).clamp(LOOK.1, LOOK.0)
    }

    /// Forgets Pod Managers that are gone.
    pub fn keep(&mut self, podms: &[Podm]) {
        if self.seen.len() > podms.len() {
            self.seen.retain(|id, _| podms.iter().any(|p| p.uuid == *id));
        }
    }

    /// Books the slot that a Pod Manager is in. `false`: it was booked before.
    ///
    /// # Errors
    /// When Redis is away or full.
    pub async fn book(&mut self, store: &Store, podm_id: &str) -> Result<bool, StoreError> {
        let apart = podm_id.bytes().fold(0u64, |sum, b| sum.wrapping_mul(31).wrapping_add(b.into())) % self.length_ms;
        let slot = (store.clock().now_ms() + apart) / self.length_ms;
        if self.seen.get(podm_id) == Some(&slot) {
            return Ok(false);
        }
        let first = store.book_slot(self.what, podm_id, slot, self.length_ms.saturating_mul(3)).await?;
        self.seen.insert(podm_id.to_owned(), slot);
        Ok(first)
    }
}
