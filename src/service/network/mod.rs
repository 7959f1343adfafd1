//! The network service.

use super::{Handler, Reader};

/// The handler of an async kind of this service.
#[must_use]
pub fn handler_of(_kind: &str) -> Option<Handler> {
    None
}

/// The reader of a sync kind of this service.
#[must_use]
pub fn reader_of(_kind: &str) -> Option<Reader> {
    None
}
