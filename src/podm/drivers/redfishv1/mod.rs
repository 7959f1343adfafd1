//! Intel Rack Scale Design, versions 1.x and 2.x: `/redfish/v1/Nodes`, Allocate, Assemble.
//!
//! *Source*: Intel RSD PODM API 2.1–2.5, and the first Valence's field maps for the v1 API.

mod allocate;
mod attach;
mod devices;
mod full_node;
mod nodes;
mod survey;

use std::sync::Arc;

use serde_json::Value;

use crate::model::params::{Boot, ResetType};
use crate::podm::driver::network::NetworkDriver;
use crate::podm::driver::storage::StorageDriver;
use crate::podm::driver::survey::{Known, Survey};
use crate::podm::driver::telemetry::TelemetryDriver;
use crate::podm::driver::{Begun, Call, Driver, MonitorState, NodeView, Probe, RackView, SystemView, Wanted};
use crate::podm::error::RedfishError;
use crate::podm::http::Client;
use crate::podm::quirks;
use crate::podm::standard::Standard;

pub(super) fn make(client: Client) -> Arc<dyn Driver> {
    Arc::new(Rsd(Standard::new(client)))
}

/// One Pod Manager.
struct Rsd(Standard);

impl std::ops::Deref for Rsd {
    type Target = Standard;

    fn deref(&self) -> &Standard {
        &self.0
    }
}

impl Rsd {
    async fn probe(&self) -> Result<Probe, RedfishError> {
        let root = self.root().await?;
        let api_version = match root.text("Oem/Intel_RackScale/ApiVersion")? {
            None => root.text("Oem/Intel:RackScale/ApiVersion")?,
            known => known,
        };
        // A service root is read without credentials: something behind it shows whether they are good.
        let mut nodes = 0;
        if let Some(link) = quirks::root_link(root, "Nodes")? {
            nodes =
                self.client.get_if_there(&link).await?.map(|c| quirks::members(&c)).transpose()?.map_or(0, |m| m.len());
        } else if let Some(link) = quirks::root_link(root, "Chassis")? {
            self.client.get_if_there(&link).await?;
        }
        Ok(Probe { api_version, nodes })
    }
}

impl Driver for Rsd {
    fn probe(&self) -> Call<'_, Probe> {
        Box::pin(Rsd::probe(self))
    }
    fn allocate<'a>(&'a self, wanted: &'a Wanted) -> Call<'a, Begun<Option<String>>> {
        Box::pin(self.allocate_node(wanted))
    }
    fn assemble<'a>(&'a self, node: &'a str) -> Call<'a, Begun<()>> {
        Box::pin(self.assemble_node(node))
    }
    fn delete_node<'a>(&'a self, node: &'a str) -> Call<'a, Begun<()>> {
        Box::pin(self.remove(node))
    }
    fn monitor<'a>(&'a self, monitor: &'a str) -> Call<'a, MonitorState> {
        Box::pin(Standard::monitor(self, monitor, |answer| Ok(answer.location)))
    }
    fn reset<'a>(&'a self, node: &'a str, kind: ResetType) -> Call<'a, Begun<()>> {
        Box::pin(self.reset_of(node, "ComposedNode", kind))
    }
    fn set_boot<'a>(&'a self, node: &'a str, boot: &'a Boot) -> Call<'a, Begun<()>> {
        Box::pin(self.boot_from(node, boot))
    }
    fn node<'a>(&'a self, node: &'a str) -> Call<'a, Option<NodeView>> {
        Box::pin(self.read_node(node))
    }
    fn node_by_index<'a>(&'a self, index: &'a str) -> Call<'a, NodeView> {
        Box::pin(self.read_index(index))
    }
    fn nodes(&self) -> Call<'_, Vec<NodeView>> {
        Box::pin(self.list_nodes())
    }
    fn find<'a>(&'a self, tag: &'a str, _parts: &'a [String]) -> Call<'a, Option<NodeView>> {
        Box::pin(async move { Ok(self.list_nodes().await?.into_iter().find(|n| n.tag.as_deref() == Some(tag))) })
    }
    fn guards(&self) -> bool {
        true
    }
    fn full_node<'a>(&'a self, node: &'a str) -> Call<'a, Value> {
        Box::pin(self.show_node(node))
    }
    fn systems<'a>(&'a self, id: Option<&'a str>) -> Call<'a, Vec<SystemView>> {
        Box::pin(self.list_systems(id))
    }
    fn racks(&self) -> Call<'_, Vec<RackView>> {
        Box::pin(self.list_racks())
    }
    fn survey<'a>(&'a self, known: &'a Known) -> Call<'a, Survey> {
        Box::pin(self.survey_pod(known))
    }
    fn storage(&self) -> Option<&dyn StorageDriver> {
        Some(self)
    }
    fn network(&self) -> Option<&dyn NetworkDriver> {
        Some(&self.0)
    }
    fn telemetry(&self) -> Option<&dyn TelemetryDriver> {
        Some(&self.0)
    }
}
