//! `storage.list` and `storage.get`: live from the Pod Managers.

use std::sync::Arc;

use serde_json::Value;

use super::place;
use crate::model::kind;
use crate::model::params::{StorageGet, StorageList};
use crate::model::problem::Problem;
use crate::podm::{Driver, Owner};
use crate::service::{ReadContext, equality, gather};

/// What a list can be filtered by.
const FILTERS: [&str; 5] = ["id", "name", "type", "health", "resource_uri"];

/// The storage services of one Pod Manager or of every one, or the storages of a node or a system, as `items`. `incomplete` has the ids of
/// the Pod Managers that did not answer.
///
/// # Errors
/// As [`gather::list`]; 400 for an unknown filter; 404 for an unknown node or system.
pub async fn list(ctx: &ReadContext, params: Value) -> Result<Value, Problem> {
    let StorageList { podm_id, node_id, system_id, filters } = kind::read(&params)?;
    equality::check(&filters, &FILTERS, "storages")?;
    let node = match &node_id {
        Some(id) => Some(gather::node(ctx, id).await?),
        None => None,
    };
    let podm_id = node.as_ref().map(|n| n.podm_id.clone()).or(podm_id);
    let node = Arc::new(node);
    let (system_id, filters) = (Arc::new(system_id), Arc::new(filters));
    let ask = |driver: Arc<dyn Driver>| {
        let (node, system_id, filters) = (Arc::clone(&node), Arc::clone(&system_id), Arc::clone(&filters));
        async move {
            let Some(storages) = driver.storage().and_then(|s| s.storages()) else { return Ok(Vec::new()) };
            let of_node = node.as_ref().as_ref().map(|n| Owner::Node(&n.resource_uri));
            let owner = of_node.or_else(|| system_id.as_deref().map(Owner::System));
            let found = storages.list(owner).await.map_err(|e| e.problem())?;
            let missing = || match node.as_ref() {
                Some(node) => Problem::not_found(format!("{} is not there at the Pod Manager", node.resource_uri)),
                None => Problem::not_found("There is no such system at the Pod Manager."),
            };
            let rows = found.ok_or_else(missing)?.into_iter().map(|s| s.shown);
            Ok(rows.filter(|row| equality::matches(row, &filters)).collect())
        }
    };
    match system_id.as_ref() {
        Some(_) if node_id.is_none() && podm_id.is_none() => {
            let rows = gather::one(ctx, None, |driver| {
                let rows = ask(driver);
                async move { rows.await.map(Value::Array) }
            });
            Ok(serde_json::json!({ "items": rows.await?, "incomplete": [] }))
        }
        _ => gather::list(ctx, podm_id.as_deref(), ask).await,
    }
}

/// One storage with its volumes and drives.
///
/// # Errors
/// As [`gather::one`]; 404 when it is not there.
pub async fn get(ctx: &ReadContext, params: Value) -> Result<Value, Problem> {
    let StorageGet { podm_id, id, system_id } = kind::read(&params)?;
    let (id, system_id) = (Arc::new(id), Arc::new(system_id));
    let ask = |driver: Arc<dyn Driver>| {
        let (id, system_id) = (Arc::clone(&id), Arc::clone(&system_id));
        async move {
            let storages = place::storages(driver.as_ref())?;
            let found = place::find(storages, system_id.as_deref(), &id).await.map_err(|e| e.problem())?;
            found.map(|s| s.shown).ok_or_else(|| place::no_storage(&id))
        }
    };
    gather::one(ctx, podm_id.as_deref(), ask).await
}
