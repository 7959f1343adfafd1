//! Resource blocks of the composition flavour: what there is to compose of, which zones it lies in, and who has it.
//!
//! Every sled gives four blocks: its processors and memory, more memory, its drives, a network card. Every zone (four sleds) has an
//! accelerator. The drives of each fourth sled lie in all zones and may be shared by two systems.

use hyper::Method;
use serde_json::{Value, json};

use super::answer::Answer;
use super::boot::not_writable;
use super::config::Deviation;
use super::hardware::{Hardware, numbered};
use super::state::{Node, NodeState};
use super::view::{View, collection, healthy, link, links, resource, with};
use super::{block_parts, parts};

pub(super) const PATH: &str = "/redfish/v1/CompositionService/ResourceBlocks";
/// Sleds, and so sorts of most blocks, in one zone.
const SLEDS_PER_ZONE: usize = 4;
/// Systems that a block which can be shared may be in.
const SHARERS: usize = 2;
/// Modules of a block of memory, and the size of each in MiB.
pub(super) const MODULES: u64 = 4;
pub(super) const MODULE_MIB: u64 = 16_384;

/// What a block has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sort {
    Compute,
    Memory,
    Drives,
    Network,
    Gpu,
}

const OF_SLED: [Sort; 4] = [Sort::Compute, Sort::Memory, Sort::Drives, Sort::Network];

/// One block: its sort, and the number of its sled or, for an accelerator, of its zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Block {
    pub(super) sort: Sort,
    pub(super) number: usize,
}

/// Something countable in a block, as a constrained composition asks for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Item {
    Cpu(u64),
    Gpu,
    Mib(u64),
    DriveBytes(u64),
    Mbps(u64),
}

/// How many zones there are.
pub(super) fn zones(hardware: &Hardware) -> usize {
    hardware.systems.div_ceil(SLEDS_PER_ZONE).max(1)
}

/// Every block.
pub(super) fn all(hardware: &Hardware) -> Vec<Block> {
    let of_sleds = (1..=hardware.systems).flat_map(|number| OF_SLED.map(|sort| Block { sort, number }));
    of_sleds.chain((1..=zones(hardware)).map(|number| Block { sort: Sort::Gpu, number })).collect()
}

/// The block of an id.
pub(super) fn find(hardware: &Hardware, id: &str) -> Option<Block> {
    let of_sled = OF_SLED.into_iter().find_map(|sort| {
        let number = numbered(id, sort.prefix(), hardware.systems)?;
        Some(Block { sort, number })
    });
    let gpu = || numbered(id, "Gpu", zones(hardware)).map(|number| Block { sort: Sort::Gpu, number });
    of_sled.or_else(gpu)
}

impl Sort {
    fn prefix(self) -> &'static str {
        match self {
            Self::Compute => "Compute",
            Self::Memory => "Memory",
            Self::Drives => "Drives",
            Self::Network => "Network",
            Self::Gpu => "Gpu",
        }
    }
}

impl Block {
    pub(super) fn id(self) -> String {
        format!("{}{}", self.sort.prefix(), self.number)
    }

    pub(super) fn path(self) -> String {
        format!("{PATH}/{}", self.id())
    }

    fn sled(self) -> usize {
        if self.sort == Sort::Gpu { (self.number - 1) * SLEDS_PER_ZONE + 1 } else { self.number }
    }

    fn is_sharable(self) -> bool {
        self.sort == Sort::Drives && self.number.is_multiple_of(SLEDS_PER_ZONE)
    }

    /// The most systems that it may be in.
    pub(super) fn most(self) -> usize {
        if self.is_sharable() { SHARERS } else { 1 }
    }

    pub(super) fn is_in_zone(self, zone: usize) -> bool {
        self.is_sharable() || (self.sled() - 1) / SLEDS_PER_ZONE + 1 == zone
    }

    /// What it has to count.
    pub(super) fn items(self, hardware: &Hardware) -> Vec<Item> {
        let profile = hardware.profile(self.sled());
        let times = |n: u64, item: Item| (0..n).map(move |_| item);
        match self.sort {
            Sort::Compute => times(profile.sockets, Item::Cpu(profile.cores))
                .chain(times(profile.dimms, Item::Mib(profile.dimm_mib)))
                .collect(),
            Sort::Memory => times(MODULES, Item::Mib(MODULE_MIB)).collect(),
            Sort::Drives => profile.drives.iter().map(|d| Item::DriveBytes(d.gib << 30)).collect(),
            Sort::Network => times(profile.nics, Item::Mbps(profile.nic_mbps)).collect(),
            Sort::Gpu => vec![Item::Gpu],
        }
    }

    pub(super) fn processors(self, hardware: &Hardware) -> Vec<String> {
        match self.sort {
            Sort::Compute => parts::processor_paths(hardware, &self.path(), self.number),
            Sort::Gpu => vec![format!("{}/Processors/GPU1", self.path())],
            _ => Vec::new(),
        }
    }

    pub(super) fn memory(self, hardware: &Hardware) -> Vec<String> {
        match self.sort {
            Sort::Compute => parts::memory_paths(hardware, &self.path(), self.number),
            Sort::Memory => (1..=MODULES).map(|n| format!("{}/Memory/Dimm{n}", self.path())).collect(),
            _ => Vec::new(),
        }
    }

