//! Reading parameters: strict, and with an error that names the field and never repeats a password.

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::model::problem::Problem;

/// Reads parameters as `T`, with the field's path in the error.
///
/// # Errors
/// 400 Validation Error naming the field.
pub fn read<T: DeserializeOwned>(value: &Value) -> Result<T, Problem> {
    let empty = Value::Object(serde_json::Map::new());
    let value = if value.is_null() { &empty } else { value };
    serde_path_to_error::deserialize(crate::model::strict::Strict(value)).map_err(|error| {
        let path = error.path().to_string();
        let field = path.rsplit('.').next().unwrap_or_default().to_owned();
        // serde repeats the value it stumbled over, which here may be somebody's password.
        let inner = plain(&error.into_inner().to_string(), path.starts_with("authentication"));
        if path == "." || path.is_empty() {
            return Problem::validation(inner);
        }
        let at = path.split('.').try_fold(value, |v, part| v.get(part.split('[').next().unwrap_or(part)));
        let at = at.filter(|_| !path.starts_with("authentication"));
        let shown = at.map(|v| crate::model::podm::mask(serde_json::json!({ &field: v }))[&field].to_string());
        Problem::validation(format!(
            "Invalid input for field/attribute '{field}' Value: '{}'. {inner}",
            shown.unwrap_or_default()
        ))
    })
}

/// What serde says, in words for clients: v1's for a missing and for an unknown key, and no names of Rust types.
fn plain(said: &str, secret: bool) -> String {
    let quoted = |text: &str| text.strip_prefix('`').and_then(|t| t.split('`').next()).map(str::to_owned);
    if let Some(key) = said.strip_prefix("missing field ").and_then(quoted) {
        return format!("'{key}' is a required property");
    }
    if secret {
        return "it is not what the schema wants".to_owned();
    }
    if let Some(key) = said.strip_prefix("unknown field ").and_then(quoted) {
        return format!("Additional properties are not allowed ('{key}' was unexpected)");
    }
    match said.split_once("expected struct ") {
        Some((before, _)) => format!("{before}expected an object"),
        None => said.to_owned(),
    }
}

pub(super) fn check<T: DeserializeOwned>(value: &Value) -> Result<(), Problem> {
    read::<T>(value).map(drop)
}

/// A name, where one is given: 1 to 255 characters, none of them a control character.
pub(super) fn name(value: &Value) -> Result<(), Problem> {
    let Some(name) = value.get("name").and_then(Value::as_str) else { return Ok(()) };
    if (1..=255).contains(&name.chars().count()) && !name.contains(char::is_control) {
        return Ok(());
    }
    let shown: String = name.chars().take(100).collect();
    Err(Problem::validation(format!(
        "Invalid input for field/attribute 'name' Value: '{}'. 1 to 255 characters without control characters are wanted",
        shown.escape_debug()
    )))
}

/// Refuses an explicit null, which v1 takes nowhere: absent and null are not the same. Items of arrays are nobody's concern here.
///
/// # Errors
/// 400 naming the first key that has one.
pub fn no_nulls(value: &Value) -> Result<(), Problem> {
    let Value::Object(map) = value else { return Ok(()) };
    for (key, inner) in map {
        if inner.is_null() {
            let key: String = key.chars().take(100).collect();
            return Err(Problem::validation(format!(
                "Invalid input for field/attribute '{key}' Value: 'None'. None is not of the type that is wanted"
            )));
        }
        no_nulls(inner)?;
    }
    Ok(())
}
