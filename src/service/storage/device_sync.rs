//! `device.sync`: makes the rows of devices what their Pod Managers show, all Pod Managers at once.
//!
//! One that cannot be read is `FAILED` and costs the others nothing. A row that changed while its Pod Manager was being read stays as
//! it is: whoever changed it knew more. What has not changed is not written.

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::model::device::{Device, DeviceState, id_of};
use crate::model::params::DeviceSync;
use crate::model::podm::Podm;
use crate::model::problem::Problem;
use crate::model::v1time::v1;
use crate::podm::DeviceView;
use crate::service::{Context, Verdict, hardware};
use crate::store::records::Collection;

/// Between two looks for a place among the reads of a Pod Manager.
const PAUSE: Duration = Duration::from_millis(200);
/// Longest wait for that place.
const PATIENCE: Duration = Duration::from_secs(15);

/// Reads them. That a Pod Manager is away or unknown is a result and no error.
///
/// # Errors
/// A retry when Redis is away.
pub async fn run(ctx: &Context) -> Result<Value, Verdict> {
    let params: DeviceSync = ctx.params()?;
    // As a parameter, as v1's body has it, or as other tasks name their Pod Manager.
    let podms: Vec<(String, Option<Podm>)> = match params.podm_id.or_else(|| ctx.def().podm_id.clone()) {
        Some(id) => vec![(id.clone(), ctx.record(Collection::Podm, &id).await?)],
        None => ctx.records::<Podm>(Collection::Podm).await?.into_iter().map(|p| (p.uuid.clone(), Some(p))).collect(),
    };
    let ended = join_all(podms.iter().map(|(_, podm)| of_one(ctx, podm.as_ref()))).await;
    let mut shown = Vec::with_capacity(podms.len());
    for ((id, _), ended) in podms.iter().zip(ended) {
        shown.push(json!({ "podm_id": id, "status": if ended? { "SUCCESS" } else { "FAILED" } }));
    }
    Ok(Value::Array(shown))
}

/// Rows that were read are true, whether the rest was read or not.
///
/// # Errors
/// None.
pub async fn undo(_ctx: &Context) -> Result<(), Verdict> {
    Ok(())
}

/// What a look at the devices of a Pod Manager found.
pub struct Refreshed {
    /// Devices.
    pub devices: u32,
    /// Those that no node has.
    pub free: u32,
    /// Paths of those that were attached otherwise than their rows said, and how.
    pub moved: Vec<(String, String)>,
}

/// Makes the rows of a Pod Manager's devices what it shows; `None` when it cannot be read.
///
/// # Errors
/// A retry when Redis is away.
pub async fn refresh(ctx: &Context, podm: &Podm) -> Result<Option<Refreshed>, Verdict> {
    let before = by_id(ctx.records_of(&podm.uuid, Collection::Device).await?);
    match devices(ctx, podm).await {
        Ok(seen) => {
            let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
            let (devices, free) = (count(seen.len()), count(seen.iter().filter(|d| !d.allocated).count()));
            let moved = settle(ctx, podm, seen, &before).await?;
            Ok(Some(Refreshed { devices, free, moved }))
        }
        Err(Verdict::Stop) => Err(Verdict::Stop),
        Err(verdict) => {
            tracing::warn!(podm = %podm.name, ?verdict, "its devices cannot be read");
            Ok(None)
        }
    }
}

/// Forgets the devices of a Pod Manager that is itself forgotten.
///
/// # Errors
/// A retry when Redis is away.
pub async fn forget(ctx: &Context, podm_id: &str) -> Result<(), Verdict> {
    for device in ctx.all_records_of::<Device>(podm_id, Collection::Device).await? {
        ctx.remove(Collection::Device, &device.uuid).await?;
    }
    Ok(())
}

/// Whether the Pod Manager could be read.
async fn of_one(ctx: &Context, podm: Option<&Podm>) -> Result<bool, Verdict> {
    let Some(podm) = podm else { return Ok(false) };
    Ok(refresh(ctx, podm).await?.is_some())
}

