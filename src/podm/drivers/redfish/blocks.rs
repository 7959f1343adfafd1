//! Resource blocks that a composed system gets, and gives back, after it was composed: drives, networks, accelerators. Blocks of processors
//! and memory are what a system is made of, and no devices. What a compose wants comes with its blocks, so nothing is chosen here.
//!
//! *Source*: ComputerSystem and ResourceBlock of Redfish: `AddResourceBlock` and `RemoveResourceBlock`; where a system does not offer them,
//! its `Links.ResourceBlocks` is set.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::Redfish;
use crate::podm::driver::storage::{DeviceView, StorageDriver, Storages};
use crate::podm::driver::{Begun, Call};
use crate::podm::error::RedfishError;
use crate::podm::http::Change;
use crate::podm::quirks;
use crate::podm::resource::{Resource, last_segment};

/// Kinds of blocks that are devices, as `ResourceBlockType` has them.
const DEVICES: [&str; 4] = ["Storage", "Network", "Processor", "Expansion"];
/// Kinds that make a block a part of the machine itself.
const MACHINES: [&str; 3] = ["Compute", "ComputerSystem", "Memory"];

impl StorageDriver for Redfish {
    fn devices(&self) -> Call<'_, Vec<DeviceView>> {
        Box::pin(self.list_blocks())
    }
    fn choose<'a>(&'a self, _kinds: &'a [String], _taken: &'a HashSet<String>) -> Call<'a, Vec<String>> {
        Box::pin(std::future::ready(Ok(Vec::new())))
    }
    fn device<'a>(&'a self, device: &'a str) -> Call<'a, Option<DeviceView>> {
        Box::pin(self.read_block(device))
    }
    fn attach<'a>(&'a self, node: &'a str, device: &'a str) -> Call<'a, Begun<()>> {
        Box::pin(self.change_blocks(node, device, true))
    }
    fn detach<'a>(&'a self, node: &'a str, device: &'a str) -> Call<'a, Begun<()>> {
        Box::pin(self.change_blocks(node, device, false))
    }
    fn storages(&self) -> Option<&dyn Storages> {
        Some(&self.0)
    }
}

impl Redfish {
    /// Every block that is a device.
    async fn list_blocks(&self) -> Result<Vec<DeviceView>, RedfishError> {
        let Some(service) = self.composition().await? else { return Ok(Vec::new()) };
        let composed = self.composed().await?;
        let mut all = Vec::new();
        for block in self.parts(&service, "ResourceBlocks").await? {
            all.extend(device(&block, &composed)?);
        }
        Ok(all)
    }

    async fn read_block(&self, path: &str) -> Result<Option<DeviceView>, RedfishError> {
        let Some(block) = self.client.get_if_there(path).await? else { return Ok(None) };
        // Some show a block as unused that a system is made of; else it says whose it is.
        let named = block.links("Links/ComputerSystems")?;
        let systems = if named.is_empty() { self.composed().await? } else { self.read_all(&named).await? };
        device(&block, &systems)
    }

    /// Adds a block to a system, or takes it away. What is so already is not asked for.
    async fn change_blocks(&self, node: &str, block: &str, adds: bool) -> Result<Begun<()>, RedfishError> {
        let system = match self.client.get_if_there(node).await? {
            Some(system) if quirks::is_composed_system(&system)? => system,
            None if !adds => return Ok(Begun::Done(())),
            _ => return Err(self.refusal(400, format!("{node} is no composed system: its parts cannot be changed"))),
        };
        let mut blocks = system.links("Links/ResourceBlocks")?;
        if blocks.iter().any(|has| is_same(has, block)) == adds {
            return Ok(Begun::Done(()));
        }
        let action = if adds { "AddResourceBlock" } else { "RemoveResourceBlock" };
        if let Some(target) = quirks::own_target(&system, "ComputerSystem", action)? {
            let body = json!({ "ResourceBlock": { "@odata.id": block } });
            return self.ask(&target, Change::Post(Some(&body))).await;
        }
        blocks.retain(|has| !is_same(has, block));
        blocks.extend(adds.then(|| block.to_owned()));
        let links: Vec<Value> = blocks.iter().map(|path| json!({ "@odata.id": path })).collect();
        let body = json!({ "Links": { "ResourceBlocks": links } });
        // For the version that was read: somebody else may be changing the same list.
        self.ask(node, Change::Patch(&body, system.etag.as_deref())).await
    }
}

/// A block as a device; `None` when it is none.
fn device(block: &Resource, systems: &[Resource]) -> Result<Option<DeviceView>, RedfishError> {
    let kinds = block.texts("ResourceBlockType")?;
    if kinds.iter().any(|kind| MACHINES.contains(&kind.as_str())) {
        return Ok(None);
    }
    let Some(kind) = kinds.into_iter().find(|kind| DEVICES.contains(&kind.as_str())) else { return Ok(None) };
    let mut node = None;
    for system in systems {
        if quirks::is_composed_system(system)?
            && system.links("Links/ResourceBlocks")?.iter().any(|has| is_same(has, &block.path))
        {
            node = Some(last_segment(&system.path).to_owned());
            break;
        }
    }
    Ok(Some(DeviceView {
        path: block.path.clone(),
        kind: Some(kind),
        group: None,
        allocated: node.is_some() || !quirks::is_free_block(block, &[])?,
        node,
        properties: json!({ "name": block.text("Name")?, "description": block.text("Description")? }),
        extra: json!({}),
    }))
}

fn is_same(a: &str, b: &str) -> bool {
    a.trim_end_matches('/') == b.trim_end_matches('/')
}
