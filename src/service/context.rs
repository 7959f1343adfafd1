//! What a handler may touch: its task, its checkpoint, its records, Pod Managers, children. Nothing else of the store.

mod children;
mod client;
mod inventory;
mod places;
mod podms;
mod records;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio_util::sync::CancellationToken;

use super::Verdict;
use crate::ids::{Bucket, TaskId};
use crate::ironic::Ironic;
use crate::lease::Lease;
use crate::model::kind::{self};
use crate::model::problem::Problem;
use crate::model::task::{Definition, Progress};
use crate::podm::Pool;
use crate::store::Store;
use crate::store::claims::{Claimed, Hold, Mode};
use crate::store::records::Writer;

/// How long a reservation outlives its task's time: its undo gives the hardware back.
const UNDO_TIME: Duration = Duration::from_secs(600);

/// What one attempt of an async kind works with.
pub struct Context {
    store: Store,
    pool: Pool,
    ironic: Ironic,
    claimed: Claimed,
    def: Definition,
    lease: Lease,
    stop: CancellationToken,
    cancel: CancellationToken,
    outstanding: AtomicBool,
    latest: Mutex<Option<serde_json::Value>>,
}

impl Context {
    /// Made by the worker for each attempt.
    #[must_use]
    pub fn new(
        store: Store,
        pool: Pool,
        claimed: Claimed,
        def: Definition,
        lease: Lease,
        stop: CancellationToken,
    ) -> Self {
        let latest = Mutex::new(claimed.checkpoint.clone());
        let cancel = CancellationToken::new();
        let (ironic, outstanding) = (Ironic::default(), AtomicBool::new(false));
        Self { store, pool, ironic, claimed, def, lease, stop, cancel, outstanding, latest }
    }

    /// With an Ironic; without this there is none.
    #[must_use]
    pub fn with_ironic(mut self, ironic: Ironic) -> Self {
        self.ironic = ironic;
        self
    }

    /// The token that this attempt fires when it hears first, at a checkpoint, that a cancel was asked for.
    #[must_use]
    pub fn telling_of_cancels(mut self, cancel: CancellationToken) -> Self {
        self.cancel = cancel;
        self
    }

    /// The same attempt, turned to its undo: what was saved stays, a cancel that was asked for stops it no more, `stop` does.
    #[must_use]
    pub fn undoing(&self, mode: Mode, stop: CancellationToken) -> Self {
        let latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let claimed = Claimed { mode, checkpoint: latest, ..self.claimed.clone() };
        let (store, pool, def) = (self.store.clone(), self.pool.clone(), self.def.clone());
        Self::new(store, pool, claimed, def, self.lease.for_undo(), stop).with_ironic(self.ironic.clone())
    }

    /// The task's id.
    #[must_use]
    pub fn id(&self) -> TaskId {
        self.claimed.id
    }

    /// What was asked for.
    #[must_use]
    pub fn def(&self) -> &Definition {
        &self.def
    }

