//! Records as handlers read and write them: a late writer is refused.

use std::collections::HashMap;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Context;
use crate::model::podm::Podm;
use crate::model::problem::Problem;
use crate::service::Verdict;
use crate::store::claims::Hold;
use crate::store::records::Collection;

impl Context {
    /// Reads a record.
    ///
    /// # Errors
    /// A retry when Redis is away.
    pub async fn record<T: DeserializeOwned>(&self, of: Collection, id: &str) -> Result<Option<T>, Verdict> {
        Ok(self.store.record(of, id).await?)
    }

    /// Reads all records of a collection.
    ///
    /// # Errors
    /// A retry when Redis is away.
    pub async fn records<T: DeserializeOwned>(&self, of: Collection) -> Result<Vec<T>, Verdict> {
        Ok(self.store.records(of).await?)
    }

    /// Reads the records of a collection that are of one Pod Manager.
    ///
    /// # Errors
    /// A retry when Redis is away.
    pub async fn records_of<T: DeserializeOwned>(&self, podm_id: &str, of: Collection) -> Result<Vec<T>, Verdict> {
        Ok(self.store.records_of(podm_id, of).await?)
    }

    /// As [`Context::records_of`], where what is not found is destroyed or given up: dearer, and blind to nothing.
    ///
    /// # Errors
    /// A retry when Redis is away.
    pub async fn all_records_of<T: DeserializeOwned>(&self, podm_id: &str, of: Collection) -> Result<Vec<T>, Verdict> {
        Ok(self.store.all_records_of(podm_id, of).await?)
    }

    /// Forgets which records were a Pod Manager's that is itself forgotten.
    ///
    /// # Errors
    /// A retry when Redis is away.
    pub async fn forget_home(&self, podm_id: &str) -> Result<(), Verdict> {
        Ok(self.store.forget_home(podm_id).await?)
    }

    /// The records that have these ids, in their order.
    ///
    /// # Errors
    /// A retry when Redis is away.
    pub async fn records_with<T: DeserializeOwned>(&self, of: Collection, ids: &[String]) -> Result<Vec<T>, Verdict> {
        Ok(self.store.records_with(of, ids).await?)
    }

    /// The Pod Manager's record.
    ///
    /// # Errors
    /// 404 for good when there is none; a retry when Redis is away.
    pub async fn podm_record(&self) -> Result<Podm, Verdict> {
        let id = self.podm_id()?;
        let missing = || Problem::not_found(format!("Pod Manager {id} not found in database."));
        self.record(Collection::Podm, id).await?.ok_or_else(|| missing().into())
    }

    /// Makes a record in the name of this claim.
    ///
    /// # Errors
    /// 409 for good when a later writer came first, [`Verdict::Stop`] when the claim is lost; a retry when Redis is away.
    pub async fn create<T: Serialize + Sync>(&self, of: Collection, id: &str, row: &T) -> Result<(), Verdict> {
        if self.store.put_record(of, id, row, self.writer()).await? { Ok(()) } else { Err(self.late().await?) }
    }

    /// Changes a record that stands, in the name of this claim.
    ///
    /// # Errors
    /// As [`Context::create`]; a deletion counts as a later writer.
    pub async fn put<T: Serialize + Sync>(&self, of: Collection, id: &str, row: &T) -> Result<(), Verdict> {
        if self.store.update_record(of, id, row, self.writer()).await? { Ok(()) } else { Err(self.late().await?) }
    }

    /// A later writer was there first: is it because this claim is somebody else's by now, or because a later task ran earlier?
    async fn late(&self) -> Result<Verdict, Verdict> {
        let held = [(self.claimed.id, self.claimed.token.clone())];
        let holds = self.store.extend(self.claimed.id.bucket(), &self.claimed.worker, &held).await?;
        if holds.first() == Some(&Hold::Lost) {
            self.lease.lose();
            return Ok(Verdict::Stop);
        }
        Ok(Verdict::fail(Problem::conflict("a later change of the same record came first")))
    }

    /// Lays something observed over a record that stands.
    ///
    /// # Errors
    /// A retry when Redis is away.
    pub async fn observe<T: Serialize + Sync>(&self, of: Collection, id: &str, seen: &T) -> Result<(), Verdict> {
        Ok(self.store.observe(of, id, seen).await?)
    }

    /// Deletes a record in the name of this claim. One that a later writer changed stays.
    ///
    /// # Errors
    /// A retry when Redis is away.
    pub async fn delete(&self, of: Collection, id: &str) -> Result<(), Verdict> {
        self.store.delete_record(of, id, self.writer()).await?;
        Ok(())
    }

    /// Deletes a record whoever wrote it last: for flavors and Pod Managers, whose tasks do not take turns as a node's do.
    ///
    /// # Errors
    /// A retry when Redis is away.
    pub async fn remove(&self, of: Collection, id: &str) -> Result<(), Verdict> {
        Ok(self.store.remove_record(of, id, self.writer()).await?)
    }

    /// Changes a record that stands, whoever wrote it last: for devices, whose hardware was just read. One that was deleted stays so.
    ///
    /// # Errors
    /// [`Verdict::Stop`] when the claim is lost; a retry when Redis is away.
    pub async fn overwrite<T: Serialize + Sync>(&self, of: Collection, id: &str, row: &T) -> Result<(), Verdict> {
        if !self.lease.is_valid() {
            return Err(Verdict::Stop);
        }
        self.store.overwrite_record(of, id, row, self.writer()).await?;
        Ok(())
    }

    /// Claims a name that must be unique, for a record. `Some(id)`: that record has it.
    ///
    /// # Errors
    /// A retry when Redis is away.
    pub async fn claim_name(
        &self,
        of: Collection,
        what: &str,
        name: &str,
        id: &str,
    ) -> Result<Option<String>, Verdict> {
        Ok(self.store.claim_name(of, what, name, id).await?)
    }

    /// All unique names of one sort with the records that have them.
    ///
    /// # Errors
    /// A retry when Redis is away.
    pub async fn names(&self, of: Collection, what: &str) -> Result<HashMap<String, String>, Verdict> {
        Ok(self.store.names(of, what).await?)
    }

    /// Gives a unique name back.
    ///
    /// # Errors
    /// A retry when Redis is away.
    pub async fn release_name(&self, of: Collection, what: &str, name: &str, id: &str) -> Result<(), Verdict> {
        Ok(self.store.release_name(of, what, name, id).await?)
    }
}
