//! Where hardware and records disagree, and when something may be done about it.
//!
//! The rule for nodes that carry a tag (DESIGN, compose saga): a task of ours that is on record and has ended without the node left it
//! behind, and its hardware is returned after two sightings and a grace; a tag of ours without a task on record is adopted; everything
//! else is never touched. Nothing is judged by one look: what one look shows may be in the middle of a change.

use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;
use utoipa::ToSchema;

use super::state::State;

/// Looks that must have seen a thing before anything is done about it.
pub const SIGHTINGS: u32 = 2;
/// Looks closer together than this count as one: several may run side by side, ms.
pub const APART_MS: u64 = 2_000;
/// Findings kept of one Pod Manager.
pub const MOST: usize = 500;

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Sort {
    /// Hardware that a task left behind: it ended without the node. It is returned.
    Orphan,
    /// Hardware with our tag of whose task nothing is on record. It is taken on record.
    Unrecorded,
    /// A node on record whose hardware is not there. It is listed.
    Missing,
    /// A node whose deletion ended midway: the hardware is gone, the record is not. It is finished.
    HalfDeleted,
    /// A part is reserved for a node that is neither on record nor being made. It is released.
    Reservation,
    /// A volume that a task left behind: it ended without it. It is deleted.
    Volume,
    /// A device was attached otherwise than its row said. The row was corrected.
    Device,
}

impl Sort {
    /// The word in JSON and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Orphan => "orphan",
            Self::Unrecorded => "unrecorded",
            Self::Missing => "missing",
            Self::HalfDeleted => "half_deleted",
            Self::Reservation => "reservation",
            Self::Volume => "volume",
            Self::Device => "device",
        }
    }

    /// Whether what is done about it takes something away, so that a grace comes first.
    #[must_use]
    pub const fn takes_away(self) -> bool {
        matches!(self, Self::Orphan | Self::HalfDeleted | Self::Reservation | Self::Volume)
    }

    /// Whether somebody must look at it: nothing is done about it.
    #[must_use]
    pub const fn is_only_listed(self) -> bool {
        matches!(self, Self::Missing | Self::Device)
    }
}

/// One disagreement.
#[skip_serializing_none]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Finding {
    /// What is wrong.
    pub sort: Sort,
    /// With what: a path at the Pod Manager.
    pub target: String,
    /// The node it concerns.
    pub node_id: Option<String>,
    /// The task whose it is.
    pub task_id: Option<String>,
    /// One line for people.
    pub detail: String,
    /// When it was seen first, ms since 1970.
    #[serde(default)]
    pub first_ms: u64,
    /// When it was seen last, ms since 1970.
    #[serde(default)]
    pub last_ms: u64,
    /// How many looks have seen it, one after the other.
    #[serde(default)]
    pub sightings: u32,
}

impl Finding {
    /// A thing that this look has seen; [`merge`] says since when.
    #[must_use]
    pub fn new(sort: Sort, target: &str, detail: String) -> Self {
        Self {
            sort,
            target: target.to_owned(),
            node_id: None,
            task_id: None,
            detail,
            first_ms: 0,
            last_ms: 0,
            sightings: 0,
        }
    }

    fn is_same(&self, other: &Self) -> bool {
        (self.sort, &self.target, &self.task_id, &self.node_id)
            == (other.sort, &other.target, &other.task_id, &other.node_id)
    }

    /// Whether something may be done about it now.
    #[must_use]
    pub fn is_due(&self, now_ms: u64, grace_ms: u64) -> bool {
        !self.sort.is_only_listed() && self.sightings >= SIGHTINGS && now_ms >= self.due_ms(grace_ms)
    }

    /// When its grace is over, ms since 1970.
    #[must_use]
    pub fn due_ms(&self, grace_ms: u64) -> u64 {
        self.first_ms + if self.sort.takes_away() { grace_ms } else { 0 }
    }
}

