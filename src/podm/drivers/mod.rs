//! The dialects that are spoken, one folder each.

pub mod expether;
pub mod redfish;
pub mod redfishv1;

use std::sync::Arc;

use super::driver::Driver;
use super::http::Client;
use crate::model::driver::{self, DriverInfo};

/// Makes a driver of a client.
pub type Make = fn(Client) -> Arc<dyn Driver>;

/// Every driver: what it is, and how to make it.
pub const DRIVERS: &[(DriverInfo, Make)] =
    &[(driver::REDFISHV1, redfishv1::make), (driver::REDFISH, redfish::make), (driver::EXPETHER, expether::make)];

/// The driver of a name.
#[must_use]
pub fn find(name: &str) -> Option<Make> {
    DRIVERS.iter().find(|(known, _)| known.name == name).map(|(_, make)| *make)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_api_lists_is_what_there_is() {
        let made: Vec<DriverInfo> = DRIVERS.iter().map(|(info, _)| *info).collect();
        assert_eq!(made, driver::DRIVERS);
    }
}
