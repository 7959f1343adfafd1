//! What handlers may do with Pod Managers: their gates, limits, readings.

use std::time::Duration;

use super::Context;
use crate::model::kind;
use crate::model::podm::Podm;
use crate::service::Verdict;
use crate::store::gates::Entry;
use crate::store::readings::{Latest, Subscribed};

impl Context {
    /// Runs a read of the task's Pod Manager under a place in its gate for reads.
    ///
    /// # Errors
    /// [`Verdict::Park`] when there is no place now; a retry when Redis is away. The inner outcome is the read's.
    pub async fn reading<T>(&self, read: impl Future<Output = T>) -> Result<T, Verdict> {
        self.reading_of(self.podm_id()?, read).await
    }

    /// [`Context::reading`] for a task that concerns several Pod Managers.
    ///
    /// # Errors
    /// As there.
    pub async fn reading_of<T>(&self, podm_id: &str, read: impl Future<Output = T>) -> Result<T, Verdict> {
        let (bucket, gate, holder) =
            (self.bucket_of(Some(podm_id)), kind::podm_gate(podm_id, false), self.claimed.token.clone());
        // No longer than a lease, and kept while the read goes on: a worker that dies leaves the place to others as soon as its task.
        let lease = self.store.options().lease;
        let enter = || self.store.gate_enter(bucket, &gate, &holder, kind::PODM_READS, lease);
        let (after, why) = match enter().await? {
            Entry::In => (None, ""),
            Entry::Full => (Some(Duration::from_secs(1)), "too many reads of the Pod Manager"),
            Entry::Shut(time) => (Some(time), "the Pod Manager is not asked now: its circuit is open"),
        };
        if let Some(after) = after {
            return Err(Verdict::Park { after, why: why.into() });
        }
        let kept = async {
            loop {
                tokio::time::sleep(lease / 3).await;
                if let Err(error) = enter().await {
                    tracing::debug!(%error, gate, "place not kept; it lapses");
                }
            }
        };
        let outcome = tokio::select! {
            outcome = read => Ok(outcome),
            () = self.stop.cancelled() => Err(Verdict::Stop),
            () = kept => Err(Verdict::Stop),
        };
        if let Err(error) = self.store.gate_leave(bucket, &gate, &holder).await {
            tracing::debug!(%error, gate, "place not given back; it lapses");
        }
        outcome
    }

    /// Keeps the latest readings of a Pod Manager; says how many had no room.
    ///
    /// # Errors
    /// A retry when Redis is away or full.
    pub async fn put_readings(&self, podm_id: &str, latest: Latest) -> Result<usize, Verdict> {
        Ok(self.store.put_readings(podm_id, latest).await?)
    }

    /// Notes what is subscribed to at a Pod Manager; `None`: nothing any more.
    ///
    /// # Errors
    /// A retry when Redis is away or full.
    pub async fn note_subscribed(&self, podm_id: &str, note: Option<&Subscribed>) -> Result<(), Verdict> {
        Ok(self.store.note_subscribed(podm_id, note).await?)
    }

    /// Whether a subscription at a Pod Manager is on record, and not to go.
    ///
    /// # Errors
    /// A retry when Redis is away.
    pub async fn is_subscribed(&self, podm_id: &str) -> Result<bool, Verdict> {
        Ok(self.store.subscribed(podm_id).await?.is_some_and(|note| !note.ending))
    }

    /// Notes that the subscription at a Pod Manager is to go.
    ///
    /// # Errors
    /// A retry when Redis is away.
    pub async fn note_ending(&self, podm_id: &str) -> Result<(), Verdict> {
        let Some(note) = self.store.subscribed(podm_id).await? else { return Ok(()) };
        self.note_subscribed(podm_id, Some(&Subscribed { ending: true, ..note })).await
    }

    /// Puts a Pod Manager's limits into force.
    ///
    /// # Errors
    /// A retry when Redis is away.
    pub async fn set_limits(&self, podm: &Podm) -> Result<(), Verdict> {
        Ok(self.store.set_limits(&podm.uuid, &podm.policy).await?)
    }

    /// Forgets limits and circuit of a Pod Manager that is gone.
    ///
    /// # Errors
    /// A retry when Redis is away.
    pub async fn forget_gates(&self, podm_id: &str) -> Result<(), Verdict> {
        Ok(self.store.forget_gates(podm_id).await?)
    }

    /// Forgets everything that a Pod Manager measured and told.
    ///
    /// # Errors
    /// A retry when Redis is away.
    pub async fn forget_telemetry(&self, podm_id: &str) -> Result<(), Verdict> {
        Ok(self.store.forget_telemetry(podm_id).await?)
    }

    /// Notes that hardware was given back at a Pod Manager.
    ///
    /// # Errors
    /// A retry when Redis is away.
    pub async fn hardware_freed(&self, podm_id: &str) -> Result<(), Verdict> {
        Ok(self.store.hardware_freed(podm_id).await?)
    }
}
