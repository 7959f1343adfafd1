//! `POST /v1/tasks/batch`: many tasks in one request, each accepted or refused on its own.

use futures_util::future::join_all;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_with::skip_serializing_none;
use utoipa::ToSchema;
use warp::http::StatusCode;

use super::answer::{self, Answer, Failure};
use super::call::{Call, read};
use super::spec::{NewTask, within};
use super::submit;
use crate::ids::TaskId;
use crate::model::problem::Problem;
use crate::store::submit::IdempotencyKey;

/// Most tasks of one batch.
const MOST: u64 = 1000;

/// Tasks to be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Batch {
    /// Up to 1,000, each as `POST /v1/tasks` takes it.
    #[schema(value_type = Vec<NewTask>)]
    tasks: Vec<Value>,
}

/// What became of each task, in the order given.
#[derive(Serialize, ToSchema)]
pub(crate) struct BatchAnswer {
    /// One item a task.
    tasks: Vec<BatchItem>,
}

/// What became of one task: it has an id or an error.
#[skip_serializing_none]
#[derive(Serialize, ToSchema)]
pub(crate) struct BatchItem {
    /// Its id.
    #[schema(value_type = Option<String>)]
    id: Option<TaskId>,
    /// Why it was not made.
    error: Option<Problem>,
}

pub(crate) async fn create(call: Call) -> Answer {
    let tasks = items(call.needed_json()?)?;
    within("tasks", u64::try_from(tasks.len()).unwrap_or(u64::MAX), 1, MOST)?;
    let made = join_all(tasks.into_iter().enumerate().map(|(n, item)| enqueue(&call, n, item)));
    let made: Vec<Result<TaskId, Failure>> = made.await;
    // Redis away: nothing of it was taken, and the whole request may come again.
    if let Some(Err(failure)) = made.first()
        && made.iter().all(|m| m.as_ref().is_err_and(|f| f.problem.status == 503))
    {
        return Err(failure.clone());
    }
    let tasks = made.into_iter().map(|made| match made {
        Ok(id) => BatchItem { id: Some(id), error: None },
        Err(failure) => BatchItem { id: None, error: Some(failure.problem) },
    });
    Ok(answer::with_status(StatusCode::ACCEPTED, &BatchAnswer { tasks: tasks.collect() }))
}

/// The tasks of a batch, moved out of it: a copy of each would be a good part of what it costs.
fn items(mut body: Value) -> Result<Vec<Value>, Problem> {
    let alone = body.as_object().is_some_and(|map| map.len() == 1);
    match body.get_mut("tasks") {
        Some(Value::Array(items)) if alone => Ok(std::mem::take(items)),
        _ => Ok(read::<Batch>(&body)?.tasks),
    }
}

async fn enqueue(call: &Call, n: usize, item: Value) -> Result<TaskId, Failure> {
    // U+001F cannot stand in a client's key: an item's key never meets a whole request's.
    let key = call.idempotency_key(&item)?.map(|k| IdempotencyKey { key: format!("{}\u{1f}{n}", k.key), ..k });
    let task = NewTask::read(item)?;
    Ok(submit::submit(&call.app, task.check(call)?, key).await?.id)
}
