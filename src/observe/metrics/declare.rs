//! How a family is made: registered once, with the labels and buckets of its kind.

use prometheus::core::Collector;
use prometheus::process_collector::ProcessCollector;
use prometheus::{HistogramOpts, HistogramVec, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};

/// Seconds: from a local answer to the longest wait of a v1 call.
pub(super) const REQUEST_SECONDS: [f64; 14] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0, 120.0, 1000.0];

/// Seconds: from a no-op to the longest compose.
pub(super) const WORK_SECONDS: [f64; 14] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0, 120.0, 600.0, 3600.0];

/// Makes and registers families.
pub(super) struct Declare(pub(super) Registry);

/// A wrong name, or one used twice, is a mistake in this module that its test finds; no process runs on with it.
fn sound<T>(made: Result<T, prometheus::Error>) -> T {
    made.unwrap_or_else(|error| {
        tracing::error!(%error, "a metric is declared wrongly");
        std::process::abort()
    })
}

impl Declare {
    pub(super) fn keep<C: Collector + Clone + 'static>(&self, family: Result<C, prometheus::Error>) -> C {
        let family = sound(family);
        sound(self.0.register(Box::new(family.clone())));
        family
    }

    pub(super) fn counters(&self, name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
        self.keep(IntCounterVec::new(Opts::new(name, help), labels))
    }

    pub(super) fn gauge(&self, name: &str, help: &str) -> IntGauge {
        self.keep(IntGauge::new(name, help))
    }

    pub(super) fn gauges(&self, name: &str, help: &str, labels: &[&str]) -> IntGaugeVec {
        self.keep(IntGaugeVec::new(Opts::new(name, help), labels))
    }

    pub(super) fn histograms(&self, name: &str, help: &str, labels: &[&str], buckets: &[f64]) -> HistogramVec {
        self.keep(HistogramVec::new(HistogramOpts::new(name, help).buckets(buckets.to_vec()), labels))
    }

    pub(super) fn build_info(&self) {
        let info = self.gauges("valence_build_info", "1; the labels say which build this is.", &["version"]);
        info.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
    }

    pub(super) fn process(&self) {
        sound(self.0.register(Box::new(ProcessCollector::for_self())));
    }
}
