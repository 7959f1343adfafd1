//! Filters on systems and racks: at least so much of what is counted, equality for the rest. All conditions count, and a filter that
//! nothing could meet by its name is refused.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::model::problem::Problem;
use crate::podm::SystemView;

/// Filters that ask for at least a number, and where it stands in the v1 shape: `ram` and `storage` in GiB, `nw` interfaces.
const AT_LEAST: [(&str, &str); 6] = [
    ("ram", "ram"),
    ("storage", "storage"),
    ("nw", "network"),
    ("network", "network"),
    ("cores", "cpu/cores"),
    ("cpu/cores", "cpu/cores"),
];

/// What systems and racks are filtered by: keys of the v1 shapes.
const SHOWN: [&str; 21] = [
    "id",
    "name",
    "Name",
    "Description",
    "description",
    "uuid",
    "health",
    "location",
    "cpu/arch",
    "cpu/model",
    "podm_id",
    "manufacturer",
    "model",
    "serial_number",
    "cpu/cores",
    "type",
    "mac_address",
    "pooled_group_id",
    "resource_uri",
    "host_model",
    "host_serial_num",
];

/// And properties of Redfish's ComputerSystem and Chassis.
const REDFISH: [&str; 18] = [
    "Id",
    "Name",
    "Description",
    "UUID",
    "AssetTag",
    "SystemType",
    "ChassisType",
    "Manufacturer",
    "Model",
    "SubModel",
    "SKU",
    "SerialNumber",
    "PartNumber",
    "HostName",
    "IndicatorLED",
    "PowerState",
    "BiosVersion",
    "EnvironmentalClass",
];

/// Objects among them, whose fields are named with a path.
const OBJECTS: [&str; 7] =
    ["Status", "Boot", "ProcessorSummary", "MemorySummary", "Location", "PhysicalSecurity", "Oem"];

fn is_known(name: &str) -> bool {
    let within = |(object, field): (&str, &str)| OBJECTS.contains(&object) && !field.is_empty();
    SHOWN.contains(&name) || REDFISH.contains(&name) || name.split_once('/').is_some_and(within)
}

fn unknown(name: &str, what: &str) -> Problem {
    Problem::bad_request(format!("'{name}' is no attribute to filter {what} by"))
}

/// Checks filters on racks before a Pod Manager is asked.
///
/// # Errors
/// 400 for a name that racks do not have.
pub(super) fn check_racks(filters: &BTreeMap<String, String>) -> Result<(), Problem> {
    filters.keys().find(|name| !is_known(name)).map_or(Ok(()), |name| Err(unknown(name, "racks")))
}

/// Whether a thing equals every filter, in the v1 shape or in the Pod Manager's own.
pub(super) fn equals_all(shown: &Value, raw: &Value, filters: &BTreeMap<String, String>) -> bool {
    filters.iter().all(|(name, wanted)| [shown, raw].into_iter().any(|side| equals(at(side, name), wanted)))
}

/// Checks filters on systems before a Pod Manager is asked.
///
/// # Errors
/// 400 for a name that systems do not have, and when a number is wanted and something else is given.
pub(super) fn check(filters: &BTreeMap<String, String>) -> Result<(), Problem> {
    for (name, value) in filters {
        if place(name).is_none() && !is_known(name) {
            return Err(unknown(name, "systems"));
        }
        if place(name).is_some() && value.parse::<f64>().is_err() {
            return Err(Problem::bad_request(format!("the filter '{name}' takes a number, not '{value}'")));
        }
    }
    Ok(())
}

/// Whether a system meets every filter. A name is looked for in the v1 shape, then in the Pod Manager's own; `A/B` leads into objects.
pub(super) fn matches(system: &SystemView, filters: &BTreeMap<String, String>) -> bool {
    filters.iter().all(|(name, wanted)| match place(name) {
        Some(place) => {
            number(at(&system.shown, place)).zip(wanted.parse().ok()).is_some_and(|(n, w): (f64, f64)| n >= w)
        }
        None => [&system.shown, &system.raw].into_iter().any(|side| equals(at(side, name), wanted)),
    })
}

fn place(name: &str) -> Option<&'static str> {
    AT_LEAST.iter().find(|(known, _)| *known == name).map(|(_, place)| *place)
}

fn at<'a>(value: &'a Value, path: &str) -> &'a Value {
    path.split('/').fold(value, |v, part| &v[part])
}

fn number(value: &Value) -> Option<f64> {
    value.as_f64().or_else(|| value.as_str()?.parse().ok())
}

fn equals(value: &Value, wanted: &str) -> bool {
    match value {
        Value::String(text) => text.to_lowercase() == wanted.to_lowercase(),
        Value::Number(n) => n.to_string() == wanted,
        Value::Bool(b) => b.to_string() == wanted.to_lowercase(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn meets(filters: &[(&str, &str)]) -> bool {
        let system = SystemView {
            shown: json!({"id": "2", "Name": "system-2", "ram": "32", "storage": "600", "network": "1", "cpu": {"cores": "16"}}),
            raw: json!({"Id": 2, "Status": {"Health": "OK"}}),
        };
        matches(&system, &filters.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect())
    }

    #[test]
    fn amounts_are_minimums() {
        assert!(meets(&[("ram", "20")]) && meets(&[("storage", "600")]) && meets(&[("nw", "1")]));
        assert!(!meets(&[("ram", "33")]) && !meets(&[("nw", "2")]) && !meets(&[("cores", "17")]));
    }

    #[test]
    fn every_condition_counts_and_case_does_not() {
        assert!(meets(&[("Status/Health", "ok"), ("Name", "SYSTEM-2"), ("Id", "2")]));
        assert!(!meets(&[("Status/Health", "ok"), ("ram", "64")]));
        assert!(!meets(&[("colour", "red")]));
    }

    #[test]
    fn a_number_is_asked_for_with_a_number() {
        let filters = |v: &str| BTreeMap::from([("ram".to_owned(), v.to_owned())]);
        assert!(check(&filters("8")).is_ok());
        assert_eq!(check(&filters("much")).unwrap_err().status, 400);
    }

    #[test]
    fn a_name_that_nothing_has_is_refused() {
        let check_one = |name: &str| check(&BTreeMap::from([(name.to_owned(), "1".to_owned())]));
        for known in ["Id", "Name", "Status/Health", "health", "Oem/Intel_RackScale/x", "cpu/model", "nw"] {
            assert!(check_one(known).is_ok(), "{known}");
        }
        for typo in ["colour", "Healht", "Statu/Health", "Status/", "rams"] {
            assert_eq!(check_one(typo).unwrap_err().status, 400, "{typo}");
        }
    }
}
