//! Topics (service families), priorities, and the lane that both make: one stream per bucket, topic and priority.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The service family a task belongs to.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema, clap::ValueEnum,
)]
#[serde(rename_all = "lowercase")]
pub enum Topic {
    /// Nodes, systems, racks, flavors.
    Compute,
    /// Switches, ports, VLANs.
    Network,
    /// Devices, volumes.
    Storage,
    /// Readings and events.
    Telemetry,
    /// Placement, Pod Managers, inventory.
    Scheduler,
}

impl Topic {
    /// Every topic.
    pub const ALL: [Self; 5] = [Self::Compute, Self::Network, Self::Storage, Self::Telemetry, Self::Scheduler];

    /// The word used in JSON, Redis and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Compute => "compute",
            Self::Network => "network",
            Self::Storage => "storage",
            Self::Telemetry => "telemetry",
            Self::Scheduler => "scheduler",
        }
    }

    /// The topic of that word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|t| t.as_str() == word)
    }
}

impl std::fmt::Display for Topic {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How soon a queued task is taken, against others of its topic.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize, ToSchema, clap::ValueEnum,
)]
#[serde(rename_all = "lowercase")]
pub enum Priority {
    /// Before all others.
    High,
    /// The default.
    #[default]
    Normal,
    /// After the others, but with a share of its own.
    Low,
}

impl Priority {
    /// Every priority, the most urgent first.
    pub const ALL: [Self; 3] = [Self::High, Self::Normal, Self::Low];

    /// The word used in JSON, Redis and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::High => "high",
            Self::Normal => "normal",
            Self::Low => "low",
        }
    }

    /// The priority of that word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|p| p.as_str() == word)
    }
}

/// A topic and a priority: what names a stream within a bucket. Written `compute:normal`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Lane {
    /// The service family.
    pub topic: Topic,
    /// The urgency.
    pub priority: Priority,
}

impl Lane {
    /// Parses `topic:priority`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (topic, priority) = text.split_once(':')?;
        Some(Self { topic: Topic::parse(topic)?, priority: Priority::parse(priority)? })
    }
}

impl std::fmt::Display for Lane {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.topic, self.priority.as_str())
    }
}
