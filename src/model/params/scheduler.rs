//! Parameters of the scheduler service.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;
use utoipa::ToSchema;

use crate::model::flavor::Requirements;
use crate::model::placement::Hints;
use crate::model::podm::Authentication;

/// `node.place` and `placement.preview`: a compose, and where it should be.
#[skip_serializing_none]
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Place {
    /// Name of the node.
    pub name: String,
    /// Free text.
    pub description: Option<String>,
    /// Flavor that says what the node must have; not together with `properties`.
    pub flavor_id: Option<String>,
    /// What the node must have; not together with `flavor_id`.
    pub properties: Option<Requirements>,
    /// Where it should be.
    pub hints: Option<Hints>,
}

/// `podm.create`.
#[skip_serializing_none]
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PodmCreate {
    /// Unique name.
    pub name: String,
    /// Unique root URL.
    pub url: String,
    /// Driver; `redfishv1` unless given.
    pub driver: Option<String>,
    /// Credentials; in a stored task the passwords are sealed.
    pub authentication: Vec<Authentication>,
    /// Free text.
    pub description: Option<String>,
    /// Do not verify its certificate.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub insecure_skip_verify: bool,
    /// Authorities that its certificate must come from, PEM.
    pub ca_pem: Option<String>,
    /// SHA-256 fingerprint that its certificate must have.
    pub fingerprint: Option<String>,
}

/// `podm.update`: what is given is replaced.
#[skip_serializing_none]
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PodmUpdate {
    /// Unique name.
    pub name: Option<String>,
    /// Driver; only while it has no nodes.
    pub driver: Option<String>,
    /// Credentials; in a stored task the passwords are sealed.
    pub authentication: Option<Vec<Authentication>>,
    /// Free text.
    pub description: Option<String>,
    /// Free text.
    pub location: Option<String>,
    /// Free text.
    pub resource_uri: Option<String>,
    /// What placement may ask for, all of it: 32 at most.
    pub labels: Option<BTreeMap<String, String>>,
    /// How gladly placement takes it, beside others with 1.
    #[schema(minimum = 0, maximum = 100)]
    pub weight: Option<f64>,
    /// Changes at once.
    #[schema(minimum = 1, maximum = 256)]
    pub max_changes: Option<u32>,
    /// Reads at once.
    #[schema(minimum = 1, maximum = 256)]
    pub max_reads: Option<u32>,
    /// Do not verify its certificate.
    pub insecure_skip_verify: Option<bool>,
    /// Authorities that its certificate must come from, PEM; empty: the system's.
    pub ca_pem: Option<String>,
    /// SHA-256 fingerprint that its certificate must have; empty: any.
    pub fingerprint: Option<String>,
}

/// `podm.cordon`.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PodmCordon {
    /// It takes no new nodes.
    pub cordoned: bool,
    /// It begins no changes but those that give hardware back; only together with `cordoned`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub draining: bool,
}

/// `inventory.refresh`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Refresh {
    /// Read everything anew, whatever versions say.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub full: bool,
    /// Leave devices out: a look after something has changed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub brief: bool,
    /// One of many that the scheduler makes: what has disagreed long enough is acted upon, and a Pod Manager that is away is a result and no
    /// failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sweep: Option<Sweep>,
}

/// How a refresh sweeps.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Sweep {
    /// How long something must be seen before it is taken away, seconds.
    pub grace_s: u64,
}

/// `inventory.list` and `drift.list`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OfPodm {
    /// Of this Pod Manager; of all of them when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub podm_id: Option<String>,
}
