//! `inventory.refresh`: reads what a Pod Manager has, keeps what has changed of it, and sees where it disagrees with the records.
//!
//! A Pod Manager that cannot be read keeps its last inventory, which grows old. What is found wrong is acted upon only by refreshes that
//! the scheduler makes, since they bring the grace along; any refresh counts as a look.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::{drift, lost_sessions, sweep};
use crate::model::drift::{Finding, SIGHTINGS, Sort, merge};
use crate::model::inventory::{Inventory, shapes};
use crate::model::params::Refresh;
use crate::model::podm::Podm;
use crate::podm::{Driver, Known, Survey};
use crate::service::compute::reservation;
use crate::service::storage::{device_sync, volume_return};
use crate::service::{Context, Verdict, hardware};
use crate::store::inventory::Rows;
use crate::store::records::Collection;

/// Everything is read again after so long, changed or not: parts of a system may change without its version, ms.
const FULL_MS: u64 = 3_600_000;
/// How soon a second look follows a first sighting, ms.
const AGAIN_MS: u64 = 10_000;
/// How soon a look follows something that was done, ms.
const AFTER_MS: u64 = 60_000;
/// The grace that is assumed by a look that is told none, and does nothing, ms.
const GRACE_MS: u64 = 600_000;

/// Refreshes, and says what there is.
///
/// # Errors
/// 404 when the Pod Manager is not registered; what it answers. One of many that cannot read it ends well, with the error in its result:
/// the next one comes soon.
pub async fn run(ctx: &Context) -> Result<Value, Verdict> {
    let params: Refresh = ctx.params()?;
    let podm = ctx.podm_record().await?;
    let driver = hardware::connect(ctx, &podm)?;
    let began_ms = ctx.now_ms();
    let before = ctx.inventory_rows(&podm.uuid).await?;
    let full = params.full || before.full_ms + FULL_MS < began_ms;
    // Before the hardware is looked at: what is on record now has its hardware now.
    let recorded = drift::records(ctx, &podm.uuid).await?;
    let known = if full { Known::default() } else { known(&before) };
    let mut survey = match ctx.reading(driver.survey(&known)).await? {
        Ok(survey) => survey,
        Err(error) if params.sweep.is_some() || params.brief => {
            tracing::info!(podm = %podm.name, %error, "not refreshed");
            return Ok(json!({ "podm_id": podm.uuid, "error": error.problem().detail }));
        }
        Err(error) => return Err(hardware::verdict(ctx, &error)),
    };
    let owners = reservation::owners(ctx, &podm.uuid).await?;
    for unit in &mut survey.units {
        unit.used |= owners.contains_key(&unit.path);
    }
    let mut findings = drift::look(ctx, &podm, &survey, &recorded, &owners).await?;
    let mut found = count(&podm, &survey, began_ms);
    devices(ctx, &podm, driver.as_ref(), &params, &mut found, &mut findings).await?;
    volumes(ctx, &podm, driver.as_ref(), full, &mut findings).await?;
    if ctx.record::<Podm>(Collection::Podm, &podm.uuid).await?.is_none() {
        // It was forgotten meanwhile: its inventory does not come back.
        return Ok(json!({ "podm_id": podm.uuid, "error": "it was forgotten meanwhile" }));
    }
    found.took_ms = ctx.now_ms().saturating_sub(began_ms);
    let now = rows(&survey, if full { began_ms } else { before.full_ms });
    if params.sweep.is_some() {
        lost_sessions::end(ctx, &podm).await?;
    }
    let written = ctx.put_inventory(&found, &before, &now).await?;
    settle(ctx, &podm, &params, &survey, findings).await?;
    let mut shown = serde_json::to_value(&found).unwrap_or_default();
    shown["written"] = written.into();
    Ok(shown)
}

/// What was read is true, whatever becomes of the task.
///
/// # Errors
/// None.
pub async fn undo(_ctx: &Context) -> Result<(), Verdict> {
    Ok(())
}

fn known(rows: &Rows) -> Known {
    let units = rows.units.iter().map(|(path, unit)| (path.clone(), unit.clone())).collect();
    Known { units, racks: rows.racks.values().cloned().collect() }
}

