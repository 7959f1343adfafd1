//! The inventory of a Redfish service: where systems are composed, the resource blocks with processors; else the servers as they stand.
//! Which of those are nodes nobody at the service knows: the reservations tell.

use std::collections::HashSet;

use super::Redfish;
use crate::model::inventory::Unit;
use crate::podm::driver::survey::{Known, Survey};
use crate::podm::error::RedfishError;
use crate::podm::quirks;
use crate::podm::resource::Resource;
use crate::podm::standard::survey::{memory, processors, unit};

impl Redfish {
    pub(super) async fn survey_service(&self, known: &Known) -> Result<Survey, RedfishError> {
        let mut units = match self.composition().await? {
            Some(service) => self.survey_blocks(&service, known).await?,
            None => {
                let links = match self.collection("Systems").await? {
                    Some(systems) => self.members(&systems).await?,
                    None => Vec::new(),
                };
                self.units(&links, known, async |system| self.server_unit(system).await).await?
            }
        };
        let racks = self.placed(&mut units, known).await?;
        let nodes = self.list_nodes().await?;
        let trimmed = |path: &str| path.trim_end_matches('/').to_owned();
        // Some show a block as unused that a system is made of: the systems themselves tell.
        let used: HashSet<String> = nodes.iter().flat_map(|n| &n.parts).map(|p| trimmed(p)).collect();
        for unit in &mut units {
            unit.used = unit.closed || used.contains(&trimmed(&unit.path));
        }
        Ok(Survey { units, racks, nodes })
    }

    async fn survey_blocks(&self, service: &Resource, known: &Known) -> Result<Vec<Unit>, RedfishError> {
        let Some(blocks) = service.link("ResourceBlocks")? else { return Ok(Vec::new()) };
        let links = self.members(&blocks).await?;
        self.units(&links, known, async |block| self.block_unit(block).await).await
    }

    /// A block with processors; others are parts beside it and make no node.
    async fn block_unit(&self, block: Resource) -> Result<Option<Unit>, RedfishError> {
        let (cores, model) = processors(&self.read_all(&block.links("Processors")?).await?)?;
        if cores == 0.0 {
            return Ok(None);
        }
        let memory = memory(&self.read_all(&block.links("Memory")?).await?)?;
        let closed = quirks::is_reserved(&block) || !quirks::is_free_block(&block, &[])?;
        Ok(Some(Unit { closed, ..unit(&block, cores, memory, model)? }))
    }

    async fn server_unit(&self, system: Resource) -> Result<Option<Unit>, RedfishError> {
        if quirks::is_composed_system(&system)? {
            return Ok(None);
        }
        let state = system.text("Status/State")?;
        let closed = matches!(state.as_deref(), Some("Absent" | "UnavailableOffline" | "Updating"));
        Ok(Some(Unit { closed, ..self.system_unit(system).await? }))
    }
}
