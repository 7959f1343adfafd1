//! `system.list` and `system.get`: live from the Pod Managers, several at once.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::filter;
use crate::model::kind;
use crate::model::params::Systems;
use crate::model::podm::Podm;
use crate::model::problem::Problem;
use crate::podm::SystemView;
use crate::service::{ReadContext, hardware};
use crate::store::records::Collection;

/// How long one of several Pod Managers is waited for, at most; never longer than half the time there is.
const PATIENCE: Duration = Duration::from_secs(10);

/// The systems of one Pod Manager, or of every one; those that match all filters, as `items`; also for one system: one, or none.
/// `incomplete` has the ids of the Pod Managers that did not answer.
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
    // One that hangs must leave time to answer with what the others said.
    let limit = if podms.len() > 1 { (ctx.left() / 2).min(PATIENCE) } else { ctx.left() };
    let limited = ctx.within(limit);
    let answers = join_all(podms.iter().map(|podm| ask(&limited, podm, id.as_deref()))).await;
    let (mut shown, mut incomplete) = (Vec::new(), Vec::new());
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
                incomplete.push(podm.uuid.clone());
                problem.get_or_insert(error);
            }
        }
    }
    match problem {
        Some(problem) if !answered => Err(problem),
        _ => Ok(json!({ "items": shown, "incomplete": incomplete })),
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
