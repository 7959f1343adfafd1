//! `node.manage`: takes a node on record that was composed without Valence.

use serde_json::Value;

use super::reservation;
use crate::model::node::{BriefNode, Node};
use crate::model::params::Manage;
use crate::model::problem::Problem;
use crate::model::v1time::v1;
use crate::service::{Context, Verdict, hardware};
use crate::store::records::Collection;

/// The unique name under which a managed node's place is claimed.
pub(super) const PLACE: &str = "place";

/// The place of a node: one Pod Manager's id of it says nothing about another's.
pub(super) fn place(podm_id: &str, index: &str) -> String {
    format!("{podm_id}/{index}")
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
    let nodes: Vec<Node> = ctx.records(Collection::Node).await?;
    let same = |n: &&Node| n.podm_id == podm.uuid && n.index == view.index && n.uuid != id;
    if nodes.iter().find(same).is_some() {
        return Err(managed().into());
    }
    let place = place(&podm.uuid, &view.index);
    if ctx.claim_name(Collection::Node, PLACE, &place, id).await?.is_some() {
        return Err(managed().into());
    }
    // A server that is a node as it stands must not be given to a compose as well.
    let parts = vec![view.path.clone()];
    if !reservation::reserve(ctx, &podm.uuid, id, &parts).await? {
        ctx.release_name(Collection::Node, PLACE, &place, id).await?;
        return Err(managed().into());
    }
    let now = v1(ctx.now_ms());
    let node = Node {
        uuid: id.to_owned(),
        name: view.name,
        podm_id: podm.uuid,
        index: view.index,
        resource_uri: view.path,
        parts,
        managed_by: None,
        created_at: now.clone(),
        updated_at: now,
    };
    ctx.checkpoint(&node).await?;
    ctx.create(Collection::Node, id, &node).await?;
    serde_json::to_value(BriefNode::from(&node)).map_err(|e| Problem::internal(e.to_string()).into())
}

/// Forgets what was recorded; the node itself was never touched.
///
/// # Errors
/// A retry when Redis is away.
pub async fn undo(ctx: &Context) -> Result<(), Verdict> {
    let Some(node) = ctx.saved::<Node>() else { return Ok(()) };
    ctx.release_name(Collection::Node, PLACE, &place(&node.podm_id, &node.index), &node.uuid).await?;
    reservation::release(ctx, &node.podm_id, &node.uuid, &node.parts).await?;
    ctx.delete(Collection::Node, &node.uuid).await
}
