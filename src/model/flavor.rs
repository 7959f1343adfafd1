//! A flavor: named requirements for a compose. All numbers are strings, as v1 clients send them.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_with::skip_serializing_none;
use utoipa::ToSchema;

/// Memory wanted.
#[skip_serializing_none]
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Memory {
    /// MiB, as a string.
    pub capacity_mib: Option<String>,
    /// Such as `DDR3`.
    #[serde(default, rename = "type")]
    pub kind: Option<String>,
}

/// Processors wanted.
#[skip_serializing_none]
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Processor {
    /// Cores in total, as a string.
    pub total_cores: Option<String>,
    /// Model name.
    pub model: Option<String>,
}

/// PCI devices wanted.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PciDevice {
    /// Types such as `SSD`, one device each.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<Vec<Value>>,
}

/// What a node must have.
#[skip_serializing_none]
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Requirements {
    /// Memory wanted.
    pub memory: Option<Memory>,
    /// Processors wanted.
    pub processor: Option<Processor>,
    /// PCI devices wanted.
    pub pci_device: Option<PciDevice>,
}

/// A stored flavor, which is also its v1 JSON.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Flavor {
    /// Id.
    pub uuid: String,
    /// Name.
    pub name: String,
    /// What a node of it must have, as given.
    pub properties: Requirements,
    /// `YYYY-MM-DD HH:MM:SS UTC`.
    pub created_at: String,
    /// `YYYY-MM-DD HH:MM:SS UTC`.
    pub updated_at: String,
}
