//! `vlan.unassign`: takes a VLAN off a node's interfaces, and off the switch ports they are cabled to: all or none.

use serde_json::Value;

use super::place::{self, Lost};
use super::vlan_assign;
use super::vlan_set::{Aim, Place, apply, revert, verdict};
use crate::model::node::Node;
use crate::model::params::VlanUnassign;
use crate::model::problem::Problem;
use crate::podm::NetworkDriver;
use crate::service::{Context, Verdict, hardware};

/// Takes the VLAN off.
///
/// # Errors
/// 404 for an unknown node or interface, or when it has no such VLAN; the Pod Manager's refusal.
pub async fn run(ctx: &Context) -> Result<Value, Verdict> {
    let params: VlanUnassign = ctx.params()?;
    let node = vlan_assign::node(ctx).await?;
    let podm = ctx.podm_record().await?;
    let driver = hardware::connect(ctx, &podm)?;
    let network = place::network(driver.as_ref())?;
    let plan = async { plan(network, &node, &params).await.map_err(|lost| verdict(ctx, lost)) };
    apply(ctx, driver.as_ref(), params.vlan_id, Aim::Absent, plan).await?;
    Ok(hardware::confirmation(ctx, "DELETED", "This VLAN has been taken off the node successfully."))
}

/// Puts the VLAN back wherever this task took it off, as it was.
///
/// # Errors
/// A retry or a park until it is there.
pub async fn undo(ctx: &Context) -> Result<(), Verdict> {
    revert(ctx, ctx.params::<VlanUnassign>()?.vlan_id, Aim::Absent).await
}

/// The places that have the VLAN, interfaces before ports.
async fn plan(network: &dyn NetworkDriver, node: &Node, params: &VlanUnassign) -> Result<Vec<Place>, Lost> {
    let mut having = Vec::new();
    for place in vlan_assign::places(network, node, params.interface_id.as_deref()).await? {
        let all = network.vlans(&place.vlans).await?;
        if let Some(vlan) = all.into_iter().find(|v| v.vlan_id == Some(params.vlan_id)) {
            having.push(Place { tagged: vlan.tagged.unwrap_or(true), ..place });
        }
    }
    having.reverse();
    if having.is_empty() {
        let detail = format!("VLAN {} not found at the interfaces of node {}.", params.vlan_id, node.uuid);
        return Err(Lost::Missing(Problem::not_found(detail)));
    }
    Ok(having)
}
