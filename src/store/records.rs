//! Records of the v1 API: Pod Managers, nodes, flavors; and schedules. One hash each, one set of ids a collection.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Store, StoreError, keys};
use crate::ids::TaskId;

/// Seconds a deleted record stays behind as a tombstone, so that a late writer cannot bring it back: longer than any task lasts.
const TOMBSTONE_S: u64 = 7 * 24 * 3600;

/// A kind of record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Collection {
    /// Pod Managers.
    Podm,
    /// Composed nodes.
    Node,
    /// Flavors.
    Flavor,
    /// Periodic tasks.
    Schedule,
}

impl Collection {
    /// The word in its keys.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Podm => "podm",
            Self::Node => "node",
            Self::Flavor => "flavor",
            Self::Schedule => "schedule",
        }
    }
}

/// Who writes a record: later claims of a task, and later tasks, come after earlier ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Writer {
    /// The task.
    pub task: TaskId,
    /// Its claim sequence.
    pub claims: u64,
}

impl std::fmt::Display for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{:010}", self.task, self.claims)
    }
}

impl Store {
    /// Reads a record.
    ///
    /// # Errors
    /// When Redis is away, or the row cannot be read.
    pub async fn record<T: DeserializeOwned>(&self, of: Collection, id: &str) -> Result<Option<T>, StoreError> {
        if !crate::ids::is_record_id(id) {
            return Ok(None);
        }
        let fields: Fields = redis::cmd("HMGET")
            .arg(keys::record(of.as_str(), id))
            .arg("row")
            .arg("live")
            .query_async(&mut self.redis().shared())
            .await?;
        read(of, id, fields)
    }

    /// Reads all records of a collection.
    ///
    /// # Errors
    /// When Redis is away, or a row cannot be read.
    pub async fn records<T: DeserializeOwned>(&self, of: Collection) -> Result<Vec<T>, StoreError> {
        let mut shared = self.redis().shared();
        let mut ids: Vec<String> =
            redis::cmd("SMEMBERS").arg(keys::index(of.as_str())).query_async(&mut shared).await?;
        ids.sort_unstable();
        let mut all = Vec::with_capacity(ids.len());
        for chunk in ids.chunks(500) {
            let mut pipe = redis::pipe();
            for id in chunk {
                pipe.cmd("HMGET").arg(keys::record(of.as_str(), id)).arg("row").arg("live");
            }
            let rows: Vec<Fields> = pipe.query_async(&mut shared).await?;
            for (id, fields) in chunk.iter().zip(rows) {
                all.extend(read::<T>(of, id, fields)?);
            }
        }
        Ok(all)
    }

    /// Writes a record. `false`: a later writer or a deletion came first, and nothing was written.
    ///
    /// # Errors
    /// When Redis is away or full.
    pub async fn put_record<T: Serialize + Sync>(
        &self,
        of: Collection,
        id: &str,
        row: &T,
        writer: Writer,
    ) -> Result<bool, StoreError> {
        let row = serde_json::to_string(row).map_err(|e| StoreError::corrupt("a record", e))?;
        let mut shared = self.redis().shared();
        let _new: u32 = redis::cmd("SADD").arg(keys::index(of.as_str())).arg(id).query_async(&mut shared).await?;
        self.write(of, id, &row, writer).await
    }

    /// Deletes a record; a tombstone keeps late writers out. `false`: a later writer came first.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn delete_record(&self, of: Collection, id: &str, writer: Writer) -> Result<bool, StoreError> {
        let deleted = self.write(of, id, "", writer).await?;
        if deleted {
            let mut shared = self.redis().shared();
            let _gone: u32 = redis::cmd("SREM").arg(keys::index(of.as_str())).arg(id).query_async(&mut shared).await?;
        }
        Ok(deleted)
    }

    async fn write(&self, of: Collection, id: &str, row: &str, writer: Writer) -> Result<bool, StoreError> {
        let mut call = self.scripts().record.prepare_invoke();
        call.key(keys::record(of.as_str(), id)).arg(writer.to_string()).arg(row).arg(TOMBSTONE_S);
        let reply: String = call.invoke_async(&mut self.redis().shared()).await?;
        Ok(reply == "ok")
    }

    /// Lays something observed (a PODM's status, say) over a record that stands; the next write of the record takes it away.
    ///
    /// # Errors
    /// When Redis is away or full.
    pub async fn observe<T: Serialize + Sync>(&self, of: Collection, id: &str, seen: &T) -> Result<(), StoreError> {
        let seen = serde_json::to_string(seen).map_err(|e| StoreError::corrupt("an observation", e))?;
        let mut call = self.scripts().observe.prepare_invoke();
        call.key(keys::record(of.as_str(), id)).arg(seen);
        let _set: u8 = call.invoke_async(&mut self.redis().shared()).await?;
        Ok(())
    }

    /// Claims a name that must be unique in a collection for a record. `Err(id)`-like answer: `Some(other)` has it.
    ///
    /// # Errors
    /// When Redis is away or full.
    pub async fn claim_name(
        &self,
        of: Collection,
        what: &str,
        name: &str,
        id: &str,
    ) -> Result<Option<String>, StoreError> {
        let key = keys::unique(of.as_str(), what);
        let (_, owner): (bool, String) =
            redis::pipe().hset_nx(&key, name, id).hget(&key, name).query_async(&mut self.redis().shared()).await?;
        Ok(Some(owner).filter(|o| o != id))
    }

    /// Who has a unique name.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn name_owner(&self, of: Collection, what: &str, name: &str) -> Result<Option<String>, StoreError> {
        let key = keys::unique(of.as_str(), what);
        Ok(redis::cmd("HGET").arg(key).arg(name).query_async(&mut self.redis().shared()).await?)
    }

    /// Gives a unique name back, when it is this record's.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn release_name(&self, of: Collection, what: &str, name: &str, id: &str) -> Result<(), StoreError> {
        if self.name_owner(of, what, name).await?.as_deref() == Some(id) {
            let key = keys::unique(of.as_str(), what);
            let _gone: u32 = redis::cmd("HDEL").arg(key).arg(name).query_async(&mut self.redis().shared()).await?;
        }
        Ok(())
    }
}

/// `row`, and what was last observed of it.
type Fields = (Option<String>, Option<String>);

fn read<T: DeserializeOwned>(of: Collection, id: &str, (row, live): Fields) -> Result<Option<T>, StoreError> {
    let Some(row) = row.filter(|r| !r.is_empty()) else { return Ok(None) };
    let corrupt = |e: serde_json::Error| StoreError::corrupt(format!("{} {id}", of.as_str()), e);
    let mut row: serde_json::Value = serde_json::from_str(&row).map_err(corrupt)?;
    if let (Some(row), Some(live)) = (row.as_object_mut(), live) {
        let live: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&live).map_err(corrupt)?;
        row.extend(live);
    }
    serde_json::from_value(row).map(Some).map_err(corrupt)
}
