//! Filters by equality on the fields of a row, for lists that count nothing.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::model::problem::Problem;

/// Refuses a filter that is none of `known`, before a Pod Manager is asked.
///
/// # Errors
/// 400 naming it.
pub fn check(filters: &BTreeMap<String, String>, known: &[&str], what: &str) -> Result<(), Problem> {
    match filters.keys().find(|name| !known.contains(&name.as_str())) {
        Some(unknown) => Err(Problem::bad_request(format!("'{unknown}' is no attribute to filter {what} by"))),
        None => Ok(()),
    }
}

/// Whether a row meets every filter.
#[must_use]
pub fn matches(row: &Value, filters: &BTreeMap<String, String>) -> bool {
    filters.iter().all(|(name, wanted)| match &row[name] {
        Value::String(text) => text == wanted,
        Value::Bool(b) => wanted == if *b { "true" } else { "false" },
        Value::Number(n) => wanted.parse::<f64>().is_ok_and(|w| n.as_f64() == Some(w)),
        _ => false,
    })
}
