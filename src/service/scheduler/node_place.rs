//! `node.place`: chooses a Pod Manager and has the node composed there by a child task.
//!
//! A node is bound late: where no Pod Manager that is worth it has a free place, the task waits in a line, without a slot, and is called
//! when there is one ([`super::line`]). The choice and its reservation are made at once and saved before the child is made, and the
//! child's key is parent and candidate: however often this runs, a candidate is tried once. A candidate that refuses, is away or gives up midway is left out, and the next one
//! tried; the reasons stand in the result and in the error. What a child that gave up still has to undo is its own affair: its
//! hardware counts as taken until an inventory tells.

use std::hash::{Hash, Hasher};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::children::{self, Ended};
use super::{line, wish};
use crate::ids::TaskId;
use crate::model::flavor::Flavor;
use crate::model::params::{Compose, Place};
use crate::model::placement::{Placement, Tried};
use crate::model::problem::Problem;
use crate::model::task::{Definition, TaskError};
use crate::observe::metrics;
use crate::placement;
use crate::service::{Context, Verdict};
use crate::store::records::Collection;

/// Attempts of a compose while there are other candidates to try.
const CHILD_ATTEMPTS: u32 = 3;
/// The candidate that is being tried.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Choice {
    podm_id: String,
    name: String,
    /// The child, once it is made.
    child: Option<TaskId>,
    /// Why it was chosen.
    #[serde(default)]
    placement: Placement,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
struct Saved {
    tried: Vec<Tried>,
    choice: Option<Choice>,
    /// While it waits for a place, and how long it did.
    waiting: Option<line::Waiting>,
    /// The task that takes back a compose which ended before it could be cancelled.
    taking_back: Option<TaskId>,
}

/// Places the node.
///
/// # Errors
/// 503 when no Pod Manager is online; 409 when none has room, by counts; the reasons of all when each refused; the child's own error when
/// another one would refuse as well.
pub async fn run(ctx: &Context) -> Result<Value, Verdict> {
    let mut saved: Saved = ctx.saved().unwrap_or_default();
    let came_from_line = saved.waiting.as_ref().is_some_and(|waiting| waiting.claim + 1 == ctx.claim());
    if saved.choice.is_none() && !ctx.is_first_claim() && !came_from_line {
        ctx.give_up_strays().await?;
    }
    loop {
        let choice = match saved.choice.clone() {
            Some(choice) => choice,
            None => {
                let choice = choose(ctx, &mut saved).await?;
                saved.choice = Some(choice.clone());
                ctx.checkpoint(&saved).await?;
                choice
            }
        };
        let child = child(ctx, &mut saved, &choice).await?;
        match children::ended_or_given_up(ctx, child).await? {
            None => {
                ctx.progress(30, "composing", format!("at {}, by task {child}", choice.name)).await;
                return Err(children::park(ctx, child));
            }
            Some(Ended::Completed(node)) => {
                let took_ms = ctx.task(child).await?.and_then(|task| task.ran_ms()).unwrap_or(0);
                ctx.placed(&choice.podm_id, took_ms).await?;
                count("placed");
                return placed(node, Placement { tried: saved.tried, ..choice.placement });
            }
            Some(Ended::Cancelled) => {
                let detail = format!("the compose at {} (task {child}) was cancelled", choice.name);
                return Err(Verdict::fail(Problem::conflict(detail)));
            }
            Some(Ended::Failed(error)) => {
                match ctx.task(child).await?.is_none_or(|task| task.state.is_terminal()) {
                    true => ctx.give_up_place(&choice.podm_id).await?,
                    false => ctx.place_left(&choice.podm_id).await?,
                }
                if is_the_requests_fault(&error) {
                    return Err(Verdict::Fail(error));
                }
                count("refused");
                let Problem { status, detail, .. } = error.problem;
                saved.tried.push(Tried { podm_id: choice.podm_id, name: choice.name, status, why: detail });
                saved.choice = None;
                ctx.checkpoint(&saved).await?;
            }
        }
    }
}

/// The node of the child, with the reasons for its place.
fn placed(mut node: Value, placement: Placement) -> Result<Value, Verdict> {
    let placement = serde_json::to_value(placement).map_err(|e| Verdict::fail(Problem::internal(e.to_string())))?;
    if let Some(map) = node.as_object_mut() {
        map.insert("placement".into(), placement);
    }
    Ok(node)
}

