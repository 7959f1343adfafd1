//! `node.place`: chooses a Pod Manager and has the node composed there by a child task.
//!
//! The choice is saved before the child is made, and the child's key is parent and candidate: however often this runs, a candidate is
//! tried once. A candidate that refuses or is away is left out, and the next one tried; the reasons stand in the error.

use rand::seq::IteratorRandom;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::children::{self, Ended};
use crate::ids::TaskId;
use crate::model::podm::{Podm, PodmStatus};
use crate::model::problem::Problem;
use crate::model::task::{Definition, TaskError};
use crate::service::{Context, Verdict};
use crate::store::records::Collection;

/// A candidate that could not do it.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Tried {
    podm_id: String,
    name: String,
    status: u16,
    why: String,
}

/// The candidate that is being tried.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Choice {
    podm_id: String,
    name: String,
    /// The child, once it is made.
    child: Option<TaskId>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
struct Saved {
    tried: Vec<Tried>,
    choice: Option<Choice>,
    /// The task that takes back a compose which ended before it could be cancelled.
    taking_back: Option<TaskId>,
}

/// Places the node.
///
/// # Errors
/// 503 when no Pod Manager is online; the reasons of all when each refused; the child's own error when another one would refuse as well.
pub async fn run(ctx: &Context) -> Result<Value, Verdict> {
    let mut saved: Saved = ctx.saved().unwrap_or_default();
    loop {
        let choice = match saved.choice.clone() {
            Some(choice) => choice,
            None => {
                let choice = choose(ctx, &saved.tried).await?;
                saved.choice = Some(choice.clone());
                ctx.checkpoint(&saved).await?;
                choice
            }
        };
        let child = child(ctx, &mut saved, &choice).await?;
        match children::ended(ctx, child).await? {
            None => {
                ctx.progress(30, "composing", format!("at {}, by task {child}", choice.name)).await;
                return Err(children::park(child));
            }
            Some(Ended::Completed(node)) => return Ok(node),
            Some(Ended::Cancelled) => {
                let detail = format!("the compose at {} (task {child}) was cancelled", choice.name);
                return Err(Verdict::fail(Problem::conflict(detail)));
            }
            Some(Ended::Failed(error)) if is_the_requests_fault(&error) => return Err(Verdict::Fail(error)),
            Some(Ended::Failed(error)) => {
                let Problem { status, detail, .. } = error.problem;
                saved.tried.push(Tried { podm_id: choice.podm_id, name: choice.name, status, why: detail });
                saved.choice = None;
                ctx.checkpoint(&saved).await?;
            }
        }
    }
}

/// Hands the cancel down and waits until the child has ended; one that had ended well already is taken back.
///
/// # Errors
/// A park until nothing is left of it.
pub async fn undo(ctx: &Context) -> Result<(), Verdict> {
    let Some(mut saved) = ctx.saved::<Saved>() else { return Ok(()) };
    let Some(choice) = saved.choice.clone() else { return Ok(()) };
    // Made or not: the same step gives the same child, and one that is made only now is cancelled before it runs.
    let made = child(ctx, &mut saved, &choice).await?;
    if let Ended::Completed(_) = children::cancel(ctx, made).await? {
        let mut def = Definition::new("node.delete", Value::Null);
        def.podm_id = Some(choice.podm_id);
        def.node_id = Some(ctx.node_id()?.to_owned());
        let removal = match saved.taking_back {
            Some(task) => task,
            None => {
                let task = ctx.child("take-back", def).await?;
                saved.taking_back = Some(task);
                ctx.checkpoint(&saved).await?;
                task
            }
        };
        match children::ended(ctx, removal).await? {
            None => return Err(children::park(removal)),
            Some(Ended::Failed(error)) => {
                tracing::warn!(task_id = %ctx.id(), ?error, "a placed node could not be taken back")
            }
            Some(_) => {}
        }
    }
    Ok(())
}

