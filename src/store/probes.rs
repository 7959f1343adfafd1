//! When each Pod Manager was probed last, and how long its answer took: what placement may weigh.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::{Store, StoreError, keys};

/// The last probe that was answered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probed {
    /// When, ms since 1970.
    pub at_ms: u64,
    /// How long the answer took, ms: the service root and a look behind it.
    pub latency_ms: u64,
}

impl Store {
    /// Notes a probe that was answered.
    ///
    /// # Errors
    /// When Redis is away or full.
    pub async fn note_probe(&self, podm_id: &str, probed: Probed) -> Result<(), StoreError> {
        let text = serde_json::to_string(&probed).map_err(|e| StoreError::corrupt("a probe", e))?;
        let () =
            redis::cmd("HSET").arg(keys::PROBES).arg(podm_id).arg(text).query_async(&mut self.redis().shared()).await?;
        Ok(())
    }

    /// The last answered probe of every Pod Manager, by its id.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn probes(&self) -> Result<HashMap<String, Probed>, StoreError> {
        let all: HashMap<String, String> =
            redis::cmd("HGETALL").arg(keys::PROBES).query_async(&mut self.redis().shared()).await?;
        Ok(all.into_iter().filter_map(|(id, text)| Some((id, serde_json::from_str(&text).ok()?))).collect())
    }
}
