//! The network service: switches, ports, interfaces, VLANs.

mod place;
pub mod reads;
pub mod vlan_assign;
pub mod vlan_create;
pub mod vlan_delete;
mod vlan_set;
pub mod vlan_unassign;

use super::{Handler, Reader, handler, reader};

/// The handler of an async kind of this service.
#[must_use]
pub fn handler_of(kind: &str) -> Option<Handler> {
    Some(match kind {
        "vlan.create" => handler!(vlan_create),
        "vlan.delete" => handler!(vlan_delete),
        "vlan.assign" => handler!(vlan_assign),
        "vlan.unassign" => handler!(vlan_unassign),
        _ => return None,
    })
}

/// The reader of a sync kind of this service.
#[must_use]
pub fn reader_of(kind: &str) -> Option<Reader> {
    Some(match kind {
        "switch.list" => reader!(reads::switches),
        "switch.get" => reader!(reads::switch),
        "port.list" => reader!(reads::ports),
        "interface.list" => reader!(reads::interfaces),
        "vlan.list" => reader!(reads::vlans),
        _ => return None,
    })
}
