//! `node.return`: gives back what a node that never came to be has left behind: hardware with its tag, parts reserved for it.
//!
//! The sweeper makes it. It runs under the node's gate, so that no attempt of the task that made the hardware runs beside it, and looks
//! itself whether the task has ended without the node: between the sweeper's look and this one, somebody may have repeated the task.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::removal::{self, Removal};
use super::reservation;
use crate::ids::TaskId;
use crate::model::node::Node;
use crate::model::params::Return;
use crate::service::{Context, Verdict, hardware};
use crate::store::records::Collection;

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
struct Saved {
    removal: Removal,
}

/// Returns it. That there is a reason to leave it is a result and no error.
///
/// # Errors
/// The Pod Manager's refusal; a park while it works.
pub async fn run(ctx: &Context) -> Result<Value, Verdict> {
    let params: Return = ctx.params()?;
    let (podm_id, node_id) = (ctx.podm_id()?.to_owned(), ctx.node_id()?.to_owned());
    let nodes: Vec<Node> = ctx.all_records_of(&podm_id, Collection::Node).await?;
    let is_its = |n: &&Node| n.uuid == node_id || Some(&n.resource_uri) == params.node.as_ref();
    if nodes.iter().find(is_its).is_some() {
        return Ok(left("the node is on record"));
    }
    if let (Some(node), Some(task)) = (&params.node, params.task_id)
        && let Some(why) = hardware_of(ctx, node, task).await?
    {
        return Ok(left(why));
    }
    let parts = reservation::owners(ctx, &podm_id).await?.into_iter().filter(|(_, owner)| *owner == node_id);
    let parts: Vec<String> = parts.map(|(part, _)| part).collect();
    reservation::release(ctx, &podm_id, &node_id, &parts).await?;
    let target = params.node.clone().unwrap_or_else(|| node_id.clone());
    let detail = match &params.node {
        Some(_) => "hardware that a task left behind was returned".to_owned(),
        None => format!("parts reserved for nobody were released: {}", parts.join(", ")),
    };
    ctx.audit("node.return", &target, params.task_id.map(|t| t.to_string()).as_deref(), detail).await?;
    ctx.refresh_soon(&podm_id).await;
    Ok(json!({ "returned": params.node, "released": parts }))
}

/// What was returned stays so.
///
/// # Errors
/// None.
pub async fn undo(_ctx: &Context) -> Result<(), Verdict> {
    Ok(())
}

/// Returns the hardware; `Some`: why it is left.
async fn hardware_of(ctx: &Context, node: &str, task: TaskId) -> Result<Option<&'static str>, Verdict> {
    match ctx.task(task).await? {
        Some(task) if task.state.is_terminal() => {}
        Some(_) => return Ok(Some("its task is at work again")),
        None => return Ok(Some("nothing is on record of its task any more")),
    }
    let podm = ctx.podm_record().await?;
    let driver = hardware::connect(ctx, &podm)?;
    let saved: Saved = ctx.saved().unwrap_or_default();
    let tag = format!("valence:{}:{task}", ctx.deployment());
    match driver.node(node).await.map_err(|e| hardware::verdict(ctx, &e))? {
        Some(view) if view.tag.as_ref() != Some(&tag) => return Ok(Some("it carries another tag")),
        _ => {}
    }
    removal::remove(ctx, driver.as_ref(), node, saved.removal, |removal| Saved { removal }).await?;
    Ok(None)
}

fn left(why: &str) -> Value {
    json!({ "returned": null, "left": why })
}
