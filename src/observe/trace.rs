//! Following one request through all processes: each request, attempt and Redfish call is a span of its caller's trace.
//!
//! The span that code runs under is the task's (tokio's) own, so that what asks a Pod Manager need not be handed it. Spans go to a collector
//! where the executable is built with the feature `otlp` and a collector is configured; ids travel and stand in the logs in any case.

use std::time::SystemTime;

#[cfg(feature = "otlp")]
use super::otlp;
use crate::model::trace::TraceContext;

tokio::task_local! {
    static CURRENT: TraceContext;
}

/// The span that this code runs under.
#[must_use]
pub fn current() -> Option<TraceContext> {
    CURRENT.try_with(|context| *context).ok()
}

/// The same as a header, or as it stands on a task.
#[must_use]
pub fn traceparent() -> Option<String> {
    current().map(|context| context.to_string())
}

/// Work that another task carries out, under the span that this code runs under.
pub async fn carried<T>(work: impl Future<Output = T>) -> T {
    match current() {
        Some(context) => CURRENT.scope(context, work).await,
        None => work.await,
    }
}

/// Spans go to this collector from here on, when there is one; [`Collected::end`] sends the last of them.
///
/// # Errors
/// When the endpoint is no URL, or this executable was built without `otlp`.
pub fn collect(endpoint: Option<&str>, deployment: &str) -> Result<Collected, String> {
    let Some(endpoint) = endpoint else { return Ok(Collected) };
    #[cfg(feature = "otlp")]
    return otlp::init(endpoint, deployment).map(|()| Collected);
    #[cfg(not(feature = "otlp"))]
    Err(format!(
        "{deployment} cannot send to {endpoint}: this executable was built without it; build with `--features otlp`"
    ))
}

/// That ended spans are collected, for as long as the process lives.
#[must_use]
#[derive(Debug)]
pub struct Collected;

impl Collected {
    /// Sends what has not been sent yet. Takes the time of one request to the collector, at most 5 s.
    pub fn end(self) {
        #[cfg(feature = "otlp")]
        otlp::flush();
    }
}

/// On which side of a call a span is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// It answers somebody.
    Server,
    /// It asks somebody.
    Client,
    /// It does what was enqueued.
    Consumer,
}

/// A piece of work that has begun.
#[derive(Debug, Clone)]
pub struct Span {
    /// Which it is.
    pub context: TraceContext,
    /// The span that caused it.
    pub parent: Option<TraceContext>,
    /// A span of another trace that it goes on with.
    pub follows: Option<TraceContext>,
    /// Which side it is.
    pub side: Side,
    /// When it began.
    pub began: SystemTime,
}

impl Span {
    /// Begins a span below `parent`, or a trace of its own.
    #[must_use]
    pub fn begin(side: Side, parent: Option<TraceContext>) -> Self {
        let context = parent.map_or_else(TraceContext::root, TraceContext::child);
        Self { context, parent, follows: None, side, began: SystemTime::now() }
    }

    /// Begins a trace of its own that goes on with what another began.
    #[must_use]
    pub fn following(side: Side, other: TraceContext) -> Self {
        let context = TraceContext { sampled: other.sampled, ..TraceContext::root() };
        Self { context, parent: None, follows: Some(other), side, began: SystemTime::now() }
    }

    /// Runs something under this span.
    pub async fn around<T>(&self, work: impl Future<Output = T>) -> T {
        CURRENT.scope(self.context, work).await
    }

    /// Ends it: `name` says what it was, `words` more of it, `error` why it failed, if it did.
    pub fn end(self, name: impl FnOnce() -> String, words: &[(&'static str, &str)], error: Option<&str>) {
        #[cfg(feature = "otlp")]
        if self.context.sampled {
            otlp::send(self, name, words, error);
        }
        #[cfg(not(feature = "otlp"))]
        let _nobody_collects = (name, words, error);
    }
}
