//! A pooled device's record: what the last sync with its Pod Manager found.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// A device that can be attached to nodes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Device {
    /// Valence's id of it: follows from the Pod Manager and the path, so that two syncs agree.
    pub uuid: String,
    /// The Pod Manager that has it.
    pub podm_id: String,
    /// The Pod Manager's own id of the node it is attached to; null when it is free.
    pub node_id: Option<String>,
    /// What it is, such as `SSD` or `NIC`; null when that is not known.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// The group of devices and node it belongs to, where the Pod Manager has groups.
    pub pooled_group_id: Option<String>,
    /// `free` or `allocated`.
    pub state: DeviceState,
    /// What it is like.
    pub properties: Value,
    /// More about it.
    pub extra: Value,
    /// Its path at the Pod Manager.
    pub resource_uri: String,
    /// `YYYY-MM-DD HH:MM:SS UTC`.
    pub created_at: String,
    /// `YYYY-MM-DD HH:MM:SS UTC`.
    pub updated_at: String,
}

/// The fields of a row, which lists can be filtered by. Those that hold objects equal nothing.
pub const FIELDS: [&str; 11] = [
    "uuid",
    "podm_id",
    "type",
    "state",
    "node_id",
    "resource_uri",
    "pooled_group_id",
    "properties",
    "extra",
    "created_at",
    "updated_at",
];

/// Whether a node has a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum DeviceState {
    /// No node has it.
    Free,
    /// A node has it.
    Allocated,
}

/// Valence's id of the device that a Pod Manager has at a path.
#[must_use]
pub fn id_of(podm_id: &str, path: &str) -> String {
    uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_URL, format!("{podm_id} {path}").as_bytes()).as_hyphenated().to_string()
}
