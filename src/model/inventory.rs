//! What a Pod Manager has, as its last refresh found it: what placement chooses by.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// One Pod Manager's hardware, counted.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Inventory {
    /// The Pod Manager.
    pub podm_id: String,
    /// When it was read, ms since 1970 by Redis's clock.
    pub at_ms: u64,
    /// How long reading it took, ms.
    pub took_ms: u64,
    /// Computer systems.
    pub systems: u32,
    /// Racks.
    pub racks: u32,
    /// Composed nodes, ours and others'.
    pub nodes: u32,
    /// Pooled devices.
    pub devices: u32,
    /// Those of them that no node has.
    pub devices_free: u32,
    /// Computer systems by what they are made of, a bounded number of unlike shapes.
    pub shapes: Vec<Shape>,
}

/// Computer systems that are alike.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Shape {
    /// Processor cores of each.
    pub cores: u32,
    /// Memory of each, MiB.
    pub memory_mib: u64,
    /// Processor model, when it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// How many there are.
    pub total: u32,
    /// How many of them no node has.
    pub free: u32,
}
