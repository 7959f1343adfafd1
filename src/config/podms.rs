//! Settings about Pod Managers: how they are spoken to, watched and registered.

use ipnet::IpNet;
use jiff::SignedDuration;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

/// How Pod Managers are spoken to.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct RedfishConfig {
    /// Networks whose addresses may be plain http, loopback or link-local; elsewhere only https to public or private addresses.
    pub allow_cidrs: Vec<IpNet>,
    /// Most time to connect.
    pub connect_timeout: SignedDuration,
    /// Most time one request may take, headers and body.
    pub request_timeout: SignedDuration,
    /// Largest answer that is read, bytes.
    pub max_body_bytes: u64,
    /// How Valence says who it is.
    pub auth: AuthMode,
    /// How long a session may be unused before it is logged out.
    pub session_idle: SignedDuration,
}

/// How Valence says who it is at a Pod Manager.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum AuthMode {
    /// By a session where there are any, else by Basic auth.
    #[default]
    Auto,
    /// By Basic auth.
    Basic,
    /// By a session and in no other way.
    Session,
}

/// Readings and events of Pod Managers.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct TelemetryConfig {
    /// How often the readings of each Pod Manager are collected; nothing: never.
    pub collect_interval: SignedDuration,
    /// How Pod Managers reach this deployment's API with their events; without it none is asked to send any.
    pub event_receiver_url: Option<String>,
}

/// What is known of Pod Managers' hardware.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct InventoryConfig {
    /// How often each Pod Manager is read; nothing: never, and nothing is swept.
    pub interval: SignedDuration,
    /// How long something must have been left behind before it is taken away.
    pub orphan_grace: SignedDuration,
    /// How often each Pod Manager is asked whether it is there.
    pub probe_interval: SignedDuration,
}

/// A Pod Manager in the configuration.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct PodmConfig {
    /// Unique name.
    pub name: String,
    /// Root URL.
    pub url: String,
    /// Driver.
    #[serde(default = "default_driver")]
    pub driver: String,
    /// Account.
    pub username: String,
    /// Password.
    #[serde(serialize_with = "hidden")]
    pub password: SecretString,
    /// SHA-256 fingerprint that its certificate must have.
    #[serde(default)]
    pub fingerprint: Option<String>,
    /// Do not verify its certificate.
    #[serde(default)]
    pub insecure_skip_verify: bool,
}

fn default_driver() -> String {
    "redfishv1".into()
}

pub(super) fn hidden<S: serde::Serializer>(_: &SecretString, s: S) -> Result<S::Ok, S::Error> {
    s.serialize_str("***")
}

impl Default for RedfishConfig {
    fn default() -> Self {
        Self {
            allow_cidrs: Vec::new(),
            connect_timeout: SignedDuration::from_secs(5),
            request_timeout: SignedDuration::from_secs(60),
            max_body_bytes: 16 * 1024 * 1024,
            auth: AuthMode::Auto,
            session_idle: SignedDuration::from_secs(300),
        }
    }
}

impl Default for TelemetryConfig {
    fn default() -> Self {
        Self { collect_interval: SignedDuration::from_secs(60), event_receiver_url: None }
    }
}

impl Default for InventoryConfig {
    fn default() -> Self {
        Self {
            interval: SignedDuration::from_mins(5),
            orphan_grace: SignedDuration::from_mins(10),
            probe_interval: SignedDuration::from_secs(15),
        }
    }
}
