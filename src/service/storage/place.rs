//! Where a volume is, or will be: a storage and its collection of volumes.

use crate::model::problem::Problem;
use crate::podm::driver::Driver;
use crate::podm::{Owner, RedfishError, StorageView, Storages};
use crate::service::{Context, Verdict, hardware};

/// The storages of a driver.
///
/// # Errors
/// 400 when its dialect has none.
pub(super) fn storages(driver: &dyn Driver) -> Result<&dyn Storages, Problem> {
    let none = || Problem::bad_request("the driver of this Pod Manager has no storages");
    driver.storage().and_then(|s| s.storages()).ok_or_else(none)
}

/// 404 for a storage.
pub(super) fn no_storage(id: &str) -> Problem {
    Problem::not_found(format!("Storage '{id}' not found at the Pod Manager."))
}

/// A storage by its id; `None` when it is not there.
pub(super) async fn find(
    storages: &dyn Storages,
    system_id: Option<&str>,
    id: &str,
) -> Result<Option<StorageView>, RedfishError> {
    let all = storages.list(system_id.map(Owner::System)).await?;
    Ok(all.unwrap_or_default().into_iter().find(|s| s.id == id))
}

/// The collection of volumes of a storage.
///
/// # Errors
/// 404 when there is no such storage; 400 when it has no volumes.
pub(super) async fn collection(
    ctx: &Context,
    storages: &dyn Storages,
    system_id: Option<&str>,
    id: &str,
) -> Result<String, Verdict> {
    let found = find(storages, system_id, id).await.map_err(|e| hardware::verdict(ctx, &e))?;
    let storage = found.ok_or_else(|| no_storage(id))?;
    let none = || Problem::bad_request(format!("Storage '{id}' has no volumes of its own."));
    Ok(storage.volumes.ok_or_else(none)?)
}

/// The unique names under which a task has a volume that carries no tag.
pub(super) fn names(podm_id: &str) -> String {
    format!("volume:{podm_id}")
}
