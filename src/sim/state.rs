//! What changes on one PODM: its nodes, and the power and boot settings of its systems.
//!
//! Assembly is not driven by a timer: a node remembers when it is ready and [`State::advance`], called before every request,
//! lets time catch up. So the PODM goes on when its client has left, and also when it was killed meanwhile. [`Node`] and
//! [`SystemState`] are what `--data-dir` keeps; sessions, tasks and subscriptions are gone after a restart, as on real ones.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::config::SimConfig;
use super::events::Subscriptions;
use super::sessions::Sessions;
use super::tasks::Tasks;

/// Where a node stands in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum NodeState {
    Allocated,
    Assembling,
    Assembled,
    Failed,
}

/// A VLAN asked for with a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Vlan {
    pub(super) id: u64,
    pub(super) tagged: bool,
}

/// A volume of the storage service.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Volume {
    pub(super) name: String,
    pub(super) description: String,
    pub(super) bytes: u64,
    pub(super) bootable: bool,
}

/// A composed node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Node {
    pub(super) name: String,
    pub(super) description: String,
    pub(super) uuid: Uuid,
    pub(super) system: usize,
    pub(super) state: NodeState,
    /// When the assembly ends, in milliseconds since 1970.
    pub(super) ready_at_ms: Option<u64>,
    /// How often it is still read as assembling, where looks count and not time.
    #[serde(default)]
    pub(super) looks_left: u64,
    /// The assembly is bound to fail.
    pub(super) will_fail: bool,
    /// Remote storage taken from the pool.
    pub(super) remote_gib: u64,
    /// VLANs per network interface.
    pub(super) vlans: Vec<Vec<Vlan>>,
    /// Ids of the blocks it is made of; none in a pod of whole systems.
    #[serde(default)]
    pub(super) blocks: Vec<String>,
}

impl Node {
    /// Its path: a computer system when it was composed of blocks.
    pub(super) fn path(&self, id: u64) -> String {
        let is_system = !self.blocks.is_empty();
        if is_system { format!("/redfish/v1/Systems/Composed{id}") } else { format!("/redfish/v1/Nodes/{id}") }
    }
}

impl Node {
    /// Begins the assembly, which ends after its time or after so many looks.
    pub(super) fn begin(&mut self, config: &SimConfig, now_ms: u64) {
        let takes_ms = u64::try_from(config.assemble_time.as_millis()).unwrap_or(u64::MAX);
        self.state = NodeState::Assembling;
        self.looks_left = config.assemble_looks;
        self.ready_at_ms = Some(now_ms.saturating_add(takes_ms)).filter(|_| self.looks_left == 0);
    }

    /// It was read.
    pub(super) fn looked_at(&mut self, now_ms: u64) {
        if self.looks_left > 0 {
            self.looks_left -= 1;
            self.ready_at_ms = Some(now_ms).filter(|_| self.looks_left == 0);
        }
    }
}

/// Blocks that the Compose action holds for a client until it applies its manifest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Reservation {
    pub(super) at_ms: u64,
    pub(super) manifest: serde_json::Value,
    /// The blocks of each stanza that composes.
    pub(super) stanzas: Vec<Vec<String>>,
}

/// The boot override of a system.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Boot {
    pub(super) enabled: String,
    pub(super) target: String,
    pub(super) mode: String,
}

/// What may change on a system.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct SystemState {
    pub(super) on: bool,
    pub(super) boot: Boot,
    pub(super) asset_tag: Option<String>,
}

impl Default for SystemState {
    fn default() -> Self {
        let boot = Boot { enabled: "Disabled".to_owned(), target: "None".to_owned(), mode: "Legacy".to_owned() };
        Self { on: false, boot, asset_tag: None }
    }
}

/// The part of the state that `--data-dir` keeps.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Kept {
    /// The number of the last node made; numbers are not used twice.
    pub(super) last_node: u64,
    pub(super) nodes: BTreeMap<u64, Node>,
    /// Only systems that differ from the default.
    pub(super) systems: BTreeMap<usize, SystemState>,
    /// The most nodes any one system ever carried at once: more than one is a bug of this simulator.
    pub(super) max_nodes_per_system_ever: usize,
    /// The number of the last volume made.
    #[serde(default)]
    pub(super) last_volume: u64,
    #[serde(default)]
    pub(super) volumes: BTreeMap<u64, Volume>,
    /// Path of a pooled device → the system whose node has it.
    #[serde(default)]
    pub(super) attached: BTreeMap<String, usize>,
    /// Path of a collection of VLANs → what it has; only collections that were changed.
    #[serde(default)]
    pub(super) vlans: BTreeMap<String, Vec<Vlan>>,
    /// Id of a board of an ExpEther Manager → what changed of it.
    #[serde(default)]
    pub(super) eem: BTreeMap<String, super::eem::Changed>,
    /// How often a device was taken from a machine that had it.
    #[serde(default)]
    pub(super) eem_stolen: usize,
    /// Ids of blocks that a client has reserved.
    #[serde(default)]
    pub(super) reserved: BTreeSet<String>,
    /// The number of the last reservation made.
    #[serde(default)]
    pub(super) last_reservation: u64,
    #[serde(default)]
    pub(super) reservations: BTreeMap<u64, Reservation>,
    /// The most systems that any block was in at once beyond what it allows: not 0 only where a deviation permits it.
    #[serde(default)]
    pub(super) blocks_composed_twice_ever: usize,
}

/// All that changes on one PODM.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) kept: Kept,
    pub(super) sessions: Sessions,
    pub(super) subscriptions: Subscriptions,
    pub(super) tasks: Tasks,
}

impl State {
    /// Lets the assemblies that are due come to their end.
    pub(super) fn advance(&mut self, now_ms: u64) {
        let Kept { nodes, systems, .. } = &mut self.kept;
        for node in nodes.values_mut() {
            if node.state == NodeState::Assembling && node.ready_at_ms.is_some_and(|at| at <= now_ms) {
                node.ready_at_ms = None;
                node.state = if node.will_fail { NodeState::Failed } else { NodeState::Assembled };
                systems.entry(node.system).or_default().on = !node.will_fail;
            }
        }
    }

    /// The settings of a system.
    pub(super) fn system(&self, number: usize) -> SystemState {
        self.kept.systems.get(&number).cloned().unwrap_or_default()
    }

    /// The settings of a system, to be changed.
    pub(super) fn system_mut(&mut self, number: usize) -> &mut SystemState {
        self.kept.systems.entry(number).or_default()
    }

    /// The node on a system.
    pub(super) fn node_on(&self, system: usize) -> Option<(&u64, &Node)> {
        self.kept.nodes.iter().find(|(_, n)| n.system == system)
    }
}

/// Milliseconds since 1970.
pub(super) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
