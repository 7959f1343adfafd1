//! Every task kind in one table: its topic, whether it is sync, which gates it takes, what it accepts.
//!
//! The API validates against this table before anything is stored; `GET /v1/kinds` shows it; workers look handlers up by name.
//! docs/adding-a-kind.md walks through the layers.

use serde::de::DeserializeOwned;
use serde_json::Value;
use utoipa::ToSchema;

use super::params;
use super::problem::Problem;
use super::task::Definition;
use super::topic::Topic;

/// How a kind is carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// A read without side effects: no stored task, the API waits for the reply.
    Sync,
    /// A stored task.
    Async,
}

/// Which gates an async kind passes before it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gates {
    /// None.
    None,
    /// A place among the Pod Manager's changes.
    Podm,
    /// That, and the node's own: one task at a time, in the order of acceptance.
    Node,
}

/// What a task kind is.
pub struct Kind {
    /// Such as `node.compose`.
    pub name: &'static str,
    /// The service family that carries it out.
    pub topic: Topic,
    /// Sync or async.
    pub mode: Mode,
    /// Gates it passes.
    pub gates: Gates,
    /// One line for people.
    pub about: &'static str,
    /// Whether `podm_id` must be given.
    pub needs_podm: bool,
    /// Whether `node_id` must be given.
    pub needs_node: bool,
    /// Whether only an administrator may make, cancel or repeat it; whichever route it comes by.
    pub admin: bool,
    /// Only with `--enable-test-kinds`.
    pub test_only: bool,
    /// Largest result that is stored, bytes of JSON; a larger one is replaced by a note of its size.
    pub result_bytes: usize,
    /// Checks parameters.
    pub check: fn(&Value) -> Result<(), Problem>,
    /// JSON Schema of the parameters.
    pub schema: fn() -> Value,
    /// JSON Schema of the result.
    pub result_schema: fn() -> Value,
}

/// Stored result of most kinds (DESIGN section 4.2).
pub const RESULT_BYTES: usize = 64 * 1024;
/// Stored result of a kind whose result is the answer to a v1 call (DESIGN section 4.2).
pub const V1_ANSWER_BYTES: usize = 1024 * 1024;
/// Changes of one Pod Manager that run at once, unless it has a limit of its own (DESIGN section 8).
pub const PODM_CHANGES: u32 = 4;
/// Reads of one Pod Manager that run at once, unless it has a limit of its own (DESIGN section 8).
pub const PODM_READS: u32 = 8;

impl Kind {
    /// The kind of that name.
    #[must_use]
    pub fn find(name: &str) -> Option<&'static Self> {
        KINDS.iter().find(|k| k.name == name)
    }

    /// The gates of a task, `name=limit …`, as the scripts read them.
    #[must_use]
    pub fn gates_of(&self, def: &Definition) -> String {
        let mut gates = Vec::new();
        if let (Gates::Node, Some(node)) = (self.gates, &def.node_id) {
            gates.push(format!("node:{node}=1"));
        }
        if let (Gates::Node | Gates::Podm, Some(podm)) = (self.gates, &def.podm_id) {
            gates.push(format!("{}={PODM_CHANGES}", podm_gate(podm, true)));
        }
        gates.join(" ")
    }
}

/// Name of the gate in front of a Pod Manager, for changes or for reads.
#[must_use]
pub fn podm_gate(podm_id: &str, changes: bool) -> String {
    format!("podm:{podm_id}:{}", if changes { "w" } else { "r" })
}

/// Reads parameters as `T`, with the field's path in the error.
///
/// # Errors
/// 400 Validation Error naming the field.
pub fn read<T: DeserializeOwned>(value: &Value) -> Result<T, Problem> {
    let empty = Value::Object(serde_json::Map::new());
    let value = if value.is_null() { &empty } else { value };
    serde_path_to_error::deserialize(super::strict::Strict(value)).map_err(|error| {
        let path = error.path().to_string();
        let field = path.rsplit('.').next().unwrap_or_default().to_owned();
        // serde repeats the value it stumbled over, which here may be somebody's password.
        let inner = plain(&error.into_inner().to_string(), path.starts_with("authentication"));
        if path == "." || path.is_empty() {
            return Problem::validation(inner);
        }
        let at = path.split('.').try_fold(value, |v, part| v.get(part.split('[').next().unwrap_or(part)));
        let at = at.filter(|_| !path.starts_with("authentication"));
        let shown = at.map(|v| super::podm::mask(&serde_json::json!({ &field: v }))[&field].to_string());
        Problem::validation(format!(
            "Invalid input for field/attribute '{field}' Value: '{}'. {inner}",
            shown.unwrap_or_default()
        ))
    })
}

