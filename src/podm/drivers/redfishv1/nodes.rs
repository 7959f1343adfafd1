//! Composed nodes, one or all, as far as tasks need them.

use super::Rsd;
use crate::podm::driver::NodeView;
use crate::podm::error::{Cause, RedfishError};
use crate::podm::http::ROOT;
use crate::podm::resource::{Resource, last_segment};
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

/// The path of a member by its id, whatever characters that has.
fn below(collection: &str, id: &str) -> String {
    let safe = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'~');
    let id: String = match id {
        // A path that means another one: no id of anything.
        "." | ".." => "%00".into(),
        id => id
            .bytes()
            .map(|b| if safe(b) || b == b'.' { char::from(b).to_string() } else { format!("%{b:02X}") })
            .collect(),
    };
    format!("{}/{id}", collection.trim_end_matches('/'))
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
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_cannot_lead_out_of_its_collection() {
        assert_eq!(below("/redfish/v1/Nodes/", "Node1"), "/redfish/v1/Nodes/Node1");
        for id in ["../Systems/1", "..", "1/Actions", "1?x", "1#x", "%2e%2e", ""] {
            let url = url::Url::parse("http://h").unwrap().join(&below("/redfish/v1/Nodes", id)).unwrap();
            assert!(url.path().starts_with("/redfish/v1/Nodes/"), "{id}: {url}");
            assert_eq!((url.path().matches('/').count(), url.query(), url.fragment()), (4, None, None), "{id}");
        }
    }
}
