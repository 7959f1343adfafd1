//! Placement as data: what a request may hint at, what is known of each candidate, and how a decision is explained.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;
use utoipa::ToSchema;

use super::inventory::{Inventory, Shape};
use super::kind::PODM_CHANGES;
use super::node::BriefNode;
use super::podm::{Podm, PodmStatus, Policy};

/// A node that was there this much before an inventory was read is counted by it, ms: clocks of processes differ a little.
pub const CLOCKS_MS: u64 = 1_000;
/// How long what a process did itself stands there beside what Redis says, ms: an answer may be from before it.
pub const OWN_MS: u64 = 1_000;

/// Where a node should rather be, or may only be.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Hints {
    /// What nodes should be spread across.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spread: Option<Spread>,
    /// Labels that the Pod Manager should have; one without is taken only when there is hardly another choice.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub affinity: BTreeMap<String, String>,
    /// Labels that the Pod Manager should not have.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub anti_affinity: BTreeMap<String, String>,
    /// The only Pod Managers that may be chosen.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub podm_ids: Vec<String>,
}

/// What nodes are spread across.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Spread {
    /// The Pod Manager with the fewest nodes first.
    Podm,
    /// The Pod Manager with the fewest nodes a rack first: which rack it takes is its own choice.
    Rack,
}

/// A Pod Manager as placement sees it: its record without credentials.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Site {
    /// Id.
    pub uuid: String,
    /// Name.
    pub name: String,
    /// Which driver speaks to it.
    pub driver: String,
    /// Last known reachability.
    pub status: PodmStatus,
    /// What its operator has set.
    pub policy: Policy,
}

impl From<&Podm> for Site {
    fn from(podm: &Podm) -> Self {
        let Podm { uuid, name, driver, status, policy, .. } = podm.clone();
        Self { uuid, name, driver, status, policy }
    }
}

/// Hardware that is spoken for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reservation {
    /// The task that has it.
    pub task: String,
    /// Which shape, by [`shape_key`]; empty when the inventory was unknown.
    pub shape: String,
    /// When it was made, ms since 1970: the compose begins then.
    pub begun_ms: u64,
    /// When it lapses, ms since 1970.
    pub until_ms: u64,
    /// When the node was there, ms since 1970; 0 while it is composed.
    pub done_ms: u64,
    /// Whether this process made it, rather than having read of it.
    pub own: bool,
}

/// Everything that is known of a Pod Manager when a node is placed.
#[derive(Debug, Clone, Default)]
pub struct Candidate {
    /// The Pod Manager.
    pub site: Site,
    /// What its last refresh found, if there was one.
    pub inventory: Option<Inventory>,
    /// [`shape_key`] of each shape of the inventory.
    pub keys: Vec<String>,
    /// Changes that run or wait there.
    pub in_flight: u64,
    /// What is reserved there.
    pub reservations: Vec<Reservation>,
    /// When hardware was last given back there, ms since 1970: an inventory from before does not know of it. 0: never.
    pub freed_ms: u64,
    /// How much was given back since the newest inventory that was used.
    pub freed: u32,
    /// Until when its circuit lets nobody in, ms since 1970; 0 while it is closed.
    pub shut_ms: u64,
    /// How long a compose takes there of late, ms.
    pub compose_ms: Option<u64>,
    /// Whether it was asked and has answered nothing for a while, or its circuit is half-open: its gates let in one at a time.
    pub silent: bool,
    /// Whether its last answers were none, or refusals to serve.
    pub failing: bool,
}

impl Candidate {
    /// The same with another inventory.
    #[must_use]
    pub fn with_inventory(self, inventory: Option<Inventory>) -> Self {
        let keys = inventory.iter().flat_map(|i| &i.shapes).map(shape_key).collect();
        Self { inventory, keys, ..self }
    }

    /// How many changes it lets begin at once; one while it is silent.
    #[must_use]
    pub fn places(&self) -> u32 {
        if self.silent { 1 } else { self.site.policy.max_changes.unwrap_or(PODM_CHANGES).max(1) }
    }

    /// What is composed there by what is reserved: its task may be queued still, or it is in flight as well.
    pub fn begun(&self, now_ms: u64) -> impl Iterator<Item = &Reservation> {
        self.reservations.iter().filter(move |r| r.done_ms == 0 && r.until_ms > now_ms)
    }

