//! Tasks that a task has others do.

use super::Context;
use crate::ids::TaskId;
use crate::model::kind::Kind;
use crate::model::problem::Problem;
use crate::model::task::Definition;
use crate::model::topic::Lane;
use crate::observe::trace;
use crate::service::Verdict;
use crate::store::record::TaskRecord;
use crate::store::tasks::NewTask;

impl Context {
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
        def.podm_errors_final = self.answers_client();
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
}