    /// Which attempt this is, from 1. Parks and releases do not count.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.claimed.attempt
    }

    /// Which claim of the task this is, from 1: parks, releases and reclaims count here.
    #[must_use]
    pub fn claim(&self) -> u64 {
        self.claimed.claims
    }

    /// Whether the task was claimed before: an earlier run may have done something at the PODM.
    #[must_use]
    pub fn is_first_claim(&self) -> bool {
        self.claimed.claims == 1
    }

    /// Run, or undo towards which end.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.claimed.mode
    }

    /// The parameters.
    ///
    /// # Errors
    /// A failure for good when they are not of the kind's shape.
    pub fn params<T: DeserializeOwned>(&self) -> Result<T, Verdict> {
        Ok(kind::read(&self.def.params)?)
    }

    /// The Pod Manager's id that the task concerns.
    ///
    /// # Errors
    /// A failure for good when it was not given.
    pub fn podm_id(&self) -> Result<&str, Verdict> {
        let missing = || Verdict::fail(Problem::validation("'podm_id' is a required property"));
        self.def.podm_id.as_deref().ok_or_else(missing)
    }

    /// The node's id that the task concerns.
    ///
    /// # Errors
    /// A failure for good when it was not given.
    pub fn node_id(&self) -> Result<&str, Verdict> {
        let missing = || Verdict::fail(Problem::validation("'node_id' is a required property"));
        self.def.node_id.as_deref().ok_or_else(missing)
    }

    /// The tag that makes hardware of this task findable: `valence:<deployment>:<task id>`.
    #[must_use]
    pub fn tag(&self) -> String {
        format!("valence:{}:{}", self.store.options().deployment, self.claimed.id)
    }

    /// What the last step saved, of this attempt or an earlier one; `None` before the first checkpoint.
    #[must_use]
    pub fn saved<T: DeserializeOwned>(&self) -> Option<T> {
        let latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner).clone();
        latest.and_then(|c| serde_json::from_value(c).ok())
    }

    /// Whether nothing is saved, as before anything was begun.
    #[must_use]
    pub fn is_untouched(&self) -> bool {
        self.latest.lock().unwrap_or_else(PoisonError::into_inner).is_none()
    }

    /// Saves a step whose answer was seen. [`Verdict::Stop`] when a cancel was asked for (the step is saved) or the claim is lost.
    ///
    /// # Errors
    /// As said; or a retry when Redis is away.
    pub async fn checkpoint<T: Serialize + Sync>(&self, step: &T) -> Result<(), Verdict> {
        self.save(step, false).await
    }

    /// Saves what is about to be asked of the PODM, before it is asked. Until the next [`Context::checkpoint`] a request counts as
    /// outstanding, and a later attempt waits out the quarantine.
    ///
    /// # Errors
    /// As [`Context::checkpoint`]; nothing may then be sent.
    pub async fn about_to_change<T: Serialize + Sync>(&self, step: &T) -> Result<(), Verdict> {
        self.save(step, true).await?;
        if self.lease.is_valid() { Ok(()) } else { Err(Verdict::Stop) }
    }

    /// Forgets what is saved: what was announced has not come about, and nothing was begun before it.
    ///
    /// # Errors
    /// As [`Context::checkpoint`].
    pub async fn forget(&self) -> Result<(), Verdict> {
        self.save(&serde_json::Value::Null, false).await
    }

    async fn save<T: Serialize + Sync>(&self, step: &T, outstanding: bool) -> Result<(), Verdict> {
        let data = serde_json::to_value(step).map_err(|e| Verdict::fail(Problem::internal(e.to_string())))?;
        let c = &self.claimed;
        let hold = self.lease.writing(self.store.checkpoint(c.id, &c.token, &data, outstanding)).await?;
        if hold != Hold::Lost {
            let latest = (!data.is_null()).then(|| data.clone());
            *self.latest.lock().unwrap_or_else(PoisonError::into_inner) = latest;
        }
        match hold {
            Hold::Held => {
                self.outstanding.store(outstanding, Ordering::SeqCst);
                Ok(())
            }
            // An undo is not stopped by the cancel that began it.
            Hold::Stop if c.mode != Mode::Run => {
                self.outstanding.store(outstanding, Ordering::SeqCst);
                Ok(())
            }
            Hold::Stop => {
                self.outstanding.store(false, Ordering::SeqCst);
                self.cancel.cancel();
                self.stop.cancel();
                if outstanding {
                    // Nothing was sent yet: say so, or the undo waits for nothing.
                    self.store.checkpoint(c.id, &c.token, &data, false).await?;
                }
                Err(Verdict::Stop)
            }
            Hold::Lost => {
                self.lease.lose();
                Err(Verdict::Stop)
            }
        }
    }

    /// Whether a changing request was announced whose answer was not seen: what follows must wait out the quarantine.
    #[must_use]
    pub fn is_outstanding(&self) -> bool {
        self.outstanding.load(Ordering::SeqCst)
    }

    /// Says how far it is. A lost or late progress is no error.
    pub async fn progress(&self, percent: u8, step: &str, message: impl Into<String>) {
        let progress = Progress { percent, step: step.to_owned(), message: message.into() };
        let c = &self.claimed;
        if let Err(error) = self.lease.writing(self.store.progress(c.id, &c.token, &progress)).await {
            tracing::debug!(task_id = %c.id, %error, "progress not saved");
        }
    }

    /// Fires when the attempt should end: cancel, lost claim, or stop of the process.
    #[must_use]
    pub fn stop(&self) -> &CancellationToken {
        &self.stop
    }

    /// Sleeps, unless the attempt should end.
    ///
    /// # Errors
    /// [`Verdict::Stop`].
    pub async fn sleep(&self, time: Duration) -> Result<(), Verdict> {
        if crate::shutdown::sleep_or_stop(&self.stop, time).await { Ok(()) } else { Err(Verdict::Stop) }
    }

    /// The claim's lease; drivers check it before every request.
    #[must_use]
    pub fn lease(&self) -> &Lease {
        &self.lease
    }

    /// Pod Manager connections.
    #[must_use]
    pub fn pool(&self) -> &Pool {
        &self.pool
    }

    /// The provisioning service.
    #[must_use]
    pub fn ironic(&self) -> &Ironic {
        &self.ironic
    }

    fn writer(&self) -> Writer {
        Writer { task: self.claimed.id, claims: self.claimed.claims }
    }

    fn bucket_of(&self, podm_id: Option<&str>) -> Bucket {
        let buckets = self.store.options().buckets;
        podm_id.map_or_else(|| buckets.random(), |id| buckets.of_name(id))
    }

    /// This deployment's name.
    #[must_use]
    pub fn deployment(&self) -> &str {
        &self.store.options().deployment
    }

    /// Redis's time, ms since 1970.
    #[must_use]
    pub fn now_ms(&self) -> u64 {
        self.store.clock().now_ms()
    }
}
