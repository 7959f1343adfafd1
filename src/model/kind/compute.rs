//! Kinds of the compute service: nodes, systems, flavors.

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::read::{check, name, no_nulls, read};
use super::schema::schema;
use super::{Gates, Kind, kind, sync};
use crate::model::params;
use crate::model::problem::Problem;
use crate::model::topic::Topic;

/// The kinds.
pub(super) const KINDS: &[Kind] = &[
    Kind {
        gates: Gates::Node,
        drains: true,
        needs_podm: true,
        check: check_compose,
        schema: schema::<params::Compose>,
        result_schema: schema::<crate::model::node::BriefNode>,
        ..kind("node.compose", Topic::Compute, "Composes a node at one Pod Manager")
    },
    Kind {
        gates: Gates::Node,
        drains: true,
        needs_node: true,
        ..kind("node.delete", Topic::Compute, "Decomposes a node and returns its hardware")
    },
    Kind {
        gates: Gates::Node,
        needs_node: true,
        check: check_action,
        schema: schema::<params::Action>,
        ..kind("node.action", Topic::Compute, "Resets a node, sets its boot source, attaches or detaches a device")
    },
    Kind {
        gates: Gates::Podm,
        needs_podm: true,
        check: check_manage,
        schema: schema::<params::Manage>,
        result_schema: schema::<crate::model::node::BriefNode>,
        ..kind("node.manage", Topic::Compute, "Takes a node on record that was composed elsewhere")
    },
    Kind {
        gates: Gates::NodeAlone,
        needs_node: true,
        check: check_register,
        schema: schema::<params::Register>,
        result_schema: schema::<crate::model::node::Node>,
        ..kind("node.register", Topic::Compute, "Registers a node with Ironic")
    },
    Kind {
        gates: Gates::Node,
        needs_podm: true,
        admin: true,
        check: check::<params::Return>,
        schema: schema::<params::Return>,
        ..kind("node.return", Topic::Compute, "Gives back what a node that never came to be has left behind")
    },
    Kind {
        check: check_flavor::<params::FlavorCreate>,
        schema: schema::<params::FlavorCreate>,
        result_schema: schema::<crate::model::flavor::Flavor>,
        ..kind("flavor.create", Topic::Compute, "Stores a flavor")
    },
    Kind {
        check: check_flavor::<params::FlavorUpdate>,
        schema: schema::<params::FlavorUpdate>,
        result_schema: schema::<crate::model::flavor::Flavor>,
        ..kind("flavor.update", Topic::Compute, "Changes a flavor")
    },
    Kind {
        check: check::<params::FlavorRef>,
        schema: schema::<params::FlavorRef>,
        ..kind("flavor.delete", Topic::Compute, "Deletes a flavor")
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
        check: check::<params::Racks>,
        schema: schema::<params::Racks>,
        ..sync("rack.list", Topic::Compute, "Lists racks, live from the Pod Managers")
    },
    Kind {
        check: check::<params::Racks>,
        schema: schema::<params::Racks>,
        ..sync("rack.get", Topic::Compute, "Reads one rack, live from its Pod Manager")
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
];

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

/// An object; in a stored task a text, because the API has sealed it.
fn check_register(value: &Value) -> Result<(), Problem> {
    let body = read::<params::Register>(value)?.body;
    if body.as_ref().is_none_or(|b| b.is_object() || b.as_str().is_some_and(|text| text.starts_with("v1."))) {
        return Ok(());
    }
    Err(Problem::validation("Invalid input for field/attribute 'body': an object is wanted"))
}

fn check_flavor<T: DeserializeOwned>(value: &Value) -> Result<(), Problem> {
    no_nulls(value)?;
    read::<T>(value)?;
    name(value)
}
