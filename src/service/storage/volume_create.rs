//! `volume.create`: makes a volume that a later attempt, or the undo, finds again.
//!
//! The volume carries the task's tag. Servers that keep neither description nor tag are met: there it is the volume that was not there
//! before, is as large as was asked for, and is no other task's. Such a volume is claimed in the task's name.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::place;
use super::volume_mark::{found, mark};
use crate::model::params::VolumeCreate;
use crate::model::podm::Podm;
use crate::model::problem::Problem;
use crate::model::task::TaskError;
use crate::podm::{Driver, MonitorState, Storages, VolumeView, WantedVolume, tag};
use crate::service::effect::{self, Effect, Step};
use crate::service::{Context, Verdict, hardware};
use crate::store::records::Collection;

/// Pause before the monitor of what is to be undone is asked again, when it names none.
const MONITOR: Duration = Duration::from_secs(1);

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
struct Saved {
    /// The collection it is made in.
    collection: String,
    /// Paths of the volumes that were there before.
    before: Vec<String>,
    /// How far the making is.
    step: Step,
    /// How far the undo is.
    removal: Step,
}

/// Makes the volume.
///
/// # Errors
/// 404 for an unknown storage; the Pod Manager's refusal; a park while it works.
pub async fn run(ctx: &Context) -> Result<Value, Verdict> {
    let params: VolumeCreate = ctx.params()?;
    let podm = ctx.podm_record().await?;
    let driver = hardware::connect(ctx, &podm)?;
    let storages = place::storages(driver.as_ref())?;
    let wanted = wanted(ctx, &params);
    let mut saved: Saved = ctx.saved().unwrap_or_default();
    if saved.collection.is_empty() {
        let system_id = params.system_id.as_deref();
        saved.collection = place::collection(ctx, storages, system_id, &params.storage_id).await?;
    }
    if !saved.step.asked {
        let volumes = storages.volumes(&saved.collection).await.map_err(|e| hardware::verdict(ctx, &e))?;
        saved.before = volumes.into_iter().map(|v| v.path).collect();
    }
    ctx.progress(20, "making the volume", saved.collection.as_str()).await;
    let volume = make(ctx, driver.as_ref(), storages, &wanted, &saved).await?;
    if volume.tag.is_none() {
        let names = place::names(&podm.uuid);
        ctx.claim_name(Collection::Device, &names, &volume.path, &ctx.id().to_string()).await?;
    }
    let mut shown = volume.shown;
    if let Some(shown) = shown.as_object_mut() {
        shown.insert("podm_id".into(), podm.uuid.clone().into());
        shown.insert("storage_id".into(), params.storage_id.clone().into());
    }
    Ok(shown)
}

/// Deletes the volume, found by checkpoint, tag or difference.
///
/// # Errors
/// A retry or a park until it is gone.
pub async fn undo(ctx: &Context) -> Result<(), Verdict> {
    let Some(saved) = ctx.saved::<Saved>().filter(|s| s.step.asked) else { return Ok(()) };
    undo_of(ctx, saved).await.map_err(|verdict| match verdict {
        // Somebody's storage is at stake: no refusal is the last word.
        Verdict::Fail(error) => Verdict::Retry { after: None, error: TaskError { retryable: true, ..error } },
        other => other,
    })
}

async fn undo_of(ctx: &Context, saved: Saved) -> Result<(), Verdict> {
    let params: VolumeCreate = ctx.params()?;
    let Some(podm) = ctx.record::<Podm>(Collection::Podm, ctx.podm_id()?).await? else { return Ok(()) };
    let driver = hardware::connect(ctx, &podm)?;
    let storages = place::storages(driver.as_ref())?;
    let wanted = wanted(ctx, &params);
    let mut made = saved.step.made.clone();
    if let Some(monitor) = &saved.step.monitor {
        match driver.monitor(monitor).await {
            // What is still being made cannot be deleted yet.
            Ok(MonitorState::Running { after }) => {
                let after = after.unwrap_or(MONITOR);
                return Err(Verdict::Park { after, why: "waiting for what is to be undone to end".into() });
            }
            Ok(MonitorState::Ended { location }) => made = location.or(made),
            Err(error) if error.is_away() => return Err(hardware::verdict(ctx, &error)),
            // Forgotten, or it made nothing: what is there tells.
            Ok(MonitorState::Gone) | Err(_) => {}
        }
    }
    let mark = mark(ctx, &wanted, &saved.before, true).await?;
    let found = found(storages, &saved.collection, &mark, made).await;
    if let Some(volume) = found.map_err(|e| hardware::verdict(ctx, &e))? {
        let at = |removal| Saved { removal, ..saved.clone() };
        delete(ctx, driver.as_ref(), storages, &volume.path, saved.removal.clone(), at).await?;
        ctx.release_name(Collection::Device, &place::names(&podm.uuid), &volume.path, &mark.task).await?;
    }
    ctx.checkpoint(&Saved::default()).await
}

/// Deletes a volume and reads until it is gone.
pub(super) async fn delete<S: Serialize + Sync>(
    ctx: &Context,
    driver: &dyn Driver,
    storages: &dyn Storages,
    volume: &str,
    at: Step,
    saved: impl Fn(Step) -> S,
) -> Result<(), Verdict> {
    let effect = Effect {
        ask: &|| effect::plain(storages.delete(volume)),
        shows: &|_| Box::pin(async move { Ok(storages.volume(volume).await?.is_none()) }),
        waiting: "waiting for the Pod Manager to delete the volume",
        unseen: format!("the Pod Manager accepted the DELETE of {volume}, and still shows it"),
    };
    effect::bring_about(ctx, driver, effect, at, saved).await.map(drop)
}

fn wanted(ctx: &Context, params: &VolumeCreate) -> WantedVolume {
    WantedVolume {
        name: params.name.clone(),
        description: tag::mark(params.description.as_deref().unwrap_or_default(), &ctx.tag()),
        capacity_gib: params.capacity_gib,
        bootable: params.bootable,
    }
}

async fn make(
    ctx: &Context,
    driver: &dyn Driver,
    storages: &dyn Storages,
    wanted: &WantedVolume,
    saved: &Saved,
) -> Result<VolumeView, Verdict> {
    let mark = mark(ctx, wanted, &saved.before, false).await?;
    let mark = &mark;
    let effect = Effect {
        ask: &|| storages.create(&saved.collection, wanted),
        shows: &|made| Box::pin(async move { Ok(found(storages, &saved.collection, mark, made).await?.is_some()) }),
        waiting: "waiting for the Pod Manager to make the volume",
        unseen: format!("the Pod Manager said that it has made a volume in {}, and shows none", saved.collection),
    };
    let at = |step| Saved { step, ..saved.clone() };
    let step = effect::bring_about(ctx, driver, effect, saved.step.clone(), at).await?;
    let volume = found(storages, &saved.collection, mark, step.made).await.map_err(|e| hardware::verdict(ctx, &e))?;
    let vanished = || Verdict::retry(Problem::conflict("the volume vanished while it was made"));
    volume.ok_or_else(vanished)
}
