//! What all v1 routes share: a read that a worker answers at once, and a change that becomes a task whose end is answered as v1 did.

use std::time::Duration;

use serde_json::Value;
use warp::http::header::{self, HeaderName};
use warp::reply::Response;

use super::answer::{Answer, Failure, ok, set_header};
use super::app::App;
use super::call::Call;
use super::prefer::Prefer;
use super::spec::NewTask;
use super::{submit, view};
use crate::model::kind::Kind;
use crate::model::podm::{Podm, mask};
use crate::model::problem::Problem;
use crate::model::state::State;
use crate::observe::trace;
use crate::store::record::TaskRecord;
use crate::store::records::Collection;
use crate::store::sync::SyncReply;

/// Names the task behind an answer that is not the task.
pub(crate) const TASK_HEADER: HeaderName = HeaderName::from_static("x-task-id");
const APPLIED: HeaderName = HeaderName::from_static("preference-applied");

/// Asks the workers of a sync kind's topic.
///
/// # Errors
/// 400 when the parameters are wrong; 503 at once when nobody serves the topic; 504 when nobody answered in time; what the worker said.
pub(crate) async fn ask(call: &Call, name: &str, params: Value) -> Result<Value, Failure> {
    let app = &call.app;
    let kind = Kind::find(name).ok_or_else(|| Problem::internal(format!("no kind {name}")))?;
    (kind.check)(&params)?;
    if !app.roster.serves(kind.topic).await? {
        return Err(Problem::unavailable(format!("no live worker serves the topic {}", kind.topic)).into());
    }
    let buckets = app.store.options().buckets;
    let podm = params.get("podm_id").and_then(Value::as_str);
    let bucket = podm.map_or_else(|| buckets.random(), |podm| buckets.of_name(podm));
    let limit = app.config.api.sync_timeout.unsigned_abs();
    let asked = app.replies.ask(bucket, kind.topic, name, params, limit, trace::traceparent());
    let reply = tokio::select! {
        reply = asked => reply?,
        // The answer would come after the connection is closed.
        () = stopped(call) => return Err(Problem::unavailable("the server is stopping").into()),
    };
    match reply {
        Some(SyncReply::Ok(value)) => Ok(if name.starts_with("podm.") { mask(value) } else { value }),
        Some(SyncReply::Err(problem)) => Err(problem.into()),
        None => Err(Problem::timeout(format!("no answer from topic {} within {limit:?}", kind.topic)).into()),
    }
}

/// Half the grace after the stop signal: reads that end soon are let end.
async fn stopped(call: &Call) {
    call.app.stop.cancelled().await;
    tokio::time::sleep(call.app.config.grace.unsigned_abs() / 2).await;
}

/// A read whose answer is the body.
pub(crate) async fn answer(call: &Call, name: &str, params: Value) -> Answer {
    Ok(ok(&ask(call, name, params).await?))
}

/// The task of a change: kind and parameters, and what they concern.
pub(crate) fn change(kind: &str, params: Value) -> NewTask {
    NewTask {
        kind: kind.to_owned(),
        params,
        podm_id: None,
        node_id: None,
        priority: crate::model::topic::Priority::Normal,
        delay_s: None,
        run_at: None,
        max_attempts: crate::model::task::DEFAULT_MAX_ATTEMPTS,
        timeout_s: crate::model::task::DEFAULT_TIMEOUT_S,
        labels: std::collections::BTreeMap::new(),
    }
}

