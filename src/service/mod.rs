//! What a task *does*: one file per kind. A handler gets a [`Context`], returns a value or a [`Verdict`], and never writes a state.
//!
//! Every step of a changing kind has an undo, and a handler run twice leaves the PODM as if run once: before each changing request it
//! saves what it is about to do ([`Context::about_to_change`]), after it what came of it ([`Context::checkpoint`]); on a later attempt
//! it looks first and continues. docs/adding-a-kind.md walks through it.

pub mod compute;
pub mod context;
pub mod effect;
pub mod equality;
pub mod gather;
pub mod hardware;
pub mod network;
pub mod noop;
pub mod read_context;
pub mod scheduler;
pub mod sleep;
pub mod storage;
pub mod telemetry;
pub mod verdict;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use serde_json::Value;

use crate::model::problem::Problem;
pub use context::Context;
pub use read_context::ReadContext;
pub use verdict::Verdict;

/// A handler's future.
pub type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Handler of an async kind.
#[derive(Clone, Copy)]
pub struct Handler {
    /// Does the work; `Ok` is the result.
    pub run: fn(Arc<Context>) -> Boxed<Result<Value, Verdict>>,
    /// Takes back what `run` has done so far; called before the task ends as cancelled or failed. Safe to call twice.
    pub undo: fn(Arc<Context>) -> Boxed<Result<(), Verdict>>,
}

/// Reader of a sync kind.
pub type Reader = fn(Arc<ReadContext>, Value) -> Boxed<Result<Value, Problem>>;

/// A handler from a file's `run` and `undo`.
macro_rules! handler {
    ($($path:ident)::+) => {
        $crate::service::Handler {
            run: |ctx| Box::pin(async move { $($path)::+::run(&ctx).await }),
            undo: |ctx| Box::pin(async move { $($path)::+::undo(&ctx).await }),
        }
    };
}
/// A reader from an async function of context and parameters.
macro_rules! reader {
    ($($path:ident)::+) => {
        (|ctx, params| Box::pin(async move { $($path)::+(&ctx, params).await })) as $crate::service::Reader
    };
}
pub(crate) use {handler, reader};

/// The handler of an async kind.
#[must_use]
pub fn handler_of(kind: &str) -> Option<Handler> {
    match kind {
        "noop" => Some(handler!(noop)),
        "sleep" => Some(handler!(sleep)),
        _ => compute::handler_of(kind)
            .or_else(|| storage::handler_of(kind))
            .or_else(|| network::handler_of(kind))
            .or_else(|| telemetry::handler_of(kind))
            .or_else(|| scheduler::handler_of(kind)),
    }
}

/// The reader of a sync kind.
#[must_use]
pub fn reader_of(kind: &str) -> Option<Reader> {
    match kind {
        "echo" => Some(reader!(noop::echo)),
        _ => compute::reader_of(kind)
            .or_else(|| storage::reader_of(kind))
            .or_else(|| network::reader_of(kind))
            .or_else(|| telemetry::reader_of(kind))
            .or_else(|| scheduler::reader_of(kind)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::kind::{self, Mode};

    #[test]
    fn every_kind_has_its_handler_and_only_one() {
        for kind in kind::all() {
            let found = (handler_of(kind.name).is_some(), reader_of(kind.name).is_some());
            assert_eq!(found, (kind.mode == Mode::Async, kind.mode == Mode::Sync), "{}", kind.name);
        }
    }
}
