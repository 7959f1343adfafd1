//! `rack.list` and `rack.get`: live from the Pod Managers, several at once.

use std::sync::Arc;

use serde_json::Value;

use super::filter;
use crate::model::kind;
use crate::model::params::Racks;
use crate::model::problem::Problem;
use crate::service::{ReadContext, gather};

/// The keys of a rack without detail.
const BRIEF: [&str; 3] = ["id", "name", "systems"];

/// The racks of one Pod Manager, or of every one; those that match all filters, as `items`; also for one rack: one, or none.
/// `incomplete` has the ids of the Pod Managers that did not answer.
///
/// # Errors
/// As [`gather::list`]; 400 for an unknown filter.
pub async fn list(ctx: &ReadContext, params: Value) -> Result<Value, Problem> {
    let asked: Racks = kind::read(&params)?;
    filter::check_racks(&asked.filters)?;
    let asked = Arc::new(asked);
    let ask = |driver: Arc<dyn crate::podm::Driver>| {
        let asked = Arc::clone(&asked);
        async move {
            let racks = driver.racks().await.map_err(|e| e.problem())?;
            let fits = |r: &Value| asked.id.as_ref().is_none_or(|id| r["id"] == id.as_str());
            let met =
                racks.into_iter().filter(|r| fits(&r.shown) && filter::equals_all(&r.shown, &r.raw, &asked.filters));
            Ok(met.map(|r| if asked.show_detail { r.shown } else { brief(r.shown) }).collect())
        }
    };
    gather::list(ctx, asked.podm_id.as_deref(), ask).await
}

fn brief(mut rack: Value) -> Value {
    if let Some(map) = rack.as_object_mut() {
        map.retain(|key, _| BRIEF.contains(&key.as_str()));
    }
    rack
}
