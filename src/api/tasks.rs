//! `/v1/tasks`: enqueue, list, read, explain, cancel, retry, forget.

use std::time::Duration;

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use warp::http::{StatusCode, header};
use warp::reply::Reply;

use super::answer::{self, Answer, Failure, bad_field};
use super::call::{Call, no_such_task};
use super::prefer::Prefer;
use super::resource::{Query, Resource, number, text};
use super::spec::NewTask;
use super::{batch, events, submit, view, wait};
use crate::ids::TaskId;
use crate::model::problem::Problem;
use crate::model::state::{State, Status};
use crate::model::task::Task;
use crate::model::topic::Topic;
use crate::model::v1time::parse_ms;
use crate::store::explain::Explanation;
use crate::store::idempotency::KeyUse;
use crate::store::listing::Filter;
use crate::store::record::TaskRecord;
use crate::store::tasks::{Cancel, Forget, Redrive};

/// Longest wait that `?wait=` may ask for.
const MOST_WAIT_S: u64 = 600;
/// Tasks of a page unless `limit` says otherwise.
const PAGE: u64 = 100;
/// Most tasks of a page.
const MOST_PAGE: u64 = 1000;

/// Query parameters that choose tasks.
pub(crate) const FILTER: [Query; 9] = [
    text("status", "`In progress`, `Completed`, `Failed` or `Cancelled`"),
    text("state", "one of the ten states"),
    text("topic", "service family"),
    text("kind", "what the task does"),
    text("podm_id", "the Pod Manager it concerns"),
    text("node_id", "the node it concerns"),
    text("label", "`key:value`; may stand several times"),
    text("created_after", "RFC 3339"),
    text("created_before", "RFC 3339"),
];
/// Query parameters that choose a page.
pub(crate) const PAGING: [Query; 2] =
    [number("limit", "at most so many, 1 to 1000"), text("marker", "go on after this one")];

/// A page of tasks.
#[derive(Serialize, ToSchema)]
pub(crate) struct TaskList {
    /// Newest first.
    pub tasks: Vec<Task>,
    /// Give it back for the next page; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub marker: Option<String>,
}

/// The routes.
pub(crate) fn resource() -> Resource {
    Resource::at("/v1/tasks", "tasks")
        .get("", "Lists tasks, newest first", list)
        .query(&FILTER)
        .query(&PAGING)
        .answers::<TaskList>(200)
        .post("", "Enqueues a task", create)
        .takes::<NewTask>()
        .answers::<Task>(202)
        .prefer()
        .post("/batch", "Enqueues up to 1,000 tasks, each on its own", batch::create)
        .takes::<batch::Batch>()
        .answers::<batch::BatchAnswer>(202)
        .get("/{id}", "Reads a task", one)
        .query(&[number("wait", "wait up to so many seconds for its end, 0 to 600")])
        .answers::<Task>(200)
        .delete("/{id}", "Forgets a task that has ended", forget)
        .status(204)
        .get("/{id}/explain", "Says why a task is not running, or not ending, now", explain)
        .answers::<Explanation>(200)
        .get("/{id}/events", "A task's changes as server-sent events", events::of_task)
        .media("text/event-stream")
        .post("/{id}/cancel", "Cancels a task", cancel)
        .answers::<Task>(202)
        .post("/{id}/retry", "Queues a failed or cancelled task again", retry)
        .answers::<Task>(202)
}

async fn create(call: Call) -> Answer {
    let body = call.needed_json()?;
    let key = call.idempotency_key(&body)?;
    let task = NewTask::read(body)?;
    let checked = task.check(&call)?;
    let accepted = submit::submit(&call.app, checked, key).await?;
    let prefer = Prefer::read(&call.headers);
    let limit = if let Prefer::Wait(limit) = prefer { limit } else { Duration::ZERO };
    let record = accepted.after(&call.app, limit.min(Duration::from_secs(MOST_WAIT_S))).await?;
    let mut response = view::accepted(record);
    if let Some(applied) = prefer.applied() {
        answer::set_header(&mut response, header::HeaderName::from_static("preference-applied"), &applied);
    }
    Ok(response)
}

async fn one(call: Call) -> Answer {
    call.only_query(&["wait"])?;
    let id = call.task_id()?;
    let wait = call.query_number("wait", 0, MOST_WAIT_S)?.unwrap_or(0);
    let record = wait::until_ended(&call.app, id, Duration::from_secs(wait)).await?;
    let body = serde_json::to_value(view::task(record)).map_err(|e| Problem::internal(e.to_string()))?;
    let etag = view::etag(&body);
    let known = call
        .header("if-none-match")
        .is_some_and(|tags| tags.split(',').map(|t| t.trim().trim_start_matches("W/")).any(|t| t == etag || t == "*"));
    let mut response = if known { StatusCode::NOT_MODIFIED.into_response() } else { answer::ok(&body) };
    answer::set_header(&mut response, header::ETAG, &etag);
    answer::set_header(&mut response, header::CACHE_CONTROL, "no-cache");
    Ok(response)
}

async fn list(call: Call) -> Answer {
    let page = page(&call, None).await?;
    Ok(answer::ok(&TaskList { tasks: page.0, marker: page.1 }))
}

