//! What a handler may touch: its task, its checkpoint, its records, Pod Managers, children. Nothing else of the store.

mod inventory;

use std::collections::HashMap;
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
use crate::model::kind::{self, Kind};
use crate::model::placement::{Candidate, Decision};
use crate::model::podm::Podm;
use crate::model::problem::Problem;
use crate::model::task::{Definition, Progress};
use crate::model::topic::Lane;
use crate::observe::trace;
use crate::podm::Pool;
use crate::store::Store;
use crate::store::claims::{Claimed, Hold, Mode};
use crate::store::gates::Entry;
use crate::store::readings::{Latest, Subscribed};
use crate::store::record::TaskRecord;
use crate::store::records::{Collection, Writer};
use crate::store::tasks::NewTask;

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

    async fn save<T: Serialize + Sync>(&self, step: &T, outstanding: bool) -> Result<(), Verdict> {
        let data = serde_json::to_value(step).map_err(|e| Verdict::fail(Problem::internal(e.to_string())))?;
        let c = &self.claimed;
        let hold = self.store.checkpoint(c.id, &c.token, &data, outstanding).await?;
        if hold != Hold::Lost {
            *self.latest.lock().unwrap_or_else(PoisonError::into_inner) = Some(data.clone());
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
        if let Err(error) = self.store.progress(c.id, &c.token, &progress).await {
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

    fn writer(&self) -> Writer {
        Writer { task: self.claimed.id, claims: self.claimed.claims }
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

    /// Makes a child task, once: the same `step` again gives the same child. Its key is parent id, generation (a redriven parent has
    /// other children) and step.
    ///
    /// # Errors
    /// 500 for an unknown kind; a retry when Redis is away or full.
    pub async fn child(&self, step: &str, def: Definition) -> Result<TaskId, Verdict> {
        self.child_in_line(step, def, true).await
    }

    /// As [`Context::child`], beside the other tasks of its node instead of in line with them: those are at another Pod Manager.
    ///
    /// # Errors
    /// As there.
    pub async fn child_elsewhere(&self, step: &str, def: Definition) -> Result<TaskId, Verdict> {
        self.child_in_line(step, def, false).await
    }

    async fn child_in_line(&self, step: &str, mut def: Definition, in_line: bool) -> Result<TaskId, Verdict> {
        let unknown = || Problem::internal(format!("unknown kind {}", def.kind));
        let kind = Kind::find(&def.kind).ok_or_else(unknown)?;
        def.parent_id = Some(self.claimed.id);
        def.traceparent = trace::traceparent();
        def.podm_errors_final = self.def.podm_errors_final;
        let bucket = self.bucket_of(def.podm_id.as_deref());
        let proposed = TaskId::mint(self.store.clock().now_ms(), bucket);
        let key = format!("{}:{}:{step}", self.claimed.id, self.claimed.generation);
        let id = match self.store.use_key("parent", &key, "child", proposed).await? {
            crate::store::idempotency::KeyUse::Same(id) => id,
            _ => proposed,
        };
        let lane = Lane { topic: kind.topic, priority: self.def.priority };
        def.priority = self.def.priority;
        let mut gates = kind.gates_of(&def);
        if !in_line {
            let elsewhere: Vec<&str> = gates.split(' ').filter(|gate| !gate.starts_with("node:")).collect();
            gates = elsewhere.join(" ");
        }
        self.store.enqueue(NewTask { id, lane, def, delay_ms: None, gates, idempotent: true }).await?;
        Ok(id)
    }

    fn bucket_of(&self, podm_id: Option<&str>) -> Bucket {
        let buckets = self.store.options().buckets;
        podm_id.map_or_else(|| buckets.random(), |id| buckets.of_name(id))
    }

    /// Reads another task, such as a child.
    ///
    /// # Errors
    /// A retry when Redis is away.
    pub async fn task(&self, id: TaskId) -> Result<Option<TaskRecord>, Verdict> {
        Ok(self.store.task(id).await?)
    }

    /// Asks for a cancel of another task, such as a child.
    ///
    /// # Errors
    /// A retry when Redis is away.
    pub async fn cancel_task(&self, id: TaskId) -> Result<(), Verdict> {
        self.store.cancel(id).await?;
        Ok(())
    }

    /// This deployment's name.
    #[must_use]
    pub fn deployment(&self) -> &str {
        &self.store.options().deployment
    }

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
        let lasts = Duration::from_secs(self.def.timeout_s.min(600));
        let (after, why) = match self.store.gate_enter(bucket, &gate, &holder, kind::PODM_READS, lasts).await? {
            Entry::In => (None, ""),
            Entry::Full => (Some(Duration::from_secs(1)), "too many reads of the Pod Manager"),
            Entry::Shut(time) => (Some(time), "the Pod Manager is not asked now: its circuit is open"),
        };
        if let Some(after) = after {
            return Err(Verdict::Park { after, why: why.into() });
        }
        let stopped = self.stop.cancelled();
        let outcome = tokio::select! {
            outcome = read => Ok(outcome),
            () = stopped => Err(Verdict::Stop),
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

    /// Chooses a Pod Manager and reserves hardware there for this task, until it ends.
    ///
    /// # Errors
    /// A retry when Redis is away.
    pub async fn place(&self, decide: impl Fn(&[Candidate], u64) -> Decision) -> Result<Decision, Verdict> {
        let lasts = Duration::from_secs(self.def.timeout_s) + UNDO_TIME;
        Ok(self.store.place(self.claimed.id, lasts, decide).await?)
    }

    /// Notes that this task's node is there, and how long composing it took.
    ///
    /// # Errors
    /// A retry when Redis is away.
    pub async fn placed(&self, podm_id: &str, took_ms: u64) -> Result<(), Verdict> {
        let took = Duration::from_millis(took_ms);
        Ok(self.store.reservation_done(podm_id, self.claimed.id, took).await?)
    }

    /// Gives back what this task has reserved at a Pod Manager.
    ///
    /// # Errors
    /// A retry when Redis is away.
    pub async fn give_up_place(&self, podm_id: &str) -> Result<(), Verdict> {
        Ok(self.store.drop_reservation(podm_id, self.claimed.id).await?)
    }

    /// Gives back what an earlier run of this task has reserved and did not live to note.
    ///
    /// # Errors
    /// A retry when Redis is away.
    pub async fn give_up_strays(&self) -> Result<(), Verdict> {
        Ok(self.store.drop_reservations_of(self.claimed.id).await?)
    }

    /// Notes that hardware was given back at a Pod Manager.
    ///
    /// # Errors
    /// A retry when Redis is away.
    pub async fn hardware_freed(&self, podm_id: &str) -> Result<(), Verdict> {
        Ok(self.store.hardware_freed(podm_id).await?)
    }

    /// Redis's time, ms since 1970.
    #[must_use]
    pub fn now_ms(&self) -> u64 {
        self.store.clock().now_ms()
    }
}