    pub(super) fn interfaces(self, hardware: &Hardware) -> Vec<String> {
        match self.sort {
            Sort::Network => parts::interface_paths(hardware, &self.path(), self.number),
            _ => Vec::new(),
        }
    }

    /// Its storage under a name of the schema, `Storage` or `SimpleStorage`.
    pub(super) fn storage(self, family: &str) -> Option<String> {
        (self.sort == Sort::Drives).then(|| format!("{}/{family}/1", self.path()))
    }
}

/// The systems that a block is in.
pub(super) fn owners(view: &View<'_>, block: Block) -> Vec<(u64, Node)> {
    let id = block.id();
    let has = |node: &&Node| node.blocks.contains(&id);
    view.state.kept.nodes.iter().filter(|(_, n)| has(n)).map(|(id, n)| (*id, n.clone())).collect()
}

/// Answers below `ResourceBlocks`.
pub(super) fn answer(view: &mut View<'_>, rest: &[&str]) -> Answer {
    let [id, rest @ ..] = rest else {
        let paths = all(view.hardware).into_iter().map(Block::path);
        return view.read(collection(PATH, "ResourceBlockCollection", "Resource Block Collection", paths));
    };
    let Some(block) = find(view.hardware, id) else { return view.missing() };
    if rest.is_empty() {
        return match view.call.method {
            Method::PATCH => patch(view, block).unwrap_or_else(|refusal| refusal),
            Method::GET | Method::HEAD => view.entity(render(view, block)),
            _ => Answer::not_allowed("GET, HEAD, PATCH"),
        };
    }
    match block_parts::find(view, block, rest) {
        Some(value) => view.read(value),
        None => view.missing(),
    }
}

/// Sets or takes back the reservation, which is advice to other clients: a composition does not ask for it.
fn patch(view: &mut View<'_>, block: Block) -> Result<Answer, Answer> {
    view.match_or_refuse(&render(view, block))?;
    let mut reserved = None;
    for (key, value) in view.call.object()? {
        let inner = value.as_object().filter(|_| key == "CompositionStatus").ok_or_else(|| not_writable(key))?;
        for (key, value) in inner {
            reserved = Some(value.as_bool().filter(|_| key == "Reserved").ok_or_else(|| not_writable(key))?);
        }
    }
    match reserved {
        Some(true) => drop(view.state.kept.reserved.insert(block.id())),
        Some(false) => drop(view.state.kept.reserved.remove(&block.id())),
        None => {}
    }
    Ok(view.entity(render(view, block)))
}

/// One block.
pub(super) fn render(view: &View<'_>, block: Block) -> Value {
    let (hardware, id, path) = (view.hardware, block.id(), block.path());
    let owners = owners(view, block);
    let is_held = |(_, n): &(u64, Node), state| n.state == state;
    let state = match owners.len() {
        _ if view.deviates(Deviation::Unused) => "Unused",
        0 => "Unused",
        _ if owners.iter().any(|o| is_held(o, NodeState::Failed)) => "Failed",
        _ if owners.iter().any(|o| is_held(o, NodeState::Assembling)) => "Composing",
        n if n < block.most() => "ComposedAndAvailable",
        _ => "Composed",
    };
    let kinds = match block.sort {
        Sort::Compute => "Compute",
        Sort::Memory => "Memory",
        Sort::Drives => "Storage",
        Sort::Network => "Network",
        Sort::Gpu => "Processor",
    };
    let reserved = view.state.kept.reserved.contains(&id);
    let zones = (1..=zones(hardware)).filter(|zone| block.is_in_zone(*zone));
    let mut body = with(
        resource(&path, "ResourceBlock.v1_4_3.ResourceBlock", &id, &format!("Block {id}")),
        json!({
            "ResourceBlockType": [kinds],
            "Status": healthy(),
            "CompositionStatus": {
                "Reserved": if view.deviates(Deviation::ReservedText) { json!(reserved.to_string()) } else { json!(reserved) },
                "CompositionState": state,
                "SharingCapable": block.is_sharable(),
                "SharingEnabled": block.is_sharable(),
                "MaxCompositions": block.most(),
                "NumberOfCompositions": owners.len(),
            },
            "Links": {
                "ComputerSystems": links(owners.iter().map(|(id, node)| node.path(*id))),
                "Chassis": links([format!("/redfish/v1/Chassis/Sled{}", block.sled())]),
                "Zones": links(zones.map(|n| format!("/redfish/v1/CompositionService/ResourceZones/{n}"))),
            },
        }),
    );
    for (family, paths) in [
        ("Processors", block.processors(hardware)),
        ("Memory", block.memory(hardware)),
        ("EthernetInterfaces", block.interfaces(hardware)),
        ("Storage", block.storage("Storage").into_iter().collect()),
        ("SimpleStorage", block.storage("SimpleStorage").into_iter().collect()),
    ] {
        if !paths.is_empty() {
            body[family] = links(paths);
        }
    }
    body
}

/// Links to the zones that there are.
pub(super) fn zone_links(hardware: &Hardware) -> Value {
    (1..=zones(hardware)).map(|n| link(format!("/redfish/v1/CompositionService/ResourceZones/{n}"))).collect()
}
