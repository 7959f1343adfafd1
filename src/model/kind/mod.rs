//! Every task kind in one table, a file per topic: its topic, whether it is sync, which gates it takes, what it accepts.
//!
//! The API validates against this table before anything is stored; `GET /v1/kinds` shows it; workers look handlers up by name.
//! docs/adding-a-kind.md walks through the layers.

mod compute;
mod network;
pub mod proxy;
mod read;
mod scheduler;
mod schema;
mod storage;
mod telemetry;
mod testing;

use serde_json::Value;

use super::params;
use super::problem::Problem;
use super::task::{CLIENT_PATIENCE, Definition};
use super::topic::{Priority, Topic};
pub use read::{no_nulls, read};
use schema::{any, schema};

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
    /// The node's own alone: nothing is changed at its Pod Manager.
    NodeAlone,
    /// A place among the refreshes of low priority, of which a bucket runs so many at once. Others pass: what is urgent jumps the line.
    Refresh,
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
    /// Whether it is let through at a Pod Manager that is being drained: it gives hardware back, or refuses by itself.
    pub drains: bool,
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

/// Sessions that all processes together have open at one Pod Manager: half of what small session tables hold (16), so that others can still
/// log in.
pub const PODM_SESSIONS: u32 = 8;
/// Refreshes of low priority that one bucket runs at once: they leave slots free for what is urgent.
pub const REFRESHES: u32 = 16;

impl Kind {
    /// The kind of that name.
    #[must_use]
    pub fn find(name: &str) -> Option<&'static Self> {
        all().find(|k| k.name == name)
    }

    /// The gates of a task, `name=limit …`, as the scripts read them. `within:ms`: so long it waits at most for a Pod Manager that is away,
    /// unless it has begun; `out` at the end: a drained Pod Manager does not keep it out.
    #[must_use]
    pub fn gates_of(&self, def: &Definition) -> String {
        let mut gates = Vec::new();
        if let (Gates::Node | Gates::NodeAlone, Some(node)) = (self.gates, &def.node_id) {
            gates.push(format!("node:{node}=1"));
        }
        if let (Gates::Node | Gates::Podm, Some(podm)) = (self.gates, &def.podm_id) {
            gates.push(format!("{}={PODM_CHANGES}", podm_gate(podm, true)));
            if def.podm_errors_final {
                gates.push(format!("within:{}", CLIENT_PATIENCE.as_millis()));
            }
            if self.drains {
                gates.push("out".to_owned());
            }
        }
        if self.gates == Gates::Refresh && def.priority == Priority::Low {
            gates.push(format!("refresh={REFRESHES}"));
        }
        gates.join(" ")
    }
}

/// Name of the gate in front of a Pod Manager, for changes or for reads.
#[must_use]
pub fn podm_gate(podm_id: &str, changes: bool) -> String {
    format!("podm:{podm_id}:{}", if changes { "w" } else { "r" })
}

const fn kind(name: &'static str, topic: Topic, about: &'static str) -> Kind {
    Kind {
        name,
        topic,
        mode: Mode::Async,
        gates: Gates::None,
        drains: false,
        about,
        needs_podm: false,
        needs_node: false,
        admin: false,
        test_only: false,
        result_bytes: V1_ANSWER_BYTES,
        check: read::check::<params::Nothing>,
        schema: schema::<params::Nothing>,
        result_schema: any,
    }
}

const fn sync(name: &'static str, topic: Topic, about: &'static str) -> Kind {
    Kind { mode: Mode::Sync, ..kind(name, topic, about) }
}

/// Every kind.
pub fn all() -> impl Iterator<Item = &'static Kind> {
    [compute::KINDS, proxy::KINDS, storage::KINDS, network::KINDS, telemetry::KINDS, scheduler::KINDS, testing::KINDS]
        .into_iter()
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique() {
        for k in all() {
            assert_eq!(all().filter(|other| other.name == k.name).count(), 1, "{}", k.name);
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
        for kind in all() {
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
        assert_eq!(gates, "node:n=1 podm:p:w=4 out");
        let gates = Kind::find("node.action").unwrap().gates_of(&def);
        assert_eq!(gates, "node:n=1 podm:p:w=4");
    }
}
