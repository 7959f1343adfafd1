//! Composed nodes, one or all, as far as tasks need them.

use super::Rsd;
use crate::podm::driver::NodeView;
use crate::podm::error::{Cause, RedfishError};
use crate::podm::http::ROOT;
use crate::podm::resource::{Resource, below, last_segment};
use crate::podm::tag;

impl Rsd {
    pub(super) async fn read_node(&self, path: &str) -> Result<Option<NodeView>, RedfishError> {
        self.client.get_if_there(path).await?.map(|node| view(&node)).transpose()
    }

    pub(super) async fn read_index(&self, index: &str) -> Result<NodeView, RedfishError> {
        let missing = || self.client.error("GET", ROOT, Cause::Malformed("the service root has no Nodes".into()));
        let nodes = self.collection("Nodes").await?.ok_or_else(missing)?;
        view(&self.client.get(&below(&nodes, index)).await?)
    }

    pub(super) async fn list_nodes(&self) -> Result<Vec<NodeView>, RedfishError> {
        let Some(nodes) = self.collection("Nodes").await? else { return Ok(Vec::new()) };
        self.read_all(&self.members(&nodes).await?).await?.iter().map(view).collect()
    }
}

/// Whether it is a composed node at all: a collection, say, can be read under a path that looks like a node's.
fn is_composed(node: &Resource) -> Result<bool, RedfishError> {
    let kind = node.text("@odata.type")?.unwrap_or_default();
    Ok(node.text("ComposedNodeState")?.is_some() || kind.trim_start_matches('#').starts_with("ComposedNode."))
}

fn view(node: &Resource) -> Result<NodeView, RedfishError> {
    let description = node.text("Description")?.unwrap_or_default();
    let (description, tag) = tag::split(&description);
    Ok(NodeView {
        path: node.path.clone(),
        index: last_segment(&node.path).to_owned(),
        name: node.text("Name")?.unwrap_or_default(),
        description: description.to_owned(),
        tag: tag.map(str::to_owned),
        composed: is_composed(node)?,
        state: node.text("ComposedNodeState")?,
        power: node.text("PowerState")?,
        boot_target: node.text("Boot/BootSourceOverrideTarget")?,
        boot_enabled: node.text("Boot/BootSourceOverrideEnabled")?,
        parts: node.links("Links/ComputerSystem")?,
    })
}
