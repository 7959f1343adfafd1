//! `/v1/telemetry`: readings, events, subscriptions; and where Pod Managers send their events to.

use serde_json::{Value, json};
use utoipa::ToSchema;

use super::answer::{self, Answer, bad_field, no_such_path};
use super::auth::Role;
use super::call::Call;
use super::resource::{Resource, number, text};
use super::{systems, v1};
use crate::ids::is_record_id;
use crate::model::event;
use crate::model::problem::Problem;
use crate::model::reading::Reading;
use crate::model::task::Definition;
use crate::observe::metrics;
use crate::store::records::Collection;

/// Largest payload of events, bytes.
const MOST_BYTES: usize = 256 * 1024;
/// Most probes that events cause: one in so long, made at the end of it so that it sees everything before.
const PROBE_MS: u64 = 5_000;

/// The latest readings with their age: all of them, or a page of them where `limit` or `marker` is given.
#[derive(ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "a shape for the document; the answer is the worker's")]
enum Readings {
    /// All of them.
    All(Vec<AgedReading>),
    /// A page.
    Page {
        /// At most `limit`; fewer may come although there are more.
        readings: Vec<AgedReading>,
        /// Give it back for the next page; absent at the end.
        marker: Option<String>,
    },
}

/// A reading, whose it is and how old.
#[derive(ToSchema)]
#[expect(dead_code, reason = "a shape for the document")]
struct AgedReading {
    #[serde(flatten)]
    reading: Reading,
    /// The Pod Manager.
    podm_id: String,
    /// When it was read (RFC 3339 UTC).
    read_at: String,
    /// How long ago that was.
    age_s: f64,
    /// Whether it is too old to be believed, or its Pod Manager is away.
    stale: bool,
}

/// The routes.
pub(crate) fn resource() -> Resource {
    Resource::at("/v1/telemetry", "telemetry")
        .get("/readings", "Lists the latest readings with their age", readings)
        .query(&[
            text("podm_id", "of this Pod Manager"),
            text("node_id", "of this node"),
            text("kind", "temperature, power, fan, voltage, energy, utilisation or other"),
            text("name", "of this name"),
            number("limit", "a page of at most so many, 1 to 1000; without it all, as a bare list"),
            text("marker", "go on after the page that had it"),
        ])
        .answers::<Readings>(200)
        .post("/collect", "Reads everything that the Pod Manager `podm_id` measures", collect)
        .prefer()
        .get("/events", "Lists the newest events of a Pod Manager", events)
        .query(&[text("podm_id", "the Pod Manager"), number("limit", "at most so many, 1 to 500")])
        .post("/events/{podm_id}/{key}", "Takes events from a Pod Manager that knows its key", receive)
        .role(Role::Anyone)
        .status(204)
        // What Pod Managers send with their key is no change of anybody's.
        .changes_nothing()
        .get("/subscriptions", "Lists the event subscriptions at Pod Managers", subscriptions)
        .query(&[text("podm_id", "at this Pod Manager; at all of them when absent")])
        .post("/subscriptions", "Subscribes to the events of the Pod Manager `podm_id`", subscribe)
        .role(Role::Admin)
        .prefer()
        .delete("/subscriptions/{podm_id}", "Ends this deployment's subscription at a Pod Manager", unsubscribe)
        .role(Role::Admin)
        .status(204)
        .prefer()
}

fn filters(call: &Call, known: &[&str]) -> Result<Value, Problem> {
    call.only_query(known)?;
    let given = known.iter().filter_map(|k| Some(((*k).to_owned(), Value::from(call.query(k)?))));
    Ok(Value::Object(given.collect()))
}

async fn readings(call: Call) -> Answer {
    let mut params = filters(&call, &["podm_id", "node_id", "kind", "name", "limit", "marker"])?;
    if let Some(limit) = call.query_number("limit", 1, 1000)? {
        params["limit"] = json!(limit);
    }
    v1::answer(&call, "reading.list", params).await
}

