//! Parameters of the network service: switches, ports, interfaces, VLANs.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;
use utoipa::ToSchema;

const fn yes() -> bool {
    true
}

/// `switch.list`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SwitchList {
    /// The Pod Manager to ask; all of them when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub podm_id: Option<String>,
    /// Name → wanted value.
    #[serde(default)]
    pub filters: BTreeMap<String, String>,
}

/// `switch.get`.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SwitchGet {
    /// The Pod Manager to ask; may be left out when there is only one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub podm_id: Option<String>,
    /// The switch's id at its Pod Manager.
    pub id: String,
}

/// `port.list`.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PortList {
    /// The Pod Manager to ask; may be left out when there is only one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub podm_id: Option<String>,
    /// The switch's id at its Pod Manager.
    pub switch_id: String,
    /// Name → wanted value.
    #[serde(default)]
    pub filters: BTreeMap<String, String>,
}

/// `interface.list`: of a node, or of a system.
#[skip_serializing_none]
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct InterfaceList {
    /// The Pod Manager to ask; may be left out when there is only one.
    pub podm_id: Option<String>,
    /// The node; not together with `system_id`.
    pub node_id: Option<String>,
    /// The system's id at its Pod Manager.
    pub system_id: Option<String>,
}

/// `vlan.list`: of a switch's port, or of an interface of a node or a system.
#[skip_serializing_none]
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct VlanList {
    /// The Pod Manager to ask; may be left out when there is only one.
    pub podm_id: Option<String>,
    /// The switch's id at its Pod Manager; with `port_id`.
    pub switch_id: Option<String>,
    /// The port's id.
    pub port_id: Option<String>,
    /// The node; with `interface_id`.
    pub node_id: Option<String>,
    /// The system's id at its Pod Manager; with `interface_id`.
    pub system_id: Option<String>,
    /// The interface's id.
    pub interface_id: Option<String>,
}

/// `vlan.create`: on a switch's port, or on an interface of a system.
#[skip_serializing_none]
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct VlanCreate {
    /// The switch's id at its Pod Manager; with `port_id`.
    pub switch_id: Option<String>,
    /// The port's id.
    pub port_id: Option<String>,
    /// The system's id at its Pod Manager; with `interface_id`.
    pub system_id: Option<String>,
    /// The interface's id.
    pub interface_id: Option<String>,
    /// Number of the VLAN.
    #[schema(minimum = 1, maximum = 4094)]
    pub vlan_id: u16,
    /// Whether frames carry its number.
    #[serde(default = "yes")]
    pub tagged: bool,
}

/// `vlan.delete`: from a switch's port, or from an interface of a system.
#[skip_serializing_none]
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct VlanDelete {
    /// The switch's id at its Pod Manager; with `port_id`.
    pub switch_id: Option<String>,
    /// The port's id.
    pub port_id: Option<String>,
    /// The system's id at its Pod Manager; with `interface_id`.
    pub system_id: Option<String>,
    /// The interface's id.
    pub interface_id: Option<String>,
    /// Number of the VLAN.
    #[schema(minimum = 1, maximum = 4094)]
    pub vlan_id: u16,
}

/// `vlan.assign`: onto a node's interfaces, and the switch ports they are cabled to.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct VlanAssign {
    /// One interface's id; all of the node's when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interface_id: Option<String>,
    /// Number of the VLAN.
    #[schema(minimum = 1, maximum = 4094)]
    pub vlan_id: u16,
    /// Whether frames carry its number.
    #[serde(default = "yes")]
    pub tagged: bool,
}

/// `vlan.unassign`: from a node's interfaces, and the switch ports they are cabled to.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct VlanUnassign {
    /// One interface's id; all of the node's when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interface_id: Option<String>,
    /// Number of the VLAN.
    #[schema(minimum = 1, maximum = 4094)]
    pub vlan_id: u16,
}
