//! Parameters of the storage service.

use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;
use utoipa::ToSchema;

/// A device of the pool.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Device {
    /// Valence's id of the device.
    pub resource_id: String,
}

/// `device.sync`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DeviceSync {
    /// The Pod Manager to ask; all of them when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub podm_id: Option<String>,
}

/// `storage.list`: the storage services of Pod Managers, or the storages of one node or system.
#[skip_serializing_none]
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StorageList {
    /// The Pod Manager to ask; all of them when absent.
    pub podm_id: Option<String>,
    /// The node whose storages are wanted.
    pub node_id: Option<String>,
    /// The system whose storages are wanted.
    pub system_id: Option<String>,
    /// Name → wanted value.
    #[serde(default)]
    pub filters: std::collections::BTreeMap<String, String>,
}

/// `storage.get`.
#[skip_serializing_none]
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StorageGet {
    /// The Pod Manager to ask; may be left out when there is only one.
    pub podm_id: Option<String>,
    /// The storage's id at its Pod Manager.
    pub id: String,
    /// The system whose storage it is; left out for a storage service.
    pub system_id: Option<String>,
}

/// `volume.create`.
#[skip_serializing_none]
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct VolumeCreate {
    /// The storage's id at its Pod Manager.
    pub storage_id: String,
    /// The system whose storage it is; left out for a storage service.
    pub system_id: Option<String>,
    /// Name of the volume.
    pub name: String,
    /// Free text.
    pub description: Option<String>,
    /// How large it must be, GiB.
    #[schema(exclusive_minimum = 0)]
    pub capacity_gib: f64,
    /// Whether a machine may boot from it; the Pod Manager chooses when absent.
    pub bootable: Option<bool>,
}

/// `volume.delete`.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct VolumeDelete {
    /// The storage's id at its Pod Manager.
    pub storage_id: String,
    /// The system whose storage it is; left out for a storage service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system_id: Option<String>,
    /// The volume's id at its Pod Manager.
    pub volume_id: String,
}

/// `volume.return`.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct VolumeReturn {
    /// Path of the volume at the Pod Manager.
    pub volume: String,
    /// The task that its tag must name.
    #[schema(value_type = String)]
    pub task_id: crate::ids::TaskId,
}
