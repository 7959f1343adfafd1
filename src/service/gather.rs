//! Live lists from one Pod Manager or from all of them at once: one that hangs or fails is named, and costs the others nothing.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::{ReadContext, hardware};
use crate::model::node::Node;
use crate::model::podm::Podm;
use crate::model::problem::Problem;
use crate::podm::Driver;
use crate::store::records::Collection;

/// How long one of several Pod Managers is waited for where another has answered, at most; never longer than half the time there is.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long the others are waited for still when the first answer came later than that.
const GRACE: Duration = Duration::from_secs(2);

/// What one Pod Manager has, or every one has, as `items`, each with its `podm_id`: ids of two may be the same. `incomplete` has the ids
/// of the Pod Managers that did not answer.
///
/// # Errors
/// 404 for an unknown Pod Manager; what the Pod Manager answers when it is asked alone, or when none of several answers.
pub async fn list<F, Fut>(ctx: &ReadContext, podm_id: Option<&str>, ask: F) -> Result<Value, Problem>
where
    F: Fn(Arc<dyn Driver>) -> Fut,
    Fut: Future<Output = Result<Vec<Value>, Problem>> + Send,
{
    list_as(ctx, podm_id, ask, of).await
}

/// As [`list`], of things that `show` makes the items of.
///
/// # Errors
/// As [`list`].
pub async fn list_as<T, F, Fut>(
    ctx: &ReadContext,
    podm_id: Option<&str>,
    ask: F,
    show: impl Fn(&Podm, T) -> Value,
) -> Result<Value, Problem>
where
    F: Fn(Arc<dyn Driver>) -> Fut,
    Fut: Future<Output = Result<Vec<T>, Problem>> + Send,
{
    let podms = match podm_id {
        Some(podm_id) => vec![known(ctx, podm_id).await?],
        None => ctx.records::<Podm>(Collection::Podm).await?,
    };
    let cut = CancellationToken::new();
    let limited = ctx.until(&cut);
    let asked = podms.iter().map(|podm| of_one(&limited, podm, &ask));
    let answers = answers(asked, &cut, (ctx.left() / 2).min(PATIENCE), GRACE).await;
    let (mut shown, mut incomplete) = (Vec::new(), Vec::new());
    let mut answered = podms.is_empty();
    let mut problem = None;
    for (podm, answer) in podms.iter().zip(answers) {
        match answer {
            Ok(items) => {
                answered = true;
                shown.extend(items.into_iter().map(|item| show(podm, item)));
            }
            Err(error) => {
                tracing::warn!(podm = %podm.name, error = %error.detail, "it is missing in a list");
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

/// What one Pod Manager says: the named one, or the only one there is.
///
/// # Errors
/// 400 when none is named and there is not exactly one; 404 for an unknown one; what it answers.
pub async fn one<F, Fut>(ctx: &ReadContext, podm_id: Option<&str>, ask: F) -> Result<Value, Problem>
where
    F: Fn(Arc<dyn Driver>) -> Fut,
    Fut: Future<Output = Result<Value, Problem>> + Send,
{
    let podm = match podm_id {
        Some(podm_id) => known(ctx, podm_id).await?,
        None => only(ctx).await?,
    };
    Ok(match of_one(ctx, &podm, &ask).await? {
        Value::Array(items) => items.into_iter().map(|item| of(&podm, item)).collect(),
        item => of(&podm, item),
    })
}

/// A node on record.
///
/// # Errors
/// 404 when there is none.
pub async fn node(ctx: &ReadContext, id: &str) -> Result<Node, Problem> {
    let missing = || Problem::not_found(format!("Composed node '{id}' not found in database."));
    ctx.record(Collection::Node, id).await?.ok_or_else(missing)
}

/// All the answers, in the order asked. One that hangs leaves time to answer with what the others said: `cut` ends the wait when somebody has
/// answered and `patience` is over, or `grace` since the first answer. While nobody has, there is nothing to answer with, and all are waited for.
async fn answers<T>(
    asked: impl Iterator<Item = impl Future<Output = Result<T, Problem>>>,
    cut: &CancellationToken,
    patience: Duration,
    grace: Duration,
) -> Vec<Result<T, Problem>> {
    let (heard, began) = (Notify::new(), Instant::now());
    let all = asked.map(async |asked| {
        let answer = asked.await;
        if answer.is_ok() {
            heard.notify_one();
        }
        answer
    });
    let enough = async {
        heard.notified().await;
        tokio::time::sleep(patience.saturating_sub(began.elapsed()).max(grace)).await;
        cut.cancel();
    };
    let mut all = std::pin::pin!(join_all(all));
    tokio::select! {
        answers = &mut all => return answers,
        () = enough => {}
    }
    all.await
}

async fn known(ctx: &ReadContext, id: &str) -> Result<Podm, Problem> {
    let missing = || Problem::not_found(format!("Pod Manager {id} not found in database."));
    ctx.record(Collection::Podm, id).await?.ok_or_else(missing)
}

async fn only(ctx: &ReadContext) -> Result<Podm, Problem> {
    let mut podms = ctx.records::<Podm>(Collection::Podm).await?;
    match (podms.pop(), podms.is_empty()) {
        (Some(only), true) => Ok(only),
        _ => Err(Problem::validation("'podm_id' is a required property: there is not exactly one Pod Manager")),
    }
}

async fn of_one<T, F, Fut>(ctx: &ReadContext, podm: &Podm, ask: &F) -> Result<T, Problem>
where
    F: Fn(Arc<dyn Driver>) -> Fut,
    Fut: Future<Output = Result<T, Problem>> + Send,
{
    let driver = hardware::reader(ctx, podm)?;
    ctx.at_podm(podm, ask(driver)).await
}

fn of(podm: &Podm, mut item: Value) -> Value {
    if let Some(item) = item.as_object_mut() {
        item.insert("podm_id".into(), podm.uuid.clone().into());
    }
    item
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(3600);

    /// What Pod Managers answer of which each takes so long, or as long as it is let; `None` for one that was not waited for.
    async fn told(times: &[Duration], patience: Duration) -> Vec<Option<usize>> {
        let cut = CancellationToken::new();
        let asked = times.iter().enumerate().map(async |(n, time)| {
            tokio::select! {
                biased;
                () = cut.cancelled() => Err(Problem::timeout("")),
                () = tokio::time::sleep(*time) => if n == 0 { Err(Problem::internal("")) } else { Ok(n) },
            }
        });
        answers(asked, &cut, patience, Duration::ZERO).await.into_iter().map(Result::ok).collect()
    }

    #[tokio::test]
    async fn while_no_pod_manager_has_answered_all_are_waited_for_and_after_the_first_answer_the_rest_no_longer() {
        let slow = Duration::from_millis(200);
        assert_eq!(told(&[Duration::ZERO, slow, LONG], Duration::ZERO).await, [None, Some(1), None]);
    }

    #[tokio::test]
    async fn where_one_has_answered_the_others_are_waited_for_until_patience_is_over() {
        let soon = Duration::from_millis(20);
        assert_eq!(told(&[LONG, Duration::ZERO, soon], Duration::from_secs(2)).await, [None, Some(1), Some(2)]);
    }
}
