//! `node.delete`: decomposes a node, reads until it is gone, then forgets its record.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::removal::{self, Removal};
use crate::model::node::Node;
use crate::model::podm::Podm;
use crate::model::problem::Problem;
use crate::model::task::TaskError;
use crate::podm::Driver;
use crate::service::storage::attachment;
use crate::service::{Context, Verdict, hardware};
use crate::store::records::Collection;

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
struct Saved {
    removal: Removal,
    gone: bool,
    /// Nothing was made for the node, so nothing is confirmed: v1 answered null.
    silent: bool,
}

/// Deletes the node.
///
/// # Errors
/// 404 when it is not on record; the Pod Manager's refusal, and then the record stays.
pub async fn run(ctx: &Context) -> Result<Value, Verdict> {
    let id = ctx.node_id()?;
    let mut saved: Saved = ctx.saved().unwrap_or_default();
    let node: Option<Node> = ctx.record(Collection::Node, id).await?;
    match node {
        Some(node) => {
            if !saved.gone {
                let podm = ctx.podm_record().await?;
                let driver = hardware::connect(ctx, &podm)?;
                ctx.progress(20, "decomposing", node.resource_uri.as_str()).await;
                // So that the sweeper knows of a node whose hardware is gone why it is.
                ctx.observe(Collection::Node, id, &serde_json::json!({ "deleting": ctx.id() })).await?;
                saved.silent = !driver.makes_nodes();
                let at = |removal| Saved { removal, ..saved.clone() };
                let removed =
                    removal::remove(ctx, driver.as_ref(), &node.resource_uri, saved.removal.clone(), at).await;
                // Also after a refusal: some devices may have gone before it.
                if saved.silent && matches!(removed, Ok(()) | Err(Verdict::Fail(_))) {
                    attachment::record_all(ctx, driver.as_ref(), &node).await?;
                }
                match removed {
                    Err(Verdict::Fail(refusal)) if matches!(refusal.problem.status, 404 | 405) => {
                        nothing_to_decompose(ctx, driver.as_ref(), &node, refusal).await?;
                    }
                    other => other?,
                }
                ctx.hardware_freed(&node.podm_id).await?;
                ctx.checkpoint(&Saved { gone: true, removal: Removal::default(), ..saved.clone() }).await?;
            }
            forget(ctx, &node).await?;
        }
        None if saved.gone => {}
        None => return Err(Problem::not_found(format!("Composed node '{id}' not found in database.")).into()),
    }
    if saved.silent {
        return Ok(Value::Null);
    }
    Ok(hardware::confirmation(ctx, "DELETED", "This composed node has been deleted successfully."))
}

/// A deletion cannot be taken back. Where it has happened already, the record follows the hardware.
///
/// # Errors
/// A retry when the Pod Manager or Redis cannot be asked.
pub async fn undo(ctx: &Context) -> Result<(), Verdict> {
    let Some(saved) = ctx.saved::<Saved>().filter(|s| s.gone || s.removal.asked) else { return Ok(()) };
    let Some(node) = ctx.record::<Node>(Collection::Node, ctx.node_id()?).await? else { return Ok(()) };
    if !saved.gone {
        let Some(podm) = ctx.record::<Podm>(Collection::Podm, &node.podm_id).await? else { return Ok(()) };
        let driver = hardware::connect(ctx, &podm)?;
        if !driver.is_gone(&node.resource_uri).await.map_err(|e| hardware::verdict(ctx, &e))? {
            return Ok(());
        }
    }
    forget(ctx, &node).await
}

/// A record that leads to no composed node has no hardware to give back: it may go, and with it its Pod Manager.
async fn nothing_to_decompose(
    ctx: &Context,
    driver: &dyn Driver,
    node: &Node,
    refusal: TaskError,
) -> Result<(), Verdict> {
    match driver.node(&node.resource_uri).await.map_err(|e| hardware::verdict(ctx, &e))? {
        Some(there) if there.composed => Err(Verdict::Fail(refusal)),
        _ => Ok(()),
    }
}

/// The record goes last: an attempt that dies before has it still, and does the rest again.
async fn forget(ctx: &Context, node: &Node) -> Result<(), Verdict> {
    attachment::free_all(ctx, node).await?;
    ctx.delete(Collection::Node, &node.uuid).await?;
    ctx.refresh_soon(&node.podm_id).await;
    Ok(())
}