/// What this look has seen, with what is known of it from the looks before. What it has not seen is forgotten: sightings count one after
/// the other.
#[must_use]
pub fn merge(before: &[Finding], mut seen: Vec<Finding>, now_ms: u64) -> Vec<Finding> {
    seen.truncate(MOST);
    for finding in &mut seen {
        let known = before.iter().find(|b| b.is_same(finding));
        finding.first_ms = known.map_or(now_ms, |k| k.first_ms);
        let is_apart = known.is_none_or(|k| now_ms >= k.last_ms + APART_MS);
        finding.sightings = known.map_or(0, |k| k.sightings) + u32::from(is_apart);
        finding.last_ms = if is_apart { now_ms } else { known.map_or(now_ms, |k| k.last_ms) };
    }
    seen
}

/// What a node at a Pod Manager is, by its tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// On record, another deployment's, or nobody's: not touched.
    Leave,
    /// A task is at work on it.
    Working,
    /// Left behind.
    Orphan,
    /// Ours, and nothing is known of it.
    Unrecorded,
}

/// Judges a node. `own` says whether its tag is this deployment's; `task` is the state of the tag's task, `None` when it is not on record.
#[must_use]
pub fn standing(own: bool, on_record: bool, task: Option<State>) -> Standing {
    match task {
        _ if !own || on_record => Standing::Leave,
        None => Standing::Unrecorded,
        Some(state) if state.is_terminal() => Standing::Orphan,
        Some(_) => Standing::Working,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_task_of_ours_left_behind_is_an_orphan() {
        assert_eq!(standing(true, false, Some(State::Failed)), Standing::Orphan);
        assert_eq!(standing(true, false, Some(State::Completed)), Standing::Orphan);
        assert_eq!(standing(true, false, None), Standing::Unrecorded);
        for live in [State::Running, State::Retrying, State::Parked, State::Waiting, State::Queued, State::Cancelling] {
            assert_eq!(standing(true, false, Some(live)), Standing::Working);
        }
        for task in [None, Some(State::Failed), Some(State::Running)] {
            assert_eq!(standing(false, false, task), Standing::Leave, "a foreign tag");
            assert_eq!(standing(true, true, task), Standing::Leave, "on record");
        }
    }

    #[test]
    fn nothing_is_done_at_the_first_sighting_nor_within_the_grace() {
        let seen = || vec![Finding::new(Sort::Orphan, "/n/1", String::new())];
        let first = merge(&[], seen(), 1_000);
        assert!(!first[0].is_due(10_000_000, 600_000), "one sighting is not enough, however long ago");
        assert_eq!(merge(&first, seen(), 2_999)[0].sightings, 1, "two looks side by side are one");
        let second = merge(&first, seen(), 3_000);
        assert!(!second[0].is_due(600_999, 600_000));
        assert!(second[0].is_due(601_000, 600_000));
        let after_a_gap = merge(&merge(&second, Vec::new(), 5_000), seen(), 700_000);
        assert!(!after_a_gap[0].is_due(10_000_000, 600_000), "it was not there meanwhile");
    }

    #[test]
    fn another_task_or_node_is_another_finding() {
        let of = |task: &str| Finding { task_id: Some(task.into()), ..Finding::new(Sort::Orphan, "/n/1", "".into()) };
        let first = merge(&[], vec![of("a")], 1);
        assert_eq!(merge(&first, vec![of("b")], 2 + APART_MS)[0].sightings, 1);
    }

    #[test]
    fn adoption_needs_no_grace_and_what_is_only_listed_is_never_due() {
        for (sort, due) in [(Sort::Unrecorded, true), (Sort::Missing, false), (Sort::Device, false)] {
            let seen = || vec![Finding::new(sort, "/n/1", String::new())];
            let second = merge(&merge(&[], seen(), 1), seen(), 1 + APART_MS);
            assert_eq!(second[0].is_due(1 + APART_MS, 600_000), due, "{sort:?}");
        }
    }
}
