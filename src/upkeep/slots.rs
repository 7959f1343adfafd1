//! Time slots of Pod Managers: what is done there once a slot, however many schedulers run.
//!
//! Each Pod Manager has slots of its own, set apart from the others' by its id, so that the work spreads over the time. Whoever comes
//! first books a slot in Redis; what was booked already is remembered, so that Redis is asked once a slot.

use std::collections::{HashMap, HashSet};
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
            let there: HashSet<&str> = podms.iter().map(|p| p.uuid.as_str()).collect();
            self.seen.retain(|id, _| there.contains(id.as_str()));
        }
    }

    /// Books the slot that a Pod Manager is in. `false`: it was booked before.
    ///
    /// # Errors
    /// When Redis is away or full.
    pub async fn book(&mut self, store: &Store, podm_id: &str) -> Result<bool, StoreError> {
        Ok(!self.book_all(store, std::iter::once(podm_id)).await?.is_empty())
    }

    /// Books the slot that each of some Pod Managers is in, in one round trip; those whose slot was not booked before.
    ///
    /// # Errors
    /// As [`Slots::book`]. Slots that were booked before it came to that pass without anything being done in them.
    pub async fn book_all<'a>(
        &mut self,
        store: &Store,
        podm_ids: impl Iterator<Item = &'a str>,
    ) -> Result<Vec<&'a str>, StoreError> {
        let now_ms = store.clock().now_ms();
        let slots = podm_ids.map(|id| (id, self.slot(id, now_ms)));
        let begun: Vec<(&str, u64)> = slots.filter(|(id, slot)| self.seen.get(*id) != Some(slot)).collect();
        let first = store.book_slots(self.what, &begun, self.length_ms.saturating_mul(3)).await?;
        self.seen.extend(begun.iter().map(|(id, slot)| ((*id).to_owned(), *slot)));
        Ok(begun.into_iter().zip(first).filter(|(_, first)| *first).map(|((id, _), _)| id).collect())
    }

    fn slot(&self, podm_id: &str, now_ms: u64) -> u64 {
        let apart = podm_id.bytes().fold(0u64, |sum, b| sum.wrapping_mul(31).wrapping_add(b.into())) % self.length_ms;
        (now_ms + apart) / self.length_ms
    }
}