/// What serde says, in words for clients: v1's for a missing and for an unknown key, and no names of Rust types.
fn plain(said: &str, secret: bool) -> String {
    let quoted = |text: &str| text.strip_prefix('`').and_then(|t| t.split('`').next()).map(str::to_owned);
    if let Some(key) = said.strip_prefix("missing field ").and_then(quoted) {
        return format!("'{key}' is a required property");
    }
    if secret {
        return "it is not what the schema wants".to_owned();
    }
    if let Some(key) = said.strip_prefix("unknown field ").and_then(quoted) {
        return format!("Additional properties are not allowed ('{key}' was unexpected)");
    }
    match said.split_once("expected struct ") {
        Some((before, _)) => format!("{before}expected an object"),
        None => said.to_owned(),
    }
}

fn check<T: DeserializeOwned>(value: &Value) -> Result<(), Problem> {
    read::<T>(value).map(drop)
}

/// The schema of a type, whole: what it refers to stands in its `$defs`.
fn schema<T: ToSchema>() -> Value {
    let mut parts = Vec::new();
    T::schemas(&mut parts);
    let mut whole = serde_json::to_value(T::schema()).unwrap_or(Value::Null);
    let parts: serde_json::Map<String, Value> =
        parts.into_iter().map(|(name, part)| (name, serde_json::to_value(part).unwrap_or(Value::Null))).collect();
    if let (Some(map), false) = (whole.as_object_mut(), parts.is_empty()) {
        map.insert("$defs".into(), Value::Object(parts));
    }
    lead_inside(&mut whole);
    whole
}

