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
    Encoder, GaugeVec, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
    TextEncoder,
};

/// Seconds: from a local answer to the longest wait of a v1 call.
const REQUEST_SECONDS: [f64; 14] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0, 120.0, 1000.0];

/// Seconds: from a no-op to the longest compose.
const WORK_SECONDS: [f64; 14] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0, 120.0, 600.0, 3600.0];

/// The families of a process.
pub struct Metrics {
    registry: Registry,
    /// The REST server.
    pub http: Http,
    /// Workers.
    pub work: Work,
    /// Schedulers.
    pub upkeep: Upkeep,
    /// How Pod Managers are spoken to.
    pub redfish: Redfish,
    /// How Pod Managers stand.
    pub podms: Podms,
    /// What Pod Managers measure and tell.
    pub telemetry: Telemetry,
    /// How nodes are placed.
    pub placement: Placement,
}

/// How nodes are placed.
pub struct Placement {
    /// What became of placements: placed; refused, by a Pod Manager that was chosen; and, where no candidate was left, each filter's reason.
    pub results: IntCounterVec,
    /// Seconds from the wish to the reservation.
    pub duration: HistogramVec,
}

/// How Pod Managers stand, by podm (`other` for all but the first) and gate (changes, reads).
pub struct Podms {
    /// Whether it was reachable at its last probe.
    pub up: IntGaugeVec,
    /// Its circuit: 0 closed, 1 half-open, 2 open.
    pub circuit: IntGaugeVec,
    /// Who is in a gate.
    pub in_flight: IntGaugeVec,
    /// How many may be.
    pub limit: IntGaugeVec,
    /// Stored tasks that wait.
    pub waiting: IntGaugeVec,
}

/// How Pod Managers are spoken to.
pub struct Redfish {
    /// Sessions that are open.
    pub sessions: IntGauge,
    /// Logins by what they came to: session, basic, unknown, refused.
    pub logins: IntCounterVec,
    /// Seconds from a request to its answer's header, by method and class of the status; none: not answered.
    pub requests: HistogramVec,
}

/// What Pod Managers measure and tell. The label `podm` holds names of the first Pod Managers, `other` for the rest.
pub struct Telemetry {
    /// Readings on hand, by podm and kind.
    pub readings: GaugeVec,
    /// Age in seconds of the newest readings, by podm.
    pub age: GaugeVec,
    /// Degrees Celsius, by podm and stat.
    pub temperature: GaugeVec,
    /// Watts, by podm and stat.
    pub power: GaugeVec,
    /// Volts, by podm and stat.
    pub voltage: GaugeVec,
    /// Joules, by podm and stat.
    pub energy: GaugeVec,
    /// Revolutions per second, by podm and stat.
    pub fan_speed: GaugeVec,
    /// Share of a fan's full speed, by podm and stat.
    pub fan_ratio: GaugeVec,
    /// Utilisation as a ratio, by podm and stat.
    pub utilisation: GaugeVec,
    /// Events received, by type and outcome.
    pub events: IntCounterVec,
}

/// What a worker counts.
pub struct Work {
    /// Attempts settled, by topic, kind and outcome.
    pub settled: IntCounterVec,
    /// Tasks that ended, by topic, kind and outcome.
    pub completed: IntCounterVec,
    /// Attempts that come back, by topic, kind and reason.
    pub retried: IntCounterVec,
    /// Tasks that became dead letters.
    pub dead_lettered: IntCounterVec,
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
            audit_lost: declare.keep(IntCounter::new(
                "valence_audit_lost_total",
                "Lines of the audit log that could not be written; they stand in the process's own log.",
            )),
        };
        let work = Self::work(&declare);
        let upkeep = Self::upkeep(&declare);
        let redfish = Redfish {
            sessions: declare.gauge("valence_redfish_sessions", "Sessions open at Pod Managers."),
            logins: declare.counters(
                "valence_redfish_logins_total",
                "Logins at Pod Managers, by what they came to.",
                &["outcome"],
            ),
            requests: declare.histograms(
                "valence_redfish_request_duration_seconds",
                "Time from a request to a Pod Manager to its answer's header.",
                &["method", "code_class"],
                &REQUEST_SECONDS,
            ),
        };
        let podms = Podms {
            up: declare.gauges("valence_podm_up", "1 when the Pod Manager was reachable at its last probe.", &["podm"]),
            circuit: declare.gauges(
                "valence_podm_circuit",
                "The Pod Manager's circuit breaker: 0 closed, 1 half-open, 2 open.",
                &["podm"],
            ),
            in_flight: declare.gauges(
                "valence_podm_in_flight",
                "Changes and reads of the Pod Manager under way.",
                &["podm", "gate"],
            ),
            limit: declare.gauges(
                "valence_podm_limit",
                "Changes and reads of the Pod Manager that may be under way at once.",
                &["podm", "gate"],
            ),
            waiting: declare.gauges(
                "valence_podm_waiting",
                "Stored tasks that wait for the Pod Manager.",
                &["podm", "gate"],
            ),
        };
        let telemetry = Self::telemetry(&declare);
        let placement = Placement {
            results: declare.counters(
                "valence_placement_results_total",
                "Placements, by what became of them: placed, refused by the Pod Manager, or why none was left.",
                &["reason"],
            ),
            duration: declare.histograms(
                "valence_placement_duration_seconds",
                "Time to choose a Pod Manager and reserve hardware there.",
                &[],
                &WORK_SECONDS,
            ),
        };
        Self { registry: declare.0, http, work, upkeep, redfish, podms, telemetry, placement }
    }

    fn telemetry(declare: &Declare) -> Telemetry {
        let reading = |name: &str, help: &str| {
            declare.keep(GaugeVec::new(Opts::new(format!("valence_reading_{name}"), help), &["podm", "stat"]))
        };
        Telemetry {
            readings: declare.keep(GaugeVec::new(
                Opts::new("valence_readings", "Readings on hand, by Pod Manager and kind."),
                &["podm", "kind"],
            )),
            age: declare.keep(GaugeVec::new(
                Opts::new("valence_reading_age_seconds", "Age of the newest readings of a Pod Manager."),
                &["podm"],
            )),
            temperature: reading("temperature_celsius", "Lowest and highest temperature."),
            power: reading("power_watts", "Lowest and highest power, and the sum of what whole chassis draw."),
            voltage: reading("voltage_volts", "Lowest and highest voltage."),
            energy: reading("energy_joules", "Lowest and highest energy counter."),
            fan_speed: reading("fan_speed_hertz", "Lowest and highest fan speed, revolutions per second."),
            fan_ratio: reading("fan_speed_ratio", "Lowest and highest fan speed, as a share of full speed."),
            utilisation: reading("utilisation_ratio", "Lowest and highest utilisation."),
            events: declare.counters(
                "valence_events_received_total",
                "Events received from Pod Managers, by type and outcome.",
                &["type", "outcome"],
            ),
        }
    }

    fn work(declare: &Declare) -> Work {
        let kinds = ["topic", "kind"];
        Work {
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
            dead_lettered: declare.counters("valence_tasks_dead_lettered_total", "Tasks that failed for good.", &kinds),
            fenced: declare.counters(
                "valence_tasks_fenced_total",
                "Settles refused because the claim was somebody else's.",
                &kinds,
            ),
            queue_wait: declare.histograms(
                "valence_task_queue_wait_seconds",
                "Time from acceptance to the first claim.",
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

    fn upkeep(declare: &Declare) -> Upkeep {
        Upkeep {
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