async fn devices(ctx: &Context, podm: &Podm) -> Result<Vec<DeviceView>, Verdict> {
    let driver = hardware::connect(ctx, podm)?;
    let none = || Problem::bad_request("the driver of this Pod Manager has no devices");
    let storage = driver.storage().ok_or_else(none)?;
    let began = Instant::now();
    loop {
        match ctx.reading_of(&podm.uuid, storage.devices()).await {
            // One that is not asked for minutes is not waited for: the others are answered.
            Err(Verdict::Park { after, why }) if began.elapsed() + after > PATIENCE => {
                return Err(Verdict::retry(Problem::unavailable(why)));
            }
            Err(Verdict::Park { .. }) => ctx.sleep(PAUSE).await?,
            seen => return seen?.map_err(|e| hardware::verdict(ctx, &e)),
        }
    }
}

async fn settle(
    ctx: &Context,
    podm: &Podm,
    seen: Vec<DeviceView>,
    before: &HashMap<String, Device>,
) -> Result<Vec<(String, String)>, Verdict> {
    if ctx.record::<Podm>(Collection::Podm, &podm.uuid).await?.is_none() {
        // It was forgotten meanwhile: its devices do not come back.
        return Ok(Vec::new());
    }
    let mut moved = Vec::new();
    let same = |id: &str, now: Option<&Device>| before.get(id) == now;
    let seen: Vec<_> = seen.into_iter().map(|view| (id_of(&podm.uuid, &view.path), view)).collect();
    // What was made meanwhile and is not among these stays as it is.
    let concerned: BTreeSet<&String> = before.keys().chain(seen.iter().map(|(id, _)| id)).collect();
    let concerned: Vec<String> = concerned.into_iter().cloned().collect();
    let mut rows = by_id(ctx.records_with(Collection::Device, &concerned).await?);
    for (id, view) in seen {
        let old = rows.remove(&id);
        let new = row(ctx, &podm.uuid, &id, view, old.as_ref());
        if !same(&id, old.as_ref()) || old.as_ref() == Some(&new) {
            continue;
        }
        if make(ctx, &id, &new).await? {
            moved.extend(old.filter(|old| old.node_id != new.node_id).map(|old| correction(&old, &new)));
        }
    }
    for (id, old) in rows {
        if same(&id, Some(&old)) {
            ctx.delete(Collection::Device, &id).await?;
        }
    }
    Ok(moved)
}

/// The path of a device that is attached otherwise than its row said, and how.
fn correction(old: &Device, new: &Device) -> (String, String) {
    let whose = |node: &Option<String>| node.as_ref().map_or_else(|| "free".to_owned(), |n| format!("the node {n}'s"));
    let detail = format!("its row said that it is {}, and it is {}", whose(&old.node_id), whose(&new.node_id));
    (new.resource_uri.clone(), detail)
}

/// Writes a row. `false`: a later writer came first.
///
/// # Errors
/// A retry when Redis is away.
pub(super) async fn make(ctx: &Context, id: &str, new: &Device) -> Result<bool, Verdict> {
    match ctx.create(Collection::Device, id, new).await {
        Err(Verdict::Fail(error)) if error.problem.status == 409 => Ok(false),
        written => written.map(|()| true),
    }
}

/// The row that a device should have; its times are the old row's when nothing else differs.
pub(super) fn row(ctx: &Context, podm_id: &str, id: &str, view: DeviceView, old: Option<&Device>) -> Device {
    let now = v1(ctx.now_ms());
    let mut new = Device {
        uuid: id.to_owned(),
        podm_id: podm_id.to_owned(),
        node_id: view.node,
        kind: view.kind,
        pooled_group_id: view.group,
        state: if view.allocated { DeviceState::Allocated } else { DeviceState::Free },
        properties: view.properties,
        extra: view.extra,
        resource_uri: view.path,
        created_at: old.map_or_else(|| now.clone(), |o| o.created_at.clone()),
        updated_at: old.map_or_else(|| now.clone(), |o| o.updated_at.clone()),
    };
    if old.is_some_and(|old| *old != new) {
        new.updated_at = now;
    }
    new
}

fn by_id(all: Vec<Device>) -> HashMap<String, Device> {
    all.into_iter().map(|device| (device.uuid.clone(), device)).collect()
}
