//! Inventories of Pod Managers, one JSON text each.

use super::{Store, StoreError, keys};
use crate::model::inventory::Inventory;

impl Store {
    /// Keeps what a refresh found.
    ///
    /// # Errors
    /// When Redis is away or full.
    pub async fn put_inventory(&self, inventory: &Inventory) -> Result<(), StoreError> {
        let text = serde_json::to_string(inventory).map_err(|e| StoreError::corrupt("an inventory", e))?;
        let key = keys::inventory(&inventory.podm_id);
        let () = redis::cmd("SET").arg(key).arg(text).query_async(&mut self.redis().shared()).await?;
        Ok(())
    }

    /// What the last refreshes of some Pod Managers found, in their order; `None` for one that was never read.
    ///
    /// # Errors
    /// When Redis is away, or what it has cannot be read.
    pub async fn inventories(&self, podm_ids: &[String]) -> Result<Vec<Option<Inventory>>, StoreError> {
        let mut pipe = redis::pipe();
        for id in podm_ids {
            pipe.cmd("GET").arg(keys::inventory(id));
        }
        if podm_ids.is_empty() {
            return Ok(Vec::new());
        }
        let texts: Vec<Option<String>> = pipe.query_async(&mut self.redis().shared()).await?;
        let read = |text: String| serde_json::from_str(&text).map_err(|e| StoreError::corrupt("an inventory", e));
        texts.into_iter().map(|text| text.map(read).transpose()).collect()
    }
}
