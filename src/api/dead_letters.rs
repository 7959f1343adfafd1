//! `/v1/dead-letters`: failed tasks, and their way back into the queues, many at a time and as fast as asked for.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use warp::http::StatusCode;

use super::answer::{self, Answer, bad_field};
use super::app::App;
use super::call::Call;
use super::resource::Resource;
use super::tasks::{self, FILTER, PAGING};
use crate::ids::TaskId;
use crate::model::problem::Problem;
use crate::model::state::State;
use crate::model::task::Task;
use crate::shutdown::sleep_or_stop;
use crate::store::listing::Filter;
use crate::store::tasks::Redrive;
use crate::store::{Store, StoreError};

/// Dead letters looked at in one round trip.
const CHUNK: u32 = 500;
/// Most dead letters that one request redrives; a further request takes the next.
const MOST: usize = 100_000;
/// Redrives under way at once when no rate is given.
const AT_ONCE: usize = 32;

/// A page of dead letters.
#[derive(Serialize, ToSchema)]
pub(crate) struct DeadLetters {
    /// Newest first.
    dead_letters: Vec<Task>,
    /// Give it back for the next page; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    marker: Option<String>,
}

/// Which dead letters to redrive, and how.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RedriveOrder {
    /// As the query of `GET /v1/dead-letters`: name → value; all of them when empty.
    #[schema(value_type = std::collections::BTreeMap<String, String>)]
    filter: serde_json::Map<String, Value>,
    /// Only says how many there are.
    #[serde(default)]
    dry_run: bool,
    /// At most so many a second, from now on and after the answer; without it, all at once and before the answer.
    #[serde(default)]
    #[schema(minimum = 0.01, maximum = 1000)]
    rate_per_s: Option<f64>,
}

/// What became of a redrive.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
pub(crate) struct RedriveAnswer {
    /// Dead letters that fit the filter.
    matched: usize,
    /// Those that are queued again.
    redriven: usize,
    /// Whether the rest follows at the wanted rate.
    running: bool,
    /// There are more than one request takes.
    more: bool,
}

/// The routes.
pub(crate) fn resource() -> Resource {
    let shown: Vec<_> = FILTER.iter().filter(|q| !matches!(q.name, "state" | "status")).copied().collect();
    Resource::at("/v1/dead-letters", "tasks")
        .get("", "Lists failed tasks, newest first", list)
        .query(&shown)
        .query(&PAGING)
        .answers::<DeadLetters>(200)
        .post("/redrive", "Queues failed tasks again, or says how many there are", redrive)
        .takes::<RedriveOrder>()
        .answers::<RedriveAnswer>(200)
}

async fn list(call: Call) -> Answer {
    let (dead_letters, marker) = tasks::page(&call, Some(State::Failed)).await?;
    Ok(answer::ok(&DeadLetters { dead_letters, marker }))
}

async fn redrive(call: Call) -> Answer {
    // Everything is redriven only when that was said: neither an absent body nor an absent filter says it.
    let body = call.needed_json()?;
    let order: RedriveOrder = super::call::read(&body)?;
    // serde takes null for an empty map; here that would be everything.
    if body.get("filter").is_none_or(|f| !f.is_object()) {
        return Err(bad_field("filter", "None", "an object is wanted; {} stands for every dead letter").into());
    }
    let filter = filter(&order)?;
    if let Some(rate) = order.rate_per_s
        && !(0.01..=1000.0).contains(&rate)
    {
        return Err(bad_field("rate_per_s", &rate.to_string(), "0.01 to 1000 is wanted").into());
    }
    if let Some(kind) = &filter.kind {
        call.allow(kind)?;
    }
    let (ids, more) = matching(&call, &filter).await?;
    let mut answer = RedriveAnswer { matched: ids.len(), more, ..RedriveAnswer::default() };
    if order.dry_run || ids.is_empty() {
        return Ok(answer::ok(&answer));
    }
    if let Some(rate) = order.rate_per_s {
        answer.running = true;
        let app = call.app.clone();
        tokio::spawn(paced(app, ids, rate));
        return Ok(answer::with_status(StatusCode::ACCEPTED, &answer));
    }
    let store = &call.app.store;
    let outcomes: Vec<Result<Redrive, StoreError>> =
        futures_util::stream::iter(ids).map(|id| store.redrive(id)).buffer_unordered(AT_ONCE).collect().await;
    answer.redriven = outcomes.iter().filter(|o| matches!(o, Ok(Redrive::Queued))).count();
    match outcomes.into_iter().find_map(Result::err) {
        Some(error) if answer.redriven == 0 => Err(error.into()),
        Some(_) => {
            answer.more = true;
            Ok(answer::ok(&answer))
        }
        None => Ok(answer::ok(&answer)),
    }
}

fn filter(order: &RedriveOrder) -> Result<Filter, Problem> {
    let mut pairs = Vec::new();
    for (name, value) in &order.filter {
        let known = FILTER.iter().any(|q| q.name == name) && !matches!(name.as_str(), "state" | "status");
        if !known {
            return Err(bad_field(name, &value.to_string(), "no such filter"));
        }
        let values = value.as_array().map_or_else(|| std::slice::from_ref(value), Vec::as_slice);
        for value in values {
            let text = value.as_str().ok_or_else(|| bad_field(name, &value.to_string(), "a string is wanted"))?;
            pairs.push((name.clone(), text.to_owned()));
        }
    }
    tasks::filter_of(&pairs)
}

/// Dead letters that fit and are the caller's to redrive, oldest first in each bucket, and whether there are more.
async fn matching(call: &Call, filter: &Filter) -> Result<(Vec<TaskId>, bool), StoreError> {
    let store = &call.app.store;
    let mut ids = Vec::new();
    for bucket in store.options().buckets.iter() {
        let mut from = 0;
        loop {
            let letters = store.dead_letters(bucket, from, CHUNK).await?;
            if letters.is_empty() {
                break;
            }
            from += u64::from(CHUNK);
            for letter in letters {
                if ids.len() == MOST {
                    return Ok((ids, true));
                }
                if Store::fits(filter, &letter) && call.may(&letter.def.kind) {
                    ids.push(letter.id);
                }
            }
        }
    }
    Ok((ids, false))
}

/// Redrives one after the other, at a rate. Ends with the process: what is left stays a dead letter.
async fn paced(app: Arc<App>, ids: Vec<TaskId>, rate: f64) {
    let pause = Duration::from_secs_f64(1.0 / rate);
    let (mut redriven, all) = (0_usize, ids.len());
    for id in ids {
        match app.store.redrive(id).await {
            Ok(Redrive::Queued) => redriven += 1,
            Ok(_) => {}
            Err(error) => tracing::warn!(task_id = %id, %error, "a dead letter could not be redriven; it stays"),
        }
        if !sleep_or_stop(&app.stop, pause).await {
            break;
        }
    }
    tracing::info!(redriven, of = all, "paced redrive ended");
}
