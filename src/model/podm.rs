//! A Pod Manager's record, which is also its v1 JSON once its passwords are masked.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_with::skip_serializing_none;
use url::Url;
use utoipa::ToSchema;

use super::problem::Problem;

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
#[skip_serializing_none]
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
    pub description: Option<String>,
    /// Free text.
    pub location: Option<String>,
    /// Free text.
    pub resource_uri: Option<String>,
    /// Certificates of this Pod Manager are not verified: an explicit, visible choice.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub insecure_skip_verify: bool,
    /// Its certificate must come from these authorities, PEM, and not from the system's.
    pub ca_pem: Option<String>,
    /// Its certificate must be the one with this SHA-256 fingerprint, 64 hexadecimal digits.
    pub fingerprint: Option<String>,
    /// What its operator has set; a row whose operator has set nothing looks as v1's.
    #[serde(flatten)]
    pub policy: Policy,
    /// `YYYY-MM-DD HH:MM:SS UTC`.
    pub created_at: String,
    /// `YYYY-MM-DD HH:MM:SS UTC`.
    pub updated_at: String,
}

/// How a Pod Manager is to be used.
#[skip_serializing_none]
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Policy {
    /// It takes no new nodes.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub cordoned: bool,
    /// It begins no changes but those that give hardware back; what runs is waited for.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub draining: bool,
    /// What placement may ask for.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// How gladly placement takes it, beside others with 1.
    pub weight: Option<f64>,
    /// Changes at once.
    pub max_changes: Option<u32>,
    /// Reads at once.
    pub max_reads: Option<u32>,
}

impl Podm {
    /// One of which nothing but its address is known, and that its operator has set nothing for.
    #[must_use]
    pub fn new(uuid: &str, name: &str, url: &str, driver: &str) -> Self {
        Self {
            uuid: uuid.into(),
            name: name.into(),
            url: url.into(),
            driver: driver.into(),
            authentication: Vec::new(),
            status: PodmStatus::Unknown,
            description: None,
            location: None,
            resource_uri: None,
            insecure_skip_verify: false,
            ca_pem: None,
            fingerprint: None,
            policy: Policy::default(),
            created_at: String::new(),
            updated_at: String::new(),
        }
    }

    /// Why it takes no new node now, if it does not.
    #[must_use]
    pub fn takes_no_nodes(&self) -> Option<Problem> {
        let word = if self.policy.draining { "being drained" } else { "cordoned" };
        let closed = self.policy.cordoned || self.policy.draining;
        closed.then(|| Problem::conflict(format!("Pod Manager {} is {word}: it takes no new nodes", self.name)))
    }

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
        self.url = without_user(&self.url);
        self
    }
}

/// Most labels of a Pod Manager, and the longest name and value of one.
const LABELS: (usize, usize, usize) = (32, 64, 256);
/// Most changes or reads at once that a gate can be given.
const MOST_AT_ONCE: u32 = 256;
/// Largest weight.
const MOST_WEIGHT: f64 = 100.0;

/// Checks what an operator sets for a Pod Manager.
///
/// # Errors
/// 400 naming the field.
pub fn check_policy(
    labels: Option<&BTreeMap<String, String>>,
    weight: Option<f64>,
    limits: &[Option<u32>; 2],
) -> Result<(), Problem> {
    let bad = |name: &str, why: String| {
        Err(Problem::validation(format!("Invalid input for field/attribute '{name}'. {why}")))
    };
    let (most, name, value) = LABELS;
    let fits = |k: &String, v: &String| {
        !k.is_empty() && k.len() <= name && v.len() <= value && !k.contains([':', '=']) && !k.contains(char::is_control)
    };
    if labels.is_some_and(|l| l.len() > most || !l.iter().all(|(k, v)| fits(k, v))) {
        let why = format!(
            "at most {most} are wanted, names of 1 to {name} bytes without ':' and '=', values of at most {value}"
        );
        return bad("labels", why);
    }
    if weight.is_some_and(|w| !(0.0..=MOST_WEIGHT).contains(&w)) {
        return bad("weight", format!("a number from 0 to {MOST_WEIGHT} is wanted"));
    }
    for (field, limit) in ["max_changes", "max_reads"].iter().zip(limits) {
        if limit.is_some_and(|n| !(1..=MOST_AT_ONCE).contains(&n)) {
            return bad(field, format!("a whole number from 1 to {MOST_AT_ONCE} is wanted"));
        }
    }
    Ok(())
}

