//! The dialects that are spoken, one folder each.

pub mod redfish;
pub mod redfishv1;

use std::sync::Arc;

use super::driver::Driver;
use super::http::Client;

/// Makes a driver of a client.
pub type Make = fn(Client) -> Arc<dyn Driver>;

/// Every driver: name, how to make it, one line for people.
pub const DRIVERS: [(&str, Make, &str); 2] = [
    ("redfishv1", redfishv1::make, "Intel Rack Scale Design: nodes are allocated and assembled by the Pod Manager"),
    ("redfish", redfish::make, "standard Redfish: nodes are composed of resource blocks, or are servers as they stand"),
];

/// The driver of a name.
#[must_use]
pub fn find(name: &str) -> Option<Make> {
    DRIVERS.iter().find(|(known, ..)| *known == name).map(|(_, make, _)| *make)
}
