//! Events that Pod Managers sent: one capped stream each, the newest kept.

use super::entry::Entry;
use super::{Store, StoreError, keys};
use crate::model::event::PodmEvent;

/// Events kept of one Pod Manager.
const MOST: usize = 500;
/// How long they are kept without news, s.
const KEPT_S: u64 = 7 * 24 * 3600;

impl Store {
    /// Keeps events, in their order.
    ///
    /// # Errors
    /// When Redis is away or full.
    pub async fn add_podm_events(&self, podm_id: &str, events: &[PodmEvent]) -> Result<(), StoreError> {
        if events.is_empty() {
            return Ok(());
        }
        let key = keys::podm_events(podm_id);
        let mut pipe = redis::pipe();
        for event in events {
            let text = serde_json::to_string(event).map_err(|e| StoreError::corrupt("an event", e))?;
            pipe.cmd("XADD").arg(&key).arg("MAXLEN").arg(MOST).arg("*").arg("e").arg(text).ignore();
        }
        let () = pipe.cmd("EXPIRE").arg(&key).arg(KEPT_S).ignore().query_async(&mut self.redis().shared()).await?;
        Ok(())
    }

    /// The newest events of a Pod Manager, the newest first, each with the time it came (ms since 1970).
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn podm_events(&self, podm_id: &str, count: usize) -> Result<Vec<(u64, PodmEvent)>, StoreError> {
        let found: Vec<Entry> = redis::cmd("XREVRANGE")
            .arg(keys::podm_events(podm_id))
            .arg(&["+", "-", "COUNT"])
            .arg(count)
            .query_async(&mut self.redis().shared())
            .await?;
        let one = |entry: Entry| {
            let ms = entry.id.split_once('-')?.0.parse().ok()?;
            Some((ms, serde_json::from_str(&entry.text("e")?).ok()?))
        };
        Ok(found.into_iter().filter_map(one).collect())
    }
}
