//! Idempotency-Key: one key, one task, however often it is sent.
//!
//! The record (`SET NX`: task id and fingerprint) comes first, the enqueue with that id second. A crash between the two loses
//! nothing: a repeat finds the record and runs the enqueue again, which answers "exists" when the task stands. A deleted task leaves a
//! tombstone for as long as the record lasts, so a late repeat does not bring it back.

use aws_lc_rs::digest::{SHA256, digest};

use super::tasks::TOMBSTONE_S;
use super::{Store, StoreError, keys};
use crate::ids::TaskId;

/// Whose task a key stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyUse {
    /// Nobody had it: the proposed id stands for it now.
    New,
    /// The same request had it: this is its task.
    Same(TaskId),
    /// Another request had it.
    Other,
}

/// SHA-256 of some parts, hexadecimal; a separator keeps `ab`+`c` apart from `a`+`bc`.
#[must_use]
pub fn fingerprint(parts: &[&str]) -> String {
    let joined = parts.join("\u{1f}");
    digest(&SHA256, joined.as_bytes()).as_ref().iter().map(|b| format!("{b:02x}")).collect()
}

impl Store {
    /// Books a key of a caller for `proposed`, or says who has it.
    ///
    /// # Errors
    /// When Redis is away or full.
    pub async fn use_key(
        &self,
        caller: &str,
        key: &str,
        fingerprint_of_request: &str,
        proposed: TaskId,
    ) -> Result<KeyUse, StoreError> {
        let redis_key = self.key_of(caller, key);
        let value = format!("{proposed} {fingerprint_of_request}");
        let before: Option<String> = redis::cmd("SET")
            .arg(&redis_key)
            .arg(&value)
            .arg("NX")
            .arg("GET")
            .arg("EX")
            .arg(TOMBSTONE_S)
            .query_async(&mut self.redis().shared())
            .await?;
        // One that is lost while its task is not would let a repeat make another.
        self.until_replicated(&[redis_key], 1).await?;
        read(before.as_deref(), fingerprint_of_request)
    }

    /// Who has a key of a caller, without booking it.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn look_at_key(
        &self,
        caller: &str,
        key: &str,
        fingerprint_of_request: &str,
    ) -> Result<KeyUse, StoreError> {
        let redis_key = self.key_of(caller, key);
        let before: Option<String> = redis::cmd("GET").arg(&redis_key).query_async(&mut self.redis().shared()).await?;
        read(before.as_deref(), fingerprint_of_request)
    }

    fn key_of(&self, caller: &str, key: &str) -> String {
        let digest = fingerprint(&[caller, key]);
        keys::idempotency(self.options().buckets.of_name(&digest), &digest)
    }
}

fn read(before: Option<&str>, fingerprint_of_request: &str) -> Result<KeyUse, StoreError> {
    let Some(before) = before else { return Ok(KeyUse::New) };
    let (id, print) = before.split_once(' ').unwrap_or((before, ""));
    if print != fingerprint_of_request {
        return Ok(KeyUse::Other);
    }
    Ok(KeyUse::Same(id.parse().map_err(|e| StoreError::corrupt("an idempotency record", e))?))
}