    /// Whether another change could begin there now.
    #[must_use]
    pub fn has_place(&self, now_ms: u64) -> bool {
        let begun = u64::try_from(self.begun(now_ms).count()).unwrap_or(u64::MAX);
        self.in_flight.max(begun) < u64::from(self.places())
    }

    /// Keeps what this process did a moment ago: Redis may not have known it yet when it said what is reserved. Says how many composes have
    /// ended that it did not know of.
    pub fn keep_own(&mut self, before: &[Reservation], now_ms: u64) -> u64 {
        let said = self.reservations.len();
        let is_news = |since_ms: u64| since_ms + OWN_MS > now_ms;
        let mut ended = 0;
        for known in before {
            match self.reservations.iter_mut().take(said).find(|r| r.task == known.task) {
                Some(said) if said.done_ms == 0 && is_news(known.done_ms) => {
                    said.done_ms = known.done_ms;
                    ended += 1;
                }
                None if known.own && known.done_ms == 0 && is_news(known.begun_ms) => {
                    self.reservations.push(known.clone());
                }
                _ => {}
            }
        }
        ended
    }
}

/// A shape's name among those of its Pod Manager.
#[must_use]
pub fn shape_key(shape: &Shape) -> String {
    format!("{}x{} {}", shape.cores, shape.memory_mib, shape.model.as_deref().unwrap_or_default())
}

/// Nodes that wait for a place and are alike: of one caller, wanted the same.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Line {
    /// Its name.
    pub name: String,
    /// Who asked.
    pub caller: String,
    /// What is wanted, JSON.
    pub wanted: String,
    /// Cores wanted.
    pub cores: f64,
    /// Memory wanted, MiB.
    pub memory_mib: f64,
    /// How many nodes wait in it.
    pub count: u64,
    /// Where its first stands: less is earlier, by priority and then by when it was accepted.
    pub first: u64,
}

/// All that is known when a node is placed.
#[derive(Debug, Clone, Default)]
pub struct Scene {
    /// Every Pod Manager.
    pub candidates: Vec<Candidate>,
    /// Who waits for a place.
    pub lines: Vec<Line>,
    /// When it is, ms since 1970.
    pub now_ms: u64,
}

/// What is to be reserved at the chosen Pod Manager.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// Its place among the candidates.
    pub at: usize,
    /// Its id.
    pub podm_id: String,
    /// [`shape_key`] of the shape; empty when the inventory is unknown.
    pub shape: String,
    /// How many of the shape may be reserved at once; `None`: nobody knows.
    pub most: Option<u32>,
    /// When the inventory that says so was read, ms since 1970; 0 without one.
    pub inventory_ms: u64,
    /// How many changes may begin there at once.
    pub places: u32,
}

/// A decision and its reasons.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Decision {
    /// `None`: no candidate is left, or the node waits (`placement.waits`).
    pub choice: Option<Choice>,
    /// Why.
    pub placement: Placement,
}

/// Why a node is where it is.
#[skip_serializing_none]
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Placement {
    /// How many Pod Managers there are.
    pub considered: u32,
    /// How many of them were left out, by the reason.
    pub filtered: BTreeMap<String, u32>,
    /// The best of the rest, the best first.
    pub scores: Vec<Scored>,
    /// The Pod Manager that was chosen, or that comes first while the node waits.
    pub chosen: Option<Chosen>,
    /// Why it waits for a place, or had to wait before it was placed.
    pub waits: Option<String>,
    /// How long it waited for a place, ms.
    pub waited_ms: Option<u64>,
    /// Those that were chosen before and could not do it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tried: Vec<Tried>,
}

/// A Pod Manager's score and what made it: the product of its weights.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Scored {
    /// The Pod Manager.
    pub podm_id: String,
    /// Its name.
    pub name: String,
    /// More is better; only meaningful beside the others of the same decision.
    pub score: f64,
    /// Each weight, above 0; 1 changes nothing.
    pub weights: BTreeMap<String, f64>,
}

/// The Pod Manager that was chosen.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Chosen {
    /// The Pod Manager.
    pub podm_id: String,
    /// Its name.
    pub name: String,
}

/// A candidate that could not do it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Tried {
    /// The Pod Manager.
    pub podm_id: String,
    /// Its name.
    pub name: String,
    /// The status of its refusal.
    pub status: u16,
    /// Its words.
    pub why: String,
}

/// A node that was placed: v1's brief node, and why it is where it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PlacedNode {
    /// The node.
    #[serde(flatten)]
    pub node: BriefNode,
    /// Why.
    pub placement: Placement,
}
