//! Pooled devices: NVMe drives in the first rack, behind a PCIe fabric, and the volumes behind an NVMe-oF fabric; who has them, and the
//! actions that attach and detach them.
//!
//! A zone joins the initiator of a system with what is attached to the node on it. API 2.1 attaches endpoints, later ones resources.

use hyper::Method;
use serde_json::{Value, json};

use super::answer::Answer;
use super::config::RsdVersion;
use super::hardware::numbered;
use super::state::NodeState;
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
    view.config.rsd_version != RsdVersion::V1_2
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

/// The names of the two actions in this generation; `None` when it has none.
pub(super) fn actions(view: &View<'_>) -> Option<[&'static str; 2]> {
    match view.config.rsd_version {
        RsdVersion::V1_2 => None,
        RsdVersion::V2_1 => Some(["AttachEndpoint", "DetachEndpoint"]),
        RsdVersion::V2_4 => Some(["AttachResource", "DetachResource"]),
    }
}

/// What an action of a node can name now.
fn allowed(view: &View<'_>, system: usize, attach: bool) -> Vec<String> {
    let here = attached(view, system);
    let all = FABRICS.iter().flat_map(|(fabric, ..)| devices(view, fabric)).map(|(_, path)| path);
    let fit: Vec<String> = all
        .filter(|path| if attach { !view.state.kept.attached.contains_key(path) } else { here.contains(path) })
        .collect();
    match view.config.rsd_version {
        RsdVersion::V2_1 => fit.iter().filter_map(|path| endpoint_of(view, path)).collect(),
        _ => fit,
    }
}

/// The part of a node's `Actions` that this module adds.
pub(super) fn advertise(view: &View<'_>, node: &str, system: usize, into: &mut Value) {
    let Some(names) = actions(view) else { return };
    for (name, attach) in names.into_iter().zip([true, false]) {
        let mut action = json!({ "target": format!("{node}/Actions/ComposedNode.{name}") });
        if view.config.rsd_version == RsdVersion::V2_1 {
            action[view.allowable("Resource")] = links(allowed(view, system, attach));
        } else {
            action["@Redfish.ActionInfo"] = Value::from(format!("{node}/Actions/{name}ActionInfo"));
        }
        into[format!("#ComposedNode.{name}")] = action;
    }
}

/// The ActionInfo of a node's action, when it has one of that name.
pub(super) fn action_info(view: &View<'_>, node: &str, system: usize, name: &str) -> Option<Value> {
    if view.config.rsd_version != RsdVersion::V2_4 {
        return None;
    }
    let attach = match name {
        "AttachResourceActionInfo" => true,
        "DetachResourceActionInfo" => false,
        _ => return None,
    };
    let mut parameters = vec![json!({
        "Name": "Resource",
        "Required": true,
        "DataType": "Object",
        "ObjectDataType": "#Resource.Resource",
        "AllowableValues": allowed(view, system, attach),
    })];
    if !view.config.strict_schema {
        // Real ones list links; the published schema says texts.
        parameters[0]["AllowableValues"] = links(allowed(view, system, attach));
    }
    if attach {
        parameters.push(json!({
            "Name": "Protocol",
            "Required": false,
            "DataType": "String",
            "AllowableValues": ["NVMe", "NVMeOverFabrics"],
        }));
    }
    let path = format!("{node}/Actions/{name}");
    let body = json!({ "Parameters": parameters });
    Some(with(resource(&path, "ActionInfo.v1_0_2.ActionInfo", name, &name.replace("ActionInfo", " Action Info")), body))
}

/// Carries out an attach or a detach.
pub(super) fn act(view: &mut View<'_>, system: usize, state: NodeState, attach: bool) -> Answer {
    if view.call.method != Method::POST {
        return Answer::not_allowed("POST");
    }
    let named = match wanted(view) {
        Ok(named) => named,
        Err(refusal) => return refusal,
    };
    if !matches!(state, NodeState::Assembled | NodeState::Failed) {
        return Answer::conflict(&format!("A node in state {state:?} has its devices neither attached nor detached."));
    }
    if !allowed(view, system, attach).contains(&named) {
        let text = format!("{named} is not available for this node now.");
        return Answer::conflict(&text);
    }
    let all: Vec<String> =
        FABRICS.iter().flat_map(|(fabric, ..)| devices(view, fabric)).map(|(_, path)| path).collect();
    let device = all.into_iter().find(|path| *path == named || endpoint_of(view, path).as_deref() == Some(&named));
    let Some(device) = device else { return view.missing() };
    if attach {
        view.state.kept.attached.insert(device, system);
    } else {
        view.state.kept.attached.remove(&device);
    }
    Answer::no_content()
}

/// The resource that a request names; other parameters than the action has are refused.
fn wanted(view: &View<'_>) -> Result<String, Answer> {
    let body = view.call.object()?;
    for (key, value) in body {
        match (key.as_str(), value) {
            ("Resource", Value::Object(_)) => {}
            ("Protocol", Value::String(p)) if ["NVMe", "NVMeOverFabrics"].contains(&p.as_str()) => {}
            _ => return Err(Answer::bad("ActionParameterUnknown", &format!("The parameter {key} is not understood."))),
        }
    }
    match body.get("Resource").and_then(|r| r["@odata.id"].as_str()) {
        Some(path) => Ok(path.to_owned()),
        None => Err(Answer::bad("ActionParameterMissing", "The action needs a Resource.")),
    }
}