/// The compose at a candidate: the same task, however often it is asked for.
async fn child(ctx: &Context, saved: &mut Saved, choice: &Choice) -> Result<TaskId, Verdict> {
    if let Some(child) = choice.child {
        return Ok(child);
    }
    let mut def = Definition::new("node.compose", ctx.def().params.clone());
    def.podm_id = Some(choice.podm_id.clone());
    def.node_id = Some(ctx.node_id()?.to_owned());
    def.labels.clone_from(&ctx.def().labels);
    def.caller.clone_from(&ctx.def().caller);
    def.timeout_s = ctx.def().timeout_s;
    let child = ctx.child(&format!("compose at {}", choice.podm_id), def).await?;
    saved.choice = Some(Choice { child: Some(child), ..choice.clone() });
    ctx.checkpoint(&*saved).await?;
    Ok(child)
}

/// The Pod Manager with the fewest changes in flight, of those online and not tried yet; which of equals is left to chance, so that
/// several schedulers do not all choose the same.
async fn choose(ctx: &Context, tried: &[Tried]) -> Result<Choice, Verdict> {
    let podms: Vec<Podm> = ctx.records(Collection::Podm).await?;
    let known = podms.len();
    let is_left = |p: &Podm| p.status == PodmStatus::Online && !tried.iter().any(|t| t.podm_id == p.uuid);
    let mut best: Vec<Podm> = Vec::new();
    let mut fewest = u64::MAX;
    for podm in podms.into_iter().filter(is_left) {
        let in_flight = ctx.in_flight(&podm.uuid).await?;
        if in_flight < fewest {
            fewest = in_flight;
            best.clear();
        }
        if in_flight == fewest {
            best.push(podm);
        }
    }
    let chosen = best.into_iter().choose(&mut rand::rng());
    // That all are away at once may pass; that there is none, or that each refused, does not.
    let away = known > 0 && tried.is_empty();
    let nobody = || if away { Verdict::retry(nowhere(known, tried)) } else { Verdict::fail(nowhere(known, tried)) };
    let podm = chosen.ok_or_else(nobody)?;
    Ok(Choice { podm_id: podm.uuid, name: podm.name, child: None })
}

/// Why the node can be nowhere.
fn nowhere(known: usize, tried: &[Tried]) -> Problem {
    if tried.is_empty() {
        return Problem::unavailable(match known {
            0 => "no Pod Manager is registered".to_owned(),
            _ => format!("none of the {known} Pod Managers is online"),
        });
    }
    let reasons: Vec<String> = tried.iter().map(|t| format!("{}: {}", t.name, t.why)).collect();
    let detail = format!("no Pod Manager could compose the node; {}", reasons.join("; "));
    // Full is another matter than away: only the first is a state that the client can change.
    if tried.iter().any(|t| matches!(t.status, 404 | 409)) {
        Problem::conflict(detail)
    } else {
        Problem::unavailable(detail)
    }
}

/// Whether every other Pod Manager would refuse it too: the request or its flavor is wrong, its time is over.
fn is_the_requests_fault(error: &TaskError) -> bool {
    // A Pod Manager's own 404 is about its hardware.
    matches!(error.problem.status, 400 | 413 | 422)
        || (error.podm_id.is_none() && matches!(error.problem.status, 404 | 504))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tried(status: u16) -> Tried {
        Tried { podm_id: "1".into(), name: "lab-1".into(), status, why: "no system fits".into() }
    }

    #[test]
    fn every_reason_is_told() {
        let problem = nowhere(2, &[tried(503), Tried { name: "lab-2".into(), ..tried(409) }]);
        assert_eq!(problem.status, 409);
        for word in ["lab-1", "lab-2", "no system fits"] {
            assert!(problem.detail.contains(word), "{}", problem.detail);
        }
    }

    #[test]
    fn without_a_pod_manager_the_service_is_unavailable() {
        assert_eq!(nowhere(0, &[]).status, 503);
        assert_eq!(nowhere(3, &[]).status, 503);
        assert_eq!(nowhere(1, &[tried(503)]).status, 503);
    }

    #[test]
    fn a_bad_request_is_not_carried_from_door_to_door() {
        assert!(is_the_requests_fault(&Problem::validation("x").into()));
        assert!(!is_the_requests_fault(&Problem::conflict("full").into()));
        assert!(!is_the_requests_fault(&Problem::unavailable("away").into()));
    }
}
