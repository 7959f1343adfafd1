//! The compute service: nodes, systems, flavors.

mod enrolment;
mod filter;
pub mod flavor_create;
pub mod flavor_delete;
pub mod flavor_update;
mod flavors;
pub mod node_action;
pub mod node_compose;
pub mod node_delete;
pub mod node_manage;
pub mod node_register;
pub mod node_return;
pub mod proxy;
pub mod racks;
pub mod reads;
mod removal;
pub(super) mod reservation;
pub mod systems;

use super::{Handler, Reader, handler, reader};

/// The handler of an async kind of this service.
#[must_use]
pub fn handler_of(kind: &str) -> Option<Handler> {
    Some(match kind {
        "node.compose" => handler!(node_compose),
        "node.delete" => handler!(node_delete),
        "node.action" => handler!(node_action),
        "node.manage" => handler!(node_manage),
        "node.register" => handler!(node_register),
        "node.return" => handler!(node_return),
        "proxy.write" => handler!(proxy),
        "flavor.create" => handler!(flavor_create),
        "flavor.update" => handler!(flavor_update),
        "flavor.delete" => handler!(flavor_delete),
        _ => return None,
    })
}

/// The reader of a sync kind of this service.
#[must_use]
pub fn reader_of(kind: &str) -> Option<Reader> {
    Some(match kind {
        "node.list" => reader!(reads::node_list),
        "node.get" => reader!(reads::node_get),
        "flavor.list" => reader!(reads::flavor_list),
        "flavor.get" => reader!(reads::flavor_get),
        "proxy.read" => reader!(proxy::read),
        "rack.list" | "rack.get" => reader!(racks::list),
        "system.list" | "system.get" => reader!(systems::list),
        _ => return None,
    })
}
