//! `vlan.assign`: puts a VLAN onto a node's interfaces, and onto the switch ports they are cabled to, where that is known: all or none.

use serde_json::{Value, json};

use super::place::{self, Lost};
use super::vlan_set::{Aim, Place, apply, revert, verdict};
use crate::model::node::Node;
use crate::model::params::VlanAssign;
use crate::model::problem::Problem;
use crate::podm::{NetworkDriver, Owner};
use crate::service::{Context, Verdict, hardware};
use crate::store::records::Collection;

/// Assigns the VLAN.
///
/// # Errors
/// 404 for an unknown node or interface; 400 when nothing of it takes VLANs; 409 when a VLAN of that number is there with other tagging; the
/// Pod Manager's refusal.
pub async fn run(ctx: &Context) -> Result<Value, Verdict> {
    let params: VlanAssign = ctx.params()?;
    let node = node(ctx).await?;
    let podm = ctx.podm_record().await?;
    let driver = hardware::connect(ctx, &podm)?;
    let network = place::network(driver.as_ref())?;
    let plan = async {
        let found = places(network, &node, params.interface_id.as_deref()).await.map_err(|lost| verdict(ctx, lost))?;
        Ok(found.into_iter().map(|p| Place { tagged: params.tagged, ..p }).collect())
    };
    let places = apply(ctx, driver.as_ref(), params.vlan_id, Aim::Present, plan).await?;
    let at: Vec<&str> = places.iter().map(|p| p.of.as_str()).collect();
    Ok(json!({"node_id": node.uuid, "vlan_id": params.vlan_id, "tagged": params.tagged, "assigned_to": at}))
}

/// Takes the VLAN off again wherever this task put it.
///
/// # Errors
/// A retry or a park until it is gone.
pub async fn undo(ctx: &Context) -> Result<(), Verdict> {
    revert(ctx, ctx.params::<VlanAssign>()?.vlan_id, Aim::Present).await
}

/// The node that a task concerns.
pub(super) async fn node(ctx: &Context) -> Result<Node, Verdict> {
    let id = ctx.node_id()?;
    let missing = || Problem::not_found(format!("Composed node '{id}' not found in database."));
    ctx.record::<Node>(Collection::Node, id).await?.ok_or_else(|| missing().into())
}

/// A node's interfaces that take VLANs, each after the port behind it: traffic never leaves a machine for a port that does not know it.
pub(super) async fn places(network: &dyn NetworkDriver, node: &Node, id: Option<&str>) -> Result<Vec<Place>, Lost> {
    let interfaces = place::interfaces(network, Owner::Node(&node.resource_uri), id).await?;
    let ports = place::all_ports(network).await?;
    let mut places = Vec::new();
    for interface in interfaces {
        let port = place::port_behind(&ports, &interface).and_then(|p| Some((p, p.vlans.clone()?)));
        let may_refuse = port.is_some();
        if let Some((port, vlans)) = port {
            places.push(Place { vlans, of: port.path.clone(), ..Place::default() });
        }
        if let Some(vlans) = interface.vlans {
            places.push(Place { vlans, of: interface.path, may_refuse, ..Place::default() });
        }
    }
    if places.is_empty() {
        return Err(Lost::Missing(Problem::bad_request("no interface of this node takes VLANs")));
    }
    Ok(places)
}
