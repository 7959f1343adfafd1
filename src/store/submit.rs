//! From a definition to a stored task: which lane, which bucket, which gates, which id. Used by the API, by schedules and by
//! the registration of configured Pod Managers, so that all of them make tasks the same way.

use super::idempotency::KeyUse;
use super::record::TaskRecord;
use super::records::Collection;
use super::tasks::{Enqueued, NewTask, written};
use super::{Store, StoreError};
use crate::ids::{TaskId, new_record_id};
use crate::model::kind::{Gates, Kind};
use crate::model::node::Node;
use crate::model::podm::Podm;
use crate::model::problem::Problem;
use crate::model::task::{Definition, MAX_PARAMS_BYTES};
use crate::model::topic::Lane;
use crate::model::trace::TraceContext;
use crate::observe::trace;

/// An Idempotency-Key and the request it came with.
#[derive(Debug, Clone)]
pub struct IdempotencyKey {
    /// Who sent it; keys of different callers never meet.
    pub caller: String,
    /// The key.
    pub key: String,
    /// Fingerprint of method, path and body.
    pub fingerprint: String,
}

/// A task that stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Submitted {
    /// Its id.
    pub id: TaskId,
    /// Whether this call made it.
    pub new: bool,
}

/// Why a task was not made.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SubmitError {
    /// The request is at fault; nothing was stored.
    #[error("{}", .0.detail)]
    Refused(Problem),
    /// Redis is away or full.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Store {
    /// Checks a definition against its kind, completes it, and enqueues it.
    ///
    /// A compose gets its node's id here, so that it is the same in every attempt; a task that concerns a node gets the node's PODM; a
    /// `podm.create` gets the id of the Pod Manager to be.
    ///
    /// # Errors
    /// [`SubmitError::Refused`] with the problem to answer; else when Redis is away or full.
    ///
    /// # Cancel safety
    /// A dropped call may still make the task.
    pub async fn submit(
        &self,
        def: Definition,
        delay_ms: Option<u64>,
        key: Option<IdempotencyKey>,
    ) -> Result<Submitted, SubmitError> {
        Ok(self.submit_shown(def, delay_ms, key).await?.0)
    }

    /// As [`Store::submit`], and the task as it was stored, when that is known without reading it: new, and due at once.
    ///
    /// # Errors
    /// As [`Store::submit`].
    ///
    /// # Cancel safety
    /// As [`Store::submit`].
    pub async fn submit_shown(
        &self,
        mut def: Definition,
        delay_ms: Option<u64>,
        key: Option<IdempotencyKey>,
    ) -> Result<(Submitted, Option<TaskRecord>), SubmitError> {
        let kind = Kind::find(&def.kind).ok_or_else(|| refused(Problem::bad_request("unknown kind")))?;
        // First of all: a repeat gets its task, even when what it concerned (a node, say) is gone by now.
        if let Some(key) = &key
            && let Some(id) = self.repeated(key).await?
        {
            return Ok((Submitted { id, new: false }, None));
        }
        self.complete(kind, &mut def).await?;
        let text = written(&def)?;
        if text.len() > MAX_PARAMS_BYTES {
            let detail = format!("the task takes {} bytes, {MAX_PARAMS_BYTES} are possible", text.len());
            return Err(refused(Problem::too_large(detail)));
        }
        let buckets = self.options().buckets;
        let bucket = def.podm_id.as_deref().map_or_else(|| buckets.random(), |id| buckets.of_name(id));
        let mut id = TaskId::mint(self.clock().now_ms(), bucket);
        let idempotent = key.is_some();
        if let Some(key) = key {
            match self.use_key(&key.caller, &key.key, &key.fingerprint, id).await? {
                KeyUse::New => {}
                KeyUse::Same(known) => {
                    id = known;
                    // The definition may name new ids (a node's): the first one stands, when it stands.
                    if self.stands(id).await? {
                        return Ok((Submitted { id, new: false }, None));
                    }
                }
                KeyUse::Other => {
                    let detail = "this Idempotency-Key was used before, with another request";
                    return Err(refused(Problem::unprocessable(detail)));
                }
            }
        }
        let lane = Lane { topic: kind.topic, priority: def.priority };
        let gates = kind.gates_of(&def);
        let task = NewTask { id, lane, def, delay_ms, gates, idempotent };
        let new = self.enqueue_row(id.bucket(), task.row(text)).await? == Enqueued::New;
        let at_once = task.def.run_at_ms.is_none() && delay_ms.is_none();
        Ok((Submitted { id, new }, (new && at_once).then(|| TaskRecord::queued(id, lane, task.def))))
    }

    /// The task that a key stands for already, sent with the same request.
    ///
    /// # Errors
    /// When Redis is away, or too few replicas have the task in time.
    pub async fn repeated(&self, key: &IdempotencyKey) -> Result<Option<TaskId>, StoreError> {
        match self.look_at_key(&key.caller, &key.key, &key.fingerprint).await? {
            KeyUse::Same(id) => Ok(self.stands(id).await?.then_some(id)),
            KeyUse::New | KeyUse::Other => Ok(None),
        }
    }

    async fn complete(&self, kind: &Kind, def: &mut Definition) -> Result<(), SubmitError> {
        (kind.check)(&def.params).map_err(refused)?;
        for (id, name) in [(&def.podm_id, "podm_id"), (&def.node_id, "node_id")] {
            if id.as_ref().is_some_and(|id| !crate::ids::is_record_id(id)) {
                return Err(refused(Problem::validation(format!(
                    "Invalid input for field/attribute '{name}': 1 to 64 letters, digits and dashes are wanted"
                ))));
            }
        }
        if kind.needs_podm && def.podm_id.is_none() {
            return Err(refused(Problem::validation("'podm_id' is a required property")));
        }
        if kind.needs_node {
            let Some(node_id) = &def.node_id else {
                return Err(refused(Problem::validation("'node_id' is a required property")));
            };
            let node: Option<Node> = self.record(Collection::Node, node_id).await?;
            let missing = || refused(Problem::not_found(format!("Composed node '{node_id}' not found in database.")));
            def.podm_id = Some(node.ok_or_else(missing)?.podm_id);
        }
        self.may_begin(kind, def).await?;
        let trace = || trace::current().unwrap_or_else(TraceContext::root).to_string();
        def.traceparent.get_or_insert_with(trace);
        match kind.name {
            "node.compose" | "node.place" | "node.manage" => {
                def.node_id.get_or_insert_with(new_record_id);
            }
            "podm.create" => {
                def.podm_id.get_or_insert_with(new_record_id);
            }
            _ => {}
        }
        Ok(())
    }
}

impl Store {
    /// Refuses what a cordoned or drained Pod Manager does not begin; what is stored already waits, or is refused by its handler.
    async fn may_begin(&self, kind: &Kind, def: &Definition) -> Result<(), SubmitError> {
        let Some(podm_id) = def.podm_id.as_ref().filter(|_| kind.gates != Gates::None) else { return Ok(()) };
        let Some(podm) = self.record::<Podm>(Collection::Podm, podm_id).await? else { return Ok(()) };
        if kind.name == "node.compose"
            && let Some(problem) = podm.takes_no_nodes()
        {
            return Err(refused(problem));
        }
        if podm.policy.draining && !kind.drains {
            let detail = format!("Pod Manager {} is being drained: it begins no changes but deletions", podm.name);
            return Err(refused(Problem::conflict(detail)));
        }
        Ok(())
    }
}

fn refused(problem: Problem) -> SubmitError {
    SubmitError::Refused(problem)
}