/// Makes references to components of the OpenAPI document references into `$defs`.
fn lead_inside(value: &mut Value) {
    match value {
        Value::Object(map) => {
            for (key, inner) in map {
                match inner {
                    Value::String(place) if key == "$ref" => {
                        *place = place.replace("#/components/schemas/", "#/$defs/")
                    }
                    inner => lead_inside(inner),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(lead_inside),
        _ => {}
    }
}

fn any() -> Value {
    Value::Bool(true)
}

fn check_compose(value: &Value) -> Result<(), Problem> {
    no_nulls(value)?;
    let compose: params::Compose = read(value)?;
    name(value)?;
    if compose.flavor_id.is_some() && compose.properties.is_some() {
        return Err(Problem::validation("'flavor_id' and 'properties' cannot stand together"));
    }
    Ok(())
}

fn check_action(value: &Value) -> Result<(), Problem> {
    no_nulls(value)?;
    let a: params::Action = read(value)?;
    let given = [a.boot.is_some(), a.reset.is_some(), a.attach.is_some(), a.detach.is_some()];
    match given.iter().filter(|g| **g).count() {
        1 => Ok(()),
        0 => Err(Problem::validation("one of 'Boot', 'Reset', 'attach', 'detach' is a required property")),
        _ => Err(Problem::validation("only one of 'Boot', 'Reset', 'attach', 'detach' may be given")),
    }
}

fn check_podm_create(value: &Value) -> Result<(), Problem> {
    let podm: params::PodmCreate = read(value)?;
    name(value)?;
    super::podm::check_url(&podm.url)?;
    credentials(&podm.authentication)
}

fn check_podm_update(value: &Value) -> Result<(), Problem> {
    let podm: params::PodmUpdate = read(value)?;
    name(value)?;
    let Some(given) = podm.authentication else { return Ok(()) };
    if given.iter().any(|a| a.auth_items.password == super::podm::MASK) {
        return Err(Problem::validation(
            "'***' stands for a password in answers and is none: give the password, or leave 'authentication' out to keep it",
        ));
    }
    credentials(&given)
}

fn credentials(given: &[super::podm::Authentication]) -> Result<(), Problem> {
    if given.is_empty() {
        return Err(Problem::validation(
            "Invalid input for field/attribute 'authentication' Value: '[]'. [] is too short",
        ));
    }
    if !given.iter().any(|a| a.kind == "basic") {
        return Err(Problem::validation("'authentication' must have an entry of type 'basic'"));
    }
    Ok(())
}

/// What can be a Pod Manager's id of a node: one segment of a path, and not one that means another place.
fn check_manage(value: &Value) -> Result<(), Problem> {
    let index = read::<params::Manage>(value)?.node_index;
    let odd = |c: char| c.is_control() || c.is_whitespace() || "/\\?#%".contains(c);
    if index.is_empty() || index.len() > 255 || index == "." || index.contains("..") || index.contains(odd) {
        let shown: String = index.chars().take(100).collect();
        return Err(Problem::validation(format!(
            "Invalid input for field/attribute 'node_index' Value: '{}'. the Pod Manager's id of a node is wanted",
            shown.escape_debug()
        )));
    }
    Ok(())
}

fn check_flavor<T: DeserializeOwned>(value: &Value) -> Result<(), Problem> {
    no_nulls(value)?;
    read::<T>(value)?;
    name(value)
}

/// A name, where one is given: 1 to 255 characters, none of them a control character.
fn name(value: &Value) -> Result<(), Problem> {
    let Some(name) = value.get("name").and_then(Value::as_str) else { return Ok(()) };
    if (1..=255).contains(&name.chars().count()) && !name.contains(char::is_control) {
        return Ok(());
    }
    let shown: String = name.chars().take(100).collect();
    Err(Problem::validation(format!(
        "Invalid input for field/attribute 'name' Value: '{}'. 1 to 255 characters without control characters are wanted",
        shown.escape_debug()
    )))
}

/// Refuses an explicit null, which v1 takes nowhere: absent and null are not the same. Items of arrays are nobody's concern here.
///
/// # Errors
/// 400 naming the first key that has one.
pub fn no_nulls(value: &Value) -> Result<(), Problem> {
    let Value::Object(map) = value else { return Ok(()) };
    for (key, inner) in map {
        if inner.is_null() {
            let key: String = key.chars().take(100).collect();
            return Err(Problem::validation(format!(
                "Invalid input for field/attribute '{key}' Value: 'None'. None is not of the type that is wanted"
            )));
        }
        no_nulls(inner)?;
    }
    Ok(())
}

const fn kind(name: &'static str, topic: Topic, about: &'static str) -> Kind {
    Kind {
        name,
        topic,
        mode: Mode::Async,
        gates: Gates::None,
        about,
        needs_podm: false,
        needs_node: false,
        admin: false,
        test_only: false,
        result_bytes: V1_ANSWER_BYTES,
        check: check::<params::Nothing>,
        schema: schema::<params::Nothing>,
        result_schema: any,
    }
}

const fn sync(name: &'static str, topic: Topic, about: &'static str) -> Kind {
    Kind { mode: Mode::Sync, ..kind(name, topic, about) }
}

/// Every kind.
pub static KINDS: &[Kind] = &[
    Kind {
        gates: Gates::Node,
        needs_podm: true,
        check: check_compose,
        schema: schema::<params::Compose>,
        result_schema: schema::<super::node::BriefNode>,
        ..kind("node.compose", Topic::Compute, "Composes a node at one Pod Manager")
    },
    Kind {
        gates: Gates::Node,
        needs_node: true,
        ..kind("node.delete", Topic::Compute, "Decomposes a node and returns its hardware")
    },
    Kind {
        gates: Gates::Node,
        needs_node: true,
        check: check_action,
        schema: schema::<params::Action>,
        ..kind("node.action", Topic::Compute, "Resets a node or sets its boot source")
    },
    Kind {
        gates: Gates::Podm,
        needs_podm: true,
        check: check_manage,
        schema: schema::<params::Manage>,
        result_schema: schema::<super::node::BriefNode>,
        ..kind("node.manage", Topic::Compute, "Takes a node on record that was composed elsewhere")
    },
    Kind {
        check: check_flavor::<params::FlavorCreate>,
        schema: schema::<params::FlavorCreate>,
        result_schema: schema::<super::flavor::Flavor>,
        ..kind("flavor.create", Topic::Compute, "Stores a flavor")
    },
    Kind {
        check: check_flavor::<params::FlavorUpdate>,
        schema: schema::<params::FlavorUpdate>,
        result_schema: schema::<super::flavor::Flavor>,
        ..kind("flavor.update", Topic::Compute, "Changes a flavor")
    },
    Kind {
        check: check::<params::FlavorRef>,
        schema: schema::<params::FlavorRef>,
        ..kind("flavor.delete", Topic::Compute, "Deletes a flavor")
    },
    Kind {
        check: check_compose,
        schema: schema::<params::Compose>,
        result_schema: schema::<super::node::BriefNode>,
        ..kind("node.place", Topic::Scheduler, "Chooses a Pod Manager and composes the node there")
    },
    Kind {
        admin: true,
        check: check_podm_create,
        schema: schema::<params::PodmCreate>,
        result_schema: schema::<super::podm::Podm>,
        ..kind("podm.create", Topic::Scheduler, "Registers a Pod Manager")
    },
    Kind {
        needs_podm: true,
        admin: true,
        check: check_podm_update,
        schema: schema::<params::PodmUpdate>,
        result_schema: schema::<super::podm::Podm>,
        ..kind("podm.update", Topic::Scheduler, "Changes a Pod Manager's record")
    },
    Kind {
        needs_podm: true,
        admin: true,
        ..kind("podm.delete", Topic::Scheduler, "Decomposes a Pod Manager's nodes and forgets it")
    },
    Kind { needs_podm: true, ..kind("podm.probe", Topic::Scheduler, "Asks a Pod Manager whether it is there") },
    sync("podm.list", Topic::Scheduler, "Lists Pod Managers"),
    Kind {
        check: check::<params::ById>,
        schema: schema::<params::ById>,
        ..sync("podm.get", Topic::Scheduler, "Reads a Pod Manager's record")
    },
    Kind {
        check: check::<params::ListFilter>,
        schema: schema::<params::ListFilter>,
        ..sync("node.list", Topic::Compute, "Lists composed nodes")
    },
    Kind {
        check: check::<params::ById>,
        schema: schema::<params::ById>,
        ..sync("node.get", Topic::Compute, "Reads a node, live from its Pod Manager")
    },
    sync("flavor.list", Topic::Compute, "Lists flavors"),
    Kind {
        check: check::<params::ById>,
        schema: schema::<params::ById>,
        ..sync("flavor.get", Topic::Compute, "Reads a flavor")
    },
    Kind {
        check: check::<params::Systems>,
        schema: schema::<params::Systems>,
        ..sync("system.list", Topic::Compute, "Lists systems, live from the Pod Managers")
    },
    Kind {
        check: check::<params::Systems>,
        schema: schema::<params::Systems>,
        ..sync("system.get", Topic::Compute, "Reads one system, live from its Pod Manager")
    },
    Kind {
        test_only: true,
        result_bytes: RESULT_BYTES,
        check: check::<params::Noop>,
        schema: schema::<params::Noop>,
        ..kind("noop", Topic::Compute, "Does nothing; for load tests")
    },
    Kind {
        test_only: true,
        result_bytes: RESULT_BYTES,
        check: check::<params::Sleep>,
        schema: schema::<params::Sleep>,
        ..kind("sleep", Topic::Compute, "Works for a while, in steps; for fault tests")
    },
    Kind { test_only: true, ..sync("echo", Topic::Compute, "Answers at once; for load tests") },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique() {
        for k in KINDS {
            assert_eq!(KINDS.iter().filter(|other| other.name == k.name).count(), 1, "{}", k.name);
        }
    }

    #[test]
    fn a_bad_parameter_is_named_and_a_password_is_not_repeated() {
        let compose = Kind::find("node.compose").unwrap();
        let error = (compose.check)(&serde_json::json!({"name": 5})).unwrap_err();
        assert!(error.detail.contains("'name'"), "{}", error.detail);
        let error = (compose.check)(&serde_json::json!({"name": "n", "colour": 1})).unwrap_err();
        assert!(error.detail.contains("colour"), "{}", error.detail);
        let create = Kind::find("podm.create").unwrap();
        let body = serde_json::json!({"name": "p", "url": "http://h", "authentication":
            [{"type": "basic", "auth_items": {"username": "u", "password": ["canary"]}}]});
        let error = (create.check)(&body).unwrap_err();
        assert!(!error.detail.contains("canary"), "{}", error.detail);
        for auth in [
            serde_json::json!("canary"),
            serde_json::json!([{"type": "basic", "auth_items": "canary"}]),
            serde_json::json!([{"type": "basic", "auth_items": {"username": "u", "password": 5, "extra": "canary"}}]),
        ] {
            let error = (create.check)(&serde_json::json!({"name": "p", "url": "u", "authentication": auth}));
            assert!(!error.unwrap_err().detail.contains("canary"));
        }
    }

    #[test]
    fn bad_names_urls_indexes_and_nulls_are_refused() {
        let podm = |name: &str, url: &str| {
            serde_json::json!({"name": name, "url": url, "authentication":
                [{"type": "basic", "auth_items": {"username": "u", "password": "p"}}]})
        };
        let check = |kind: &str, params: &Value| (Kind::find(kind).unwrap().check)(params);
        assert!(check("podm.create", &podm("p", "https://h:8443/base")).is_ok());
        for url in [
            "",
            "h",
            "ftp://h",
            "http://",
            "http://u:canary@h",
            "http://canary@h/",
            "http://@h/",
            "http://h/?a=canary",
            "http://h/#canary",
            "http://h/a/../b",
            "http://h/%2e%2E/b",
            "http://h/./",
            "http:\\\\h",
            "http://h/a b",
            " http://h",
        ] {
            let error = check("podm.create", &podm("p", url)).unwrap_err();
            assert_eq!(error.status, 400, "{url}");
            assert!(!error.detail.contains("canary"), "{}", error.detail);
        }
        for name in ["", "a\nb", &"x".repeat(256)] {
            assert_eq!(check("podm.create", &podm(name, "http://h")).unwrap_err().status, 400);
            assert_eq!(check("node.compose", &serde_json::json!({"name": name})).unwrap_err().status, 400);
            assert_eq!(
                check("flavor.create", &serde_json::json!({"name": name, "properties": {}})).unwrap_err().status,
                400
            );
        }
        for index in ["", ".", "..", "a/b", "../x", "a%2fb", "a?b", "a b"] {
            let error = check("node.manage", &serde_json::json!({"node_index": index})).unwrap_err();
            assert_eq!(error.status, 400, "{index}");
        }
        assert!(check("node.manage", &serde_json::json!({"node_index": "Node-1.a"})).is_ok());
        let nulls = serde_json::json!({"name": "f", "properties": {"memory": null}});
        assert!(check("flavor.create", &nulls).unwrap_err().detail.contains("'memory'"));
        let update = |auth: Value| check("podm.update", &serde_json::json!({ "authentication": auth }));
        assert!(update(serde_json::json!([])).is_err());
        let masked = serde_json::json!([{"type": "basic", "auth_items": {"username": "u", "password": "***"}}]);
        assert!(update(masked).unwrap_err().detail.contains("'***'"));
    }

    #[test]
    fn errors_name_the_missing_key_and_no_types_of_ours() {
        let check = |kind: &str, params: Value| (Kind::find(kind).unwrap().check)(&params).unwrap_err().detail;
        assert_eq!(check("flavor.create", serde_json::json!({"properties": {}})), "'name' is a required property");
        let detail = check("flavor.create", serde_json::json!({"name": "f", "properties": 5}));
        assert!(!detail.contains("struct") && detail.contains("an object"), "{detail}");
        let detail = check("flavor.update", serde_json::json!({"flavor_id": "f", "colour": 1}));
        assert!(!detail.contains("flavor_id"), "{detail}");
    }

    #[test]
    fn schemas_of_kinds_refer_to_nothing_outside() {
        fn look(value: &Value, root: &Value) {
            match value {
                Value::Object(map) => map.iter().for_each(|(key, inner)| match inner.as_str() {
                    Some(place) if key == "$ref" => {
                        assert!(root.pointer(place.trim_start_matches('#')).is_some(), "{place}");
                    }
                    _ => look(inner, root),
                }),
                Value::Array(items) => items.iter().for_each(|inner| look(inner, root)),
                _ => {}
            }
        }
        for kind in KINDS {
            for schema in [(kind.schema)(), (kind.result_schema)()] {
                look(&schema, &schema);
            }
        }
    }

    #[test]
    fn a_node_task_takes_its_nodes_gate_and_a_place_at_the_podm() {
        let mut def = Definition::new("node.delete", Value::Null);
        def.node_id = Some("n".into());
        def.podm_id = Some("p".into());
        let gates = Kind::find("node.delete").unwrap().gates_of(&def);
        assert_eq!(gates, "node:n=1 podm:p:w=4");
    }
}