/// Checks a Pod Manager's URL by its form alone, before anything of it is stored. The address behind it is the worker's concern.
///
/// # Errors
/// 400; the URL is not repeated, there may be a password in it.
pub fn check_url(text: &str) -> Result<(), Problem> {
    let bad = |why: &str| Err(Problem::validation(format!("Invalid input for field/attribute 'url'. {why}")));
    if text.len() > 2048 || text.contains(|c: char| c.is_control() || c.is_whitespace() || c == '\\') {
        return bad("at most 2048 characters, without blanks, control characters and backslashes, are wanted");
    }
    let Ok(url) = Url::parse(text) else { return bad("an absolute URL is wanted, such as https://podm.example:8443") };
    if !matches!(url.scheme(), "http" | "https") {
        return bad("its scheme must be http or https");
    }
    let after = text.split_once("://").map_or("", |(_, after)| after);
    let (authority, path) = after.split_at(after.find(['/', '?', '#']).unwrap_or(after.len()));
    if authority.is_empty() || url.host_str().is_none_or(str::is_empty) {
        return bad("it must name a host");
    }
    if authority.contains('@') {
        return bad("it may not name a user: credentials belong into 'authentication'");
    }
    if text.contains(['?', '#']) {
        return bad("it may have neither a query nor a fragment");
    }
    let dots = |part: &str| matches!(part.to_ascii_lowercase().replace("%2e", ".").as_str(), "." | "..");
    if path.split('/').any(dots) {
        return bad("it may not have '.' or '..' as a part of its path");
    }
    Ok(())
}

/// One spelling of a URL for the check for duplicates: scheme and host in lower case, no default port. A slash at the end stays a
/// difference, as in v1.
#[must_use]
pub fn canonical_url(text: &str) -> String {
    let Ok(url) = Url::parse(text) else { return text.to_owned() };
    let canonical = url.as_str();
    let bare = url.path() == "/" && !text.ends_with('/');
    if bare { canonical.trim_end_matches('/').to_owned() } else { canonical.to_owned() }
}

/// A URL as it may be shown: whatever stands for a user in it is masked.
fn without_user(url: &str) -> String {
    let start = url.find("://").map_or(0, |at| at + 3);
    let end = url[start..].find(['/', '?', '#']).map_or(url.len(), |at| start + at);
    match url[start..end].rfind('@') {
        Some(at) => format!("{}{MASK}{}", &url[..start], &url[start + at..]),
        None => url.to_owned(),
    }
}

/// Masks every value under a key that names a secret, at any depth: what a client sees of task parameters.
#[must_use]
pub fn mask(mut value: Value) -> Value {
    veil(&mut value);
    value
}

fn veil(value: &mut Value) {
    const SECRETS: [&str; 6] = ["password", "redfish_password", "token", "secret", "auth_items_sealed", "private_key"];
    match value {
        Value::Object(map) => {
            for (name, value) in map {
                let secret = SECRETS.iter().any(|s| name.eq_ignore_ascii_case(s)) && !value.is_null();
                match value {
                    Value::String(url) if name == "url" => *url = without_user(url),
                    _ if secret => *value = MASK.into(),
                    _ => veil(value),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(veil),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_one_however_it_is_spelt_and_shows_no_user() {
        assert_eq!(canonical_url("HTTPS://PodM.example:443/a"), "https://podm.example/a");
        assert_eq!(canonical_url("http://h:80"), "http://h");
        assert_ne!(canonical_url("http://h/"), canonical_url("http://h"));
        assert_eq!(mask(serde_json::json!({"url": "http://u:can@ary@h:1/x@y"}))["url"], "http://***@h:1/x@y");
        assert_eq!(mask(serde_json::json!({"url": "http://h/x@y"}))["url"], "http://h/x@y");
    }

    #[test]
    fn passwords_are_masked_at_any_depth_and_in_debug() {
        let value = serde_json::json!({"authentication": [{"auth_items": {"username": "u", "password": "canary"}}]});
        assert!(!mask(value.clone()).to_string().contains("canary"));
        let items: AuthItems = serde_json::from_value(value["authentication"][0]["auth_items"].clone()).unwrap();
        assert!(!format!("{items:?}").contains("canary"));
    }
}
