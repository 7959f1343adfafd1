//! Allocate: picks the smallest free system that satisfies a request. A system never carries two nodes.

use hyper::StatusCode;
use uuid::Uuid;

use super::answer::Answer;
use super::hardware::{Hardware, Profile};
use super::state::{Node, NodeState};
use super::storage::POOL_GIB;
use super::view::View;
use super::wanted::{Wanted, WantedCpu, WantedDrive, WantedInterface, WantedMemory};

/// Answers a POST to the Allocate action.
pub(super) fn allocate(view: &mut View<'_>) -> Answer {
    let wanted = view.post_only().and_then(|()| view.call.object()).and_then(Wanted::read);
    let wanted = match wanted.and_then(|w| places_exist(view.hardware, &w).map(|()| w)) {
        Ok(wanted) => wanted,
        Err(refusal) => return refusal,
    };
    let lent: u64 = view.state.kept.nodes.values().map(|n| n.remote_gib).sum();
    let made = super::volumes::taken(view).div_ceil(1 << 30);
    if lent.saturating_add(made).saturating_add(wanted.remote_gib) > POOL_GIB {
        return Answer::conflict("The remote drives asked for are not available.");
    }
    let Some(system) = best_fit(view, &wanted) else {
        return Answer::conflict("There is no free computer system that satisfies the request.");
    };
    let path = place(view, system, wanted);
    Answer::empty(StatusCode::CREATED).located(view.location(&path))
}

/// The smallest free system that satisfies a request: memory first, then cores, then the lowest number.
fn best_fit(view: &View<'_>, wanted: &Wanted) -> Option<usize> {
    let free = |n: &usize| view.state.node_on(*n).is_none();
    (1..=view.hardware.systems)
        .filter(|n| free(n) && is_pinned(view.hardware, *n, wanted) && satisfies(view.hardware.profile(*n), wanted))
        .min_by_key(|n| (view.hardware.profile(*n).total_mib(), view.hardware.profile(*n).total_cores(), *n))
}

/// Makes the node and returns its path.
fn place(view: &mut View<'_>, system: usize, wanted: Wanted) -> String {
    let kept = &mut view.state.kept;
    kept.last_node += 1;
    let id = kept.last_node;
    let node = Node {
        name: wanted.name.unwrap_or_else(|| format!("Node {id}")),
        description: wanted.description.unwrap_or_default(),
        uuid: Uuid::new_v4(),
        system,
        state: NodeState::Allocated,
        ready_at_ms: None,
        looks_left: 0,
        will_fail: false,
        remote_gib: wanted.remote_gib,
        vlans: wanted.interfaces.into_iter().map(|i| i.vlans).collect(),
        blocks: Vec::new(),
    };
    kept.nodes.insert(id, node);
    let here = kept.nodes.values().filter(|n| n.system == system).count();
    kept.max_nodes_per_system_ever = kept.max_nodes_per_system_ever.max(here);
    format!("/redfish/v1/Nodes/{id}")
}

/// Refuses pins to what is not there at all.
fn places_exist(hardware: &Hardware, wanted: &Wanted) -> Result<(), Answer> {
    let known_chassis = |path: &&String| chassis(hardware, path).is_some();
    let known = |path: &&String| system_of(hardware, path).is_some();
    let lost = wanted.chassis.iter().find(|p| !known_chassis(p));
    match lost.or_else(|| wanted.resources.iter().find(|p| !known(p))) {
        Some(path) => {
            let text = format!("The request names {path}, which is not there.");
            Err(Answer::bad("ResourceMissingAtURI", &text))
        }
        None => Ok(()),
    }
}

fn chassis(hardware: &Hardware, path: &str) -> Option<super::hardware::Place> {
    hardware.place(path.strip_prefix("/redfish/v1/Chassis/")?)
}

/// The system that a resource's path belongs to.
fn system_of(hardware: &Hardware, path: &str) -> Option<usize> {
    let mut parts = path.strip_prefix("/redfish/v1/")?.split('/');
    match (parts.next()?, parts.next()?) {
        ("Systems", id) => hardware.system_number(id),
        ("Chassis", id) => super::hardware::numbered(id, "Sled", hardware.systems),
        _ => None,
    }
}

fn is_pinned(hardware: &Hardware, system: usize, wanted: &Wanted) -> bool {
    wanted.resources.iter().all(|p| system_of(hardware, p) == Some(system))
        && wanted.chassis.iter().filter_map(|p| chassis(hardware, p)).all(|p| hardware.is_in(system, p))
}

fn satisfies(profile: &Profile, wanted: &Wanted) -> bool {
    let mib = wanted.memory.iter().fold(wanted.total_mib.max(1), |sum, m| sum.max(m.mib));
    let sum = wanted.memory.iter().fold(0_u64, |sum, m| sum.saturating_add(m.mib));
    profile.total_mib() >= mib.max(sum)
        && profile.total_cores() >= wanted.total_cores
        && wanted.cpus.len() as u64 <= profile.sockets
        && wanted.cpus.iter().all(|cpu| cpu_fits(profile, cpu))
        && wanted.memory.iter().all(|memory| memory_fits(profile, memory))
        && wanted.interfaces.len() as u64 <= profile.nics
        && wanted.interfaces.iter().all(|i| interface_fits(profile, i))
        && drives_fit(profile, &wanted.drives)
}

/// Whether a wanted word is met; models are met by a part of their name.
fn says(wanted: Option<&String>, real: &str) -> bool {
    wanted.is_none_or(|w| real.to_lowercase().contains(&w.to_lowercase()))
}

fn cpu_fits(profile: &Profile, cpu: &WantedCpu) -> bool {
    profile.cores >= cpu.cores
        && profile.mhz >= cpu.mhz
        && says(cpu.model.as_ref(), profile.cpu_model)
        && cpu.brand.as_ref().is_none_or(|b| b == profile.brand)
        && cpu.instruction_set.as_ref().is_none_or(|i| i == "x86-64")
}

fn memory_fits(profile: &Profile, memory: &WantedMemory) -> bool {
    profile.dimm_mhz >= memory.mhz
        && memory.width <= 64
        && memory.kind.as_ref().is_none_or(|k| k.eq_ignore_ascii_case(profile.dimm_type))
}

fn interface_fits(profile: &Profile, interface: &WantedInterface) -> bool {
    profile.nic_mbps >= interface.mbps
}

/// Whether each wanted drive can have one of its own; the most demanding take first.
fn drives_fit(profile: &Profile, wanted: &[WantedDrive]) -> bool {
    let mut left: Vec<_> = profile.drives.iter().collect();
    left.sort_by_key(|d| d.gib);
    let mut wanted: Vec<_> = wanted.iter().collect();
    wanted.sort_by_key(|d| std::cmp::Reverse(d.gib));
    wanted.into_iter().all(|want| {
        let fit = left.iter().position(|d| {
            d.gib >= want.gib
                && d.rpm >= want.rpm
                && want.kind.as_ref().is_none_or(|k| k.eq_ignore_ascii_case(d.media))
                && want.protocol.as_ref().is_none_or(|p| p.eq_ignore_ascii_case(d.protocol))
        });
        fit.map(|at| left.remove(at)).is_some()
    })
}
