//! What a Pod Manager measured. A reading without a value is unknown, and never nought.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ReadingKind {
    /// Temperature.
    Temperature,
    /// Electrical power.
    Power,
    /// Speed of a fan.
    Fan,
    /// Voltage.
    Voltage,
    /// Energy used so far.
    Energy,
    /// How much of something is in use.
    Utilisation,
    /// Anything else.
    Other,
}

impl ReadingKind {
    /// Every kind.
    pub const ALL: [Self; 7] =
        [Self::Temperature, Self::Power, Self::Fan, Self::Voltage, Self::Energy, Self::Utilisation, Self::Other];

    /// The word in JSON, queries and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Temperature => "temperature",
            Self::Power => "power",
            Self::Fan => "fan",
            Self::Voltage => "voltage",
            Self::Energy => "energy",
            Self::Utilisation => "utilisation",
            Self::Other => "other",
        }
    }
}

/// One reading.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Reading {
    /// What it was read from, a path at the Pod Manager.
    pub resource_uri: String,
    /// Path of the chassis it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chassis: Option<String>,
    /// Path of the system it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system: Option<String>,
    /// Its name.
    pub name: String,
    /// What is measured.
    pub kind: ReadingKind,
    /// The value; null when the Pod Manager does not know it.
    pub value: Option<f64>,
    /// Unit as in UCUM: `Cel`, `W`, `V`, `RPM`, `%`, `kW.h` …; empty when it is not said.
    pub unit: String,
    /// `Status.State`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// `Status.Health`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<String>,
    /// When it was measured, where the Pod Manager says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// What a whole chassis draws, where none around it says so.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub whole: bool,
    /// From a metric report: a statistic of the past, perhaps, and perhaps of something that is read elsewhere too.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub reported: bool,
}

/// Lowest, highest and sum of the readings of one kind and unit.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// The kind's word.
    pub kind: String,
    /// The unit.
    pub unit: String,
    /// How many have a value.
    pub count: u64,
    /// The lowest.
    pub min: f64,
    /// The highest.
    pub max: f64,
    /// Sum of those of whole chassis; `None` where there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub whole: Option<f64>,
}

/// One summary for each kind and unit. Reports are left out: they say again, and later, what was measured.
#[must_use]
pub fn summaries(readings: &[Reading]) -> Vec<Summary> {
    let mut all: Vec<Summary> = Vec::new();
    for r in readings.iter().filter(|r| !r.reported) {
        let Some(value) = r.value else { continue };
        let found = all.iter().position(|s| s.kind == r.kind.as_str() && s.unit == r.unit);
        let at = found.unwrap_or_else(|| {
            let (kind, unit) = (r.kind.as_str().to_owned(), r.unit.clone());
            all.push(Summary { kind, unit, min: value, max: value, ..Summary::default() });
            all.len() - 1
        });
        let s = &mut all[at];
        (s.count, s.min, s.max) = (s.count + 1, s.min.min(value), s.max.max(value));
        if r.whole {
            s.whole = Some(s.whole.unwrap_or(0.0) + value);
        }
    }
    all
}