fn rows(survey: &Survey, full_ms: u64) -> Rows {
    Rows {
        units: survey.units.iter().map(|u| (u.path.clone(), u.clone())).collect(),
        racks: survey.racks.iter().map(|r| (r.id.clone(), r.clone())).collect(),
        full_ms,
    }
}

fn count(podm: &Podm, survey: &Survey, at_ms: u64) -> Inventory {
    let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    Inventory {
        podm_id: podm.uuid.clone(),
        at_ms,
        systems: number(survey.units.len()),
        racks: number(survey.racks.len()),
        nodes: number(survey.nodes.len()),
        shapes: shapes(&survey.units),
        ..Inventory::default()
    }
}

/// Devices: their rows become what is there. A look after a change leaves them out; what is not read stays as it was counted.
async fn devices(
    ctx: &Context,
    podm: &Podm,
    driver: &dyn Driver,
    params: &Refresh,
    found: &mut Inventory,
    findings: &mut Vec<Finding>,
) -> Result<(), Verdict> {
    let seen = match driver.storage() {
        Some(_) if !params.brief => device_sync::refresh(ctx, podm).await?,
        _ => None,
    };
    if let Some(seen) = seen {
        (found.devices, found.devices_free) = (seen.devices, seen.free);
        for (path, detail) in seen.moved {
            ctx.audit("device.correct", &path, None, detail.clone()).await?;
            findings.push(Finding::new(Sort::Device, &path, detail));
        }
    } else if let Some(last) = ctx.inventory(&podm.uuid).await? {
        (found.devices, found.devices_free) = (last.devices, last.devices_free);
    }
    Ok(())
}

/// Volumes that tasks have left behind. They are read with everything else, and again while there are any.
async fn volumes(
    ctx: &Context,
    podm: &Podm,
    driver: &dyn Driver,
    full: bool,
    findings: &mut Vec<Finding>,
) -> Result<(), Verdict> {
    let Some(storages) = driver.storage().and_then(|s| s.storages()) else { return Ok(()) };
    if !full && !ctx.drift(&podm.uuid).await?.iter().any(|f| f.sort == Sort::Volume) {
        return Ok(());
    }
    for (volume, task) in volume_return::left_behind(ctx, storages).await? {
        let detail = format!("the task {task} ended without this volume");
        let finding = Finding::new(Sort::Volume, &volume.path, detail);
        findings.push(Finding { task_id: Some(task.to_string()), ..finding });
    }
    Ok(())
}

/// Notes what was seen, does what is due, and says when the next look is worth while.
async fn settle(
    ctx: &Context,
    podm: &Podm,
    params: &Refresh,
    survey: &Survey,
    findings: Vec<Finding>,
) -> Result<(), Verdict> {
    let before = ctx.drift(&podm.uuid).await?;
    let mut findings = merge(&before, findings, ctx.now_ms());
    // Saved before anything is done: an attempt that dies in between has still looked.
    ctx.put_drift(&podm.uuid, &findings, ctx.now_ms() + AGAIN_MS).await?;
    let grace_ms = params.sweep.as_ref().map_or(GRACE_MS, |s| s.grace_s.saturating_mul(1000));
    let mut done = HashSet::new();
    if params.sweep.is_some() {
        for (n, finding) in findings.iter().enumerate().filter(|(_, f)| f.is_due(ctx.now_ms(), grace_ms)) {
            if sweep::act(ctx, podm, survey, finding).await? {
                done.insert(n);
            }
        }
    }
    let mut n = 0;
    findings.retain(|_| {
        n += 1;
        !done.contains(&(n - 1))
    });
    let now = ctx.now_ms();
    let again = findings.iter().filter(|f| !f.sort.is_only_listed()).map(|f| match f.due_ms(grace_ms) {
        _ if f.sightings < SIGHTINGS => now + AGAIN_MS,
        // What is to be done is done by a look that brings the grace: it is not put off by one that does not.
        _ if params.sweep.is_none() => now,
        due if due > now => due,
        _ => now + AFTER_MS,
    });
    ctx.put_drift(&podm.uuid, &findings, again.min().unwrap_or(0)).await
}
