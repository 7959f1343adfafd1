//! `node.manage`: takes a node on record that was composed without Valence.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::reservation;
use crate::model::node::{BriefNode, Node};
use crate::model::params::Manage;
use crate::model::problem::Problem;
use crate::model::v1time::v1;
use crate::service::{Context, Verdict, hardware};
use crate::store::records::Collection;

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Saved {
    /// Path of the node, reserved for it.
    part: String,
    /// The record may have been written.
    recording: bool,
}

/// Records the node.
///
/// # Errors
/// 409 when it is on record already; 404, in the Pod Manager's words, when there is none.
pub async fn run(ctx: &Context) -> Result<Value, Verdict> {
    let params: Manage = ctx.params()?;
    let id = ctx.node_id()?;
    let podm = ctx.podm_record().await?;
    let driver = hardware::connect(ctx, &podm)?;
    let view = driver.node_by_index(&params.node_index).await.map_err(|e| hardware::verdict(ctx, &e))?;
    if !view.composed {
        let detail = format!("'{}' is no composed node at the Pod Manager", params.node_index);
        return Err(Problem::bad_request(detail).into());
    }
    let managed = || Problem::exists(format!("Node '{}' already managed by Valence", params.node_index));
    let nodes: Vec<Node> = ctx.records_of(&podm.uuid, Collection::Node).await?;
    let same = |n: &&Node| n.index == view.index && n.uuid != id;
    if nodes.iter().find(same).is_some() {
        return Err(managed().into());
    }
    // One reservation for both: nobody else manages it, and no compose gets a server that is a node as it stands.
    let saved = Saved { part: view.path.clone(), recording: false };
    ctx.checkpoint(&saved).await?;
    if !reservation::reserve(ctx, &podm.uuid, id, std::slice::from_ref(&saved.part)).await? {
        return Err(managed().into());
    }
    let now = v1(ctx.now_ms());
    let node = Node {
        uuid: id.to_owned(),
        name: view.name,
        podm_id: podm.uuid,
        index: view.index,
        resource_uri: view.path,
        managed_by: None,
        created_at: now.clone(),
        updated_at: now,
    };
    ctx.checkpoint(&Saved { recording: true, ..saved }).await?;
    ctx.create(Collection::Node, id, &node).await?;
    ctx.refresh_soon(&node.podm_id).await;
    serde_json::to_value(BriefNode::from(&node)).map_err(|e| Problem::internal(e.to_string()).into())
}

/// Forgets what was recorded; the node itself was never touched.
///
/// # Errors
/// A retry when Redis is away.
pub async fn undo(ctx: &Context) -> Result<(), Verdict> {
    let Some(saved) = ctx.saved::<Saved>() else { return Ok(()) };
    let id = ctx.node_id()?;
    if saved.recording {
        ctx.delete(Collection::Node, id).await?;
    }
    reservation::release(ctx, ctx.podm_id()?, id, &[saved.part]).await
}
