//! One line of the audit log: who changed what, from where, and what came of it.

use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;
use utoipa::ToSchema;

/// What somebody changed, or tried to.
#[skip_serializing_none]
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditEntry {
    /// When, ms since 1970 by Redis's clock.
    pub at_ms: u64,
    /// Who: a caller's name, or the part of Valence that acted by itself, such as `sweeper`.
    pub actor: String,
    /// The caller's role, when there is one.
    pub role: Option<String>,
    /// Address of the client.
    pub from: Option<String>,
    /// What: method and route of a request (`DELETE /v1/nodes/{uuid}`), or a word such as `node.adopt`.
    pub action: String,
    /// What it was done to: the request's path, or the node, Pod Manager or task.
    pub target: String,
    /// The task that carries it out.
    pub task_id: Option<String>,
    /// What came of it: `done`, `denied` (401, 403), `refused` (other faults of the request) or `failed`.
    pub outcome: String,
    /// More of it, for people.
    pub detail: Option<String>,
}

/// Which lines are wanted; what is absent fits all.
#[derive(Debug, Clone, Default)]
pub struct AuditFilter {
    /// By this actor.
    pub actor: Option<String>,
    /// This action; a word without the rest, such as `DELETE`, stands for all that begin with it.
    pub action: Option<String>,
    /// Of this target.
    pub target: Option<String>,
    /// About this task.
    pub task_id: Option<String>,
    /// With this outcome.
    pub outcome: Option<String>,
    /// Not before this time, ms since 1970.
    pub since_ms: Option<u64>,
    /// Not after this time, ms since 1970.
    pub until_ms: Option<u64>,
}

impl AuditFilter {
    /// Whether an entry is wanted.
    #[must_use]
    pub fn fits(&self, entry: &AuditEntry) -> bool {
        let is = |want: &Option<String>, have: &str| want.as_deref().is_none_or(|want| want == have);
        let begins = |want: &str| {
            entry.action.strip_prefix(want).is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '.']))
        };
        is(&self.actor, &entry.actor)
            && self.action.as_deref().is_none_or(begins)
            && is(&self.target, &entry.target)
            && is(&self.task_id, entry.task_id.as_deref().unwrap_or_default())
            && is(&self.outcome, &entry.outcome)
            && self.since_ms.is_none_or(|at| entry.at_ms >= at)
            && self.until_ms.is_none_or(|at| entry.at_ms <= at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_method_stands_for_all_its_routes_and_a_part_of_a_word_for_nothing() {
        let entry = AuditEntry { action: "DELETE /v1/nodes/{uuid}".into(), ..AuditEntry::default() };
        let fits = |action: &str| AuditFilter { action: Some(action.into()), ..AuditFilter::default() }.fits(&entry);
        assert!(fits("DELETE") && fits("DELETE /v1/nodes/{uuid}"));
        assert!(!fits("DEL") && !fits("POST") && !fits("DELETE /v1/nodes"));
    }
}
