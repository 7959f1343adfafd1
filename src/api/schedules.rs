//! `/v1/schedules`: periodic tasks. The record is written here; the schedulers fire it.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use warp::http::{StatusCode, header};

use super::answer::{self, Answer, Failure, bad_field};
use super::app::App;
use super::auth::Role;
use super::call::{Call, read};
use super::resource::Resource;
use super::spec::{NewTask, kind, within};
use super::tasks::{came_before, note};
use crate::ids::{Bucket, TaskId, new_record_id};
use crate::model::podm::mask;
use crate::model::problem::Problem;
use crate::model::recurrence::Recurrence;
use crate::model::v1time::rfc3339;
use crate::store::idempotency::KeyUse;
use crate::store::records::{Collection, Writer};
use crate::store::schedules::Schedule;

/// Longest jitter: a year.
const MOST_S: u64 = 366 * 86_400;

/// A schedule to be, or what a PATCH changes of one.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ScheduleSpec {
    /// Name for people; needed for a new one.
    name: Option<String>,
    /// Cron expression of five fields, or six with seconds first; or `every_s`.
    cron: Option<String>,
    /// Interval in s; or `cron`.
    #[schema(minimum = 1)]
    every_s: Option<u64>,
    /// IANA time zone the expression is read in; `UTC` unless given.
    time_zone: Option<String>,
    /// Each firing is late by up to so many s.
    jitter_s: Option<u64>,
    /// Whether it fires; `true` unless given.
    enabled: Option<bool>,
    /// The task to make; needed for a new one.
    #[schema(value_type = Option<NewTask>)]
    task: Option<Value>,
}

/// A schedule as it is shown.
#[derive(Serialize, ToSchema)]
pub(crate) struct ScheduleView {
    #[serde(flatten)]
    schedule: Schedule,
    /// When it fires next (RFC 3339 UTC).
    next_at: Option<String>,
    /// When it fired last.
    last_at: Option<String>,
    /// The task of the last firing.
    last_task: Option<String>,
    /// Why the last firing made no task; absent when it made one.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_error: Option<String>,
}

/// All schedules.
#[derive(Serialize, ToSchema)]
pub(crate) struct Schedules {
    schedules: Vec<ScheduleView>,
}

/// The routes.
pub(crate) fn resource() -> Resource {
    Resource::at("/v1/schedules", "operation")
        .get("", "Lists periodic tasks", list)
        .answers::<Schedules>(200)
        .post("", "Makes a periodic task", create)
        .role(Role::Admin)
        .takes::<ScheduleSpec>()
        .answers::<ScheduleView>(201)
        .get("/{id}", "Reads a periodic task", one)
        .answers::<ScheduleView>(200)
        .patch("/{id}", "Changes a periodic task", change)
        .role(Role::Admin)
        .takes::<ScheduleSpec>()
        .answers::<ScheduleView>(200)
        .delete("/{id}", "Ends a periodic task", delete)
        .role(Role::Admin)
        .status(204)
}

async fn view(app: &App, mut schedule: Schedule) -> Result<ScheduleView, Failure> {
    let next = app.store.schedule_next(&schedule.id).await?.filter(|_| schedule.enabled);
    let last = app.store.last_firing(&schedule.id).await?;
    let last_error = app.store.last_refusal(&schedule.id).await?;
    schedule.task = mask(schedule.task);
    let (last_at, last_task) = last.map_or((None, None), |(ms, task)| (Some(rfc3339(ms)), Some(task)));
    Ok(ScheduleView { next_at: next.map(rfc3339), last_at, last_task, last_error, schedule })
}

async fn find(call: &Call) -> Result<Schedule, Failure> {
    let found: Option<Schedule> = call.app.store.record(Collection::Schedule, call.param(0)).await?;
    let shown: String = call.param(0).chars().take(100).collect();
    Ok(found.ok_or_else(|| Problem::not_found(format!("Schedule {shown} not found.")))?)
}

async fn list(call: Call) -> Answer {
    call.only_query(&[])?;
    let mut schedules = Vec::new();
    for schedule in call.app.store.records::<Schedule>(Collection::Schedule).await? {
        schedules.push(view(&call.app, schedule).await?);
    }
    Ok(answer::ok(&Schedules { schedules }))
}

async fn one(call: Call) -> Answer {
    Ok(answer::ok(&view(&call.app, find(&call).await?).await?))
}

/// Who writes: a later request comes after an earlier one.
fn writer(app: &App) -> (Writer, u64) {
    let now = app.store.clock().now_ms();
    (Writer { task: TaskId::mint(now, Bucket(0)), claims: 0 }, now)
}

