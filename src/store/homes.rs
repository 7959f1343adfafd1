//! Records of one Pod Manager, without reading those of the others: with thousands of Pod Managers each reads its own now and then, and
//! all of them each time would be their square.
//!
//! Which Pod Manager a node or a device is of never changes. So a process that has read it once knows which records it need not read; those it has
//! never seen it reads. Nothing is kept in Redis for it, so nothing there can be out of step.

use std::collections::{HashMap, HashSet};
use std::hash::{Hash, Hasher};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::records::Collection;
use super::{Store, StoreError};

/// The Pod Manager of each record that was read, by a hash of its id: two that share one only read more than they need.
#[derive(Default)]
pub(super) struct Homes(Mutex<HashMap<&'static str, Known>>);

/// Of one collection.
type Known = HashMap<String, u64>;

impl Homes {
    fn known(&self) -> MutexGuard<'_, HashMap<&'static str, Known>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What of a record says whose it is.
#[derive(Deserialize)]
struct Home {
    uuid: String,
    podm_id: String,
}

impl Store {
    /// Reads the records of a collection that are of one Pod Manager.
    ///
    /// # Errors
    /// When Redis is away. A row that cannot be read is left out and logged.
    pub async fn records_of<T: DeserializeOwned>(&self, podm_id: &str, of: Collection) -> Result<Vec<T>, StoreError> {
        let (mut ids, home) = (self.record_ids(of).await?, hash(podm_id));
        {
            let mut all = self.homes().known();
            let known = all.entry(of.as_str()).or_default();
            if known.len() > 2 * ids.len() + 100 {
                let there: HashSet<&String> = ids.iter().collect();
                known.retain(|id, _| there.contains(id));
            }
            ids.retain(|id| known.get(id).is_none_or(|known| *known == home));
        }
        ids.sort_unstable();
        let rows: Vec<Value> = self.records_with(of, &ids).await?;
        let mut own = Vec::new();
        let mut all = self.homes().known();
        let known = all.entry(of.as_str()).or_default();
        for row in rows {
            let Home { uuid, podm_id: its } = match Home::deserialize(&row) {
                Ok(home) => home,
                Err(error) => {
                    tracing::error!(collection = of.as_str(), %error, "a record does not say whose it is");
                    continue;
                }
            };
            if its == podm_id {
                match serde_json::from_value(row) {
                    Ok(row) => own.push(row),
                    Err(error) => {
                        tracing::error!(collection = of.as_str(), id = uuid, %error, "a record cannot be read");
                    }
                }
            }
            known.insert(uuid, hash(&its));
        }
        Ok(own)
    }
}

fn hash(podm_id: &str) -> u64 {
    let mut hasher = std::hash::DefaultHasher::new();
    podm_id.hash(&mut hasher);
    hasher.finish()
}
