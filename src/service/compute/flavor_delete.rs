//! `flavor.delete`: forgets a flavor. Nodes composed of it stay.

use serde_json::{Value, json};

use super::flavors;
use crate::model::params::FlavorRef;
use crate::service::{Context, Verdict, hardware};
use crate::store::records::Collection;

/// Deletes the flavor.
///
/// # Errors
/// 404 when there is none.
pub async fn run(ctx: &Context) -> Result<Value, Verdict> {
    let FlavorRef { flavor_id } = ctx.params()?;
    if ctx.saved::<Value>().is_none() {
        flavors::read(ctx, &flavor_id).await?;
        ctx.checkpoint(&json!({ "deleting": true })).await?;
    }
    ctx.remove(Collection::Flavor, &flavor_id).await?;
    Ok(hardware::confirmation(ctx, "DELETED", format!("This flavor {flavor_id} has been deleted successfully")))
}

/// Its one write is its last step: there is nothing to undo.
///
/// # Errors
/// None.
pub async fn undo(_ctx: &Context) -> Result<(), Verdict> {
    Ok(())
}
