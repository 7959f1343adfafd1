//! `vlan.delete`: takes a VLAN off a switch port or a system's interface.

use serde_json::Value;

use super::place::{self, Lost};
use super::vlan_set::{Aim, Place, apply, revert, verdict};
use crate::model::params::VlanDelete;
use crate::model::problem::Problem;
use crate::podm::{NetworkDriver, Owner};
use crate::service::{Context, Verdict, hardware};

/// Deletes the VLAN.
///
/// # Errors
/// 404 for an unknown place, or when it has no such VLAN; the Pod Manager's refusal.
pub async fn run(ctx: &Context) -> Result<Value, Verdict> {
    let params: VlanDelete = ctx.params()?;
    let podm = ctx.podm_record().await?;
    let driver = hardware::connect(ctx, &podm)?;
    let network = place::network(driver.as_ref())?;
    let plan = async { plan(network, &params).await.map_err(|lost| verdict(ctx, lost)) };
    apply(ctx, driver.as_ref(), params.vlan_id, Aim::Absent, plan).await?;
    Ok(hardware::confirmation(ctx, "DELETED", "This VLAN has been deleted successfully."))
}

/// Makes the VLAN again, as it was.
///
/// # Errors
/// A retry or a park until it is there.
pub async fn undo(ctx: &Context) -> Result<(), Verdict> {
    revert(ctx, ctx.params::<VlanDelete>()?.vlan_id, Aim::Absent).await
}

async fn plan(network: &dyn NetworkDriver, params: &VlanDelete) -> Result<Vec<Place>, Lost> {
    let port = params.switch_id.as_deref().zip(params.port_id.as_deref());
    let interface = params.system_id.as_deref().map(Owner::System).zip(params.interface_id.as_deref());
    let found = place::one(network, port, interface).await?;
    let vlans = place::vlans(&found)?;
    let there = network.vlans(&vlans).await?.into_iter().find(|v| v.vlan_id == Some(params.vlan_id));
    let none = || Lost::Missing(Problem::not_found(format!("VLAN {} not found at {}.", params.vlan_id, found.path)));
    let tagged = there.ok_or_else(none)?.tagged.unwrap_or(true);
    Ok(vec![Place { vlans, of: found.path, tagged, ..Place::default() }])
}