async fn events(call: Call) -> Answer {
    let mut params = filters(&call, &["podm_id", "limit"])?;
    if let Some(limit) = call.query_number("limit", 1, 500)? {
        params["limit"] = json!(limit);
    }
    v1::answer(&call, "event.list", params).await
}

async fn subscriptions(call: Call) -> Answer {
    let params = filters(&call, &["podm_id"])?;
    systems::ask(&call, "subscription.list", params).await
}

/// The body's Pod Manager, and the rest of it.
fn podm_of(call: &Call) -> Result<(String, Value), Problem> {
    let body = call.needed_json()?;
    let missing = || Problem::validation("'podm_id' is a required property");
    let id = body.get("podm_id").and_then(Value::as_str).ok_or_else(missing)?.to_owned();
    Ok((id, v1::without(body, &["podm_id"])))
}

async fn collect(call: Call) -> Answer {
    let (podm_id, rest) = podm_of(&call)?;
    let mut task = v1::change("telemetry.collect", rest);
    task.podm_id = Some(podm_id);
    v1::act(&call, task, v1::result).await
}

async fn subscribe(call: Call) -> Answer {
    let (podm_id, mut rest) = podm_of(&call)?;
    if rest.get("receiver").is_none() {
        let configured = call.app.config.telemetry.event_receiver_url.clone();
        let receiver = configured.ok_or_else(|| {
            Problem::validation("'receiver' is a required property where telemetry.event_receiver_url is not set")
        })?;
        rest["receiver"] = receiver.into();
    }
    let mut task = v1::change("subscription.create", rest);
    task.podm_id = Some(podm_id);
    v1::act(&call, task, v1::result).await
}

async fn unsubscribe(call: Call) -> Answer {
    let mut task = v1::change("subscription.delete", json!({}));
    task.podm_id = Some(call.param(0).to_owned());
    v1::act(&call, task, v1::nothing).await
}

/// Takes events. Who does not know the key learns nothing, not even whether there is such a Pod Manager.
async fn receive(call: Call) -> Answer {
    let counted = |word: &str, outcome: &str| metrics::get().telemetry.events.with_label_values(&[word, outcome]).inc();
    let (podm_id, given) = (call.param(0), call.param(1));
    let known = call.app.key.as_ref().is_some_and(|key| key.is_event_key(podm_id, given));
    if !known || !is_record_id(podm_id) {
        counted("other", "stranger");
        return Err(no_such_path().into());
    }
    if call.body.len() > MOST_BYTES {
        counted("other", "refused");
        return Err(Problem::too_large(format!("events may have {MOST_BYTES} bytes")).into());
    }
    // Whatever the content type says: small services say all sorts of things.
    let read = super::json::read(&call.body).map_err(|e| e.to_string()).and_then(|body| event::read(&body));
    let events = read.map_err(|why| {
        counted("other", "refused");
        bad_field("body", "", &why)
    })?;
    let store = &call.app.store;
    let record: Option<Value> = store.record(Collection::Podm, podm_id).await?;
    if record.is_none() {
        return Err(no_such_path().into());
    }
    store.add_podm_events(podm_id, &events).await?;
    for event in &events {
        counted(event.word(), "kept");
    }
    if events.iter().any(event::PodmEvent::is_change) {
        probe(&call, podm_id).await?;
        store.refresh_soon(podm_id).await?;
    }
    Ok(answer::empty())
}

async fn probe(call: &Call, podm_id: &str) -> Result<(), super::answer::Failure> {
    let store = &call.app.store;
    let slot = store.clock().now_ms() / PROBE_MS;
    if store.book_slot("probe", podm_id, slot, 2 * PROBE_MS).await? {
        let mut def = Definition::new("podm.probe", json!({}));
        def.podm_id = Some(podm_id.to_owned());
        def.labels.insert("cause".into(), "event".into());
        let wait = PROBE_MS - store.clock().now_ms() % PROBE_MS;
        store.submit(def, Some(wait), None).await?;
    }
    Ok(())
}
