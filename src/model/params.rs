//! What each task kind takes: one struct a kind, unknown fields refused. The v1 request bodies are the same structs.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::flavor::Requirements;
use super::podm::Authentication;

/// A kind without parameters.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

/// `node.compose` and `node.place`.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Compose {
    /// Name of the node.
    pub name: String,
    /// Free text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Flavor that says what the node must have; not together with `properties`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flavor_id: Option<String>,
    /// What the node must have; not together with `flavor_id`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
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

/// A device of the pool.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Device {
    /// Valence's id of the device.
    pub resource_id: String,
}

/// `node.action`: exactly one of the four.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Action {
    /// Set the boot source.
    #[serde(default, rename = "Boot", skip_serializing_if = "Option::is_none")]
    pub boot: Option<Boot>,
    /// Change the power state.
    #[serde(default, rename = "Reset", skip_serializing_if = "Option::is_none")]
    pub reset: Option<Reset>,
    /// Attach a device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attach: Option<Device>,
    /// Detach a device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detach: Option<Device>,
}

/// `node.manage`.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Manage {
    /// The Pod Manager's own id of the node.
    pub node_index: String,
}

/// `podm.create`.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PodmCreate {
    /// Unique name.
    pub name: String,
    /// Unique root URL.
    pub url: String,
    /// Driver; `redfishv1` unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub driver: Option<String>,
    /// Credentials; in a stored task the passwords are sealed.
    pub authentication: Vec<Authentication>,
    /// Free text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Do not verify its certificate.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub insecure_skip_verify: bool,
}

/// `podm.update`: what is given is replaced.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PodmUpdate {
    /// Unique name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Credentials; in a stored task the passwords are sealed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authentication: Option<Vec<Authentication>>,
    /// Free text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Free text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    /// Free text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_uri: Option<String>,
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
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FlavorUpdate {
    /// The flavor.
    pub flavor_id: String,
    /// Name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What a node of it must have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub properties: Option<Requirements>,
}

/// A kind that concerns one flavor.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FlavorRef {
    /// The flavor.
    pub flavor_id: String,
}

/// A list with equality filters.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ListFilter {
    /// Name → wanted value.
    #[serde(default)]
    pub filters: std::collections::BTreeMap<String, String>,
}

/// A sync read of one record.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ById {
    /// Its id.
    pub id: String,
}

/// `system.list` and `system.get`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Systems {
    /// The Pod Manager to ask; all of them when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub podm_id: Option<String>,
    /// One system's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Name → wanted value.
    #[serde(default)]
    pub filters: std::collections::BTreeMap<String, String>,
}

/// `noop`: ends at once.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Noop {
    /// Anything; it comes back as the result.
    #[serde(default)]
    pub payload: serde_json::Value,
}

/// `sleep`: works for a while, in steps it saves, and can be told to misbehave.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Sleep {
    /// ms each step takes.
    #[serde(default)]
    pub ms: u64,
    /// How many steps; a checkpoint after each.
    #[serde(default = "one")]
    pub steps: u32,
    /// Fails for good after the last step.
    #[serde(default)]
    pub fail: bool,
    /// Asks for a retry in so many attempts before it succeeds.
    #[serde(default)]
    pub retries: u32,
    /// Parks for so many ms once, half-way.
    #[serde(default)]
    pub park_ms: u64,
    /// Aborts its worker process: a poison task.
    #[serde(default)]
    pub abort: bool,
}

const fn one() -> u32 {
    1
}