/// A page of tasks as the query wants it; `state` fixes the state.
///
/// # Errors
/// 400 naming the parameter; 503.
pub(crate) async fn page(call: &Call, state: Option<State>) -> Result<(Vec<Task>, Option<String>), Failure> {
    let known: Vec<&str> = FILTER
        .iter()
        .chain(&PAGING)
        .map(|q| q.name)
        .filter(|name| state.is_none() || !matches!(*name, "state" | "status"))
        .collect();
    call.only_query(&known)?;
    let mut filter = filter_of(&call.query)?;
    filter.state = state.or(filter.state);
    let limit = call.query_number("limit", 1, MOST_PAGE)?.unwrap_or(PAGE);
    let marker = match call.query("marker") {
        Some(text) => Some(text.parse::<TaskId>().map_err(|e| bad_field("marker", text, &e.to_string()))?),
        None => None,
    };
    let page = call.app.store.list(&filter, usize::try_from(limit).unwrap_or(100), marker).await?;
    Ok((page.tasks.into_iter().map(view::task).collect(), page.marker.map(|m| m.to_string())))
}

/// A filter from pairs of names and values; other names are passed over.
///
/// # Errors
/// 400 naming the parameter.
pub(crate) fn filter_of(pairs: &[(String, String)]) -> Result<Filter, Problem> {
    let mut filter = Filter::default();
    for (name, value) in pairs {
        let bad = |why: &str| bad_field(name, value, why);
        let text = || Some(value.clone());
        let time = || parse_ms(value).map(Some).map_err(|why| bad(&why));
        match name.as_str() {
            "state" => filter.state = Some(State::parse(value).ok_or_else(|| bad("no such state"))?),
            "status" => filter.status = Some(Status::parse(value).ok_or_else(|| bad("no such status"))?),
            "topic" => filter.topic = Some(Topic::parse(value).ok_or_else(|| bad("no such topic"))?),
            "kind" => filter.kind = text(),
            "podm_id" => filter.podm_id = text(),
            "node_id" => filter.node_id = text(),
            "created_after" => filter.created_after = time()?,
            "created_before" => filter.created_before = time()?,
            "label" => {
                let (key, value) = value.split_once(':').ok_or_else(|| bad("key:value is wanted"))?;
                filter.labels.insert(key.to_owned(), value.to_owned());
            }
            _ => {}
        }
    }
    Ok(filter)
}

/// The path's task.
async fn known(call: &Call) -> Result<TaskRecord, Failure> {
    let id = call.task_id()?;
    let record = call.app.store.task(id).await?;
    Ok(record.ok_or_else(|| no_such_task(call.param(0)))?)
}

async fn explain(call: Call) -> Answer {
    let record = known(&call).await?;
    let (roster, store) = (&call.app.roster, &call.app.store);
    let explained = store.explain(&record, roster.serves(record.lane.topic).await?).await?;
    let child = match record.waits_for() {
        Some(child) => store.task(child).await?,
        None => None,
    };
    Ok(answer::ok(&match child {
        Some(child) => explained.with_child(&store.explain(&child, roster.serves(child.lane.topic).await?).await?),
        None => explained,
    }))
}

/// Whether the same request, by its Idempotency-Key, was carried out before.
///
/// # Errors
/// 422 when another request had the key.
pub(crate) async fn came_before(call: &Call) -> Result<bool, Failure> {
    let Some(key) = call.idempotency_key(&Value::Null)? else { return Ok(false) };
    match call.app.store.look_at_key(&key.caller, &key.key, &key.fingerprint).await? {
        KeyUse::New => Ok(false),
        KeyUse::Same(_) => Ok(true),
        KeyUse::Other => {
            Err(Problem::unprocessable("this Idempotency-Key was used before, with another request").into())
        }
    }
}

/// Notes that the request was carried out. Afterwards, not before: a refused request leaves nothing behind, and each of these
/// requests may be carried out twice.
pub(crate) async fn note(call: &Call, id: TaskId) -> Result<(), Failure> {
    if let Some(key) = call.idempotency_key(&Value::Null)? {
        let _booked: KeyUse = call.app.store.use_key(&key.caller, &key.key, &key.fingerprint, id).await?;
    }
    Ok(())
}

async fn cancel(call: Call) -> Answer {
    let repeated = came_before(&call).await?;
    let id = call.task_id()?;
    call.allow(&known(&call).await?.def.kind)?;
    match call.app.store.cancel(id).await? {
        Cancel::Missing => return Err(no_such_task(call.param(0)).into()),
        Cancel::Ended if !repeated => return Err(Problem::conflict("the task has ended already").into()),
        Cancel::Ended | Cancel::Cancelled | Cancel::Cancelling => {}
    }
    note(&call, id).await?;
    Ok(view::accepted(known(&call).await?))
}

async fn retry(call: Call) -> Answer {
    let repeated = came_before(&call).await?;
    let id = call.task_id()?;
    call.allow(&known(&call).await?.def.kind)?;
    match call.app.store.redrive(id).await? {
        Redrive::Missing => return Err(no_such_task(call.param(0)).into()),
        Redrive::Refused(state) if !repeated => {
            let detail = format!("the task is {state}; only failed and cancelled tasks can be retried");
            return Err(Problem::conflict(detail).into());
        }
        Redrive::Refused(_) | Redrive::Queued => {}
    }
    note(&call, id).await?;
    Ok(view::accepted(known(&call).await?))
}

async fn forget(call: Call) -> Answer {
    let repeated = came_before(&call).await?;
    let id = call.task_id()?;
    if !call.app.store.options().buckets.contains(id.bucket()) {
        return Err(no_such_task(call.param(0)).into());
    }
    if let Some(task) = call.app.store.task(id).await? {
        call.allow(&task.def.kind)?;
    }
    let gone = call.app.store.forget(id.bucket(), &[id], None).await?;
    match gone.first() {
        Some(Forget::Kept) => return Err(Problem::conflict("the task has not ended").into()),
        Some(Forget::Gone) => note(&call, id).await?,
        _ if repeated => {}
        _ => return Err(no_such_task(call.param(0)).into()),
    }
    Ok(answer::empty())
}
