//! A resource as it was read, and lenient access to its fields.
//!
//! Absent and null fields are normal, unknown ones ignored; numbers may be strings and the other way round; one link may stand where many
//! are expected. What is none of that is an error that names Pod Manager, resource and field.

use serde_json::Value;

use super::error::{Cause, RedfishError};

/// A resource, or an object inside one.
#[derive(Debug, Clone)]
pub struct Resource {
    /// Name of the Pod Manager it was read from.
    pub podm: String,
    /// Its path there.
    pub path: String,
    /// Its version, when the Pod Manager gave one.
    pub etag: Option<String>,
    /// All of it.
    pub body: Value,
}

impl Resource {
    /// The value at a field, `A/B` for a field inside an object; null when absent.
    #[must_use]
    pub fn raw(&self, field: &str) -> &Value {
        field.split('/').fold(&self.body, |value, part| &value[part])
    }

    /// The error that a field is not what it should be.
    #[must_use]
    pub fn wrong(&self, field: &str, wanted: &str) -> RedfishError {
        RedfishError {
            podm: self.podm.clone(),
            method: "GET",
            path: self.path.clone(),
            cause: Cause::Malformed(format!("field '{field}' is not {wanted}")),
        }
    }

    /// A text; numbers and booleans are shown as text.
    ///
    /// # Errors
    /// When it is an object or an array.
    pub fn text(&self, field: &str) -> Result<Option<String>, RedfishError> {
        match self.raw(field) {
            Value::Null => Ok(None),
            Value::String(text) => Ok(Some(text.clone())),
            Value::Number(n) => Ok(Some(n.to_string())),
            Value::Bool(b) => Ok(Some(b.to_string())),
            Value::Array(_) | Value::Object(_) => Err(self.wrong(field, "a text")),
        }
    }

    /// A number, also one written as a string.
    ///
    /// # Errors
    /// When it is something else.
    pub fn number(&self, field: &str) -> Result<Option<f64>, RedfishError> {
        match self.raw(field) {
            Value::Null => Ok(None),
            Value::Number(n) => Ok(n.as_f64()),
            Value::String(text) if text.trim().is_empty() => Ok(None),
            Value::String(text) => text
                .trim()
                .parse()
                .ok()
                .filter(|n: &f64| n.is_finite())
                .map(Some)
                .ok_or_else(|| self.wrong(field, "a number")),
            _ => Err(self.wrong(field, "a number")),
        }
    }

    /// A number as JSON: whole ones stay whole; null when absent.
    ///
    /// # Errors
    /// When it is something else.
    pub fn number_json(&self, field: &str) -> Result<Value, RedfishError> {
        Ok(self.number(field)?.map_or(Value::Null, json_number))
    }

    /// A text as JSON; null when absent.
    ///
    /// # Errors
    /// When it is something else.
    pub fn text_json(&self, field: &str) -> Result<Value, RedfishError> {
        Ok(self.text(field)?.map_or(Value::Null, Value::String))
    }

    /// The texts of an array; what is null among them is left out.
    ///
    /// # Errors
    /// When it is something else.
    pub fn texts(&self, field: &str) -> Result<Vec<String>, RedfishError> {
        match self.raw(field) {
            Value::Null => Ok(Vec::new()),
            Value::Array(items) => {
                let text =
                    |v: &Value| v.as_str().map(str::to_owned).ok_or_else(|| self.wrong(field, "an array of texts"));
                items.iter().filter(|item| !item.is_null()).map(text).collect()
            }
            _ => Err(self.wrong(field, "an array of texts")),
        }
    }

    /// The objects of an array, each to be read like a resource.
    ///
    /// # Errors
    /// When it is no array.
    pub fn items(&self, field: &str) -> Result<Vec<Self>, RedfishError> {
        let items = match self.raw(field) {
            Value::Null => return Ok(Vec::new()),
            Value::Array(items) => items,
            _ => return Err(self.wrong(field, "an array")),
        };
        let inside = |body: &Value| Self { path: format!("{}#{field}", self.path), body: body.clone(), ..self.clone() };
        Ok(items.iter().map(inside).collect())
    }

