//! The storage service: storages and their volumes.

mod place;
pub mod reads;
pub mod volume_create;
pub mod volume_delete;
mod volume_mark;

use super::{Handler, Reader, handler, reader};

/// The handler of an async kind of this service.
#[must_use]
pub fn handler_of(kind: &str) -> Option<Handler> {
    Some(match kind {
        "volume.create" => handler!(volume_create),
        "volume.delete" => handler!(volume_delete),
        _ => return None,
    })
}

/// The reader of a sync kind of this service.
#[must_use]
pub fn reader_of(kind: &str) -> Option<Reader> {
    Some(match kind {
        "storage.list" => reader!(reads::list),
        "storage.get" => reader!(reads::get),
        _ => return None,
    })
}