/// Makes the task and answers as `Prefer` wants it; `done` makes v1's answer of the result.
///
/// # Errors
/// What submitting says; the task's error; 409 when it was cancelled; 504 when it has not ended in time.
pub(crate) async fn act(call: &Call, task: NewTask, done: fn(&Value) -> Answer) -> Answer {
    let app = &call.app;
    let prefer = Prefer::read(&call.headers);
    let mut checked = task.check(call)?;
    checked.def.podm_errors_final = prefer == Prefer::Nothing;
    let key = call.idempotency_key(&call.json()?.unwrap_or(Value::Null))?;
    let accepted = submit::submit(app, checked, key).await?;
    let id = accepted.id;
    let most = app.config.api.v1_wait.unsigned_abs();
    let limit = match prefer {
        Prefer::Nothing => most,
        Prefer::Async => Duration::ZERO,
        Prefer::Wait(limit) => limit.min(most),
    };
    let record = naming_podm(app, accepted.after(app, limit).await?).await;
    let mut answer = match prefer {
        Prefer::Nothing | Prefer::Wait(_) if record.state.is_terminal() => ended(record, done),
        Prefer::Nothing => Err(unfinished(&record, app.stop.is_cancelled())),
        Prefer::Async | Prefer::Wait(_) => Ok(view::accepted(record)),
    };
    let id = id.to_string();
    if let Some(applied) = prefer.applied() {
        answer = answer.map(|r| with(r, APPLIED, &applied)).map_err(|f| f.with(APPLIED, &applied));
    }
    answer.map(|r| with(r, TASK_HEADER, &id)).map_err(|f| f.with(TASK_HEADER, &id))
}

/// The engine's scripts know a Pod Manager by its id alone, and people by its name: an error that they wrote is told with the name.
async fn naming_podm(app: &App, mut record: TaskRecord) -> TaskRecord {
    if let Some(error) = &mut record.body.error
        && let Some(id) = error.podm_id.as_deref().filter(|id| error.problem.detail.contains(id))
        && let Ok(Some(podm)) = app.store.record::<Podm>(Collection::Podm, id).await
    {
        error.problem.detail = error.problem.detail.replace(id, &podm.name);
    }
    record
}

fn with(mut response: Response, name: HeaderName, value: &str) -> Response {
    set_header(&mut response, name, value);
    response
}

/// v1's answer to a change whose task has ended.
fn ended(record: TaskRecord, done: fn(&Value) -> Answer) -> Answer {
    let task = view::task(record);
    match task.state {
        State::Completed => done(&task.result),
        State::Cancelled => Err(Problem::conflict(format!("task {} was cancelled", task.id)).into()),
        _ => {
            let said = task.error.map(|e| e.problem);
            let mut problem = said.unwrap_or_else(|| Problem::internal(format!("task {} failed", task.id)));
            if !(400..600).contains(&problem.status) {
                problem.status = 500;
            }
            Err(problem.into())
        }
    }
}

fn unfinished(record: &TaskRecord, stopping: bool) -> Failure {
    let id = record.id;
    let problem = if stopping {
        Problem::unavailable(format!("the server is stopping; task {id} goes on"))
    } else {
        Problem::timeout(format!("task {id} has not ended yet; it goes on"))
    };
    Failure::from(problem).with(header::LOCATION, &view::path_of(id))
}

/// 200 with the result.
pub(crate) fn result(value: &Value) -> Answer {
    Ok(ok(value))
}

/// 204, whatever the result; as of old its header says JSON.
pub(crate) fn nothing(_: &Value) -> Answer {
    Ok(with(super::answer::empty(), header::CONTENT_TYPE, "application/json"))
}

/// What a PATCH is to change. A client may send back the row that it read (a Pod Manager's without the credentials, which it was not shown):
/// of that, the fields that no PATCH changes (`fixed`) are left out, whatever they hold, as v1 did with an id and a URL. Everything else is
/// the schema's affair, which refuses what it does not know.
///
/// # Errors
/// 400 when there is no JSON.
pub(crate) fn changes(call: &Call, fixed: &[&str]) -> Result<Value, Problem> {
    Ok(without(call.needed_json()?, fixed))
}

/// Takes a body's fields away; `None` for what is no object.
pub(crate) fn without(mut body: Value, fields: &[&str]) -> Value {
    if let Some(map) = body.as_object_mut() {
        for field in fields {
            map.remove(*field);
        }
    }
    body
}
