//! Kinds of the network service: switches, ports, interfaces, VLANs.

use serde_json::Value;

use super::read::{check, no_nulls, read};
use super::schema::schema;
use super::{Gates, Kind, kind, sync};
use crate::model::params;
use crate::model::problem::Problem;
use crate::model::topic::Topic;

/// The kinds.
pub(super) const KINDS: &[Kind] = &[
    Kind {
        check: check::<params::SwitchList>,
        schema: schema::<params::SwitchList>,
        ..sync("switch.list", Topic::Network, "Lists switches, live from the Pod Managers")
    },
    Kind {
        check: check::<params::SwitchGet>,
        schema: schema::<params::SwitchGet>,
        ..sync("switch.get", Topic::Network, "Reads a switch, live from its Pod Manager")
    },
    Kind {
        check: check::<params::PortList>,
        schema: schema::<params::PortList>,
        ..sync("port.list", Topic::Network, "Lists the ports of a switch")
    },
    Kind {
        check: check_interfaces,
        schema: schema::<params::InterfaceList>,
        ..sync("interface.list", Topic::Network, "Lists the network interfaces of a node or a system")
    },
    Kind {
        check: check_vlans,
        schema: schema::<params::VlanList>,
        ..sync("vlan.list", Topic::Network, "Lists the VLANs of a switch port or an interface")
    },
    Kind {
        gates: Gates::Podm,
        needs_podm: true,
        check: check_create,
        schema: schema::<params::VlanCreate>,
        ..kind("vlan.create", Topic::Network, "Makes a VLAN on a switch port or an interface")
    },
    Kind {
        gates: Gates::Podm,
        drains: true,
        needs_podm: true,
        check: check_delete,
        schema: schema::<params::VlanDelete>,
        ..kind("vlan.delete", Topic::Network, "Deletes a VLAN from a switch port or an interface")
    },
    Kind {
        gates: Gates::Node,
        needs_node: true,
        check: check_assign,
        schema: schema::<params::VlanAssign>,
        ..kind("vlan.assign", Topic::Network, "Puts a VLAN onto a node's interfaces and the switch ports behind them")
    },
    Kind {
        gates: Gates::Node,
        needs_node: true,
        check: check_unassign,
        schema: schema::<params::VlanUnassign>,
        ..kind("vlan.unassign", Topic::Network, "Takes a VLAN off a node's interfaces and the switch ports behind them")
    },
];

/// 0 and 4095 are reserved.
///
/// *Source*: IEEE 802.1Q.
fn check_number(vlan_id: u16) -> Result<(), Problem> {
    if (1..=4094).contains(&vlan_id) {
        return Ok(());
    }
    let field = format!("Invalid input for field/attribute 'vlan_id' Value: '{vlan_id}'.");
    Err(Problem::validation(format!("{field} 1 to 4094 is wanted")))
}

/// A place is a port of a switch or an interface of a machine, and never half of one.
fn check_place(switch: [bool; 2], machine: bool, interface: bool) -> Result<(), Problem> {
    match (switch, machine, interface) {
        ([true, true], false, false) | ([false, false], true, true) => Ok(()),
        _ => Err(Problem::validation(
            "either 'switch_id' and 'port_id' or 'system_id' and 'interface_id' are required properties",
        )),
    }
}

fn check_interfaces(value: &Value) -> Result<(), Problem> {
    let list: params::InterfaceList = read(value)?;
    match (list.node_id, list.system_id) {
        (Some(_), None) | (None, Some(_)) => Ok(()),
        _ => Err(Problem::validation("one of 'node_id' and 'system_id' is a required property")),
    }
}

fn check_vlans(value: &Value) -> Result<(), Problem> {
    let v: params::VlanList = read(value)?;
    let machine = v.node_id.is_some() != v.system_id.is_some();
    if v.node_id.is_some() && v.system_id.is_some() {
        return Err(Problem::validation("'node_id' and 'system_id' cannot stand together"));
    }
    check_place([v.switch_id.is_some(), v.port_id.is_some()], machine, v.interface_id.is_some())
}

fn check_create(value: &Value) -> Result<(), Problem> {
    no_nulls(value)?;
    let v: params::VlanCreate = read(value)?;
    let switch = [v.switch_id.is_some(), v.port_id.is_some()];
    check_place(switch, v.system_id.is_some(), v.interface_id.is_some())?;
    check_number(v.vlan_id)
}

fn check_delete(value: &Value) -> Result<(), Problem> {
    no_nulls(value)?;
    let v: params::VlanDelete = read(value)?;
    let switch = [v.switch_id.is_some(), v.port_id.is_some()];
    check_place(switch, v.system_id.is_some(), v.interface_id.is_some())?;
    check_number(v.vlan_id)
}

fn check_assign(value: &Value) -> Result<(), Problem> {
    no_nulls(value)?;
    check_number(read::<params::VlanAssign>(value)?.vlan_id)
}

fn check_unassign(value: &Value) -> Result<(), Problem> {
    no_nulls(value)?;
    check_number(read::<params::VlanUnassign>(value)?.vlan_id)
}
