//! The audit log: one capped stream for the whole deployment, the newest lines kept.
//!
//! It is written also while Redis is full (a stream at its cap does not grow); what cannot be written at all stands in the process's log.

use super::entry::Entry;
use super::{Store, StoreError, keys};
use crate::model::audit::{AuditEntry, AuditFilter};

/// Lines kept, about: at some 300 bytes each, 15 MB.
pub const KEPT: usize = 50_000;
/// Most lines that one call looks at.
const MOST_EXAMINED: usize = 10_000;
/// Lines read at once.
const STEP: usize = 1_000;

/// A page of the audit log.
#[derive(Debug, Clone, Default)]
pub struct Page {
    /// Id and line, newest first.
    pub entries: Vec<(String, AuditEntry)>,
    /// Give it back for the next page; `None` at the end.
    pub marker: Option<String>,
}

impl Store {
    /// Adds a line.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn audit(&self, entry: &AuditEntry) -> Result<(), StoreError> {
        self.audit_all(std::slice::from_ref(entry)).await
    }

    /// Adds lines, in their order, in one call.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn audit_all(&self, entries: &[AuditEntry]) -> Result<(), StoreError> {
        let mut call = self.scripts().audit.prepare_invoke();
        call.key(keys::AUDIT).arg(KEPT);
        for entry in entries {
            call.arg(serde_json::to_string(entry).map_err(|e| StoreError::corrupt("an audit entry", e))?);
        }
        let _added: usize = call.invoke_async(&mut self.redis().shared()).await?;
        Ok(())
    }

    /// A page of at most `limit` lines older than `marker`, newest first. A call looks at 10,000 lines at most, so a filtered page may
    /// come back short, with a marker to go on from.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn audits(&self, filter: &AuditFilter, limit: usize, marker: Option<&str>) -> Result<Page, StoreError> {
        let mut page = Page::default();
        // Stream ids begin with the time of writing, which is not before the time of the event.
        let oldest = filter.since_ms.map_or_else(|| "-".to_owned(), |ms| ms.to_string());
        let mut newest = marker.map_or_else(|| "+".to_owned(), |m| format!("({m}"));
        let mut examined = 0;
        while examined < MOST_EXAMINED {
            let found: Vec<Entry> = redis::cmd("XREVRANGE")
                .arg(keys::AUDIT)
                .arg(&[newest.as_str(), oldest.as_str(), "COUNT"])
                .arg(STEP.min(MOST_EXAMINED - examined))
                .query_async(&mut self.redis().shared())
                .await?;
            if found.is_empty() {
                page.marker = None;
                return Ok(page);
            }
            for line in found {
                examined += 1;
                page.marker = Some(line.id.clone());
                let text = line.text("e").unwrap_or_default();
                match serde_json::from_str::<AuditEntry>(&text) {
                    Ok(entry) if filter.fits(&entry) => page.entries.push((line.id, entry)),
                    Ok(_) => {}
                    Err(error) => tracing::warn!(id = line.id, %error, "a line of the audit log cannot be read"),
                }
                if page.entries.len() == limit {
                    return Ok(page);
                }
            }
            newest = page.marker.as_ref().map_or_else(|| "+".to_owned(), |m| format!("({m}"));
        }
        Ok(page)
    }
}
