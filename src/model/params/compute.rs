//! Parameters of the compute service: nodes, systems, flavors.

use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;
use utoipa::ToSchema;

use super::Device;
use crate::model::flavor::Requirements;

/// `node.compose`.
#[skip_serializing_none]
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Compose {
    /// Name of the node.
    pub name: String,
    /// Free text.
    pub description: Option<String>,
    /// Flavor that says what the node must have; not together with `properties`.
    pub flavor_id: Option<String>,
    /// What the node must have; not together with `flavor_id`.
    pub properties: Option<Requirements>,
}

/// Boot override.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub struct Boot {
    /// How long it holds.
    pub enabled: BootEnabled,
    /// Where from.
    pub target: BootTarget,
}

/// How long a boot override holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub enum BootEnabled {
    /// For the next boot.
    Once,
    /// Until changed.
    Continuous,
}

/// Boot source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub enum BootTarget {
    /// Network.
    Pxe,
    /// Disk.
    Hdd,
    /// No override.
    None,
}

/// Power action.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub struct Reset {
    /// Which.
    #[serde(rename = "Type")]
    pub kind: ResetType,
}

/// Kinds of reset that v1 knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub enum ResetType {
    /// Power on.
    On,
    /// Power on, whatever the state.
    ForceOn,
    /// Power off at once.
    ForceOff,
    /// Shut down and start.
    GracefulRestart,
}

/// `node.action`: exactly one of the four.
#[skip_serializing_none]
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Action {
    /// Set the boot source.
    #[serde(default, rename = "Boot")]
    pub boot: Option<Boot>,
    /// Change the power state.
    #[serde(default, rename = "Reset")]
    pub reset: Option<Reset>,
    /// Attach a device.
    pub attach: Option<Device>,
    /// Detach a device.
    pub detach: Option<Device>,
}

/// `node.manage`.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Manage {
    /// The Pod Manager's own id of the node.
    pub node_index: String,
}

/// `node.register`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Register {
    /// Arguments of Ironic's node, laid over those that Valence knows: `driver_info` key by key, the others whole. For an ExpEther node:
    /// `driver_info`, which it needs, `driver` and `mac`. Stored sealed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<serde_json::Value>,
}

/// `flavor.create`.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FlavorCreate {
    /// Name.
    pub name: String,
    /// What a node of it must have.
    pub properties: Requirements,
    /// Accepted for old clients; not stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// `flavor.update`: what is given is replaced whole.
#[skip_serializing_none]
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FlavorUpdate {
    /// The flavor.
    pub flavor_id: String,
    /// Name.
    pub name: Option<String>,
    /// What a node of it must have.
    pub properties: Option<Requirements>,
}

/// A kind that concerns one flavor.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FlavorRef {
    /// The flavor.
    pub flavor_id: String,
}

/// `rack.list` and `rack.get`.
#[skip_serializing_none]
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Racks {
    /// The Pod Manager to ask; all of them when absent.
    pub podm_id: Option<String>,
    /// One rack's id.
    pub id: Option<String>,
    /// Show maker, model, description and serial number too.
    #[serde(default)]
    pub show_detail: bool,
    /// Name → wanted value.
    #[serde(default)]
    pub filters: std::collections::BTreeMap<String, String>,
}

/// `system.list` and `system.get`.
#[skip_serializing_none]
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Systems {
    /// The Pod Manager to ask; all of them when absent.
    pub podm_id: Option<String>,
    /// One system's id.
    pub id: Option<String>,
    /// Name → wanted value.
    #[serde(default)]
    pub filters: std::collections::BTreeMap<String, String>,
}

/// `node.return`: the node is named beside the parameters.
#[skip_serializing_none]
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Return {
    /// Path of the hardware at the Pod Manager; without it, only parts that are reserved for the node are released.
    pub node: Option<String>,
    /// The task that the hardware's tag must name.
    #[schema(value_type = Option<String>)]
    pub task_id: Option<crate::ids::TaskId>,
}
