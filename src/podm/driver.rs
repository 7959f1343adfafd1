//! What Valence can ask of a Pod Manager, whatever its dialect. One folder below `drivers/` implements it for one dialect.
//!
//! A driver does one thing per call and decides nothing: sagas in `service` order the calls, save what they do and undo it. Nodes are
//! named by their path at the Pod Manager.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use serde_json::Value;

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
}

/// A computer system.
#[derive(Debug, Clone)]
pub struct SystemView {
    /// As the v1 API shows it.
    pub shown: Value,
    /// As the Pod Manager has it; filters may name its fields.
    pub raw: Value,
}

/// What a look at a Pod Manager found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// Version of Intel's API, when it says so.
    pub api_version: Option<String>,
    /// How many composed nodes it has.
    pub nodes: usize,
}

/// One Pod Manager in its dialect.
pub trait Driver: Send + Sync {
    /// Looks whether it is there and takes our credentials.
    fn probe(&self) -> Call<'_, Probe>;

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

    /// Finds the node that carries a tag.
    fn find_by_tag<'a>(&'a self, tag: &'a str) -> Call<'a, Option<NodeView>>;

    /// Reads a node with all its parts, as the v1 API shows it.
    fn full_node<'a>(&'a self, node: &'a str) -> Call<'a, Value>;

    /// Lists systems with their parts; only the one of that id when one is given.
    fn systems<'a>(&'a self, id: Option<&'a str>) -> Call<'a, Vec<SystemView>>;
}
