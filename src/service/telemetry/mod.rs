//! The telemetry service: readings, events, subscriptions.

pub mod collect;
pub mod events;
pub mod own;
pub mod readings;
pub mod subscription_create;
pub mod subscription_delete;
pub mod subscriptions;

use super::{Handler, Reader, handler, reader};

/// The handler of an async kind of this service.
#[must_use]
pub fn handler_of(kind: &str) -> Option<Handler> {
    Some(match kind {
        "telemetry.collect" => handler!(collect),
        "subscription.create" => handler!(subscription_create),
        "subscription.delete" => handler!(subscription_delete),
        _ => return None,
    })
}

/// The reader of a sync kind of this service.
#[must_use]
pub fn reader_of(kind: &str) -> Option<Reader> {
    Some(match kind {
        "reading.list" => reader!(readings::list),
        "event.list" => reader!(events::list),
        "subscription.list" => reader!(subscriptions::list),
        _ => return None,
    })
}
