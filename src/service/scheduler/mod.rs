//! The scheduler service: placement and Pod Managers.

pub mod children;
mod drift;
pub mod inventory_reads;
pub mod inventory_refresh;
mod line;
mod lost_sessions;
pub mod node_place;
pub mod placement_preview;
pub mod podm_cordon;
pub mod podm_create;
pub mod podm_delete;
pub mod podm_probe;
pub mod podm_update;
mod reach;
pub mod reads;
mod sweep;
mod wish;

use super::{Handler, Reader, handler, reader};

/// The handler of an async kind of this service.
#[must_use]
pub fn handler_of(kind: &str) -> Option<Handler> {
    Some(match kind {
        "node.place" => handler!(node_place),
        "podm.cordon" => handler!(podm_cordon),
        "inventory.refresh" => handler!(inventory_refresh),
        "podm.create" => handler!(podm_create),
        "podm.update" => handler!(podm_update),
        "podm.delete" => handler!(podm_delete),
        "podm.probe" => handler!(podm_probe),
        _ => return None,
    })
}

/// The reader of a sync kind of this service.
#[must_use]
pub fn reader_of(kind: &str) -> Option<Reader> {
    Some(match kind {
        "placement.preview" => reader!(placement_preview::preview),
        "inventory.list" => reader!(inventory_reads::list),
        "inventory.get" => reader!(inventory_reads::get),
        "drift.list" => reader!(inventory_reads::drift),
        "podm.list" => reader!(reads::podm_list),
        "podm.get" => reader!(reads::podm_get),
        _ => return None,
    })
}
