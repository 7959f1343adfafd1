//! `vlan.create`: makes a VLAN on a switch port or a system's interface. One that is there already, and the same, is a success.

use serde_json::Value;

use super::place;
use super::vlan_set::{Aim, Place, apply, revert, verdict};
use crate::model::params::VlanCreate;
use crate::podm::{NetworkDriver, Owner};
use crate::service::{Context, Verdict, hardware};

/// Makes the VLAN.
///
/// # Errors
/// 404 for an unknown place; 409 when a VLAN of that number is there with other tagging; the Pod Manager's refusal.
pub async fn run(ctx: &Context) -> Result<Value, Verdict> {
    let params: VlanCreate = ctx.params()?;
    let podm = ctx.podm_record().await?;
    let driver = hardware::connect(ctx, &podm)?;
    let network = place::network(driver.as_ref())?;
    let plan = async { plan(network, &params).await.map_err(|lost| verdict(ctx, lost)) };
    let places = apply(ctx, driver.as_ref(), params.vlan_id, Aim::Present, plan).await?;
    let collection = places.first().map(|p| p.vlans.clone()).unwrap_or_default();
    let all = network.vlans(&collection).await.map_err(|e| hardware::verdict(ctx, &e))?;
    let found = all.into_iter().find(|v| v.vlan_id == Some(params.vlan_id));
    let mut shown = found.map(|v| v.shown).unwrap_or_default();
    if let Some(shown) = shown.as_object_mut() {
        shown.insert("podm_id".into(), podm.uuid.clone().into());
    }
    Ok(shown)
}

/// Deletes the VLAN, if this task made it.
///
/// # Errors
/// A retry or a park until it is gone.
pub async fn undo(ctx: &Context) -> Result<(), Verdict> {
    revert(ctx, ctx.params::<VlanCreate>()?.vlan_id, Aim::Present).await
}

async fn plan(network: &dyn NetworkDriver, params: &VlanCreate) -> Result<Vec<Place>, place::Lost> {
    let port = params.switch_id.as_deref().zip(params.port_id.as_deref());
    let interface = params.system_id.as_deref().map(Owner::System).zip(params.interface_id.as_deref());
    let found = place::one(network, port, interface).await?;
    Ok(vec![Place { vlans: place::vlans(&found)?, of: found.path, tagged: params.tagged, ..Place::default() }])
}
