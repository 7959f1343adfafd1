//! The PCI devices of a node that is composed: reserved with the rest, before anything is asked for, and attached one by one once the node
//! is there. Where nodes are machines as they stand, the undo takes exactly these back.

use serde_json::Value;

use super::{Saga, Saved};
use crate::model::device::{Device, DeviceState};
use crate::model::flavor::Requirements;
use crate::model::podm::Podm;
use crate::model::problem::Problem;
use crate::model::v1time::v1;
use crate::podm::NodeView;
use crate::service::Verdict;
use crate::service::compute::removal::Removal;
use crate::service::compute::reservation;
use crate::service::effect::Step;
use crate::service::storage::link::{Goal, Link};
use crate::store::records::Collection;

/// How often devices are chosen anew when others are faster.
const CHOICES: usize = 20;

/// Types of the PCI devices that are wanted.
fn kinds(wanted: &Requirements) -> Result<Vec<String>, Problem> {
    let types = wanted.pci_device.as_ref().and_then(|p| p.kind.as_deref()).unwrap_or_default();
    let text = |v: &Value| v.as_str().map(str::to_owned);
    let wrong = || Problem::validation("Invalid input for field/attribute 'type'. an array of texts is wanted");
    types.iter().map(|v| text(v).ok_or_else(wrong)).collect()
}

impl Saga<'_> {
    /// Reserves the pooled devices of the node, as [`Saga::reserve`] does its parts.
    pub(super) async fn reserve_devices(&mut self, podm: &Podm, wanted: &Requirements) -> Result<(), Verdict> {
        let kinds = kinds(wanted)?;
        let Some(storage) = self.driver.storage().filter(|_| !kinds.is_empty()) else { return Ok(()) };
        let node_id = self.ctx.node_id()?;
        for _ in 0..CHOICES {
            if !self.saved.devices.is_empty()
                && reservation::reserve(self.ctx, &podm.uuid, node_id, &self.saved.devices).await?
            {
                return Ok(());
            }
            let taken = reservation::taken(self.ctx, &podm.uuid, node_id).await?;
            let devices = storage.choose(&kinds, &taken).await.map_err(|e| self.refused(&e))?;
            if devices.is_empty() {
                return Ok(());
            }
            self.saved.devices = devices;
            self.ctx.checkpoint(&self.saved).await?;
        }
        Err(Verdict::retry(Problem::conflict("others were faster with every device that was chosen")))
    }

    /// Attaches the devices that are reserved, one by one.
    pub(super) async fn attach(&mut self, podm_id: &str, view: &NodeView) -> Result<(), Verdict> {
        while let Some(device) = self.saved.devices.get(self.saved.attached).cloned() {
            self.ctx.progress(70, "attaching", device.as_str()).await;
            let link = Link { driver: self.driver, node: &view.path, index: &view.index, device: &device };
            let at = |attaching| Saved { attaching, ..self.saved.clone() };
            link.change(self.ctx, Goal::Attach, self.saved.attaching.clone(), at).await?;
            link.record(self.ctx, podm_id).await?;
            (self.saved.attached, self.saved.attaching) = (self.saved.attached + 1, Step::default());
            self.ctx.checkpoint(&self.saved).await?;
        }
        Ok(())
    }

    /// Takes back what was attached, the last first.
    pub(super) async fn take_back(&mut self, podm_id: &str, node: &str) -> Result<(), Verdict> {
        let Some(view) = self.driver.node(node).await.map_err(|e| self.verdict(&e))? else { return Ok(()) };
        // One whose attach was asked for may be there too.
        if self.saved.attaching.asked {
            (self.saved.attached, self.saved.attaching) = (self.saved.attached + 1, Step::default());
        }
        while let Some(device) = self.saved.attached.checked_sub(1).and_then(|n| self.saved.devices.get(n)).cloned() {
            let link = Link { driver: self.driver, node, index: &view.index, device: &device };
            if self.saved.removal.asked || link.is_joined(link.look(self.ctx).await?.as_ref()) {
                let at = |removal| Saved { removal, ..self.saved.clone() };
                link.change(self.ctx, Goal::Detach, self.saved.removal.clone(), at).await?;
            }
            (self.saved.attached, self.saved.removal) = (self.saved.attached - 1, Removal::default());
            self.ctx.checkpoint(&self.saved).await?;
        }
        self.record_devices(podm_id, node, &view.index).await
    }

    /// Makes the rows of the devices what the hardware shows.
    pub(super) async fn record_devices(&self, podm_id: &str, node: &str, index: &str) -> Result<(), Verdict> {
        for device in &self.saved.devices {
            Link { driver: self.driver, node, index, device }.record(self.ctx, podm_id).await?;
        }
        Ok(())
    }

    /// Makes the rows of devices that came with the node's parts the node's.
    pub(super) async fn record_parts(&self, podm_id: &str, index: &str) -> Result<(), Verdict> {
        if self.saved.parts.is_empty() {
            return Ok(());
        }
        let rows: Vec<Device> = self.ctx.records_of(podm_id, Collection::Device).await?;
        let is_part = |row: &Device| self.saved.parts.contains(&row.resource_uri);
        for row in rows.into_iter().filter(|row| is_part(row) && row.node_id.as_deref() != Some(index)) {
            let updated_at = v1(self.ctx.now_ms());
            let row = Device { node_id: Some(index.to_owned()), state: DeviceState::Allocated, updated_at, ..row };
            self.ctx.overwrite(Collection::Device, &row.uuid, &row).await?;
        }
        Ok(())
    }
}