async fn create(call: Call) -> Answer {
    let body = call.needed_json()?;
    let spec: ScheduleSpec = read(&body)?;
    let (writer, now) = writer(&call.app);
    let missing = |name: &str| Problem::validation(format!("'{name}' is a required property"));
    let schedule = Schedule {
        id: new_record_id(),
        name: spec.name.ok_or_else(|| missing("name"))?,
        cron: spec.cron,
        every_s: spec.every_s,
        time_zone: spec.time_zone.unwrap_or_else(|| "UTC".into()),
        jitter_s: spec.jitter_s.unwrap_or(0),
        enabled: spec.enabled.unwrap_or(true),
        task: spec.task.ok_or_else(|| missing("task"))?,
        created_at: rfc3339(now),
        updated_at: rfc3339(now),
    };
    let next = check(&call, &schedule, now)?;
    let schedule = match call.idempotency_key(&body)? {
        None => schedule,
        // The key stands for an id: a repeat writes the same record, or finds it.
        Some(key) => match call.app.store.use_key(&key.caller, &key.key, &key.fingerprint, writer.task).await? {
            KeyUse::New => Schedule { id: writer.task.to_string(), ..schedule },
            KeyUse::Same(id) => {
                let known: Option<Schedule> = call.app.store.record(Collection::Schedule, &id.to_string()).await?;
                if let Some(known) = known {
                    return created(&call, known).await;
                }
                Schedule { id: id.to_string(), ..schedule }
            }
            KeyUse::Other => {
                return Err(Problem::unprocessable("this Idempotency-Key was used before, with another request").into());
            }
        },
    };
    call.app.store.set_schedule_next(&schedule.id, next).await?;
    call.app.store.put_record(Collection::Schedule, &schedule.id, &schedule, writer).await?;
    created(&call, schedule).await
}

async fn created(call: &Call, schedule: Schedule) -> Answer {
    let place = format!("/v1/schedules/{}", schedule.id);
    let mut response = answer::with_status(StatusCode::CREATED, &view(&call.app, schedule).await?);
    answer::set_header(&mut response, header::LOCATION, &place);
    Ok(response)
}

async fn change(call: Call) -> Answer {
    let spec: ScheduleSpec = call.read()?;
    let old = find(&call).await?;
    let (writer, now) = writer(&call.app);
    // One of the two timings is given up for the other.
    let (cron, every_s) = match (spec.cron, spec.every_s) {
        (None, None) => (old.cron.clone(), old.every_s),
        given => given,
    };
    let new = Schedule {
        id: old.id.clone(),
        name: spec.name.unwrap_or_else(|| old.name.clone()),
        cron,
        every_s,
        time_zone: spec.time_zone.unwrap_or_else(|| old.time_zone.clone()),
        jitter_s: spec.jitter_s.unwrap_or(old.jitter_s),
        enabled: spec.enabled.unwrap_or(old.enabled),
        task: spec.task.unwrap_or_else(|| old.task.clone()),
        created_at: old.created_at.clone(),
        updated_at: rfc3339(now),
    };
    let next = check(&call, &new, now)?;
    let timing = |s: &Schedule| (s.cron.clone(), s.every_s, s.time_zone.clone(), s.enabled);
    if !call.app.store.put_record(Collection::Schedule, &new.id, &new, writer).await? {
        return Err(Problem::conflict("the schedule was changed or deleted meanwhile").into());
    }
    if timing(&old) != timing(&new) {
        call.app.store.set_schedule_next(&new.id, next).await?;
    }
    Ok(answer::ok(&view(&call.app, new).await?))
}

async fn delete(call: Call) -> Answer {
    let repeated = came_before(&call).await?;
    let (writer, _) = writer(&call.app);
    let schedule = match find(&call).await {
        Err(failure) if failure.problem.status == 404 && repeated => return Ok(answer::empty()),
        other => other?,
    };
    call.app.store.delete_record(Collection::Schedule, &schedule.id, writer).await?;
    note(&call, writer.task).await?;
    Ok(answer::empty())
}

/// Checks all of it; says when it is due first.
fn check(call: &Call, schedule: &Schedule, now: u64) -> Result<u64, Problem> {
    if !(1..=128).contains(&schedule.name.len()) || schedule.name.chars().any(char::is_control) {
        return Err(bad_field("name", &schedule.name, "1 to 128 bytes without control characters are wanted"));
    }
    within("jitter_s", schedule.jitter_s, 0, MOST_S)?;
    let rule = Recurrence::parse(schedule.cron.as_deref(), schedule.every_s, &schedule.time_zone);
    let rule = rule.map_err(Problem::validation)?;
    let task: NewTask = read(&schedule.task)?;
    if task.run_at.is_some() || task.delay_s.is_some() {
        return Err(bad_field("task", &task.kind, "a periodic task has neither run_at nor delay_s"));
    }
    if task.kind == "podm.create" || task.params.get("authentication").is_some() {
        return Err(bad_field("task", &task.kind, "a task with credentials cannot be periodic"));
    }
    let kind = kind(&call.app, &task.kind)?;
    for (needed, given, name) in
        [(kind.needs_podm, &task.podm_id, "podm_id"), (kind.needs_node, &task.node_id, "node_id")]
    {
        if needed && given.is_none() {
            return Err(Problem::validation(format!("'{name}' is a required property")));
        }
    }
    task.check(call)?;
    let cron = schedule.cron.as_deref().unwrap_or_default();
    rule.next_after(now).ok_or_else(|| bad_field("cron", cron, "it is never due"))
}
