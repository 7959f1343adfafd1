//! How Redis answers.

use prometheus::HistogramVec;

use super::declare::Declare;

/// Seconds: from a read on the same machine to the limit of a call.
const CALL_SECONDS: [f64; 12] = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0];

/// How Redis answers.
pub struct Store {
    /// Seconds from a call to its answer, by script or command.
    pub calls: HistogramVec,
}

impl Store {
    pub(super) fn declare(declare: &Declare) -> Self {
        Self {
            calls: declare.histograms(
                "valence_redis_call_duration_seconds",
                "Time from a call to Redis to its answer, by script or command; reads that wait for something are left out.",
                &["call"],
                &CALL_SECONDS,
            ),
        }
    }
}
