//! What a worker counts.

use prometheus::{HistogramVec, IntCounterVec, IntGaugeVec};

use super::declare::{Declare, WORK_SECONDS};

/// What a worker counts.
pub struct Work {
    /// Attempts settled, by topic, kind and outcome.
    pub settled: IntCounterVec,
    /// Tasks that ended, by topic, kind and outcome.
    pub completed: IntCounterVec,
    /// Attempts that come back, by topic, kind and reason.
    pub retried: IntCounterVec,
    /// Tasks that became dead letters and want a look.
    pub dead_lettered: IntCounterVec,
    /// Tasks that became dead letters by a refusal which their client was told.
    pub refused: IntCounterVec,
    /// Settles refused because the claim was somebody else's.
    pub fenced: IntCounterVec,
    /// Seconds from acceptance (or due time) to the claim.
    pub queue_wait: HistogramVec,
    /// Seconds from claim to settle.
    pub run_time: HistogramVec,
    /// Slots by state: busy, free.
    pub slots: IntGaugeVec,
    /// Reads answered, by kind and outcome.
    pub reads: IntCounterVec,
}

impl Work {
    pub(super) fn declare(declare: &Declare) -> Self {
        let kinds = ["topic", "kind"];
        Self {
            settled: declare.counters(
                "valence_attempts_settled_total",
                "Attempts settled, by outcome of the attempt.",
                &["topic", "kind", "outcome"],
            ),
            completed: declare.counters(
                "valence_tasks_completed_total",
                "Tasks ended by this worker: completed, failed or cancelled.",
                &["topic", "kind", "outcome"],
            ),
            retried: declare.counters(
                "valence_tasks_retried_total",
                "Attempts that come back: retry, park, release or undo.",
                &["topic", "kind", "reason"],
            ),
            dead_lettered: declare.counters(
                "valence_tasks_dead_lettered_total",
                "Tasks that failed for good and want a look.",
                &kinds,
            ),
            refused: declare.counters(
                "valence_tasks_refused_total",
                "Tasks that failed for good by a refusal (4xx) which the client that waited was told.",
                &kinds,
            ),
            fenced: declare.counters(
                "valence_tasks_fenced_total",
                "Settles refused because the claim was somebody else's.",
                &kinds,
            ),
            queue_wait: declare.histograms(
                "valence_task_queue_wait_seconds",
                "Time from acceptance, or from the time it was put off to, to the first claim.",
                &["topic"],
                &WORK_SECONDS,
            ),
            run_time: declare.histograms(
                "valence_task_run_seconds",
                "Time from claim to settle of one attempt.",
                &kinds,
                &WORK_SECONDS,
            ),
            slots: declare.gauges("valence_worker_slots", "Slots by state.", &["state"]),
            reads: declare.counters("valence_reads_total", "Reads answered.", &["kind", "outcome"]),
        }
    }
}
