//! From a resource's fields to readings: which field measures what, and in which unit.

use super::super::resource::Resource;
use crate::model::reading::{Reading, ReadingKind};

/// What a reading belongs to.
#[derive(Debug, Clone, Default)]
pub(super) struct Owner {
    pub(super) chassis: Option<String>,
    pub(super) system: Option<String>,
}

/// Endings of names with kind and unit, the longest first where one ends another.
const NAMES: [(&str, ReadingKind, &str); 19] = [
    ("celsius", ReadingKind::Temperature, "Cel"),
    ("temperature", ReadingKind::Temperature, "Cel"),
    ("outputwatts", ReadingKind::Power, "W"),
    ("watts", ReadingKind::Power, "W"),
    ("watt", ReadingKind::Power, "W"),
    ("volts", ReadingKind::Voltage, "V"),
    ("voltage", ReadingKind::Voltage, "V"),
    ("kwh", ReadingKind::Energy, "kW.h"),
    ("joules", ReadingKind::Energy, "J"),
    ("rpm", ReadingKind::Fan, "RPM"),
    ("fanspeedpercent", ReadingKind::Fan, "%"),
    ("speedpercent", ReadingKind::Fan, "%"),
    ("utilizationpercent", ReadingKind::Utilisation, "%"),
    ("percent", ReadingKind::Utilisation, "%"),
    ("percentage", ReadingKind::Utilisation, "%"),
    ("utilization", ReadingKind::Utilisation, "%"),
    ("amps", ReadingKind::Other, "A"),
    ("mhz", ReadingKind::Other, "MHz"),
    ("hz", ReadingKind::Other, "Hz"),
];

/// What a field of that name measures; `None` when its name does not say.
pub(super) fn by_name(name: &str) -> Option<(ReadingKind, &'static str)> {
    let name = name.to_ascii_lowercase();
    NAMES.iter().find(|(end, ..)| name.ends_with(end)).map(|(_, kind, unit)| (*kind, *unit))
}

/// What a sensor of that type and unit measures.
pub(super) fn by_type(kind: Option<&str>, unit: Option<&str>, name: &str) -> (ReadingKind, String) {
    let fan = name.to_ascii_lowercase().contains("fan");
    let known = match kind {
        Some("Temperature") => Some((ReadingKind::Temperature, "Cel")),
        Some("Power") => Some((ReadingKind::Power, "W")),
        Some("Voltage") => Some((ReadingKind::Voltage, "V")),
        Some("EnergykWh") => Some((ReadingKind::Energy, "kW.h")),
        Some("EnergyJoules") => Some((ReadingKind::Energy, "J")),
        Some("EnergyWh") => Some((ReadingKind::Energy, "W.h")),
        Some("Rotational") => Some((ReadingKind::Fan, "RPM")),
        Some("Percent") if fan => Some((ReadingKind::Fan, "%")),
        Some("Percent") => Some((ReadingKind::Utilisation, "%")),
        _ => None,
    };
    let by_unit = match unit {
        Some("Cel") => Some(ReadingKind::Temperature),
        Some("W") => Some(ReadingKind::Power),
        Some("V") => Some(ReadingKind::Voltage),
        Some("kW.h" | "J" | "W.h") => Some(ReadingKind::Energy),
        Some("RPM" | "{rev}/min") => Some(ReadingKind::Fan),
        Some("%") if fan => Some(ReadingKind::Fan),
        _ => None,
    };
    let kind = known.map(|(kind, _)| kind).or(by_unit).unwrap_or(ReadingKind::Other);
    let unit = match unit {
        Some("{rev}/min") => "RPM",
        Some(unit) => unit,
        None => known.map_or("", |(_, unit)| unit),
    };
    (kind, unit.to_owned())
}

/// A reading of the value at `field` of a resource or of a part of one. `None` when the field is absent; null is unknown. A field that
/// is no number is unknown too: one odd sensor must not hide the others.
pub(super) fn read(of: &Resource, field: &str, owner: &Owner, kind: ReadingKind, unit: &str) -> Option<Reading> {
    let there = field.rsplit_once('/').map_or(&of.body, |(inside, _)| of.raw(inside));
    let last = field.rsplit('/').next().unwrap_or(field);
    there.get(last)?;
    let text = |name: &str| of.text(name).ok().flatten();
    let path = text("@odata.id").unwrap_or_else(|| of.path.clone());
    let name = text("Name").or_else(|| text("FanName")).or_else(|| text("DeviceName")).or_else(|| text("MemberId"));
    Some(Reading {
        resource_uri: path,
        chassis: owner.chassis.clone(),
        system: owner.system.clone(),
        name: name.unwrap_or_else(|| last.to_owned()),
        kind,
        value: of.number(field).ok().flatten().filter(|n| n.is_finite()),
        unit: unit.to_owned(),
        state: text("Status/State"),
        health: text("Status/Health"),
        at: text("ReadingTime"),
        whole: false,
        reported: false,
    })
}

