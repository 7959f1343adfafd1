//! The drivers there are, as data: what the API lists. `podm` has one folder for each.

use serde::Serialize;
use utoipa::ToSchema;

/// A dialect that Valence speaks with Pod Managers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct DriverInfo {
    /// What a Pod Manager's record calls it.
    pub name: &'static str,
    /// One line for people.
    pub description: &'static str,
    /// What can be asked of it: `compose`, `blocks` (nodes are put together of parts, devices among them), `devices`
    /// (pooled ones are attached), `storage`, `network`, `telemetry`.
    pub can: &'static [&'static str],
}

/// Intel Rack Scale Design.
pub const REDFISHV1: DriverInfo = DriverInfo {
    name: "redfishv1",
    description: "Intel Rack Scale Design: nodes are allocated and assembled by the Pod Manager",
    can: &["compose", "devices", "storage", "network", "telemetry"],
};

/// DMTF's standard Redfish.
pub const REDFISH: DriverInfo = DriverInfo {
    name: "redfish",
    description: "standard Redfish: nodes are composed of resource blocks, or are servers as they stand",
    can: &["compose", "blocks", "storage", "network", "telemetry"],
};

/// Every driver.
pub const DRIVERS: [DriverInfo; 2] = [REDFISHV1, REDFISH];
