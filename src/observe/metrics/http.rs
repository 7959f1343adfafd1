//! What the REST server counts.

use prometheus::{HistogramVec, IntCounter, IntCounterVec, IntGauge};

use super::declare::{Declare, REQUEST_SECONDS};

/// What the REST server counts.
pub struct Http {
    /// Requests by method, route template and class of the status.
    pub requests: IntCounterVec,
    /// Seconds from the request's header to the answer's.
    pub duration: HistogramVec,
    /// Requests being answered.
    pub in_flight: IntGauge,
    /// Open connections.
    pub connections: IntGauge,
    /// Connections turned away because there were too many.
    pub refused: IntCounterVec,
    /// Tasks this process has enqueued, by topic and kind.
    pub enqueued: IntCounterVec,
    /// Lines of the audit log that could not be written.
    pub audit_lost: IntCounter,
}

impl Http {
    pub(super) fn declare(declare: &Declare) -> Self {
        Self {
            requests: declare.counters(
                "valence_http_requests_total",
                "Requests answered, by method, route and class of the status.",
                &["method", "route", "code_class"],
            ),
            duration: declare.histograms(
                "valence_http_request_duration_seconds",
                "Time from a request's header to its answer's, waits included.",
                &["method", "route"],
                &REQUEST_SECONDS,
            ),
            in_flight: declare.gauge("valence_http_requests_in_flight", "Requests being answered."),
            connections: declare.gauge("valence_http_connections", "Open connections."),
            refused: declare.counters(
                "valence_http_connections_refused_total",
                "Connections turned away, by reason.",
                &["reason"],
            ),
            enqueued: declare.counters(
                "valence_tasks_enqueued_total",
                "Tasks this process has stored and enqueued.",
                &["topic", "kind"],
            ),
            audit_lost: declare.keep(IntCounter::new(
                "valence_audit_lost_total",
                "Lines of the audit log that could not be written; they stand in the process's own log.",
            )),
        }
    }
}
