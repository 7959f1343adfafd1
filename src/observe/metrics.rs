//! Every metric of every process, declared once, here.
//!
//! One registry a process ([`get`]), so that `valence up`, which runs all parts in one process, shows all families on one page. Names are
//! `valence_<noun>_<unit>`, units are base units, and no label ever holds a task's, node's or token's id: each is a word of a short list.
//! A family without children prints nothing, so a process shows only what it does. A part adds its families as one more struct
//! below, with one more field in [`Metrics`].

use std::sync::LazyLock;

use prometheus::core::Collector;
use prometheus::process_collector::ProcessCollector;
use prometheus::{
    Encoder, HistogramOpts, HistogramVec, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry, TextEncoder,
};

/// Seconds: from a local answer to the longest wait of a v1 call.
const REQUEST_SECONDS: [f64; 14] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0, 120.0, 1000.0];

/// The families of a process.
pub struct Metrics {
    registry: Registry,
    /// The REST server.
    pub http: Http,
}

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
}

static METRICS: LazyLock<Metrics> = LazyLock::new(Metrics::new);

/// The process's families.
#[must_use]
pub fn get() -> &'static Metrics {
    &METRICS
}

impl Metrics {
    fn new() -> Self {
        let declare = Declare(Registry::new());
        declare.build_info();
        declare.process();
        let http = Http {
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
        };
        Self { registry: declare.0, http }
    }

    /// The page that Prometheus reads.
    #[must_use]
    pub fn page(&self) -> String {
        let mut text = Vec::new();
        if let Err(error) = TextEncoder::new().encode(&self.registry.gather(), &mut text) {
            tracing::error!(%error, "metrics not encodable");
        }
        String::from_utf8(text).unwrap_or_default()
    }
}

/// Makes and registers families.
struct Declare(Registry);

/// A wrong name, or one used twice, is a mistake in this file that the test below finds; no process runs on with it.
fn sound<T>(made: Result<T, prometheus::Error>) -> T {
    made.unwrap_or_else(|error| {
        tracing::error!(%error, "a metric is declared wrongly");
        std::process::abort()
    })
}

impl Declare {
    fn keep<C: Collector + Clone + 'static>(&self, family: Result<C, prometheus::Error>) -> C {
        let family = sound(family);
        sound(self.0.register(Box::new(family.clone())));
        family
    }

    fn counters(&self, name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
        self.keep(IntCounterVec::new(Opts::new(name, help), labels))
    }

    fn gauge(&self, name: &str, help: &str) -> IntGauge {
        self.keep(IntGauge::new(name, help))
    }

    fn gauges(&self, name: &str, help: &str, labels: &[&str]) -> IntGaugeVec {
        self.keep(IntGaugeVec::new(Opts::new(name, help), labels))
    }

    fn histograms(&self, name: &str, help: &str, labels: &[&str], buckets: &[f64]) -> HistogramVec {
        self.keep(HistogramVec::new(HistogramOpts::new(name, help).buckets(buckets.to_vec()), labels))
    }

    fn build_info(&self) {
        let info = self.gauges("valence_build_info", "1; the labels say which build this is.", &["version"]);
        info.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
    }

    fn process(&self) {
        sound(self.0.register(Box::new(ProcessCollector::for_self())));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_family_is_declared_soundly_and_the_page_says_which_build_it_is() {
        let page = get().page();
        assert!(page.contains("valence_build_info{version="), "{page}");
        assert!(page.contains("# HELP valence_http_requests_in_flight"), "{page}");
    }
}
