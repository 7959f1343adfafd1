//! `/redfish/v1/EventService`: subscriptions can be made and removed. Events are not sent.

use std::collections::BTreeMap;

use hyper::{Method, StatusCode};
use serde_json::{Value, json};

use super::answer::Answer;
use super::view::{View, collection, link, ok, resource, with};

const PATH: &str = "/redfish/v1/EventService";
const TYPES: [&str; 5] = ["StatusChange", "ResourceUpdated", "ResourceAdded", "ResourceRemoved", "Alert"];

/// The subscriptions of one PODM; a client that forgets to remove its own may not fill the memory.
const MAX_SUBSCRIPTIONS: usize = 1000;

/// The subscriptions of a PODM: gone after a restart, as clients must expect.
#[derive(Debug, Default)]
pub(super) struct Subscriptions {
    last: u64,
    all: BTreeMap<u64, Value>,
}

/// Answers below `EventService`.
pub(super) fn answer(view: &mut View<'_>, rest: &[&str]) -> Answer {
    match rest {
        [] => view.read(service()),
        ["Subscriptions"] if view.call.method == Method::POST => subscribe(view).unwrap_or_else(|refusal| refusal),
        ["Subscriptions"] if view.call.is_read() => {
            let all = view.state.subscriptions.all.keys().map(|n| format!("{PATH}/Subscriptions/{n}"));
            let path = format!("{PATH}/Subscriptions");
            view.entity(collection(&path, "EventDestinationCollection", "Event Subscriptions", all))
        }
        ["Subscriptions"] => Answer::not_allowed("GET, HEAD, POST"),
        ["Subscriptions", id] => {
            let key = id.parse::<u64>().ok().filter(|n| n.to_string() == *id);
            let found = key.and_then(|n| view.state.subscriptions.all.get(&n).map(|body| (n, body.clone())));
            match found {
                None => view.missing(),
                Some((n, _)) if view.call.method == Method::DELETE => {
                    view.state.subscriptions.all.remove(&n);
                    Answer::no_content()
                }
                Some((_, body)) if view.call.is_read() => view.entity(body),
                Some(_) => Answer::not_allowed("GET, HEAD, DELETE"),
            }
        }
        _ => view.missing(),
    }
}

fn service() -> Value {
    with(
        resource(PATH, "EventService.v1_0_0.EventService", "EventService", "Event Service"),
        json!({
            "Status": ok(),
            "ServiceEnabled": true,
            "DeliveryRetryAttempts": 3,
            "DeliveryRetryIntervalSeconds": 60,
            "EventTypesForSubscription": TYPES,
            "Subscriptions": link(format!("{PATH}/Subscriptions")),
        }),
    )
}

fn subscribe(view: &mut View<'_>) -> Result<Answer, Answer> {
    let body = view.call.object()?;
    let destination = match body.get("Destination") {
        Some(Value::String(url)) if url.starts_with("http://") || url.starts_with("https://") => url.clone(),
        Some(_) => return Err(Answer::bad("PropertyValueFormatError", "Destination is not a URL.")),
        None => return Err(Answer::bad("PropertyMissing", "Destination is missing.")),
    };
    let types = match body.get("EventTypes") {
        None => json!(TYPES),
        Some(Value::Array(list)) if list.iter().all(|t| t.as_str().is_some_and(|t| TYPES.contains(&t))) => json!(list),
        Some(_) => return Err(Answer::bad("PropertyValueNotInList", "EventTypes holds an unknown type.")),
    };
    if view.state.subscriptions.all.len() >= MAX_SUBSCRIPTIONS {
        return Err(Answer::unavailable("CreateLimitReachedForResource", "There are too many subscriptions.", 60));
    }
    let id = view.state.subscriptions.last + 1;
    let path = format!("{PATH}/Subscriptions/{id}");
    let value = with(
        resource(&path, "EventDestination.v1_1_0.EventDestination", &id.to_string(), "Event Subscription"),
        json!({
            "Destination": destination,
            "EventTypes": types,
            "Context": body.get("Context").and_then(Value::as_str).unwrap_or_default(),
            "Protocol": "Redfish",
        }),
    );
    view.state.subscriptions.last = id;
    view.state.subscriptions.all.insert(id, value.clone());
    Ok(Answer::json(StatusCode::CREATED, value).located(view.location(&path)))
}
