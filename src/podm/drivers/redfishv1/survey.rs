//! The inventory of a pod: computer systems, of which a node has one, racks and nodes.

use std::collections::HashSet;

use super::Rsd;
use crate::podm::driver::survey::{Known, Survey};
use crate::podm::error::RedfishError;

impl Rsd {
    pub(super) async fn survey_pod(&self, known: &Known) -> Result<Survey, RedfishError> {
        let links = match self.collection("Systems").await? {
            Some(systems) => self.members(&systems).await?,
            None => Vec::new(),
        };
        let mut units = self.units(&links, known, async |system| self.system_unit(system).await.map(Some)).await?;
        let racks = self.placed(&mut units, known).await?;
        // Last, so that a node made meanwhile does not leave its system free.
        let nodes = self.list_nodes().await?;
        let used: HashSet<String> = nodes.iter().flat_map(|n| &n.parts).map(|link| self.known_as(link)).collect();
        for unit in &mut units {
            unit.used = used.contains(&self.known_as(&unit.path));
        }
        Ok(Survey { units, racks, nodes })
    }
}
