//! What a Pod Manager has, as its last refresh found it: what placement chooses by, and the rows behind it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;
use utoipa::ToSchema;

/// Unlike shapes that are told apart; the rest counts with the next smaller one.
const MOST_SHAPES: usize = 64;

/// One Pod Manager's hardware, counted.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Inventory {
    /// The Pod Manager.
    pub podm_id: String,
    /// When it was read, ms since 1970 by Redis's clock.
    pub at_ms: u64,
    /// How long reading it took, ms.
    pub took_ms: u64,
    /// Computer systems.
    pub systems: u32,
    /// Racks.
    pub racks: u32,
    /// Composed nodes, ours and others'.
    pub nodes: u32,
    /// Pooled devices.
    pub devices: u32,
    /// Those of them that no node has.
    pub devices_free: u32,
    /// Computer systems by what they are made of, a bounded number of unlike shapes.
    pub shapes: Vec<Shape>,
}

/// Computer systems that are alike.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Shape {
    /// Processor cores of each.
    pub cores: u32,
    /// Memory of each, MiB.
    pub memory_mib: u64,
    /// Processor model, when it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// How many there are.
    pub total: u32,
    /// How many of them no node has.
    pub free: u32,
}

/// What nodes are made of: a computer system, or, where systems are composed, a resource block with processors.
#[skip_serializing_none]
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Unit {
    /// Its path at the Pod Manager.
    pub path: String,
    /// Its name.
    pub name: String,
    /// Its UUID, when it has one.
    pub uuid: Option<String>,
    /// Processor cores.
    pub cores: u32,
    /// Memory, MiB.
    pub memory_mib: u64,
    /// Processor model, when it is known.
    pub model: Option<String>,
    /// Its health in Redfish's words, when it is known.
    pub health: Option<String>,
    /// Id of the rack that it stands in, when that is known.
    pub rack: Option<String>,
    /// It can be no node's now, whatever nodes there are: it is reserved elsewhere, absent, being updated.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub closed: bool,
    /// Whether it is not free: a node has it, or it is closed.
    pub used: bool,
    /// The version that was read, when the Pod Manager has versions.
    pub etag: Option<String>,
}

/// A rack.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Rack {
    /// The Pod Manager's own id of it.
    pub id: String,
    /// Its name, when it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// How many computer systems stand in it.
    pub systems: u32,
}

/// Units by what they are made of, the smallest first. What is beyond the bound counts with the next smaller shape, so that nothing is
/// promised that is not there.
#[must_use]
pub fn shapes(units: &[Unit]) -> Vec<Shape> {
    let mut by: BTreeMap<(u32, u64, Option<&str>), (u32, u32)> = BTreeMap::new();
    for unit in units {
        let (total, free) = by.entry((unit.cores, unit.memory_mib, unit.model.as_deref())).or_default();
        *total += 1;
        *free += u32::from(!unit.used);
    }
    let shape = |((cores, memory_mib, model), (total, free)): ((u32, u64, Option<&str>), (u32, u32))| Shape {
        cores,
        memory_mib,
        model: model.map(str::to_owned),
        total,
        free,
    };
    let mut shapes: Vec<Shape> = by.into_iter().map(shape).collect();
    while shapes.len() > MOST_SHAPES {
        let (Some(last), Some(before)) = (shapes.pop(), shapes.last_mut()) else { break };
        before.memory_mib = before.memory_mib.min(last.memory_mib);
        before.model = before.model.take().filter(|model| last.model.as_ref() == Some(model));
        before.total += last.total;
        before.free += last.free;
    }
    shapes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit(cores: u32, used: bool) -> Unit {
        Unit { cores, memory_mib: 1024 * u64::from(cores), used, ..Unit::default() }
    }

    #[test]
    fn units_that_are_alike_are_one_shape_and_only_unused_ones_are_free() {
        let shapes = shapes(&[unit(8, false), unit(4, true), unit(8, true)]);
        let counted: Vec<_> = shapes.iter().map(|s| (s.cores, s.total, s.free)).collect();
        assert_eq!(counted, [(4, 1, 0), (8, 2, 1)]);
    }

    #[test]
    fn however_many_shapes_there_are_few_are_kept_and_none_promises_more_than_there_is() {
        let many: Vec<Unit> = (1..=500).map(|cores| unit(cores, false)).collect();
        let shapes = shapes(&many);
        assert_eq!((shapes.len(), shapes.iter().map(|s| s.free).sum::<u32>()), (MOST_SHAPES, 500));
        assert_eq!(shapes[MOST_SHAPES - 1].cores, 64);
    }
}
