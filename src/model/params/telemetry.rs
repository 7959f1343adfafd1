//! Parameters of the telemetry service.

use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;
use utoipa::ToSchema;

use crate::model::reading::ReadingKind;

/// `telemetry.collect`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Collect {
    /// One of many: how often they come, seconds. A Pod Manager that is away is then a result and no failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every_s: Option<u64>,
}

/// `reading.list`: what is given must fit.
#[skip_serializing_none]
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReadingFilter {
    /// Of this Pod Manager.
    pub podm_id: Option<String>,
    /// Of this node: of its system, and of the chassis that stands in.
    pub node_id: Option<String>,
    /// Of this kind.
    pub kind: Option<ReadingKind>,
    /// Of this name.
    pub name: Option<String>,
    /// A page of at most so many, 1 to 1000; 100 where only a marker is given. Without either, all of them as a bare list.
    pub limit: Option<usize>,
    /// The `marker` of the page before.
    pub marker: Option<String>,
}

/// `event.list`.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EventFilter {
    /// Of this Pod Manager.
    pub podm_id: String,
    /// At most so many, 1 to 500; 100 unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
}

/// `subscription.list`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SubscriptionFilter {
    /// At this Pod Manager; at all of them when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub podm_id: Option<String>,
}

/// `subscription.create`.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Subscribe {
    /// Base URL under which the Pod Manager reaches the API, such as `https://valence.example:8181`.
    pub receiver: String,
    /// Because the setting `telemetry.event_receiver_url` says so: it goes when the setting goes.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub by_setting: bool,
    /// Only if one is on record still: it may be gone at the Pod Manager, and may have been ended meanwhile.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub renewal: bool,
}
