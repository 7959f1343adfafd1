//! What handlers may do with inventories, drift and the audit log.

use super::Context;
use crate::ids::TaskId;
use crate::model::audit::AuditEntry;
use crate::model::drift::Finding;
use crate::model::inventory::Inventory;
use crate::model::task::Definition;
use crate::service::Verdict;
use crate::store::inventory::Rows;
use crate::store::submit::{IdempotencyKey, SubmitError};

impl Context {
    /// What the last refresh of a Pod Manager came to.
    ///
    /// # Errors
    /// A retry when Redis is away.
    pub async fn inventory(&self, podm_id: &str) -> Result<Option<Inventory>, Verdict> {
        Ok(self.store.inventories(&[podm_id.to_owned()]).await?.pop().flatten())
    }

    /// The rows behind it.
    ///
    /// # Errors
    /// A retry when Redis is away.
    pub async fn inventory_rows(&self, podm_id: &str) -> Result<Rows, Verdict> {
        Ok(self.store.inventory_rows(podm_id).await?)
    }

    /// Keeps what a refresh found; says how many rows were written.
    ///
    /// # Errors
    /// A retry when Redis is away or full.
    pub async fn put_inventory(&self, found: &Inventory, before: &Rows, now: &Rows) -> Result<usize, Verdict> {
        let written = self.store.put_inventory_rows(&found.podm_id, before, now).await?;
        self.store.put_inventory(found).await?;
        Ok(written)
    }

    /// Forgets the inventory of a Pod Manager.
    ///
    /// # Errors
    /// A retry when Redis is away.
    pub async fn forget_inventory(&self, podm_id: &str) -> Result<(), Verdict> {
        Ok(self.store.forget_inventory(podm_id).await?)
    }

    /// Where hardware and records of a Pod Manager disagreed at the last look.
    ///
    /// # Errors
    /// A retry when Redis is away.
    pub async fn drift(&self, podm_id: &str) -> Result<Vec<Finding>, Verdict> {
        Ok(self.store.drifts(&[podm_id.to_owned()]).await?.pop().unwrap_or_default())
    }

    /// Keeps where they disagree, and when the next look is worth while.
    ///
    /// # Errors
    /// A retry when Redis is away or full.
    pub async fn put_drift(&self, podm_id: &str, findings: &[Finding], again_ms: u64) -> Result<(), Verdict> {
        Ok(self.store.put_drift(podm_id, findings, again_ms).await?)
    }

    /// Whether a task is at work on a node, or waits to be.
    ///
    /// # Errors
    /// A retry when Redis is away.
    pub async fn is_worked_on(&self, podm_id: &str, node_id: &str) -> Result<bool, Verdict> {
        let bucket = self.bucket_of(Some(podm_id));
        Ok(self.store.is_gate_used(bucket, &format!("node:{node_id}")).await?)
    }

    /// Has a Pod Manager refreshed soon, because this task has changed something there. That it cannot be is no error of this task.
    pub async fn refresh_soon(&self, podm_id: &str) {
        if let Err(error) = self.store.refresh_soon(podm_id).await {
            tracing::debug!(task_id = %self.id(), %error, "no refresh made; the next one comes by itself");
        }
    }

    /// Makes a task of its own, once for a key. `None`: it was refused, and that is logged.
    ///
    /// # Errors
    /// A retry when Redis is away or full.
    pub async fn apart(&self, mut def: Definition, key: String) -> Result<Option<TaskId>, Verdict> {
        let caller = "sweep".to_owned();
        def.caller = Some(caller.clone());
        let what = format!("{} {key}", def.kind);
        match self.store.submit(def, None, Some(IdempotencyKey { caller, key, fingerprint: "sweep".into() })).await {
            Ok(submitted) => Ok(Some(submitted.id)),
            Err(SubmitError::Store(error)) => Err(error.into()),
            Err(SubmitError::Refused(problem)) => {
                tracing::warn!(what, error = %problem.detail, "no task made");
                Ok(None)
            }
        }
    }

    /// Paths of the sessions at a Pod Manager whose processes are gone.
    ///
    /// # Errors
    /// A retry when Redis is away.
    pub async fn lost_sessions(&self, podm_id: &str) -> Result<Vec<String>, Verdict> {
        Ok(self.store.lost_sessions(podm_id).await?)
    }

    /// Notes that a session is no more.
    ///
    /// # Errors
    /// A retry when Redis is away.
    pub async fn session_ended(&self, podm_id: &str, path: &str) -> Result<(), Verdict> {
        Ok(self.store.session_ended(podm_id, path).await?)
    }

    /// Writes into the audit log what this task has done by itself.
    ///
    /// # Errors
    /// A retry when Redis is away or full.
    pub async fn audit(&self, action: &str, target: &str, task: Option<&str>, detail: String) -> Result<(), Verdict> {
        let entry = AuditEntry {
            at_ms: self.now_ms(),
            actor: self.def().caller.clone().unwrap_or_else(|| "sweep".into()),
            action: action.to_owned(),
            target: target.to_owned(),
            task_id: Some(task.map_or_else(|| self.id().to_string(), str::to_owned)),
            outcome: "done".into(),
            detail: Some(detail),
            ..AuditEntry::default()
        };
        Ok(self.store.audit(&entry).await?)
    }
}