    /// Links: an array of them, a single one, or none.
    ///
    /// # Errors
    /// When it is something else.
    pub fn links(&self, field: &str) -> Result<Vec<String>, RedfishError> {
        let one = |v: &Value| match v {
            Value::String(path) => Ok(Some(path.clone())),
            Value::Object(o) => match o.get("@odata.id") {
                None | Some(Value::Null) => Ok(None),
                Some(Value::String(path)) => Ok(Some(path.clone())),
                Some(_) => Err(self.wrong(field, "a link")),
            },
            Value::Null => Ok(None),
            _ => Err(self.wrong(field, "a link")),
        };
        match self.raw(field) {
            Value::Array(items) => items.iter().filter_map(|v| one(v).transpose()).collect(),
            value => Ok(one(value)?.into_iter().collect()),
        }
    }

    /// One link, also when it stands in an array.
    ///
    /// # Errors
    /// When it is something else.
    pub fn link(&self, field: &str) -> Result<Option<String>, RedfishError> {
        Ok(self.links(field)?.into_iter().next())
    }

    /// Its `Id`, else the last part of its path.
    ///
    /// # Errors
    /// When `Id` is an object or an array.
    pub fn id(&self) -> Result<String, RedfishError> {
        Ok(self.text("Id")?.unwrap_or_else(|| last_segment(&self.path).to_owned()))
    }
}

/// The last part of a path.
#[must_use]
pub fn last_segment(path: &str) -> &str {
    path.trim_end_matches('/').rsplit('/').next().unwrap_or_default()
}

/// The path of a member by its id, whatever characters that has.
#[must_use]
pub fn below(collection: &str, id: &str) -> String {
    let safe = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'~');
    let id: String = match id {
        // A path that means another one: no id of anything.
        "." | ".." => "%00".into(),
        id => id
            .bytes()
            .map(|b| if safe(b) || b == b'.' { char::from(b).to_string() } else { format!("%{b:02X}") })
            .collect(),
    };
    format!("{}/{id}", collection.trim_end_matches('/'))
}

/// A number as JSON: whole ones without a fraction.
#[must_use]
#[expect(clippy::cast_possible_truncation, reason = "whole and below 2^53, as checked")]
pub fn json_number(n: f64) -> Value {
    if n.fract() == 0.0 && n.abs() < 9e15 { Value::from(n as i64) } else { Value::from(n) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn resource(body: Value) -> Resource {
        Resource { podm: "lab".into(), path: "/redfish/v1/Systems/1".into(), etag: None, body }
    }

    #[test]
    fn what_real_pod_managers_write_is_understood() {
        let r = resource(
            json!({"Id": 7, "Cores": "8", "None": null, "Links": {"Chassis": {"@odata.id": "/c"}, "Empty": {}}}),
        );
        assert_eq!(r.id().unwrap(), "7");
        assert_eq!(r.number_json("Cores").unwrap(), json!(8));
        assert_eq!(r.text("None").unwrap(), None);
        assert_eq!(r.links("Links/Chassis").unwrap(), ["/c"]);
        assert_eq!(r.link("Links/Empty").unwrap(), None);
        assert!(r.links("Absent/Deeper").unwrap().is_empty());
    }

    #[test]
    fn a_wrong_field_is_named_with_its_resource_and_pod_manager() {
        let r = resource(json!({"TotalCores": "many", "Links": {"Chassis": 5}}));
        let error = r.number("TotalCores").unwrap_err().to_string();
        for word in ["lab", "/redfish/v1/Systems/1", "TotalCores"] {
            assert!(error.contains(word), "{error}");
        }
        assert!(r.links("Links/Chassis").is_err());
    }

    #[test]
    fn an_id_cannot_lead_out_of_its_collection() {
        assert_eq!(below("/redfish/v1/Nodes/", "Node1"), "/redfish/v1/Nodes/Node1");
        for id in ["../Systems/1", "..", "1/Actions", "1?x", "1#x", "%2e%2e", ""] {
            let url = url::Url::parse("http://h").unwrap().join(&below("/redfish/v1/Nodes", id)).unwrap();
            assert!(url.path().starts_with("/redfish/v1/Nodes/"), "{id}: {url}");
            assert_eq!((url.path().matches('/').count(), url.query(), url.fragment()), (4, None, None), "{id}");
        }
    }
}