fn count(reason: &str) {
    metrics::get().placement.results.with_label_values(&[reason]).inc();
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
    let end = children::cancel(ctx, made).await?;
    ctx.give_up_place(&choice.podm_id).await?;
    if let Ended::Completed(_) = end {
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
            None => return Err(children::park(ctx, removal)),
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
    let Place { name, description, flavor_id, properties, .. } = ctx.params()?;
    let params = serde_json::to_value(Compose { name, description, flavor_id, properties });
    let params = params.map_err(|e| Verdict::fail(Problem::internal(e.to_string())))?;
    let mut def = Definition::new("node.compose", params);
    def.podm_id = Some(choice.podm_id.clone());
    def.node_id = Some(ctx.node_id()?.to_owned());
    def.labels.clone_from(&ctx.def().labels);
    def.caller.clone_from(&ctx.def().caller);
    def.timeout_s = ctx.def().timeout_s;
    def.max_attempts = ctx.def().max_attempts.min(CHILD_ATTEMPTS);
    let step = format!("compose at {}", choice.podm_id);
    // What gave up before may still have to undo its part, and holds the node's place in line meanwhile.
    let child = match saved.tried.is_empty() {
        true => ctx.child(&step, def).await?,
        false => ctx.child_elsewhere(&step, def).await?,
    };
    saved.choice = Some(Choice { child: Some(child), ..choice.clone() });
    ctx.checkpoint(&*saved).await?;
    Ok(child)
}

/// The best of those that were not tried yet, with hardware reserved there.
///
/// # Errors
/// A park while it has to wait for a place.
async fn choose(ctx: &Context, saved: &mut Saved) -> Result<Choice, Verdict> {
    let began = Instant::now();
    let place: Place = ctx.params()?;
    let flavor: Option<Flavor> = match &place.flavor_id {
        Some(id) => ctx.record(Collection::Flavor, id).await?,
        None => None,
    };
    let mut request = wish::request(&place, flavor)?;
    request.excluded = saved.tried.iter().map(|t| t.podm_id.clone()).collect();
    request.seed = seed(ctx.id());
    let line = line::Line::of(ctx, &request)?;
    let is_tired = ctx.is_client_out_of_patience(Duration::ZERO);
    if is_tired {
        let placement = ctx.preview(|scene| placement::decide(&request, scene)).await?.placement;
        if placement.waits.is_some() && placement.chosen.is_none() {
            // Whoever might take it lets nobody in.
            line.leave(ctx).await?;
            return Err(Verdict::fail(wish::nowhere(&placement, &saved.tried)));
        }
    }
    if let Some(why) = line.is_not_next(ctx, saved.waiting.as_ref()).await? {
        return Err(wait(ctx, saved, &line, why).await);
    }
    let decision = ctx.place(|scene| placement::decide(&request, scene)).await?;
    metrics::get().placement.duration.with_label_values::<&str>(&[]).observe(began.elapsed().as_secs_f64());
    let mut placement = decision.placement;
    if let Some(why) = placement.waits {
        return Err(wait(ctx, saved, &line, why).await);
    }
    if let Some(waiting) = saved.waiting.take() {
        line.leave(ctx).await?;
        placement.waited_ms = Some(ctx.now_ms().saturating_sub(waiting.since_ms));
        placement.waits = Some(waiting.why);
    }
    match (decision.choice, placement.chosen.clone()) {
        (Some(choice), Some(chosen)) => {
            Ok(Choice { podm_id: choice.podm_id, name: chosen.name, child: None, placement })
        }
        _ => {
            placement.filtered.keys().filter(|reason| *reason != "excluded").for_each(|reason| count(reason));
            // That those which might do it are away at once may pass; that each is full or refused does not.
            let passes = saved.tried.is_empty() && wish::only_away(&placement.filtered) && !is_tired;
            let problem = wish::nowhere(&placement, &saved.tried);
            Err(if passes { Verdict::retry(problem) } else { Verdict::fail(problem) })
        }
    }
}

/// Stands in line; the park until it is called.
async fn wait(ctx: &Context, saved: &mut Saved, line: &line::Line, why: String) -> Verdict {
    let waited = async {
        if saved.waiting.is_none() {
            count("waits");
        }
        let (waiting, park) = line.wait(ctx, saved.waiting.take(), why).await?;
        saved.waiting = Some(waiting);
        ctx.checkpoint(&*saved).await?;
        Ok(park)
    };
    waited.await.unwrap_or_else(|verdict| verdict)
}

/// Another one for each task, so that equals are taken in turn.
fn seed(id: TaskId) -> u64 {
    let mut hasher = std::hash::DefaultHasher::new();
    id.to_string().hash(&mut hasher);
    hasher.finish()
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

    #[test]
    fn a_bad_request_is_not_carried_from_door_to_door() {
        assert!(is_the_requests_fault(&Problem::validation("x").into()));
        assert!(!is_the_requests_fault(&Problem::conflict("full").into()));
        assert!(!is_the_requests_fault(&Problem::unavailable("away").into()));
    }
}
