//! Pooled devices: NVMe drives in the first rack, behind a PCIe fabric, and the volumes behind an NVMe-oF fabric, and who has them.
//!
//! A zone joins the initiator of a system with what is attached to the node on it.

use serde_json::{Value, json};

use super::answer::Answer;
use super::config::{RsdVersion, SimFlavour};
use super::hardware::numbered;
use super::storage;
use super::view::{View, collection, healthy, link, links, ok, resource, with};

const PATH: &str = "/redfish/v1/Fabrics";
/// Where pooled drives are, and how many there are per PODM.
const DRIVES: &str = "/redfish/v1/Chassis/Rack1/Drives";
const COUNT: usize = 4;
const GIB: u64 = 1 << 30;

/// A fabric: its id, its type, the protocol of its endpoints.
const FABRICS: [(&str, &str, &str); 2] = [("PCIe", "PCIe", "PCIe"), ("NVMeoE", "NVMeOverFabrics", "NVMeOverFabrics")];

/// Whether this generation of the Intel API has fabrics.
pub(super) fn is_there(view: &View<'_>) -> bool {
    view.config.flavour == SimFlavour::Rsd && view.config.rsd_version != RsdVersion::V1_2
}

/// The paths of the pooled drives.
pub(super) fn drive_paths(view: &View<'_>) -> Vec<String> {
    if is_there(view) { (1..=COUNT).map(|n| format!("{DRIVES}/{n}")).collect() } else { Vec::new() }
}

/// One pooled drive.
pub(super) fn drive(view: &View<'_>, id: &str) -> Option<Value> {
    let number = numbered(id, "", COUNT).filter(|_| is_there(view))?;
    let path = format!("{DRIVES}/{number}");
    Some(with(
        resource(&path, "Drive.v1_2_0.Drive", id, &format!("Pooled Drive {number}")),
        json!({
            "Manufacturer": "Valence",
            "Model": "SSD DC P4510",
            "SerialNumber": view.hardware.serial(&path),
            "MediaType": "SSD",
            "Protocol": "NVMe",
            "CapacityBytes": 931 * GIB,
            "Status": ok(),
            "Links": {
                "Chassis": link("/redfish/v1/Chassis/Rack1"),
                "Endpoints": links([format!("{PATH}/PCIe/Endpoints/Target{number}")]),
            },
        }),
    ))
}

/// What can be attached behind a fabric: number and path.
fn devices(view: &View<'_>, fabric: &str) -> Vec<(u64, String)> {
    match fabric {
        "PCIe" => (1_u64..).zip(drive_paths(view)).collect(),
        _ => storage::attachable(view),
    }
}

/// The target endpoint of a device.
pub(super) fn endpoint_of(view: &View<'_>, device: &str) -> Option<String> {
    FABRICS.iter().find_map(|(fabric, ..)| {
        let found = devices(view, fabric).into_iter().find(|(_, path)| path == device);
        found.map(|(number, _)| format!("{PATH}/{fabric}/Endpoints/Target{number}"))
    })
}

/// What is attached to a system.
pub(super) fn attached(view: &View<'_>, system: usize) -> Vec<String> {
    view.state.kept.attached.iter().filter(|(_, at)| **at == system).map(|(path, _)| path.clone()).collect()
}

