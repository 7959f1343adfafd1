//! What is told of one request to a Pod Manager: its time in the metrics, its line in the log, its span in the trace.

use std::time::Instant;

use reqwest::header::HeaderName;

use super::error::Cause;
use crate::observe::trace::{Side, Span};
use crate::observe::{metrics, trace};

/// Carries the trace and the span that a request belongs to.
pub(super) const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// A request under way.
pub(super) struct Told<'a> {
    podm: &'a str,
    method: &'static str,
    path: &'a str,
    began: Instant,
    span: Span,
}

impl<'a> Told<'a> {
    /// One that is about to be sent: a span of what asks for it.
    pub(super) fn begin(podm: &'a str, method: &'static str, path: &'a str) -> Self {
        Self { podm, method, path, began: Instant::now(), span: Span::begin(Side::Client, trace::current()) }
    }

    /// Its trace context, for [`TRACEPARENT`].
    pub(super) fn traceparent(&self) -> String {
        self.span.context.to_string()
    }

    /// It was answered.
    pub(super) fn answered(self, status: u16) {
        let ms = self.count(status);
        tracing::debug!(podm = %self.podm, method = self.method, path = self.path, status, ms, "redfish");
        self.end(&status.to_string(), (status >= 400).then_some("refused"));
    }

    /// It was not answered.
    pub(super) fn failed(self, cause: &Cause) {
        let ms = self.count(0);
        tracing::debug!(podm = %self.podm, method = self.method, path = self.path, error = %cause, ms, "redfish");
        self.end("none", Some(&cause.to_string()));
    }

    /// Books how long it took, and says it in ms; 0 is the status of one that was not answered.
    fn count(&self, status: u16) -> u64 {
        let class = ["none", "1xx", "2xx", "3xx", "4xx", "5xx"].get(usize::from(status / 100)).unwrap_or(&"other");
        let took = self.began.elapsed();
        metrics::get().redfish.requests.with_label_values(&[self.method, *class]).observe(took.as_secs_f64());
        u64::try_from(took.as_millis()).unwrap_or(u64::MAX)
    }

    fn end(self, status: &str, error: Option<&str>) {
        let (method, path) = (self.method, self.path.split('?').next().unwrap_or(self.path));
        let words = [
            ("http.request.method", method),
            ("url.path", path),
            ("http.response.status_code", status),
            ("valence.podm", self.podm),
        ];
        self.span.end(|| format!("{method} Redfish"), &words, error);
    }
}
