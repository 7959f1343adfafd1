//! What a scheduler counts and measures, and how nodes are placed.

use prometheus::{GaugeVec, HistogramVec, IntCounterVec, IntGaugeVec, Opts};

use super::declare::{Declare, WORK_SECONDS};

/// What a scheduler counts.
pub struct Upkeep {
    /// Entries taken back from silent workers, by what became of them.
    pub reclaimed: IntCounterVec,
    /// Delayed tasks put into their streams.
    pub promoted: IntCounterVec,
    /// Tasks put back where their state says they are.
    pub repaired: IntCounterVec,
    /// Tasks by topic and state.
    pub depth: IntGaugeVec,
    /// Entries not yet taken, by topic.
    pub lag: IntGaugeVec,
    /// Entries that a worker holds, by topic.
    pub pending: IntGaugeVec,
    /// Age in seconds of the oldest entry not yet taken, by topic.
    pub oldest_age: GaugeVec,
    /// Live workers, by topic.
    pub workers: IntGaugeVec,
    /// Whether a topic is paused.
    pub paused: IntGaugeVec,
    /// Age in seconds of what is known of Pod Managers' hardware, by podm: names of the first, `other` for the rest.
    pub inventory_age: GaugeVec,
}

impl Upkeep {
    pub(super) fn declare(declare: &Declare) -> Self {
        Self {
            reclaimed: declare.counters(
                "valence_tasks_reclaimed_total",
                "Entries taken back from silent workers, by what became of them.",
                &["outcome"],
            ),
            promoted: declare.counters("valence_tasks_promoted_total", "Delayed tasks put into their streams.", &[]),
            repaired: declare.counters(
                "valence_tasks_repaired_total",
                "Tasks put back where their state says they are.",
                &[],
            ),
            depth: declare.gauges("valence_queue_depth", "Tasks that have not ended, by state.", &["topic", "state"]),
            lag: declare.gauges("valence_queue_lag", "Entries no worker has taken yet.", &["topic"]),
            pending: declare.gauges("valence_queue_pending", "Entries that a worker holds.", &["topic"]),
            oldest_age: declare.keep(GaugeVec::new(
                Opts::new("valence_queue_oldest_age_seconds", "Age of the oldest entry no worker has taken yet."),
                &["topic"],
            )),
            workers: declare.gauges("valence_queue_workers", "Live workers that serve the topic.", &["topic"]),
            paused: declare.gauges("valence_queue_paused", "1 while the topic is paused.", &["topic"]),
            inventory_age: declare.keep(GaugeVec::new(
                Opts::new("valence_inventory_age_seconds", "Age of what is known of a Pod Manager's hardware."),
                &["podm"],
            )),
        }
    }
}

/// How nodes are placed.
pub struct Placement {
    /// What became of placements: placed; refused, by a Pod Manager that was chosen; waits, for a place; and, where no candidate was left,
    /// each filter's reason.
    pub results: IntCounterVec,
    /// Seconds from the wish to the reservation.
    pub duration: HistogramVec,
}

impl Placement {
    pub(super) fn declare(declare: &Declare) -> Self {
        Self {
            results: declare.counters(
                "valence_placement_results_total",
                "Placements, by what became of them: placed, refused by the Pod Manager, waits for a place, or why none was left.",
                &["reason"],
            ),
            duration: declare.histograms(
                "valence_placement_duration_seconds",
                "Time to choose a Pod Manager and reserve hardware there.",
                &[],
                &WORK_SECONDS,
            ),
        }
    }
}
