//! A composed node with its parts, as the v1 API shows it.

use serde_json::Value;

use super::Rsd;
use crate::podm::error::RedfishError;
use crate::podm::standard::Parts;

impl Rsd {
    pub(super) async fn show_node(&self, path: &str) -> Result<Value, RedfishError> {
        let node = self.client.get(path).await?;
        let parts = Parts {
            processors: self.read_all(&node.links("Links/Processors")?).await?,
            memory: self.read_all(&node.links("Links/Memory")?).await?,
            interfaces: self.read_all(&node.links("Links/EthernetInterfaces")?).await?,
        };
        let system = node.link("Links/ComputerSystem")?;
        self.shown(&node, node.text_json("ComposedNodeState")?, system, parts).await
    }
}
