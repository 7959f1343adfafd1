//! `system.list` and `system.get`: live from the Pod Managers, several at once.

use std::sync::Arc;

use serde_json::{Value, json};

use super::filter;
use crate::model::kind;
use crate::model::params::Systems;
use crate::model::problem::Problem;
use crate::service::{ReadContext, gather};

/// The systems of one Pod Manager, or of every one; those that match all filters, as `items`; also for one system: one, or none. The
/// system itself where its Pod Manager is named and that is how its dialect shows it.
/// `incomplete` has the ids of the Pod Managers that did not answer.
///
/// # Errors
/// As [`gather::list`]; 400 for a filter that wants a number and has none.
pub async fn list(ctx: &ReadContext, params: Value) -> Result<Value, Problem> {
    let Systems { podm_id, id, filters } = kind::read(&params)?;
    filter::check(&filters)?;
    if let (Some(id), Some(_)) = (&id, &podm_id) {
        let id = Arc::new(id.clone());
        let ask = |driver: Arc<dyn crate::podm::Driver>| {
            let id = Arc::clone(&id);
            async move { driver.system(&id).await.map_err(|e| e.problem()) }
        };
        return Ok(json!({ "items": gather::one(ctx, podm_id.as_deref(), ask).await?, "incomplete": [] }));
    }
    let (id, filters) = (Arc::new(id), Arc::new(filters));
    let ask = |driver: Arc<dyn crate::podm::Driver>| {
        let (id, filters) = (Arc::clone(&id), Arc::clone(&filters));
        async move {
            let systems = driver.systems(id.as_deref()).await.map_err(|e| e.problem())?;
            Ok(systems.into_iter().filter(|s| filter::matches(s, &filters)).map(|s| s.shown).collect())
        }
    };
    gather::list(ctx, podm_id.as_deref(), ask).await
}