/// Answers below `Fabrics`.
pub(super) fn answer(view: &View<'_>, rest: &[&str]) -> Answer {
    if !is_there(view) {
        return view.missing();
    }
    let [id, rest @ ..] = rest else {
        let all = FABRICS.iter().map(|(id, ..)| format!("{PATH}/{id}"));
        return view.read(collection(PATH, "FabricCollection", "Fabrics", all));
    };
    let Some((id, kind, protocol)) = FABRICS.into_iter().find(|(known, ..)| known == id) else { return view.missing() };
    let base = format!("{PATH}/{id}");
    let systems = 1..=view.hardware.systems;
    match rest {
        [] => view.read(fabric(&base, id, kind)),
        ["Endpoints"] => {
            let targets = devices(view, id).into_iter().map(|(n, _)| format!("{base}/Endpoints/Target{n}"));
            let hosts = systems.map(|n| format!("{base}/Endpoints/Host{n}"));
            let all: Vec<String> = targets.chain(hosts).collect();
            view.read(collection(&format!("{base}/Endpoints"), "EndpointCollection", "Endpoints", all))
        }
        ["Endpoints", endpoint] => match found(view, id, endpoint) {
            Some((role, entity)) => view.read(endpoint_resource(&base, endpoint, protocol, role, &entity)),
            None => view.missing(),
        },
        ["Zones"] => {
            let zoned = systems.filter(|n| !zone_members(view, id, *n).is_empty());
            let all: Vec<String> = zoned.map(|n| format!("{base}/Zones/{n}")).collect();
            view.read(collection(&format!("{base}/Zones"), "ZoneCollection", "Zones", all))
        }
        ["Zones", zone] => {
            let number = numbered(zone, "", view.hardware.systems);
            let members = number.map(|n| (n, zone_members(view, id, n))).filter(|(_, members)| !members.is_empty());
            match members {
                Some((n, members)) => view.read(zone_resource(&base, n, &members)),
                None => view.missing(),
            }
        }
        _ => view.missing(),
    }
}

fn fabric(base: &str, id: &str, kind: &str) -> Value {
    with(
        resource(base, "Fabric.v1_0_0.Fabric", id, &format!("{id} Fabric")),
        json!({
            "FabricType": kind,
            "Status": healthy(),
            "Endpoints": link(format!("{base}/Endpoints")),
            "Zones": link(format!("{base}/Zones")),
        }),
    )
}

/// The role of an endpoint and what is behind it.
fn found(view: &View<'_>, fabric: &str, id: &str) -> Option<(&'static str, String)> {
    if let Some(system) = numbered(id, "Host", view.hardware.systems) {
        return Some(("Initiator", format!("/redfish/v1/Systems/System{system}")));
    }
    let number = id.strip_prefix("Target")?;
    let device = devices(view, fabric).into_iter().find(|(n, _)| n.to_string() == number);
    device.map(|(_, path)| ("Target", path))
}

fn endpoint_resource(base: &str, id: &str, protocol: &str, role: &str, entity: &str) -> Value {
    let kind = match role {
        "Initiator" => "RootComplex",
        _ if entity.contains("/Drives/") => "Drive",
        _ => "Volume",
    };
    with(
        resource(&format!("{base}/Endpoints/{id}"), "Endpoint.v1_1_0.Endpoint", id, &format!("Endpoint {id}")),
        json!({
            "EndpointProtocol": protocol,
            "ConnectedEntities": [{ "EntityType": kind, "EntityRole": role, "EntityLink": link(entity) }],
            "Status": ok(),
        }),
    )
}

/// The endpoints of the zone of a system; none when nothing is attached to it.
fn zone_members(view: &View<'_>, fabric: &str, system: usize) -> Vec<String> {
    let here = attached(view, system);
    let mut members: Vec<String> = devices(view, fabric)
        .into_iter()
        .filter(|(_, path)| here.contains(path))
        .map(|(n, _)| format!("{PATH}/{fabric}/Endpoints/Target{n}"))
        .collect();
    if !members.is_empty() {
        members.push(format!("{PATH}/{fabric}/Endpoints/Host{system}"));
    }
    members
}

fn zone_resource(base: &str, system: usize, members: &[String]) -> Value {
    let id = system.to_string();
    with(
        resource(&format!("{base}/Zones/{id}"), "Zone.v1_0_0.Zone", &id, &format!("Zone {id}")),
        json!({ "Status": ok(), "Links": { "Endpoints": links(members), "Endpoints@odata.count": members.len() } }),
    )
}

/// Everything that can be attached.
pub(super) fn all_devices(view: &View<'_>) -> Vec<String> {
    FABRICS.iter().flat_map(|(fabric, ..)| devices(view, fabric)).map(|(_, path)| path).collect()
}