/// All fields of a resource whose names say that they measure something, as a metrics resource of RSD and of later Redfish has them;
/// excerpts of sensors that were read already are left out.
pub(super) fn every_field(of: &Resource, owner: &Owner, seen: &std::collections::HashSet<String>) -> Vec<Reading> {
    let Some(map) = of.body.as_object() else { return Vec::new() };
    let title = of.text("Name").ok().flatten().unwrap_or_default();
    let mut all = Vec::new();
    for (field, value) in map {
        let Some((kind, unit)) = by_name(field) else { continue };
        if field.contains('@') || field.contains("Limit") {
            continue;
        }
        let excerpts: Vec<(&serde_json::Value, &str)> = match value {
            serde_json::Value::Array(items) => items.iter().map(|i| (i, "Reading")).collect(),
            serde_json::Value::Object(_) => vec![(value, "Reading")],
            _ => {
                all.extend(read(of, field, owner, kind, unit).map(|r| Reading { name: named(&title, field), ..r }));
                continue;
            }
        };
        for (excerpt, value_field) in excerpts {
            if excerpt["DataSourceUri"].as_str().is_some_and(|uri| seen.contains(uri)) {
                continue;
            }
            let inside = Resource { path: format!("{}#/{field}", of.path), body: excerpt.clone(), ..of.clone() };
            let part = excerpt["DeviceName"].as_str().unwrap_or(field);
            let found = read(&inside, value_field, owner, kind, unit);
            all.extend(found.map(|r| Reading { name: named(&title, part), ..r }));
        }
    }
    all
}

fn named(title: &str, part: &str) -> String {
    if title.is_empty() { part.to_owned() } else { format!("{title}: {part}") }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn resource(body: serde_json::Value) -> Resource {
        Resource { podm: "lab".into(), path: "/r".into(), etag: None, body }
    }

    #[test]
    fn unknown_is_not_nought() {
        let at = |body| read(&resource(body), "Reading", &Owner::default(), ReadingKind::Fan, "RPM").map(|r| r.value);
        assert_eq!(at(json!({})), None);
        assert_eq!(at(json!({"Reading": null})), Some(None));
        assert_eq!(at(json!({"Reading": ""})), Some(None));
        assert_eq!(at(json!({"Reading": "broken"})), Some(None));
        assert_eq!(at(json!({"Reading": "12.5"})), Some(Some(12.5)));
    }

    #[test]
    fn names_and_types_say_what_is_measured() {
        assert_eq!(by_name("AverageConsumedWatts"), Some((ReadingKind::Power, "W")));
        assert_eq!(by_name("ProcessorPowerWatt"), Some((ReadingKind::Power, "W")));
        assert_eq!(by_name("TemperatureCelsius"), Some((ReadingKind::Temperature, "Cel")));
        assert_eq!(by_name("MemoryBandwidthPercent"), Some((ReadingKind::Utilisation, "%")));
        assert_eq!(by_name("CPUHealth"), None);
        assert_eq!(by_type(None, Some("Cel"), "x"), (ReadingKind::Temperature, "Cel".into()));
        assert_eq!(by_type(Some("Percent"), Some("%"), "Chassis Fan #1").0, ReadingKind::Fan);
        assert_eq!(by_type(Some("Current"), Some("A"), "x"), (ReadingKind::Other, "A".into()));
    }

    #[test]
    fn an_excerpt_of_a_sensor_that_was_read_is_left_out() {
        let metrics = resource(json!({"PowerWatts": {"Reading": 374, "DataSourceUri": "/s/1"},
            "TemperatureCelsius": {"Reading": 39, "DataSourceUri": "/s/2"}, "PowerLimitWatts": {"SetPoint": 500}}));
        let seen = std::collections::HashSet::from(["/s/1".to_owned()]);
        let found = every_field(&metrics, &Owner::default(), &seen);
        assert_eq!(found.iter().map(|r| r.value).collect::<Vec<_>>(), [Some(39.0)]);
    }
}
