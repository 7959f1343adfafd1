//! Enqueueing for a client: the lookups that v1 answered 404 for, the store's own checks, the count in the metrics.

use std::time::Duration;

use super::answer::Failure;
use super::app::App;
use super::spec::Checked;
use super::wait;
use crate::ids::TaskId;
use crate::model::kind::Kind;
use crate::model::problem::Problem;
use crate::observe::metrics;
use crate::store::StoreError;
use crate::store::record::TaskRecord;
use crate::store::records::Collection;
use crate::store::submit::IdempotencyKey;

/// A task that stands.
pub(crate) struct Accepted {
    pub(crate) id: TaskId,
    fresh: Option<TaskRecord>,
}

impl Accepted {
    /// The task once it has ended, or as it is after `limit`. One that is not waited for is shown as it was stored.
    ///
    /// # Errors
    /// As [`wait::until_ended`].
    pub(crate) async fn after(self, app: &App, limit: Duration) -> Result<TaskRecord, Failure> {
        match self.fresh {
            Some(fresh) if limit.is_zero() => Ok(fresh),
            Some(_) => wait::until_ended(app, self.id, limit).await,
            // A repeat: the task that the key stands for may have been deleted since.
            None => wait::until_ended(app, self.id, limit).await.map_err(|failure| match failure.problem.status {
                404 => Problem::conflict(format!(
                    "this Idempotency-Key stands for task {}, which is not there any more; a new key makes a new one",
                    self.id
                ))
                .into(),
                _ => failure,
            }),
        }
    }
}

/// Makes the task, or finds the one that the key stands for.
///
/// # Errors
/// 404 when what the task concerns is unknown; what the store refuses; 503.
pub(crate) async fn submit(app: &App, checked: Checked, key: Option<IdempotencyKey>) -> Result<Accepted, Failure> {
    let Checked { def, delay_ms } = checked;
    let kind = Kind::find(&def.kind);
    if let Some(kind) = kind
        && let Err(missing) = look_up(app, kind, &def).await
    {
        // A repeat gets its task, also when that has deleted what it concerned.
        let repeated = if let Some(key) = &key { app.store.repeated(key).await? } else { None };
        if repeated.is_none() {
            return Err(missing);
        }
    }
    let (submitted, fresh) = app.store.submit_shown(def, delay_ms, key).await?;
    if let (Some(kind), true) = (kind, submitted.new) {
        metrics::get().http.enqueued.with_label_values(&[kind.topic.as_str(), kind.name]).inc();
    }
    Ok(Accepted { id: submitted.id, fresh })
}

/// Pod Manager first, then flavor, as v1 did. The handlers look again: what is deleted in between fails there.
async fn look_up(app: &App, kind: &Kind, def: &crate::model::task::Definition) -> Result<(), Failure> {
    if let Some(id) = def.podm_id.as_ref().filter(|_| kind.needs_podm)
        && !exists(app, Collection::Podm, id).await?
    {
        return Err(no_podm(id).into());
    }
    let flavor = def.params.get("flavor_id").and_then(serde_json::Value::as_str);
    if let Some(id) = flavor
        && !exists(app, Collection::Flavor, id).await?
    {
        return Err(no_flavor(id).into());
    }
    Ok(())
}

pub(crate) async fn exists(app: &App, of: Collection, id: &str) -> Result<bool, StoreError> {
    let row: Option<serde_json::Value> = app.store.record(of, id).await?;
    Ok(row.is_some())
}

/// 404 in v1's words.
pub(crate) fn no_podm(id: &str) -> Problem {
    Problem::not_found(format!("Pod Manager {} not found in database.", shown(id)))
}

/// 404 in v1's words.
pub(crate) fn no_flavor(id: &str) -> Problem {
    Problem::not_found(format!("Flavor {} not found in database.", shown(id)))
}

/// 404 in v1's words.
pub(crate) fn no_node(id: &str) -> Problem {
    Problem::not_found(format!("Composed node '{}' not found in database.", shown(id)))
}

fn shown(id: &str) -> String {
    id.chars().take(100).collect()
}
