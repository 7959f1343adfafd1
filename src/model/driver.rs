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
    /// Whether it may be spoken to in sessions; else every request proves who sends it.
    #[serde(skip)]
    pub sessions: bool,
}

/// Intel Rack Scale Design.
pub const REDFISHV1: DriverInfo = DriverInfo {
    name: "redfishv1",
    description: "Intel Rack Scale Design: nodes are allocated and assembled by the Pod Manager",
    can: &["compose", "devices", "storage", "network", "telemetry"],
    sessions: true,
};

/// DMTF's standard Redfish.
pub const REDFISH: DriverInfo = DriverInfo {
    name: "redfish",
    description: "standard Redfish: nodes are composed of resource blocks, or are servers as they stand",
    can: &["compose", "blocks", "devices", "storage", "network", "telemetry"],
    sessions: true,
};

/// NEC ExpEther.
pub const EXPETHER: DriverInfo = DriverInfo {
    name: "expether",
    description: "NEC ExpEther Manager: nodes are machines as they stand, with PCIe devices of a pool attached over Ethernet",
    can: &["compose", "devices"],
    sessions: false,
};

/// Every driver.
pub const DRIVERS: &[DriverInfo] = &[REDFISHV1, REDFISH, EXPETHER];

impl DriverInfo {
    /// The driver of a name.
    #[must_use]
    pub fn find(name: &str) -> Option<&'static Self> {
        DRIVERS.iter().find(|known| known.name == name)
    }
}
