//! How a Pod Manager stands now: its circuit breaker, its gates and who is in them, its inventory's age.

use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;
use utoipa::ToSchema;

use super::podm::PodmStatus;

/// Where a circuit breaker stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CircuitState {
    /// Everybody is let in.
    Closed,
    /// Nobody is let in: it does not answer, or asked to be left alone.
    Open,
    /// One is let in to see whether it answers again.
    HalfOpen,
}

/// A circuit breaker.
#[skip_serializing_none]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Circuit {
    /// Where it stands.
    pub state: CircuitState,
    /// Failures counted within its window, or since it opened.
    pub failures: u32,
    /// Until when it lets nobody in (RFC 3339 UTC), while it is open.
    pub until: Option<String>,
    /// What went wrong last; while it is closed, why fewer are let in.
    pub why: Option<String>,
}

/// One gate of a Pod Manager.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GateState {
    /// `changes` or `reads`.
    pub name: String,
    /// How many may be in at once.
    pub limit: u32,
    /// How many are in.
    pub in_flight: u64,
    /// How many stored tasks wait, for whatever keeps them out of the gate.
    pub waiting: u64,
    /// Ids of tasks that are in, some of them when there are many.
    pub holders: Vec<String>,
}

/// Age of what is known of its hardware.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct InventoryAge {
    /// When it was read (RFC 3339 UTC).
    pub at: String,
    /// Seconds since then.
    pub age_s: u64,
}

/// How a Pod Manager stands now.
#[skip_serializing_none]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PodmState {
    /// Its id.
    pub podm_id: String,
    /// Its name.
    pub name: String,
    /// Its driver.
    pub driver: String,
    /// Last known reachability.
    pub status: PodmStatus,
    /// It takes no new nodes.
    pub cordoned: bool,
    /// It begins no changes but those that give hardware back.
    pub draining: bool,
    /// While it is drained: tasks that have begun and have not ended; 0 says that nothing runs any more.
    pub under_way: Option<u64>,
    /// Its circuit breaker.
    pub circuit: Circuit,
    /// Its gates.
    pub gates: Vec<GateState>,
    /// What is known of its hardware; absent until it was read.
    pub inventory: Option<InventoryAge>,
}
