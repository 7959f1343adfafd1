//! The audit log: one capped stream, the newest kept.

use redis::streams::StreamRangeReply;

use super::{Store, StoreError, keys};
use crate::model::audit::AuditEntry;

/// Entries kept, roughly.
const MOST: usize = 100_000;

impl Store {
    /// Keeps an entry.
    ///
    /// # Errors
    /// When Redis is away or full.
    pub async fn audit(&self, entry: &AuditEntry) -> Result<(), StoreError> {
        let text = serde_json::to_string(entry).map_err(|e| StoreError::corrupt("an audit entry", e))?;
        let _id: String = redis::cmd("XADD")
            .arg(keys::AUDIT)
            .arg(&["MAXLEN", "~"])
            .arg(MOST)
            .arg(&["*", "e", &text])
            .query_async(&mut self.redis().shared())
            .await?;
        Ok(())
    }

    /// Entries older than `before`, an id of an earlier call (`None`: from the newest), the newest first, each with its id.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn audits(&self, before: Option<&str>, count: usize) -> Result<Vec<(String, AuditEntry)>, StoreError> {
        let end = before.map_or_else(|| "+".to_owned(), |id| format!("({id}"));
        let found: StreamRangeReply = redis::cmd("XREVRANGE")
            .arg(keys::AUDIT)
            .arg(&[&end, "-", "COUNT"])
            .arg(count)
            .query_async(&mut self.redis().shared())
            .await?;
        let one = |entry: redis::streams::StreamId| {
            let text: String = entry.get("e")?;
            Some((entry.id, serde_json::from_str(&text).ok()?))
        };
        Ok(found.ids.into_iter().filter_map(one).collect())
    }
}
