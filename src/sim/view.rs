//! What a handler sees of its PODM, and the small helpers every resource uses.

use hyper::header::{IF_MATCH, IF_NONE_MATCH};
use hyper::{Method, StatusCode};
use serde_json::{Value, json};

use super::answer::{Answer, etag, tag_listed};
use super::call::Call;
use super::config::{ComposeBy, Deviation, SimConfig, SimFlavour};
use super::hardware::Hardware;
use super::state::State;

/// One request at one PODM, with its state locked.
pub(super) struct View<'a> {
    pub(super) config: &'a SimConfig,
    pub(super) hardware: &'a Hardware,
    pub(super) state: &'a mut State,
    pub(super) call: &'a Call,
    pub(super) now_ms: u64,
    /// A fault switch that makes the assembly started now end in `Failed`.
    pub(super) assembly_fails: bool,
}

impl View<'_> {
    /// Answers a resource that can only be read.
    pub(super) fn read(&self, value: Value) -> Answer {
        if self.call.is_read() { self.entity(value) } else { Answer::not_allowed("GET, HEAD") }
    }

    /// 200 with a resource, or 304 when the client has it.
    pub(super) fn entity(&self, value: Value) -> Answer {
        let answer = Answer::entity(value);
        let known = self.call.header(&IF_NONE_MATCH).unwrap_or_default();
        match answer.header(&hyper::header::ETAG) {
            Some(tag) if self.call.is_read() && tag_listed(known, tag) => {
                Answer::empty(StatusCode::NOT_MODIFIED).with(hyper::header::ETAG, tag)
            }
            _ => answer,
        }
    }

    /// Refuses a change when `If-Match` names another version of the resource than this one.
    pub(super) fn match_or_refuse(&self, current: &Value) -> Result<(), Answer> {
        match self.call.header(&IF_MATCH) {
            Some(wanted) if !tag_listed(wanted, &etag(current)) => Err(Answer::precondition()),
            _ => Ok(()),
        }
    }

    /// A node was read: so many looks may be what its assembly takes.
    pub(super) fn looked_at(&mut self, node: u64) {
        if let Some(node) = self.state.kept.nodes.get_mut(&node) {
            node.looked_at(self.now_ms);
        }
    }

    /// 404 for this request.
    pub(super) fn missing(&self) -> Answer {
        Answer::not_found(&self.call.path)
    }

    /// Whether the request is a POST; the 405 otherwise.
    pub(super) fn post_only(&self) -> Result<(), Answer> {
        if self.call.method == Method::POST { Ok(()) } else { Err(Answer::not_allowed("POST")) }
    }

    /// The annotation that lists what a property may be.
    pub(super) fn allowable(&self, property: &str) -> String {
        let prefix = if self.config.dmtf_annotations { "DMTF" } else { "Redfish" };
        format!("{property}@{prefix}.AllowableValues")
    }

    /// Whether this service differs from the specification in a way.
    pub(super) fn deviates(&self, how: Deviation) -> bool {
        self.config.deviations.contains(&how)
    }

    /// Whether systems can be composed in a way here.
    pub(super) fn composes_by(&self, by: ComposeBy) -> bool {
        self.config.compose_by.contains(&by)
    }

    /// The computer systems on a sled.
    pub(super) fn systems_on(&self, sled: usize) -> Vec<String> {
        if self.config.flavour != SimFlavour::Composition {
            return vec![format!("/redfish/v1/Systems/System{sled}")];
        }
        self.state.node_on(sled).map(|(id, node)| node.path(*id)).into_iter().collect()
    }

    /// A path as it goes into a `Location` header.
    pub(super) fn location(&self, path: &str) -> String {
        self.call.locate(path, self.config.path_location)
    }
}

/// A reference to a resource.
pub(super) fn link(path: impl AsRef<str>) -> Value {
    json!({ "@odata.id": path.as_ref() })
}

/// References to resources.
pub(super) fn links<S: AsRef<str>>(paths: impl IntoIterator<Item = S>) -> Value {
    paths.into_iter().map(link).collect()
}

/// A collection resource.
pub(super) fn collection<S: AsRef<str>>(
    path: &str,
    kind: &str,
    name: &str,
    members: impl IntoIterator<Item = S>,
) -> Value {
    let members: Vec<Value> = members.into_iter().map(link).collect();
    json!({
        "@odata.context": format!("/redfish/v1/$metadata#{kind}.{kind}"),
        "@odata.id": path,
        "@odata.type": format!("#{kind}.{kind}"),
        "Name": name,
        "Members@odata.count": members.len(),
        "Members": members,
    })
}

/// The properties every resource starts with; `kind` is such as `Chassis.v1_3_0.Chassis`.
pub(super) fn resource(path: &str, kind: &str, id: &str, name: &str) -> serde_json::Map<String, Value> {
    let short = kind.split('.').next().unwrap_or(kind);
    let mut map = serde_json::Map::new();
    map.insert("@odata.context".to_owned(), Value::from(format!("/redfish/v1/$metadata#{short}.{short}")));
    map.insert("@odata.id".to_owned(), Value::from(path));
    map.insert("@odata.type".to_owned(), Value::from(format!("#{kind}")));
    map.insert("Id".to_owned(), Value::from(id));
    map.insert("Name".to_owned(), Value::from(name));
    map
}

/// Joins the first properties of a resource with the others.
pub(super) fn with(mut map: serde_json::Map<String, Value>, more: Value) -> Value {
    if let Value::Object(more) = more {
        map.extend(more);
    }
    Value::Object(map)
}

/// A resource without the parts that are Intel's own.
pub(super) fn standard(mut value: Value) -> Value {
    if let Some(object) = value.as_object_mut() {
        object.remove("Oem");
        if let Some(links) = object.get_mut("Links").and_then(Value::as_object_mut) {
            links.remove("Oem");
        }
    }
    value
}

/// The status of a thing that is well.
pub(super) fn healthy() -> Value {
    json!({ "State": "Enabled", "Health": "OK", "HealthRollup": "OK" })
}

/// The status of a thing that has no parts.
pub(super) fn ok() -> Value {
    json!({ "State": "Enabled", "Health": "OK" })
}
