//! `flavor.create`: stores a flavor.

use serde_json::Value;

use super::flavors;
use crate::model::flavor::Flavor;
use crate::model::params::FlavorCreate;
use crate::model::v1time::v1;
use crate::service::{Context, Verdict, hardware};
use crate::store::records::Collection;

/// Stores it, under an id that is the same in every attempt.
///
/// # Errors
/// A retry when Redis is away.
pub async fn run(ctx: &Context) -> Result<Value, Verdict> {
    let params: FlavorCreate = ctx.params()?;
    let now = v1(ctx.now_ms());
    let uuid = hardware::own_id(ctx);
    let flavor = Flavor {
        uuid: uuid.clone(),
        name: params.name,
        properties: params.properties,
        created_at: now.clone(),
        updated_at: now,
    };
    ctx.create(Collection::Flavor, &uuid, &flavor).await?;
    Ok(flavors::shown(&flavor)?)
}

/// Forgets it.
///
/// # Errors
/// A retry when Redis is away.
pub async fn undo(ctx: &Context) -> Result<(), Verdict> {
    let id = hardware::own_id(ctx);
    if ctx.record::<Flavor>(Collection::Flavor, &id).await?.is_some() {
        ctx.remove(Collection::Flavor, &id).await?;
    }
    Ok(())
}
