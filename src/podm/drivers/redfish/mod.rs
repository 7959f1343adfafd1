//! Standard Redfish: nodes are computer systems, composed out of resource blocks, or servers as they stand.
//!
//! *Source*: DMTF DSP0266 and DSP2050 (specific and constrained composition, manifests), and the mockups that DMTF publishes.

mod blocks;
mod compose;
mod constraints;
mod fit;
mod nodes;
mod survey;
mod ways;

use std::collections::HashSet;
use std::sync::Arc;

use serde_json::Value;

use crate::model::params::{Boot, ResetType};
use crate::podm::driver::network::NetworkDriver;
use crate::podm::driver::storage::StorageDriver;
use crate::podm::driver::survey::{Known, Survey};
use crate::podm::driver::telemetry::TelemetryDriver;
use crate::podm::driver::{Begun, Call, Driver, MonitorState, NodeView, Offer, Probe, RackView, SystemView, Wanted};
use crate::podm::http::Client;
use crate::podm::standard::Standard;

pub(super) fn make(client: Client) -> Arc<dyn Driver> {
    Arc::new(Redfish(Standard::new(client)))
}

/// One Redfish service.
struct Redfish(Standard);

impl std::ops::Deref for Redfish {
    type Target = Standard;

    fn deref(&self) -> &Standard {
        &self.0
    }
}

impl Driver for Redfish {
    fn probe(&self) -> Call<'_, Probe> {
        Box::pin(self.look())
    }
    fn offers<'a>(&'a self, wanted: &'a Wanted, taken: &'a HashSet<String>) -> Call<'a, Option<Vec<Offer>>> {
        Box::pin(self.offers_of(wanted, taken))
    }
    fn allocate<'a>(&'a self, wanted: &'a Wanted) -> Call<'a, Begun<Option<String>>> {
        Box::pin(self.compose(wanted))
    }
    fn assemble<'a>(&'a self, _node: &'a str) -> Call<'a, Begun<()>> {
        // It is composed as a whole.
        Box::pin(std::future::ready(Ok(Begun::Done(()))))
    }
    fn delete_node<'a>(&'a self, node: &'a str) -> Call<'a, Begun<()>> {
        Box::pin(self.decompose(node))
    }
    fn monitor<'a>(&'a self, monitor: &'a str) -> Call<'a, MonitorState> {
        Box::pin(Standard::monitor(self, monitor, |answer| {
            self.check(monitor, &answer)?;
            Ok(self.made(answer))
        }))
    }
    fn reset<'a>(&'a self, node: &'a str, kind: ResetType) -> Call<'a, Begun<()>> {
        Box::pin(self.reset_of(node, "ComputerSystem", kind))
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
    fn find<'a>(&'a self, tag: &'a str, parts: &'a [String]) -> Call<'a, Option<NodeView>> {
        Box::pin(self.find_node(tag, parts))
    }
    fn is_gone<'a>(&'a self, node: &'a str) -> Call<'a, bool> {
        Box::pin(self.nothing_left(node))
    }
    fn guards(&self) -> bool {
        false
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
        Box::pin(self.survey_service(known))
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
