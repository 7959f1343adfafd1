//! `podm.create`: registers a Pod Manager.
//!
//! The order is v1's: duplicates, driver, a look at it, record. One that cannot be reached is stored `Offline`; one that refuses the
//! credentials is not stored. Passwords arrive sealed for the id that the record will have.

use serde_json::{Value, json};

use super::{reach, reads};
use crate::model::driver::DriverInfo;
use crate::model::params::PodmCreate;
use crate::model::podm::{Podm, PodmStatus, canonical_url};
use crate::model::problem::Problem;
use crate::model::task::Definition;
use crate::model::trust::TrustChange;
use crate::model::v1time::v1;
use crate::podm::drivers;
use crate::service::{Context, Verdict};
use crate::store::records::Collection;

/// The driver of a Pod Manager that names none.
const DEFAULT_DRIVER: &str = "redfishv1";

/// Registers it.
///
/// # Errors
/// 400 for a name or URL that is taken, or a URL that is not allowed; 404 for an unknown driver; 401 for refused credentials.
pub async fn run(ctx: &Context) -> Result<Value, Verdict> {
    let params: PodmCreate = ctx.params()?;
    let id = ctx.podm_id()?;
    if let Some(podm) = ctx.record::<Podm>(Collection::Podm, id).await? {
        read_devices(ctx, &podm).await?;
        return Ok(reads::shown(podm)?);
    }
    // What is cancelled before it has saved anything is not undone: the names would be kept for ever.
    ctx.checkpoint(&json!({ "claiming": true })).await?;
    for (what, value) in [("name", &params.name), ("url", &canonical_url(&params.url))] {
        if ctx.claim_name(Collection::Podm, what, value, id).await?.is_some() {
            return Err(Problem::bad_request("duplicated name or url !").into());
        }
    }
    let driver = params.driver.unwrap_or_else(|| DEFAULT_DRIVER.into());
    if drivers::find(&driver).is_none() {
        return Err(
            Problem::unknown_driver(format!("podmanager could not be loaded with specified driver {driver}")).into()
        );
    }
    let now = v1(ctx.now_ms());
    let mut podm = Podm {
        authentication: params.authentication,
        description: params.description,
        created_at: now.clone(),
        updated_at: now,
        ..Podm::new(id, &params.name, &params.url, &driver)
    };
    let trust = TrustChange {
        insecure_skip_verify: Some(params.insecure_skip_verify),
        ca_pem: params.ca_pem,
        fingerprint: params.fingerprint,
    };
    trust.apply(&mut podm)?;
    podm.status = reach::status(ctx, &podm).await?;
    ctx.create(Collection::Podm, id, &podm).await?;
    read_devices(ctx, &podm).await?;
    if podm.status == PodmStatus::Online {
        // Placement counts its hardware from now on, and not from its turn in the sweep.
        ctx.refresh_soon(&podm.uuid).await;
    }
    Ok(reads::shown(podm)?)
}

/// Has its devices read by a task of its own, as v1 did behind the answer; not where there are none to read, or nobody to read them from.
async fn read_devices(ctx: &Context, podm: &Podm) -> Result<(), Verdict> {
    let has_devices = DriverInfo::find(&podm.driver).is_some_and(|driver| driver.can.contains(&"devices"));
    if !has_devices || podm.status != PodmStatus::Online {
        return Ok(());
    }
    let def = Definition::new("device.sync", json!({ "podm_id": podm.uuid }));
    ctx.child("read its devices", def).await.map(drop)
}

/// Gives back the names that this task claimed, and forgets what it recorded.
///
/// # Errors
/// A retry when Redis is away.
pub async fn undo(ctx: &Context) -> Result<(), Verdict> {
    let Ok(params) = ctx.params::<PodmCreate>() else { return Ok(()) };
    let id = ctx.podm_id()?;
    if ctx.record::<Podm>(Collection::Podm, id).await?.is_some() {
        ctx.remove(Collection::Podm, id).await?;
    }
    ctx.release_name(Collection::Podm, "name", &params.name, id).await?;
    ctx.release_name(Collection::Podm, "url", &canonical_url(&params.url), id).await
}
