//! `podm.delete`: decomposes a Pod Manager's nodes by child tasks, then forgets it.
//!
//! As in v1, a node that cannot be deleted keeps the Pod Manager; nodes that were deleted before stay deleted.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::children::{self, Ended};
use crate::ids::TaskId;
use crate::model::node::Node;
use crate::model::podm::{Podm, canonical_url};
use crate::model::problem::Problem;
use crate::model::task::Definition;
use crate::service::storage::device_sync;
use crate::service::telemetry::subscription_delete;
use crate::service::{Context, Verdict, hardware};
use crate::store::records::Collection;

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
struct Saved {
    /// One task a node.
    children: Vec<TaskId>,
    /// Its nodes are gone; it is being forgotten.
    forgetting: Option<(String, String)>,
}

/// Deletes the Pod Manager.
///
/// # Errors
/// 404 when there is none; the error of a node that could not be deleted.
pub async fn run(ctx: &Context) -> Result<Value, Verdict> {
    let id = ctx.podm_id()?;
    let mut saved: Saved = ctx.saved().unwrap_or_default();
    if saved.forgetting.is_none() {
        let podm = ctx.podm_record().await?;
        remove_nodes(ctx, id, &mut saved).await?;
        subscription_delete::part(ctx, &podm).await;
        saved.forgetting = Some((podm.name, podm.url));
        ctx.checkpoint(&saved).await?;
    }
    if let Some((name, url)) = saved.forgetting {
        ctx.remove(Collection::Podm, id).await?;
        ctx.pool().forget(id);
        ctx.forget_telemetry(id).await?;
        ctx.forget_gates(id).await?;
        ctx.forget_inventory(id).await?;
        device_sync::forget(ctx, id).await?;
        ctx.forget_home(id).await?;
        ctx.release_name(Collection::Podm, "name", &name, id).await?;
        ctx.release_name(Collection::Podm, "url", &canonical_url(&url), id).await?;
    }
    Ok(hardware::confirmation(ctx, "", "DELETED"))
}

/// Cancels what has not begun and waits for the rest; a deletion is not taken back.
///
/// # Errors
/// A park until all children have ended.
pub async fn undo(ctx: &Context) -> Result<(), Verdict> {
    let Some(saved) = ctx.saved::<Saved>() else { return Ok(()) };
    for child in &saved.children {
        children::cancel(ctx, *child).await?;
    }
    // Past its last step before it was told to stop: its names may not outlive its record.
    if let (Some((name, url)), id) = (saved.forgetting, ctx.podm_id()?)
        && ctx.record::<Podm>(Collection::Podm, id).await?.is_none()
    {
        ctx.release_name(Collection::Podm, "name", &name, id).await?;
        ctx.release_name(Collection::Podm, "url", &canonical_url(&url), id).await?;
    }
    Ok(())
}

async fn remove_nodes(ctx: &Context, podm_id: &str, saved: &mut Saved) -> Result<(), Verdict> {
    let nodes: Vec<Node> = ctx.all_records_of(podm_id, Collection::Node).await?;
    for node in nodes {
        let mut def = Definition::new("node.delete", Value::Null);
        def.podm_id = Some(node.podm_id);
        def.node_id = Some(node.uuid.clone());
        let child = ctx.child(&format!("delete {}", node.uuid), def).await?;
        if !saved.children.contains(&child) {
            saved.children.push(child);
        }
    }
    ctx.checkpoint(&*saved).await?;
    for child in &saved.children {
        match children::ended(ctx, *child).await? {
            None => return Err(children::park(ctx, *child)),
            Some(Ended::Completed(_)) => {}
            // Somebody else's delete was faster.
            Some(Ended::Failed(error)) if error.problem.status == 404 => {}
            Some(Ended::Failed(error)) => return Err(Verdict::Fail(error)),
            Some(Ended::Cancelled) => {
                let detail = format!("the deletion of one of its nodes (task {child}) was cancelled");
                return Err(Verdict::fail(Problem::conflict(detail)));
            }
        }
    }
    Ok(())
}
