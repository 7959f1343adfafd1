//! What was changed, and by whom: one entry a change, kept beside the tasks and outliving them.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// One change, or an attempt at one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct AuditEntry {
    /// When, ms since 1970 by Redis's clock.
    pub at_ms: u64,
    /// Who: a caller's name, or the part of Valence that acted by itself, such as `sweep`.
    pub actor: String,
    /// The caller's role.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// From which address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// What was done, such as `node.adopt`.
    pub action: String,
    /// To what: an id, or a path at a Pod Manager.
    pub target: String,
    /// The task that carries it out, or that it was about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task_id: Option<String>,
    /// How it ended, such as `ok`.
    pub outcome: String,
    /// More, one line for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}
