//! An event that a Pod Manager sent, as far as Valence understands it, read leniently.
//!
//! *Source*: DSP0266 (eventing), Event schema: `Events[]` with `EventType`, `MessageId`, `OriginOfCondition` and more.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_with::skip_serializing_none;
use utoipa::ToSchema;

/// Events of one payload that are looked at.
const MOST: usize = 100;
/// Longest text taken over, characters.
const LONGEST: usize = 500;

/// An event.
#[skip_serializing_none]
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct PodmEvent {
    /// `EventType`, or `MetricReport`, or what the message's registry says.
    pub event_type: String,
    /// The Pod Manager's own id of it.
    pub event_id: Option<String>,
    /// Its severity.
    pub severity: Option<String>,
    /// Registry and key of the message.
    pub message_id: Option<String>,
    /// The message.
    pub message: Option<String>,
    /// What it is about: a path at the Pod Manager.
    pub origin: Option<String>,
    /// When it happened, as the Pod Manager says.
    pub at: Option<String>,
}

/// Types that are named in metrics; all others are `other`.
const TYPES: [&str; 6] =
    ["StatusChange", "ResourceUpdated", "ResourceAdded", "ResourceRemoved", "Alert", "MetricReport"];

impl PodmEvent {
    /// Its type as a word of a short list.
    #[must_use]
    pub fn word(&self) -> &'static str {
        TYPES.into_iter().find(|t| *t == self.event_type).unwrap_or("other")
    }

    /// Whether something at the Pod Manager has changed that is worth a look.
    #[must_use]
    pub fn is_change(&self) -> bool {
        !matches!(self.word(), "MetricReport" | "other")
    }
}

/// The events of a payload.
///
/// # Errors
/// What is wrong with it: no object, or nothing in it that is an event.
pub fn read(body: &Value) -> Result<Vec<PodmEvent>, String> {
    let Some(map) = body.as_object() else { return Err("a Redfish Event is a JSON object".into()) };
    match map.get("Events") {
        Some(Value::Array(events)) => Ok(events.iter().filter(|e| e.is_object()).take(MOST).map(one).collect()),
        Some(Value::Object(_)) => Ok(vec![one(&body["Events"])]),
        _ if map.contains_key("MetricValues") => {
            let report = PodmEvent { event_type: "MetricReport".into(), message: text(&body["Name"]), ..one(body) };
            Ok(vec![report])
        }
        _ if ["EventType", "MessageId", "Message"].iter().any(|k| map.contains_key(*k)) => Ok(vec![one(body)]),
        _ => Err("there are neither 'Events' nor 'MetricValues' in it".into()),
    }
}

fn one(event: &Value) -> PodmEvent {
    let message_id = text(&event["MessageId"]);
    let origin = &event["OriginOfCondition"];
    PodmEvent {
        event_type: text(&event["EventType"])
            .filter(|t| t != "Other")
            .or_else(|| by_registry(message_id.as_deref()))
            .or_else(|| text(&event["EventType"]))
            .unwrap_or_else(|| "Other".into()),
        event_id: text(&event["EventId"]),
        severity: text(&event["MessageSeverity"]).or_else(|| text(&event["Severity"])),
        message: text(&event["Message"]),
        origin: text(&origin["@odata.id"]).or_else(|| text(origin)),
        at: text(&event["EventTimestamp"]),
        message_id,
    }
}

/// The type that a message of the registry ResourceEvent stands for: newer services send no type.
fn by_registry(message_id: Option<&str>) -> Option<String> {
    let id = message_id?;
    let mut parts = id.split('.');
    let (registry, key) = (parts.next()?, parts.next_back().unwrap_or_default());
    let kind = match (registry, key) {
        ("ResourceEvent", "ResourceCreated" | "ResourceAdded") => "ResourceAdded",
        ("ResourceEvent", "ResourceRemoved") => "ResourceRemoved",
        ("ResourceEvent", "ResourceStatusChanged" | "ResourcePoweredOn" | "ResourcePoweredOff") => "StatusChange",
        ("ResourceEvent", k) if k.starts_with("ResourceStatusChanged") || k.starts_with("ResourcePower") => {
            "StatusChange"
        }
        ("ResourceEvent", _) => "ResourceUpdated",
        ("TaskEvent", _) => "StatusChange",
        _ => return None,
    };
    Some(kind.into())
}

fn text(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(n) => n.to_string(),
        _ => return None,
    };
    let short: String = text.chars().filter(|c| !c.is_control()).take(LONGEST).collect();
    (!short.is_empty()).then_some(short)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn events_of_old_and_new_services_are_understood() {
        let old = json!({"Events": [{"EventType": "Alert", "EventId": 7, "Severity": "Warning", "Message": "hot",
            "MessageId": "Alert.1.0.LanDisconnect", "OriginOfCondition": "/redfish/v1/Systems/1"}]});
        let found = &read(&old).unwrap()[0];
        assert_eq!((found.event_type.as_str(), found.event_id.as_deref()), ("Alert", Some("7")));
        assert_eq!(found.origin.as_deref(), Some("/redfish/v1/Systems/1"));
        let new = json!({"Events": [{"MessageId": "ResourceEvent.1.2.ResourceRemoved", "MessageSeverity": "OK",
            "OriginOfCondition": {"@odata.id": "/redfish/v1/Systems/1"}}]});
        let found = &read(&new).unwrap()[0];
        assert_eq!((found.word(), found.is_change()), ("ResourceRemoved", true));
        let report = read(&json!({"@odata.type": "#MetricReport.v1_0_0.MetricReport", "MetricValues": []})).unwrap();
        assert_eq!((report[0].word(), report[0].is_change()), ("MetricReport", false));
    }

    #[test]
    fn what_is_no_event_is_refused_and_long_texts_are_cut() {
        for bad in [json!(5), json!([]), json!({}), json!({"Events": 5})] {
            assert!(read(&bad).is_err(), "{bad}");
        }
        let long = json!({"Events": [{"Message": "x".repeat(10_000)}, 5]});
        assert_eq!(read(&long).unwrap()[0].message.as_ref().unwrap().len(), LONGEST);
    }
}
