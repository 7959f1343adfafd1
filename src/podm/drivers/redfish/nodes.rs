//! Computer systems as nodes: composed ones, and servers that are nodes as they stand.

use serde_json::Value;

use super::Redfish;
use crate::podm::driver::{Begun, NodeView, Probe};
use crate::podm::error::RedfishError;
use crate::podm::quirks;
use crate::podm::resource::{Resource, below, last_segment};
use crate::podm::standard::Parts;
use crate::podm::tag;

impl Redfish {
    pub(super) async fn look(&self) -> Result<Probe, RedfishError> {
        // A service root is read without credentials: something behind it shows whether they are good.
        let nodes = if self.composition().await?.is_some() {
            self.list_nodes().await?.len()
        } else {
            self.something_behind().await?;
            0
        };
        Ok(Probe { api_version: None, nodes })
    }

    /// Reads a collection. A service of storage or of a fabric alone has no systems.
    async fn something_behind(&self) -> Result<(), RedfishError> {
        for name in ["Systems", "Chassis", "Fabrics", "Storage", "Managers"] {
            if let Some(link) = self.collection(name).await? {
                return self.client.get(&link).await.map(drop);
            }
        }
        self.needed("Systems").await.map(drop)
    }

    pub(super) async fn read_node(&self, path: &str) -> Result<Option<NodeView>, RedfishError> {
        self.client.get_if_there(path).await?.map(|system| self.view(&system)).transpose()
    }

    pub(super) async fn read_index(&self, index: &str) -> Result<NodeView, RedfishError> {
        let systems = self.needed("Systems").await?;
        self.view(&self.client.get(&below(&systems.path, index)).await?)
    }

    pub(super) async fn list_nodes(&self) -> Result<Vec<NodeView>, RedfishError> {
        self.composed().await?.iter().map(|system| self.view(system)).collect()
    }

    /// Every composed system.
    pub(super) async fn composed(&self) -> Result<Vec<Resource>, RedfishError> {
        let Some(systems) = self.collection("Systems").await? else { return Ok(Vec::new()) };
        let mut composed = Vec::new();
        for system in self.read_all(&self.members(&systems).await?).await? {
            if quirks::is_composed_system(&system)? {
                composed.push(system);
            }
        }
        Ok(composed)
    }

    /// By the tag; where descriptions are not kept, by parts that are reserved and so nobody else's. A server that is a node as it stands
    /// is never found: nothing was made, and nothing is to be taken back.
    pub(super) async fn find_node(&self, tag: &str, parts: &[String]) -> Result<Option<NodeView>, RedfishError> {
        if self.composition().await?.is_none() {
            return Ok(None);
        }
        let mut of_parts = None;
        for system in self.composed().await? {
            let node = self.view(&system)?;
            if node.tag.as_deref() == Some(tag) {
                return Ok(Some(node));
            }
            let blocks = &node.parts;
            let has = |part: &String| blocks.iter().any(|b| b.trim_end_matches('/') == part.trim_end_matches('/'));
            // Exactly these: a system with more was composed by somebody else.
            if node.tag.is_none() && !parts.is_empty() && blocks.len() == parts.len() && parts.iter().all(has) {
                of_parts = Some(node);
            }
        }
        Ok(of_parts)
    }

    /// A computer system as a node; its parts are the resource blocks of a composed one.
    fn view(&self, system: &Resource) -> Result<NodeView, RedfishError> {
        let blocks =
            if quirks::is_composed_system(system)? { system.links("Links/ResourceBlocks")? } else { Vec::new() };
        let parts = blocks.into_iter().map(|link| self.client.resolve(&link).unwrap_or(link));
        Ok(NodeView { parts: parts.collect(), ..view(system)? })
    }

    /// Decomposes a composed system. A server that stands in a rack is left as it is: only its record goes.
    pub(super) async fn decompose(&self, path: &str) -> Result<Begun<()>, RedfishError> {
        match self.client.get_if_there(path).await? {
            Some(system) if quirks::is_composed_system(&system)? => self.remove(path).await,
            _ => Ok(Begun::Done(())),
        }
    }

    pub(super) async fn nothing_left(&self, path: &str) -> Result<bool, RedfishError> {
        match self.client.get_if_there(path).await? {
            Some(system) => Ok(!quirks::is_composed_system(&system)?),
            None => Ok(true),
        }
    }

    pub(super) async fn show_node(&self, path: &str) -> Result<Value, RedfishError> {
        let system = self.client.get(path).await?;
        let parts = Parts {
            processors: self.parts(&system, "Processors").await?,
            memory: self.parts(&system, "Memory").await?,
            interfaces: self.parts(&system, "EthernetInterfaces").await?,
        };
        self.shown(&system, state(&system)?.into(), Some(system.path.clone()), parts).await
    }
}

fn view(system: &Resource) -> Result<NodeView, RedfishError> {
    let description = system.text("Description")?.unwrap_or_default();
    let (description, tag) = tag::split(&description);
    let kind = system.text("@odata.type")?.unwrap_or_default();
    Ok(NodeView {
        composed: kind.trim_start_matches('#').starts_with("ComputerSystem."),
        path: system.path.clone(),
        index: last_segment(&system.path).to_owned(),
        name: system.text("Name")?.unwrap_or_default(),
        description: description.to_owned(),
        tag: tag.map(str::to_owned),
        state: Some(state(system)?.to_owned()),
        power: system.text("PowerState")?,
        boot_target: system.text("Boot/BootSourceOverrideTarget")?,
        boot_enabled: system.text("Boot/BootSourceOverrideEnabled")?,
        parts: Vec::new(),
    })
}

/// Redfish's state in the words of a composed node. One that is switched off is no less assembled, whatever its server calls that.
fn state(system: &Resource) -> Result<&'static str, RedfishError> {
    Ok(match system.text("Status/State")?.as_deref() {
        Some("Starting" | "Updating") => "Assembling",
        Some("Absent" | "UnavailableOffline") => "Failed",
        _ => "Assembled",
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_system_is_assembled_when_it_can_be_used() {
        for (status, expected) in [
            (json!(null), "Assembled"),
            (json!({"State": "Enabled"}), "Assembled"),
            (json!({"State": "StandbyOffline"}), "Assembled"),
            (json!({"State": "Starting"}), "Assembling"),
            (json!({"State": "Absent"}), "Failed"),
        ] {
            let body = json!({"@odata.type": "#ComputerSystem.v1_5_0.ComputerSystem", "Status": status});
            let system = Resource { podm: "lab".into(), path: "/redfish/v1/Systems/1".into(), etag: None, body };
            assert_eq!(view(&system).unwrap().state.as_deref(), Some(expected));
        }
    }
}
