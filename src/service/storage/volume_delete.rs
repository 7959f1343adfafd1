//! `volume.delete`: deletes a volume and reads until it is gone.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{place, volume_create};
use crate::model::params::VolumeDelete;
use crate::model::problem::Problem;
use crate::service::effect::Step;
use crate::service::{Context, Verdict, hardware};
use crate::store::records::Collection;

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
struct Saved {
    /// Path of the volume.
    volume: Option<String>,
    /// How far its deletion is.
    step: Step,
}

/// Deletes the volume.
///
/// # Errors
/// 404 when there is no such storage or volume; the Pod Manager's refusal, such as of a volume in use.
pub async fn run(ctx: &Context) -> Result<Value, Verdict> {
    let params: VolumeDelete = ctx.params()?;
    let podm = ctx.podm_record().await?;
    let driver = hardware::connect(ctx, &podm)?;
    let storages = place::storages(driver.as_ref())?;
    let mut saved: Saved = ctx.saved().unwrap_or_default();
    let path = match saved.volume.take() {
        Some(path) => path,
        None => {
            let system_id = params.system_id.as_deref();
            let collection = place::collection(ctx, storages, system_id, &params.storage_id).await?;
            let volumes = storages.volumes(&collection).await.map_err(|e| hardware::verdict(ctx, &e))?;
            let found = volumes.into_iter().find(|v| v.id == params.volume_id);
            let none = || Problem::not_found(format!("Volume '{}' not found at the Pod Manager.", params.volume_id));
            found.ok_or_else(none)?.path
        }
    };
    let at = |step| Saved { volume: Some(path.clone()), step };
    volume_create::delete(ctx, driver.as_ref(), storages, &path, saved.step, at).await?;
    let names = place::names(&podm.uuid);
    if let Some(owner) = ctx.names(Collection::Device, &names).await?.get(&path) {
        ctx.release_name(Collection::Device, &names, &path, owner).await?;
    }
    Ok(hardware::confirmation(ctx, "DELETED", "This volume has been deleted successfully."))
}

/// A deletion cannot be taken back: what was on the volume is gone.
///
/// # Errors
/// None.
pub async fn undo(_ctx: &Context) -> Result<(), Verdict> {
    Ok(())
}
