//! What Valence can ask of a Pod Manager, whatever its dialect. One folder below `drivers/` implements it for one dialect.
//!
//! A driver does one thing per call and decides nothing: sagas in `service` order the calls, save what they do and undo it. Nodes are
//! named by their path at the Pod Manager.

pub mod network;
pub mod storage;
pub mod survey;
pub mod telemetry;

use std::collections::HashSet;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use serde_json::Value;

use network::NetworkDriver;
use storage::StorageDriver;
use survey::{Known, Survey};
use telemetry::TelemetryDriver;

use super::error::RedfishError;
use crate::model::flavor::Requirements;
use crate::model::params::{Boot, ResetType};

/// A driver's answer to come.
pub type Call<'a, T> = Pin<Box<dyn Future<Output = Result<T, RedfishError>> + Send + 'a>>;

/// What to allocate.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// Name of the node.
    pub name: String,
    /// Its description, tag included.
    pub description: String,
    /// What it must have.
    pub requirements: Requirements,
    /// Paths of the parts that were chosen and reserved; empty where the Pod Manager chooses.
    pub parts: Vec<String>,
}

/// Parts at a Pod Manager that would make a wanted node together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// Their paths. Each is reserved for the node before it is asked for, since these Pod Managers guard nothing.
    pub parts: Vec<String>,
}

/// A rack.
#[derive(Debug, Clone)]
pub struct RackView {
    /// As the v1 API shows it with `show_detail`.
    pub shown: Value,
    /// As the Pod Manager has it; filters may name its fields.
    pub raw: Value,
}

/// What came of a changing request that was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Begun<T> {
    /// Done, as far as the answer says.
    Done(T),
    /// A long operation: ask its monitor.
    Monitor {
        /// Path of the task monitor.
        path: String,
        /// When to ask it first.
        after: Option<Duration>,
    },
}

/// What a task monitor says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MonitorState {
    /// Not ended.
    Running {
        /// When to ask again.
        after: Option<Duration>,
    },
    /// Ended well; what was made, when it says so.
    Ended {
        /// Path of what was made.
        location: Option<String>,
    },
    /// It does not know the operation any more: look at what was to be changed.
    Gone,
}

/// A composed node as its Pod Manager shows it now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeView {
    /// Whether what was read is a composed node.
    pub composed: bool,
    /// Its path.
    pub path: String,
    /// The Pod Manager's own id of it.
    pub index: String,
    /// Its name.
    pub name: String,
    /// Its description, without the tag.
    pub description: String,
    /// Its tag, of whatever deployment.
    pub tag: Option<String>,
    /// `ComposedNodeState`, such as `Assembled`.
    pub state: Option<String>,
    /// `PowerState`, such as `On`.
    pub power: Option<String>,
    /// Where it boots from, when that is overridden.
    pub boot_target: Option<String>,
    /// How long the override holds.
    pub boot_enabled: Option<String>,
    /// Paths of the computer system, or of the resource blocks, that it is made of.
    pub parts: Vec<String>,
}

/// A computer system.
#[derive(Debug, Clone)]
pub struct SystemView {
    /// As the v1 API shows it.
    pub shown: Value,
    /// As the Pod Manager has it; filters may name its fields.
    pub raw: Value,
}

/// Whose part something is: a computer system by its id, or a node by its path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner<'a> {
    /// A computer system, by the id that its path ends with.
    System(&'a str),
    /// A node, by its path.
    Node(&'a str),
}

/// What a look at a Pod Manager found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// Version of Intel's API, when it says so.
    pub api_version: Option<String>,
    /// How many composed nodes it has.
    pub nodes: usize,
}

/// Most time a Pod Manager gets for a [`Driver::probe`]: who registers one waits for it.
pub const PROBE_LIMIT: Duration = Duration::from_secs(10);

/// One Pod Manager in its dialect.
pub trait Driver: Send + Sync {
    /// Looks whether it is there and takes our credentials.
    fn probe(&self) -> Call<'_, Probe>;

