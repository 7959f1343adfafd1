//! `volume.return`: deletes a volume that a task left behind.
//!
//! The sweeper makes it. It looks itself whether the volume carries the tag of that task, and whether the task has ended without it: between
//! the sweeper's look and this one, somebody may have repeated the task.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{place, volume_create};
use crate::ids::TaskId;
use crate::model::params::VolumeReturn;
use crate::model::state::State;
use crate::podm::{Storages, VolumeView};
use crate::service::effect::Step;
use crate::service::{Context, Verdict, hardware};

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
struct Saved {
    /// How far the deletion is.
    step: Step,
}

/// Deletes it. That there is a reason to leave it is a result and no error.
///
/// # Errors
/// The Pod Manager's refusal; a park while it works.
pub async fn run(ctx: &Context) -> Result<Value, Verdict> {
    let VolumeReturn { volume, task_id } = ctx.params()?;
    let podm = ctx.podm_record().await?;
    let driver = hardware::connect(ctx, &podm)?;
    let storages = place::storages(driver.as_ref())?;
    let saved: Saved = ctx.saved().unwrap_or_default();
    if !has_given_up(ctx, task_id).await? {
        return Ok(json!({ "returned": null, "left": "its task has not ended without it" }));
    }
    match storages.volume(&volume).await.map_err(|e| hardware::verdict(ctx, &e))? {
        Some(view) if left_by(ctx, &view) != Some(task_id) => {
            return Ok(json!({ "returned": null, "left": "it carries another tag" }));
        }
        _ => {}
    }
    volume_create::delete(ctx, driver.as_ref(), storages, &volume, saved.step, |step| Saved { step }).await?;
    let detail = "a volume that a task left behind was deleted".to_owned();
    ctx.audit("volume.return", &volume, Some(&task_id.to_string()), detail).await?;
    ctx.refresh_soon(&podm.uuid).await;
    Ok(json!({ "returned": volume }))
}

/// What was deleted stays so.
///
/// # Errors
/// None.
pub async fn undo(_ctx: &Context) -> Result<(), Verdict> {
    Ok(())
}

/// Volumes of the storage services of a Pod Manager that tasks of ours have left behind, and those tasks.
///
/// # Errors
/// A retry when Redis is away. A Pod Manager whose volumes cannot be read has none here.
pub(in crate::service) async fn left_behind(
    ctx: &Context,
    storages: &dyn Storages,
) -> Result<Vec<(VolumeView, TaskId)>, Verdict> {
    let mut left = Vec::new();
    let seen = async {
        let mut all = Vec::new();
        for collection in storages.list(None).await?.unwrap_or_default().into_iter().filter_map(|s| s.volumes) {
            all.extend(storages.volumes(&collection).await?);
        }
        Ok::<_, crate::podm::RedfishError>(all)
    };
    let seen = ctx.reading(seen).await?.unwrap_or_else(|error| {
        tracing::info!(%error, "volumes not looked at");
        Vec::new()
    });
    for volume in seen {
        if let Some(task) = left_by(ctx, &volume)
            && has_given_up(ctx, task).await?
        {
            left.push((volume, task));
        }
    }
    Ok(left)
}

/// The task in a volume's tag, when the tag is this deployment's.
fn left_by(ctx: &Context, volume: &VolumeView) -> Option<TaskId> {
    volume.tag.as_deref()?.strip_prefix(&format!("valence:{}:", ctx.deployment()))?.parse().ok()
}

/// Whether the task is on record and ended without what it was to make. Of one that is not on record nothing is known: somebody may be using it.
async fn has_given_up(ctx: &Context, task: TaskId) -> Result<bool, Verdict> {
    let state = ctx.task(task).await?.map(|t| t.state);
    Ok(matches!(state, Some(State::Failed | State::Cancelled)))
}
