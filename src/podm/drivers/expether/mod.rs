//! NEC ExpEther: an ExpEther Manager (EEM) joins machines (EESV) and PCIe devices (EEIO) over Ethernet by a group that both are in.
//!
//! A node is a machine as it stands: nothing is made for it, and it has no place for a tag. What of it belongs to which node stands in our
//! reservations. The EEM guards nothing either: a device is reserved before it is put into a group.
//!
//! *Source*: what the first Valence's driver asked for and how it understood the answers.

mod boards;
mod devices;
mod nodes;

use std::collections::HashSet;
use std::sync::Arc;

use serde_json::Value;

use crate::model::params::{Boot, ResetType};
use crate::podm::driver::storage::StorageDriver;
use crate::podm::driver::{Begun, Call, Driver, MonitorState, NodeView, Offer, Probe, SystemView, Wanted};
use crate::podm::http::Client;

pub(super) fn make(client: Client) -> Arc<dyn Driver> {
    Arc::new(ExpEther { client })
}

/// One ExpEther Manager.
struct ExpEther {
    client: Client,
}

impl ExpEther {
    fn unsupported<T>(&self, action: &str) -> Call<'_, T>
    where
        T: Send + 'static,
    {
        let problem = crate::model::problem::Problem::bad_request(format!("Unsupported action: {action}"));
        Box::pin(std::future::ready(Err(self.impossible(problem))))
    }
}

impl Driver for ExpEther {
    fn probe(&self) -> Call<'_, Probe> {
        Box::pin(self.look())
    }
    fn offers<'a>(&'a self, _wanted: &'a Wanted, taken: &'a HashSet<String>) -> Call<'a, Option<Vec<Offer>>> {
        Box::pin(async move { self.free_machines(taken).await.map(Some) })
    }
    fn allocate<'a>(&'a self, wanted: &'a Wanted) -> Call<'a, Begun<Option<String>>> {
        // The machine is there; it was reserved.
        Box::pin(std::future::ready(Ok(Begun::Done(wanted.parts.first().cloned()))))
    }
    fn assemble<'a>(&'a self, _node: &'a str) -> Call<'a, Begun<()>> {
        Box::pin(std::future::ready(Ok(Begun::Done(()))))
    }
    fn delete_node<'a>(&'a self, node: &'a str) -> Call<'a, Begun<()>> {
        Box::pin(self.detach_all(node))
    }
    fn monitor<'a>(&'a self, _monitor: &'a str) -> Call<'a, MonitorState> {
        // It has no long operations.
        Box::pin(std::future::ready(Ok(MonitorState::Gone)))
    }
    fn reset<'a>(&'a self, _node: &'a str, _kind: ResetType) -> Call<'a, Begun<()>> {
        self.unsupported("Reset")
    }
    fn set_boot<'a>(&'a self, _node: &'a str, _boot: &'a Boot) -> Call<'a, Begun<()>> {
        self.unsupported("Boot")
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
    fn find<'a>(&'a self, _tag: &'a str, _parts: &'a [String]) -> Call<'a, Option<NodeView>> {
        Box::pin(std::future::ready(Ok(None)))
    }
    fn is_gone<'a>(&'a self, node: &'a str) -> Call<'a, bool> {
        Box::pin(async move { Ok(self.attached_to(node).await?.is_empty()) })
    }
    fn makes_nodes(&self) -> bool {
        false
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
    fn system<'a>(&'a self, id: &'a str) -> Call<'a, Value> {
        Box::pin(self.show_system(id))
    }
    fn storage(&self) -> Option<&dyn StorageDriver> {
        Some(self)
    }
}
