//! A Pod Manager's record, which is also its v1 JSON once its passwords are masked.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// What stands in the place of a password in every answer.
pub const MASK: &str = "***";

/// Whether a Pod Manager was reachable at its last probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub enum PodmStatus {
    /// It answered.
    Online,
    /// It did not.
    Offline,
    /// Nobody has asked yet. Unknown is not off.
    #[default]
    Unknown,
}

/// Credentials of one kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Authentication {
    /// `basic` is the kind that is used.
    #[serde(rename = "type")]
    pub kind: String,
    /// The credentials.
    pub auth_items: AuthItems,
}

/// User and password.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AuthItems {
    /// The account's name.
    pub username: String,
    /// In requests the password; in Redis and in task payloads sealed text; in answers `***`.
    pub password: String,
}

impl std::fmt::Debug for AuthItems {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AuthItems").field("username", &self.username).field("password", &MASK).finish()
    }
}

/// A registered Pod Manager.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Podm {
    /// Id.
    pub uuid: String,
    /// Unique name.
    pub name: String,
    /// Unique root URL, such as `https://podm.example:8443`.
    pub url: String,
    /// Which driver speaks to it.
    pub driver: String,
    /// Credentials, passwords sealed.
    pub authentication: Vec<Authentication>,
    /// Last known reachability.
    pub status: PodmStatus,
    /// Free text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Free text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    /// Free text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_uri: Option<String>,
    /// Certificates of this Pod Manager are not verified: an explicit, visible choice.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub insecure_skip_verify: bool,
    /// `YYYY-MM-DD HH:MM:SS UTC`.
    pub created_at: String,
    /// `YYYY-MM-DD HH:MM:SS UTC`.
    pub updated_at: String,
}

impl Podm {
    /// The first credentials of type `basic`.
    #[must_use]
    pub fn basic(&self) -> Option<&AuthItems> {
        self.authentication.iter().find(|a| a.kind == "basic").map(|a| &a.auth_items)
    }

    /// The row as a client may see it.
    #[must_use]
    pub fn masked(mut self) -> Self {
        for auth in &mut self.authentication {
            auth.auth_items.password = MASK.into();
        }
        self
    }
}

/// Masks every value under a key that names a secret, at any depth: what a client sees of task parameters.
#[must_use]
pub fn mask(value: &Value) -> Value {
    const SECRETS: [&str; 6] = ["password", "redfish_password", "token", "secret", "auth_items_sealed", "private_key"];
    match value {
        Value::Object(map) => Value::Object(
            map.iter()
                .map(|(k, v)| {
                    let secret = SECRETS.iter().any(|s| k.eq_ignore_ascii_case(s)) && !v.is_null();
                    (k.clone(), if secret { MASK.into() } else { mask(v) })
                })
                .collect(),
        ),
        Value::Array(items) => items.iter().map(mask).collect(),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_masked_at_any_depth_and_in_debug() {
        let value = serde_json::json!({"authentication": [{"auth_items": {"username": "u", "password": "canary"}}]});
        assert!(!mask(&value).to_string().contains("canary"));
        let items: AuthItems = serde_json::from_value(value["authentication"][0]["auth_items"].clone()).unwrap();
        assert!(!format!("{items:?}").contains("canary"));
    }
}
