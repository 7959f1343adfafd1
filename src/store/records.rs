//! Records of the v1 API: Pod Managers, nodes, flavors; and schedules. One hash each, one set of ids a collection.

use std::collections::HashMap;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::each::each;
use super::{Store, StoreError, keys};
use crate::ids::{TaskId, new_token};

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
    /// Pooled devices.
    Device,
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
            Self::Device => "device",
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
    /// When Redis is away. A row that cannot be read is left out and logged.
    pub async fn records<T: DeserializeOwned>(&self, of: Collection) -> Result<Vec<T>, StoreError> {
        let mut ids = self.record_ids(of).await?;
        ids.sort_unstable();
        self.records_with(of, &ids).await
    }

    /// The ids of a collection, in no order.
    pub(super) async fn record_ids(&self, of: Collection) -> Result<Vec<String>, StoreError> {
        let index = keys::index(of.as_str());
        Ok(redis::cmd("SMEMBERS").arg(index).query_async(&mut self.redis().shared()).await?)
    }

    /// The records that have these ids, in their order.
    ///
    /// # Errors
    /// As [`Store::records`].
    pub async fn records_with<T: DeserializeOwned>(
        &self,
        of: Collection,
        ids: &[String],
    ) -> Result<Vec<T>, StoreError> {
        let mut all = Vec::with_capacity(ids.len());
        for chunk in ids.chunks(500) {
            let mut pipe = redis::pipe();
            for id in chunk {
                pipe.cmd("HMGET").arg(keys::record(of.as_str(), id)).arg("row").arg("live");
            }
            let rows = each(&mut pipe, self.redis()).await?;
            for (id, fields) in chunk.iter().zip(rows) {
                match fields.and_then(|fields| read::<T>(of, id, fields)) {
                    Ok(row) => all.extend(row),
                    // One broken row does not take the others with it; asked for by itself, it is an error.
                    Err(error) => tracing::error!(collection = of.as_str(), id, %error, "a record cannot be read"),
                }
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
        self.write(of, id, "create", &text(row)?, writer).await
    }

    /// Changes a record that stands. `false`: a later writer or a deletion came first, and nothing was written.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn update_record<T: Serialize + Sync>(
        &self,
        of: Collection,
        id: &str,
        row: &T,
        writer: Writer,
    ) -> Result<bool, StoreError> {
        self.write(of, id, "update", &text(row)?, writer).await
    }

    /// Changes a record that stands, whoever wrote it last: for rows that follow what was just read. `false`: it was deleted.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn overwrite_record<T: Serialize + Sync>(
        &self,
        of: Collection,
        id: &str,
        row: &T,
        writer: Writer,
    ) -> Result<bool, StoreError> {
        self.write(of, id, "overwrite", &text(row)?, writer).await
    }

    /// Deletes a record whoever wrote it last: for records whose tasks do not take turns, so that a later one may run earlier.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn remove_record(&self, of: Collection, id: &str, writer: Writer) -> Result<(), StoreError> {
        self.write(of, id, "remove", "", writer).await?;
        Ok(())
    }

    /// Deletes a record; a tombstone keeps late writers out. `false`: a later writer came first.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn delete_record(&self, of: Collection, id: &str, writer: Writer) -> Result<bool, StoreError> {
        self.write(of, id, "delete", "", writer).await
    }

    /// The record first, what finds it second: a task that dies in between does both again.
    async fn write(&self, of: Collection, id: &str, how: &str, row: &str, writer: Writer) -> Result<bool, StoreError> {
        let mut call = self.scripts().record.prepare_invoke();
        call.key(keys::record(of.as_str(), id)).arg(writer.to_string()).arg(how).arg(row).arg(TOMBSTONE_S);
        let reply: String = call.invoke_async(&mut self.redis().shared()).await?;
        if reply != "ok" {
            return Ok(false);
        }
        self.index(keys::index(of.as_str()), &[if row.is_empty() { "remove" } else { "add" }, id]).await?;
        self.note_home(of, id, row).await?;
        self.stamp(of).await?;
        Ok(true)
    }

    pub(super) async fn index(&self, key: String, args: &[&str]) -> Result<String, StoreError> {
        let mut call = self.scripts().index.prepare_invoke();
        call.key(key).arg(args);
        Ok(call.invoke_async(&mut self.redis().shared()).await?)
    }

    /// Says that a Pod Manager's record is another one now ([`super::roster`]). After the change: who reads the old stamp reads again.
    pub(super) async fn stamp(&self, of: Collection) -> Result<(), StoreError> {
        if of == Collection::Podm {
            self.index(keys::PODMS_STAMP.to_owned(), &["stamp", &new_token()]).await?;
        }
        Ok(())
    }

    /// Lays something observed (a PODM's status, say) over a record that stands; the next write of the record takes it away.
    ///
    /// # Errors
    /// When Redis is away or full.
    pub async fn observe<T: Serialize + Sync>(&self, of: Collection, id: &str, seen: &T) -> Result<(), StoreError> {
        let seen = serde_json::to_string(seen).map_err(|e| StoreError::corrupt("an observation", e))?;
        let mut call = self.scripts().observe.prepare_invoke();
        call.key(keys::record(of.as_str(), id)).arg(seen);
        let set: u8 = call.invoke_async(&mut self.redis().shared()).await?;
        if set == 1 { self.stamp(of).await } else { Ok(()) }
    }

    /// Claims a name that must be unique in a collection for a record. `Some(id)`: that record has it.
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
        let owner = self.index(keys::unique(of.as_str(), what), &["claim", name, id]).await?;
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

    /// All unique names of one sort with their owners.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn names(&self, of: Collection, what: &str) -> Result<HashMap<String, String>, StoreError> {
        let key = keys::unique(of.as_str(), what);
        Ok(redis::cmd("HGETALL").arg(key).query_async(&mut self.redis().shared()).await?)
    }

    /// Gives a unique name back, when it is this record's.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn release_name(&self, of: Collection, what: &str, name: &str, id: &str) -> Result<(), StoreError> {
        self.index(keys::unique(of.as_str(), what), &["release", name, id]).await?;
        Ok(())
    }
}

fn text<T: Serialize>(row: &T) -> Result<String, StoreError> {
    serde_json::to_string(row).map_err(|e| StoreError::corrupt("a record", e))
}

/// `row`, and what was last observed of it.
type Fields = (Option<String>, Option<String>);

fn read<T: DeserializeOwned>(of: Collection, id: &str, (row, live): Fields) -> Result<Option<T>, StoreError> {
    let Some(row) = row.filter(|r| !r.is_empty()) else { return Ok(None) };
    let corrupt = |e: serde_json::Error| StoreError::corrupt(format!("{} {id}", of.as_str()), e);
    let Some(live) = live else { return serde_json::from_str(&row).map(Some).map_err(corrupt) };
    let mut row: serde_json::Value = serde_json::from_str(&row).map_err(corrupt)?;
    if let Some(row) = row.as_object_mut() {
        let live: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&live).map_err(corrupt)?;
        row.extend(live);
    }
    serde_json::from_value(row).map(Some).map_err(corrupt)
}
