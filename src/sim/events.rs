//! `/redfish/v1/EventService`: subscriptions, and the events that changes make. What changed is seen by comparing before
//! and after, so that no change can forget to tell.

use std::collections::BTreeMap;

use hyper::{Method, StatusCode};
use serde_json::{Value, json};

use super::answer::Answer;
use super::delivery::Outgoing;
use super::state::{Kept, State};
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
    /// Headers to send along; they are not shown.
    headers: BTreeMap<u64, Vec<(String, String)>>,
    last_event: u64,
    /// Test events asked for.
    asked: Vec<Value>,
}

impl Subscriptions {
    /// Whether nobody listens.
    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }
}

/// The events that lead from one state to another, each for everybody who wants it.
pub(super) fn changes(before: &Kept, state: &mut State, now_ms: u64) -> Vec<Outgoing> {
    let after = &state.kept;
    let event = |kind: &str, key: &str, path: String, message: String| {
        json!({
            "EventType": kind, "MessageId": format!("ResourceEvent.1.0.{key}"), "Message": message, "Severity": "OK",
            "OriginOfCondition": { "@odata.id": path },
        })
    };
    let node = |id: &u64| {
        let known = after.nodes.get(id).or_else(|| before.nodes.get(id));
        known.map_or_else(String::new, |node| node.path(*id))
    };
    let system = |n: &usize| {
        let composed = after.nodes.iter().find(|(_, node)| node.system == *n && !node.blocks.is_empty());
        composed.map_or_else(|| format!("/redfish/v1/Systems/System{n}"), |(id, node)| node.path(*id))
    };
    let mut events = std::mem::take(&mut state.subscriptions.asked);
    for (id, now) in &after.nodes {
        match before.nodes.get(id) {
            None => events.push(event("ResourceAdded", "ResourceCreated", node(id), format!("Node {id} was made."))),
            Some(old) if old.state != now.state => {
                let text = format!("Node {id} is {:?}.", now.state);
                events.push(event("StatusChange", "ResourceStatusChangedOK", node(id), text));
            }
            Some(_) => {}
        }
    }
    for id in before.nodes.keys().filter(|id| !after.nodes.contains_key(id)) {
        events.push(event("ResourceRemoved", "ResourceRemoved", node(id), format!("Node {id} was removed.")));
    }
    let on = |kept: &Kept, n: &usize| kept.systems.get(n).is_some_and(|s| s.on);
    let systems: std::collections::BTreeSet<&usize> = before.systems.keys().chain(after.systems.keys()).collect();
    for n in systems {
        let (was, is) = (on(before, n), on(after, n));
        if was != is {
            let key = if is { "ResourcePoweredOn" } else { "ResourcePoweredOff" };
            let text = format!("System{n} is {}.", if is { "on" } else { "off" });
            events.push(event("StatusChange", key, system(n), text));
        } else if before.systems.get(n) != after.systems.get(n) {
            let text = format!("System{n} was changed.");
            events.push(event("ResourceUpdated", "ResourceChanged", system(n), text));
        }
    }
    let mut out = Vec::new();
    for mut event in events {
        state.subscriptions.last_event += 1;
        let id = state.subscriptions.last_event.to_string();
        event["EventId"] = Value::from(id.as_str());
        event["MemberId"] = Value::from("0");
        event["EventTimestamp"] = Value::from(super::tasks::time(now_ms));
        for (n, subscription) in &state.subscriptions.all {
            let wanted = subscription["EventTypes"].as_array().is_some_and(|t| t.contains(&event["EventType"]));
            let Some(destination) = subscription["Destination"].as_str().filter(|_| wanted) else { continue };
            out.push(Outgoing {
                destination: destination.to_owned(),
                headers: state.subscriptions.headers.get(n).cloned().unwrap_or_default(),
                body: json!({
                    "@odata.type": "#Event.v1_2_0.Event", "Id": id, "Name": "Event", "Context": subscription["Context"],
                    "Events": [event], "Events@odata.count": 1,
                }),
            });
        }
    }
    out
}

/// Answers below `EventService`.
pub(super) fn answer(view: &mut View<'_>, rest: &[&str]) -> Answer {
    match rest {
        [] => view.read(service()),
        ["Actions", "EventService.SubmitTestEvent"] => submit(view).unwrap_or_else(|refusal| refusal),
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
                    view.state.subscriptions.headers.remove(&n);
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
            "Actions": { "#EventService.SubmitTestEvent": { "target": format!("{PATH}/Actions/EventService.SubmitTestEvent") } },
        }),
    )
}

/// Sends a test event to everybody who wants its type.
fn submit(view: &mut View<'_>) -> Result<Answer, Answer> {
    view.post_only()?;
    let body = view.call.object()?;
    let text = |key: &str, or: &str| body.get(key).and_then(Value::as_str).unwrap_or(or).to_owned();
    let kind = text("EventType", "Alert");
    if !TYPES.contains(&kind.as_str()) {
        return Err(Answer::bad("PropertyValueNotInList", "EventType is not one that is sent."));
    }
    let event = json!({
        "EventType": kind, "MessageId": text("MessageId", "Base.1.4.Success"), "Message": text("Message", "A test event."),
        "Severity": text("Severity", "OK"), "OriginOfCondition": { "@odata.id": text("OriginOfCondition", PATH) },
    });
    view.state.subscriptions.asked.push(event);
    Ok(Answer::no_content())
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
    let headers = match body.get("HttpHeaders") {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(list)) => list
            .iter()
            .filter_map(Value::as_object)
            .flatten()
            .filter_map(|(k, v)| Some((k.clone(), v.as_str()?.to_owned())))
            .collect(),
        Some(_) => return Err(Answer::bad("PropertyValueTypeError", "HttpHeaders is not an array.")),
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
    view.state.subscriptions.headers.insert(id, headers);
    Ok(Answer::json(StatusCode::CREATED, value).located(view.location(&path)))
}
