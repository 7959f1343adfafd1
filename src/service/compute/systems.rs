//! `system.list` and `system.get`: live from the Pod Managers, several at once.

use futures_util::future::join_all;
use serde_json::Value;

use super::filter;
use crate::model::kind;
use crate::model::params::Systems;
use crate::model::podm::Podm;
use crate::model::problem::Problem;
use crate::podm::SystemView;
use crate::service::{ReadContext, hardware};
use crate::store::records::Collection;

/// The systems of one Pod Manager, or of every one; those that match all filters. Also for one system: a list of one, or of none.
///
/// # Errors
/// 404 for an unknown Pod Manager; what the Pod Manager answers when it is asked alone, or when none of several answers.
pub async fn list(ctx: &ReadContext, params: Value) -> Result<Value, Problem> {
    let Systems { podm_id, id, filters } = kind::read(&params)?;
    filter::check(&filters)?;
    let podms = match &podm_id {
        Some(podm_id) => {
            let missing = || Problem::not_found(format!("Pod Manager {podm_id} not found in database."));
            vec![ctx.record::<Podm>(Collection::Podm, podm_id).await?.ok_or_else(missing)?]
        }
        None => ctx.records::<Podm>(Collection::Podm).await?,
    };
    let answers = join_all(podms.iter().map(|podm| ask(ctx, podm, id.as_deref()))).await;
    let mut shown = Vec::new();
    let mut answered = podms.is_empty();
    let mut problem = None;
    for (podm, answer) in podms.iter().zip(answers) {
        match answer {
            Ok(systems) => {
                answered = true;
                shown.extend(systems.into_iter().filter(|s| filter::matches(s, &filters)).map(|s| of(podm, s.shown)));
            }
            Err(error) => {
                tracing::warn!(podm = %podm.name, error = %error.detail, "its systems are missing in a list");
                problem.get_or_insert(error);
            }
        }
    }
    match problem {
        Some(problem) if !answered => Err(problem),
        _ => Ok(Value::Array(shown)),
    }
}

async fn ask(ctx: &ReadContext, podm: &Podm, id: Option<&str>) -> Result<Vec<SystemView>, Problem> {
    let driver = hardware::reader(ctx, podm)?;
    let read = async { driver.systems(id).await.map_err(|e| e.problem()) };
    ctx.at_podm(&podm.uuid, read).await.map_err(|mut problem| {
        if !problem.detail.contains(&podm.name) {
            problem.detail = format!("Pod Manager {}: {}", podm.name, problem.detail);
        }
        problem
    })
}

/// A system with the Pod Manager that has it: ids of two may be the same.
fn of(podm: &Podm, mut system: Value) -> Value {
    if let Some(system) = system.as_object_mut() {
        system.insert("podm_id".into(), podm.uuid.clone().into());
    }
    system
}