    /// Parts that would make the wanted node, the best first; `None` where the Pod Manager chooses, and guards what it has given.
    /// `taken` are parts that belong to nodes already.
    fn offers<'a>(&'a self, _wanted: &'a Wanted, _taken: &'a HashSet<String>) -> Call<'a, Option<Vec<Offer>>> {
        Box::pin(std::future::ready(Ok(None)))
    }

    /// Allocates a node. `Done(None)`: it was made, and the answer does not say where.
    fn allocate<'a>(&'a self, wanted: &'a Wanted) -> Call<'a, Begun<Option<String>>>;

    /// Begins to assemble an allocated node. Accepted is not done: read its state.
    fn assemble<'a>(&'a self, node: &'a str) -> Call<'a, Begun<()>>;

    /// Decomposes a node; one that is gone already is a success. Accepted is not done: read until it is gone.
    fn delete_node<'a>(&'a self, node: &'a str) -> Call<'a, Begun<()>>;

    /// Asks a task monitor. An error is the operation's own, unless it says that nobody answered.
    fn monitor<'a>(&'a self, monitor: &'a str) -> Call<'a, MonitorState>;

    /// Resets a node. Accepted is not done: read its power state.
    fn reset<'a>(&'a self, node: &'a str, kind: ResetType) -> Call<'a, Begun<()>>;

    /// Sets a node's boot source.
    fn set_boot<'a>(&'a self, node: &'a str, boot: &'a Boot) -> Call<'a, Begun<()>>;

    /// Reads a node; `None` when there is none.
    fn node<'a>(&'a self, node: &'a str) -> Call<'a, Option<NodeView>>;

    /// Reads a node by the Pod Manager's own id of it.
    fn node_by_index<'a>(&'a self, index: &'a str) -> Call<'a, NodeView>;

    /// Lists all nodes.
    fn nodes(&self) -> Call<'_, Vec<NodeView>>;

    /// Finds the node that carries a tag, or, where nodes carry none, the one made of parts that nobody else may use.
    fn find<'a>(&'a self, tag: &'a str, parts: &'a [String]) -> Call<'a, Option<NodeView>>;

    /// Whether it guards what it has given. Where it does not, the parts of a node are reserved for it: the Pod Manager may have chosen them.
    fn guards(&self) -> bool;

    /// Whether nothing of a decomposed node is left.
    fn is_gone<'a>(&'a self, node: &'a str) -> Call<'a, bool> {
        Box::pin(async move { Ok(self.node(node).await?.is_none()) })
    }

    /// Whether composing makes something at the Pod Manager that is deleted again. Where nodes are machines as they stand, only what was
    /// attached to one is taken back.
    fn makes_nodes(&self) -> bool {
        true
    }

    /// Reads a node with all its parts, as the v1 API shows it.
    fn full_node<'a>(&'a self, node: &'a str) -> Call<'a, Value>;

    /// Lists systems with their parts; only the one of that id when one is given.
    fn systems<'a>(&'a self, id: Option<&'a str>) -> Call<'a, Vec<SystemView>>;

    /// The system of that id as the v1 API shows it: a list of none or one, or the system itself.
    fn system<'a>(&'a self, id: &'a str) -> Call<'a, Value> {
        Box::pin(async move { Ok(self.systems(Some(id)).await?.into_iter().map(|s| s.shown).collect()) })
    }

    /// Lists racks with the systems in them.
    fn racks(&self) -> Call<'_, Vec<RackView>> {
        Box::pin(std::future::ready(Ok(Vec::new())))
    }

    /// Reads what the inventory keeps. `known` is what the last survey found: what has not changed since need not be read again.
    fn survey<'a>(&'a self, _known: &'a Known) -> Call<'a, Survey> {
        Box::pin(survey::plain(self))
    }

    /// Pooled devices and volumes, where the dialect has them.
    fn storage(&self) -> Option<&dyn StorageDriver> {
        None
    }

    /// Switches and VLANs, where the dialect has them.
    fn network(&self) -> Option<&dyn NetworkDriver> {
        None
    }

    /// Readings and subscriptions, where the dialect has them.
    fn telemetry(&self) -> Option<&dyn TelemetryDriver> {
        None
    }
}
