//! The tasks that a worker runs now, and its free slots.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::ids::{Bucket, Buckets, TaskId};
use crate::lease::{Lease, Slot};

/// Places for tasks that wait for a Pod Manager, to each slot. Some tens of Pod Managers that answer nobody, each with what its gates let in,
/// must not fill them: the next would have to hold its slot, and everybody else would wait behind it. One that waits costs some kilobytes.
const WAITING_TO_A_SLOT: usize = 16;

/// One running task, as the heartbeat sees it.
#[derive(Clone)]
pub struct Entry {
    /// The claim's token.
    pub token: String,
    /// Its lease.
    pub lease: Lease,
    /// Asks the handler to end: a cancel, a lost claim, a stop of the process.
    pub stop: CancellationToken,
    /// Fires when a cancel was asked for.
    pub cancel: CancellationToken,
}

/// All running tasks of a worker.
pub struct Running {
    entries: Mutex<HashMap<TaskId, Entry>>,
    slots: Arc<Semaphore>,
    /// Places for those that wait for a Pod Manager and have lent their slots.
    waiting: Arc<Semaphore>,
    /// Of each of several buckets, places for those that wait for its server to write, as many as it can hold slots when that hangs.
    /// With one bucket none: who gets the slot would wait for the same server.
    unwritten: Vec<Arc<Semaphore>>,
}

impl Running {
    pub(super) fn new(slots: usize, buckets: Buckets) -> Self {
        let several = buckets.iter().filter(|_| buckets.count() > 1);
        Self {
            entries: Mutex::default(),
            slots: Arc::new(Semaphore::new(slots)),
            waiting: Arc::new(Semaphore::new(slots * WAITING_TO_A_SLOT)),
            unwritten: several.map(|_| Arc::new(Semaphore::new(slots))).collect(),
        }
    }

    /// Tasks that run. Slots that a claim call holds while it asks are not counted: most of them come back unused.
    #[must_use]
    pub fn count(&self) -> usize {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Waits for a slot and takes it: one that is only looked at goes to the next who waits, who only looks at it too. `None` never
    /// comes, since the semaphore is never closed.
    pub async fn slot(&self) -> Option<OwnedSemaphorePermit> {
        self.slots.clone().acquire_owned().await.ok()
    }

    /// Takes up to `most` of the slots that are free now.
    #[must_use]
    pub fn take(&self, most: usize) -> Vec<OwnedSemaphorePermit> {
        std::iter::from_fn(|| self.slots.clone().try_acquire_owned().ok()).take(most).collect()
    }

    /// A slot that was taken, to run a task of the bucket in.
    #[must_use]
    pub fn occupied(&self, held: Option<OwnedSemaphorePermit>, bucket: Bucket) -> Arc<Slot> {
        let unwritten = self.unwritten.get(usize::from(bucket.0)).cloned();
        Arc::new(Slot::new(held, Arc::clone(&self.waiting), unwritten))
    }

    /// Waits until so many slots are free, or `most` is over.
    pub async fn until_free(&self, slots: usize, most: Duration) {
        let slots = u32::try_from(slots).unwrap_or(u32::MAX);
        let free = self.slots.clone().acquire_many_owned(slots);
        // They are given back at once: who waited for them takes what is there then.
        let _in_time = tokio::time::timeout(most, free).await;
    }

    /// Slots that are free now.
    #[must_use]
    pub fn free(&self) -> usize {
        self.slots.available_permits()
    }

    pub(super) fn add(&self, id: TaskId, entry: Entry) {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner).insert(id, entry);
    }

    /// Takes a task off the list, when it is still this claim's.
    pub(super) fn remove(&self, id: TaskId, token: &str) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if entries.get(&id).is_some_and(|e| e.token == token) {
            entries.remove(&id);
        }
    }

    /// Whether a claim of this task with this token runs here already: an answer that came twice.
    #[must_use]
    pub fn has(&self, id: TaskId, token: &str) -> bool {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner).get(&id).is_some_and(|e| e.token == token)
    }

    /// A task's entry.
    #[must_use]
    pub fn get(&self, id: TaskId) -> Option<Entry> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner).get(&id).cloned()
    }

    /// The tasks of a bucket.
    #[must_use]
    pub fn of_bucket(&self, bucket: Bucket) -> Vec<(TaskId, Entry)> {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.iter().filter(|(id, _)| id.bucket() == bucket).map(|(id, e)| (*id, e.clone())).collect()
    }
}
