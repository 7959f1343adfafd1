//! Reservations of parts at Pod Managers that guard nothing: a part is one node's, from before it is asked for until the node is gone.
//!
//! One hash of names per Pod Manager holds path of the part → id of the node; a name is claimed in one step at Redis, so two composes
//! never get the same hardware. Reserving again for the same node changes nothing.

use std::collections::{HashMap, HashSet};

use crate::service::{Context, Verdict};
use crate::store::records::Collection;

fn names(podm_id: &str) -> String {
    format!("part:{podm_id}")
}

/// Reserves all parts for a node, or none. `false`: another node has one of them.
///
/// # Errors
/// A retry when Redis is away.
pub(in crate::service) async fn reserve(
    ctx: &Context,
    podm_id: &str,
    node_id: &str,
    parts: &[String],
) -> Result<bool, Verdict> {
    for (n, part) in parts.iter().enumerate() {
        if ctx.claim_name(Collection::Node, &names(podm_id), part, node_id).await?.is_some() {
            release(ctx, podm_id, node_id, &parts[..n]).await?;
            return Ok(false);
        }
    }
    Ok(true)
}

/// Gives parts of a node back.
///
/// # Errors
/// A retry when Redis is away.
pub(in crate::service) async fn release(
    ctx: &Context,
    podm_id: &str,
    node_id: &str,
    parts: &[String],
) -> Result<(), Verdict> {
    for part in parts {
        ctx.release_name(Collection::Node, &names(podm_id), part, node_id).await?;
    }
    Ok(())
}

/// Paths of the parts that other nodes have reserved at a Pod Manager.
///
/// # Errors
/// A retry when Redis is away.
pub(in crate::service) async fn taken(ctx: &Context, podm_id: &str, node_id: &str) -> Result<HashSet<String>, Verdict> {
    Ok(owners(ctx, podm_id).await?.into_iter().filter(|(_, owner)| owner != node_id).map(|(part, _)| part).collect())
}

/// Every part that is reserved at a Pod Manager, with the id of its node.
///
/// # Errors
/// A retry when Redis is away.
pub(in crate::service) async fn owners(ctx: &Context, podm_id: &str) -> Result<HashMap<String, String>, Verdict> {
    ctx.names(Collection::Node, &names(podm_id)).await
}
