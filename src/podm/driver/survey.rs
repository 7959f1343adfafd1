//! What a refresh of the inventory reads: the units that nodes are made of, the racks they stand in, and the nodes.

use std::collections::{HashMap, HashSet};

use super::{Driver, NodeView};
use crate::model::inventory::{Rack, Unit};
use crate::podm::error::RedfishError;
use crate::podm::resource::last_segment;

/// What the last survey found, so that what has not changed costs little. Empty: everything is read.
#[derive(Debug, Clone, Default)]
pub struct Known {
    /// Units by their path.
    pub units: HashMap<String, Unit>,
    /// Racks.
    pub racks: Vec<Rack>,
}

/// What a survey found.
#[derive(Debug, Clone, Default)]
pub struct Survey {
    /// Units, in the Pod Manager's order.
    pub units: Vec<Unit>,
    /// Racks.
    pub racks: Vec<Rack>,
    /// Nodes, ours and others'.
    pub nodes: Vec<NodeView>,
}

/// A survey made of what every driver can do. A system that is a node, or has a node's id, is used; where nodes are not made, only the
/// reservations tell.
///
/// # Errors
/// What the Pod Manager answers.
pub async fn plain<D: Driver + ?Sized>(driver: &D) -> Result<Survey, RedfishError> {
    let nodes = driver.nodes().await?;
    let used: HashSet<&str> = nodes.iter().filter(|_| driver.makes_nodes()).map(|n| n.index.as_str()).collect();
    let mut survey = Survey::default();
    for system in driver.systems(None).await? {
        let text = |field: &str| system.shown[field].as_str().map(str::to_owned);
        let number = |text: Option<&str>| text.and_then(|t| t.parse().ok()).unwrap_or(0.0);
        let path = system.raw["@odata.id"].as_str().map_or_else(|| text("id").unwrap_or_default(), str::to_owned);
        survey.units.push(Unit {
            name: text("Name").or_else(|| text("name")).unwrap_or_default(),
            uuid: text("uuid"),
            cores: whole(number(system.shown["cpu"]["cores"].as_str())).try_into().unwrap_or(u32::MAX),
            memory_mib: whole(number(system.shown["ram"].as_str()) * 1024.0),
            model: system.shown["cpu"]["model"].as_str().map(str::to_owned),
            health: text("health"),
            used: used.contains(last_segment(&path)),
            path,
            ..Unit::default()
        });
    }
    for rack in driver.racks().await? {
        survey.racks.push(Rack {
            id: rack.shown["id"].as_str().unwrap_or_default().to_owned(),
            name: rack.shown["name"].as_str().map(str::to_owned),
            systems: rack.shown["systems"].as_array().map_or(0, |s| s.len().try_into().unwrap_or(u32::MAX)),
        });
    }
    survey.nodes = nodes;
    Ok(survey)
}

/// A number of hardware as a whole one; what is no sensible number is none.
#[must_use]
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 2^53, as clamped")]
pub fn whole(n: f64) -> u64 {
    if n.is_finite() { n.clamp(0.0, 9e15) as u64 } else { 0 }
}
