//! JSON Schemas of parameters and results.

use serde_json::Value;
use utoipa::ToSchema;

/// The schema of a type, whole: what it refers to stands in its `$defs`.
pub(super) fn schema<T: ToSchema>() -> Value {
    let mut parts = Vec::new();
    T::schemas(&mut parts);
    let mut whole = serde_json::to_value(T::schema()).unwrap_or(Value::Null);
    let parts: serde_json::Map<String, Value> =
        parts.into_iter().map(|(name, part)| (name, serde_json::to_value(part).unwrap_or(Value::Null))).collect();
    if let (Some(map), false) = (whole.as_object_mut(), parts.is_empty()) {
        map.insert("$defs".into(), Value::Object(parts));
    }
    lead_inside(&mut whole);
    whole
}

/// Makes references to components of the OpenAPI document references into `$defs`.
fn lead_inside(value: &mut Value) {
    match value {
        Value::Object(map) => {
            for (key, inner) in map {
                match inner {
                    Value::String(place) if key == "$ref" => {
                        *place = place.replace("#/components/schemas/", "#/$defs/")
                    }
                    inner => lead_inside(inner),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(lead_inside),
        _ => {}
    }
}

pub(super) fn any() -> Value {
    Value::Bool(true)
}
