//! The storage service: storages and their volumes, pooled devices.

pub(super) mod attachment;
pub mod device_attach;
pub mod device_detach;
pub mod device_reads;
pub mod device_sync;
pub(super) mod link;
mod place;
pub mod reads;
pub mod volume_create;
pub mod volume_delete;
mod volume_mark;
pub mod volume_return;

use super::{Handler, Reader, handler, reader};

/// The handler of an async kind of this service.
#[must_use]
pub fn handler_of(kind: &str) -> Option<Handler> {
    Some(match kind {
        "device.attach" => handler!(device_attach),
        "device.detach" => handler!(device_detach),
        "device.sync" => handler!(device_sync),
        "volume.create" => handler!(volume_create),
        "volume.delete" => handler!(volume_delete),
        "volume.return" => handler!(volume_return),
        _ => return None,
    })
}

/// The reader of a sync kind of this service.
#[must_use]
pub fn reader_of(kind: &str) -> Option<Reader> {
    Some(match kind {
        "device.list" => reader!(device_reads::list),
        "device.get" => reader!(device_reads::get),
        "storage.list" => reader!(reads::list),
        "storage.get" => reader!(reads::get),
        _ => return None,
    })
}
