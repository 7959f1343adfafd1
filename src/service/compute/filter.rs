//! Filters on systems: at least so much of what is counted, equality for the rest. All conditions count.

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

/// Checks filters before a Pod Manager is asked.
///
/// # Errors
/// 400 when a number is wanted and something else is given.
pub(super) fn check(filters: &BTreeMap<String, String>) -> Result<(), Problem> {
    for (name, value) in filters {
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
}
