//! How Pod Managers stand, how they are spoken to, and what they measure and tell.

use prometheus::{GaugeVec, HistogramVec, IntCounterVec, IntGauge, IntGaugeVec, Opts};

use super::declare::{Declare, REQUEST_SECONDS};

/// How Pod Managers stand, by podm (`other` for all but the first and those in trouble) and gate (changes, reads).
pub struct Podms {
    /// How many there are, by the worst that can be said of each: down, open, half_open, well.
    pub standings: IntGaugeVec,
    /// How many are known as they were a while ago only, by what is old: readings, inventory.
    pub old: IntGaugeVec,
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

impl Podms {
    pub(super) fn declare(declare: &Declare) -> Self {
        Self {
            standings: declare.gauges(
                "valence_podms",
                "Pod Managers by the worst that can be said of each: down, its circuit open or half_open, well.",
                &["standing"],
            ),
            old: declare.gauges(
                "valence_podms_old",
                "Pod Managers whose readings or inventory are older than they should be.",
                &["what"],
            ),
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
        }
    }
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

impl Redfish {
    pub(super) fn declare(declare: &Declare) -> Self {
        Self {
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
        }
    }
}

/// What Pod Managers measure and tell. The label `podm` is `other` for all but the first and those whose readings are old.
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

impl Telemetry {
    pub(super) fn declare(declare: &Declare) -> Self {
        let reading = |name: &str, help: &str| {
            declare.keep(GaugeVec::new(Opts::new(format!("valence_reading_{name}"), help), &["podm", "stat"]))
        };
        Self {
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
}
