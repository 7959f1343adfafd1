//! `flavor.update`: what is given is replaced whole.

use serde_json::Value;

use super::flavors;
use crate::model::params::FlavorUpdate;
use crate::model::v1time::v1;
use crate::service::{Context, Verdict};
use crate::store::records::Collection;

/// Changes the flavor.
///
/// # Errors
/// 404 when there is none.
pub async fn run(ctx: &Context) -> Result<Value, Verdict> {
    let params: FlavorUpdate = ctx.params()?;
    let mut flavor = flavors::read(ctx, &params.flavor_id).await?;
    if let Some(name) = params.name {
        flavor.name = name;
    }
    if let Some(properties) = params.properties {
        flavor.properties = properties;
    }
    flavor.updated_at = v1(ctx.now_ms());
    ctx.put(Collection::Flavor, &params.flavor_id, &flavor).await?;
    Ok(flavors::shown(&flavor)?)
}

/// Its one write is its last step: there is nothing to undo.
///
/// # Errors
/// None.
pub async fn undo(_ctx: &Context) -> Result<(), Verdict> {
    Ok(())
}
