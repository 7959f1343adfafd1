//! What real Pod Managers do differently, in one place, each with its evidence. The rest of the code reads as the specifications do.

use serde_json::Value;

use super::error::RedfishError;
use super::resource::Resource;

/// Names under which the Allocate action is advertised.
///
/// *Evidence*: Intel's PODM and rsd-lib's samples have the first; Intel's PSME simulator has the second.
const ALLOCATE: [&str; 2] = ["#ComposedNodeCollection.Allocate", "#ComposedNodesCollection.Allocate"];

/// Prefixes under which allowed values are annotated.
///
/// *Evidence*: Redfish 1.0 and later have the first; RSD 1.x and the first Valence's PODMs have the second.
const ALLOWABLE: [&str; 2] = ["@Redfish.AllowableValues", "@DMTF.AllowableValues"];

/// Where a service root keeps Intel's own collections.
///
/// *Evidence*: RSD 1.x and the simulators have them in the root itself; 2.1 and later under `Oem`; the last spelling is RSD 1.2's.
const INTEL: [&str; 3] = ["", "Oem/Intel_RackScale/", "Oem/Intel:RackScale/"];

/// Names under which a service root keeps its storage services.
///
/// *Evidence*: Redfish and RSD 2.2 and later have the first; RSD 1.x, 2.0 and 2.1 the second.
pub const STORAGE_SERVICES: [&str; 2] = ["StorageServices", "Services"];

/// Names under which Intel keeps its own part of a resource.
const OEM: [&str; 2] = ["Oem/Intel_RackScale", "Oem/Intel:RackScale"];

/// The link of a service root to a collection, wherever it keeps it.
///
/// # Errors
/// When the field is no link.
pub fn root_link(root: &Resource, name: &str) -> Result<Option<String>, RedfishError> {
    for place in INTEL {
        if let Some(link) = root.link(&format!("{place}{name}"))? {
            return Ok(Some(link));
        }
    }
    Ok(None)
}

/// The members of one page of a collection.
///
/// *Evidence*: DMTF's interface emulator keeps the members of Systems under `Links`.
///
/// # Errors
/// When they are no links.
pub fn members(page: &Resource) -> Result<Vec<String>, RedfishError> {
    if page.raw("Members").is_null() { page.links("Links/Members") } else { page.links("Members") }
}

/// The collection of a storage's volumes.
///
/// *Evidence*: storage services of RSD 1.x, 2.0 and 2.1 have `LogicalDrives`; Intel's simulators show a system's `Volumes` as an empty array.
///
/// # Errors
/// When it is no link.
pub fn volumes_of(storage: &Resource) -> Result<Option<String>, RedfishError> {
    for name in ["Volumes", "LogicalDrives"] {
        if let Some(link) = storage.link(name)? {
            return Ok(Some(link));
        }
    }
    Ok(None)
}

/// Whether the members of a collection are logical drives, which are asked for in GiB, and not volumes.
///
/// # Errors
/// When its type is no text.
pub fn is_of_logical_drives(collection: &Resource) -> Result<bool, RedfishError> {
    let kind = collection.text("@odata.type")?.unwrap_or_default();
    Ok(kind.contains("LogicalDrive") || collection.path.trim_end_matches('/').ends_with("/LogicalDrives"))
}

/// Whether it is the raw material of other logical drives, and nothing for a node.
///
/// *Evidence*: Intel's storage simulator lists physical volumes and volume groups among the logical drives; their mode tells.
///
/// # Errors
/// When its mode is no text.
pub fn is_raw_volume(volume: &Resource) -> Result<bool, RedfishError> {
    Ok(matches!(volume.text("Mode")?.as_deref(), Some("PV" | "VG" | "LVG")))
}

/// Where a device names its endpoints and targets.
///
/// *Evidence*: drives of RSD 2.x have the first, volumes the second, the PCIe simulator's drives the third, logical drives the last.
pub const OTHER_NAMES: [&str; 4] = [
    "Links/Endpoints",
    "Links/Oem/Intel_RackScale/Endpoints",
    "Links/Oem/Intel_RackScale/PCIeEndpoint",
    "Links/Targets",
];

/// What a pooled device is: the medium of a drive, the sort of a processor, else what its schema or its fabric calls it.
///
/// # Errors
/// When a field is no text.
pub fn device_kind(device: &Resource, in_fabric: Option<String>) -> Result<Option<String>, RedfishError> {
    for field in ["MediaType", "ProcessorType"] {
        if let Some(kind) = device.text(field)? {
            return Ok(Some(kind));
        }
    }
    let schema = device.text("@odata.type")?.unwrap_or_default();
    let schema = schema.trim_start_matches('#').split('.').next().unwrap_or_default().to_owned();
    Ok(if schema.is_empty() { in_fabric } else { Some(schema) })
}

/// The links that an action's parameter allows, under either annotation; `None` when it says nothing.
///
/// # Errors
/// When they are no links.
pub fn allowable_links(resource: &Resource, parameter: &str) -> Result<Option<Vec<String>>, RedfishError> {
    for annotation in ALLOWABLE {
        let field = format!("{parameter}{annotation}");
        if !resource.raw(&field).is_null() {
            return resource.links(&field).map(Some);
        }
    }
    Ok(None)
}

/// Whether a VLAN's frames carry its number.
///
/// *Evidence*: Redfish has no word for it; RSD has `Tagged`, in its own part.
///
/// # Errors
/// When it is neither true nor false.
pub fn tagged(vlan: &Resource) -> Result<Option<bool>, RedfishError> {
    for place in OEM {
        let field = format!("{place}/Tagged");
        match vlan.raw(&field) {
            Value::Null => {}
            Value::Bool(b) => return Ok(Some(*b)),
            _ => return Err(vlan.wrong(&field, "true or false")),
        }
    }
    Ok(None)
}

/// The request that makes a VLAN. A standard service ignores Intel's part.
#[must_use]
pub fn vlan_body(vlan_id: u16, tagged: bool) -> Value {
    serde_json::json!({ "VLANId": vlan_id, "VLANEnable": true, "Oem": { "Intel_RackScale": { "Tagged": tagged } } })
}

/// The port or interface at the other end of a cable.
///
/// *Evidence*: RSD 2.2 and later link a switch port to the interface in `NeighborInterface`, and an interface to the port in Intel's part of
/// its links.
///
/// # Errors
/// When it is no link.
pub fn neighbor(of: &Resource) -> Result<Option<String>, RedfishError> {
    for field in ["NeighborInterface", "Links/NeighborInterface", "Links/Oem/Intel_RackScale/NeighborPort"] {
        if let Some(link) = of.link(field)? {
            return Ok(Some(link));
        }
    }
    Ok(None)
}

/// The target of the Allocate action.
///
/// # Errors
/// When the target is no text.
pub fn allocate_target(nodes: &Resource) -> Result<Option<String>, RedfishError> {
    for name in ALLOCATE {
        // Slashes separate fields here, and these names have none.
        if let Some(target) = nodes.text(&format!("Actions/{name}/target"))? {
            return Ok(Some(target));
        }
    }
    Ok(None)
}

/// The target of a node's action.
///
/// # Errors
/// When the target is no text.
pub fn node_target(node: &Resource, action: &str) -> Result<Option<String>, RedfishError> {
    own_target(node, "ComposedNode", action)
}

/// The target of an action of a resource, which its own schema names.
///
/// *Evidence*: Intel's simulators advertise targets that belong to another node, which would reset somebody else's machine; such a target
/// is replaced by the place where the specification has it. A target outside the collection (under the computer system of a node, RSD 1.2)
/// is followed.
///
/// # Errors
/// When the target is no text.
pub fn own_target(resource: &Resource, schema: &str, action: &str) -> Result<Option<String>, RedfishError> {
    let Some(target) = resource.text(&format!("Actions/#{schema}.{action}/target"))? else { return Ok(None) };
    let own = resource.path.trim_end_matches('/');
    let all = own.rsplit_once('/').map_or("", |(all, _)| all);
    let is_other = target.starts_with(&format!("{all}/")) && !target.starts_with(&format!("{own}/"));
    Ok(Some(if is_other { format!("{own}/Actions/{schema}.{action}") } else { target }))
}

/// Whether a computer system was composed, and so can be decomposed. A server that stands in a rack is never deleted.
///
/// *Evidence*: DMTF's mockups show servers of type Physical with the block they are, and composed ones as Composed; the interface emulator
/// says no type.
///
/// # Errors
/// When a field is wrong.
pub fn is_composed_system(system: &Resource) -> Result<bool, RedfishError> {
    match system.text("SystemType")?.as_deref() {
        Some(kind) => Ok(kind == "Composed"),
        None => Ok(!system.links("Links/ResourceBlocks")?.is_empty()),
    }
}

/// Where a collection of systems, or a zone, announces how systems are composed.
///
/// *Evidence*: DMTF's newer mockups have it on the collection; DSP2050 and the older ones on each zone.
pub const CAPABILITIES: &str = "@Redfish.CollectionCapabilities/Capabilities";

/// The target of the Compose action.
///
/// *Evidence*: DMTF's mockup of it says `CompostionService`, where there is nothing: a target outside the service is not followed.
///
/// # Errors
/// When the target is no text.
pub fn compose_target(service: &Resource) -> Result<Option<String>, RedfishError> {
    own_target(service, "CompositionService", "Compose")
}

/// Whether a block is in no system. One that can be shared is free only until it is in its first: a block is one node's.
///
/// *Evidence*: composition emulators show blocks as Unused of which systems are made, and compose them again; so the systems are asked too.
///
/// # Errors
/// When a field is wrong.
pub fn is_free_block(block: &Resource, composed: &[Resource]) -> Result<bool, RedfishError> {
    let is_there =
        !matches!(block.text("Status/State")?.as_deref(), Some("Absent" | "Disabled" | "UnavailableOffline"));
    let is_unused = matches!(block.text("CompositionStatus/CompositionState")?.as_deref(), None | Some("Unused"));
    let same = |link: &String| link.trim_end_matches('/') == block.path.trim_end_matches('/');
    for system in composed {
        if system.links("Links/ResourceBlocks")?.iter().any(same) {
            return Ok(false);
        }
    }
    Ok(is_there && is_unused)
}

/// Whether a block is reserved by another client.
///
/// *Evidence*: DMTF's interface emulator has the text "false".
#[must_use]
pub fn is_reserved(block: &Resource) -> bool {
    match block.raw("CompositionStatus/Reserved") {
        Value::Bool(b) => *b,
        Value::String(text) => text.eq_ignore_ascii_case("true"),
        _ => false,
    }
}

/// The allowed values of a property, under either annotation; empty when it says nothing.
///
/// # Errors
/// When they are no texts.
pub fn allowable(resource: &Resource, property: &str) -> Result<Vec<String>, RedfishError> {
    for annotation in ALLOWABLE {
        let values = resource.texts(&format!("{property}{annotation}"))?;
        if !values.is_empty() {
            return Ok(values);
        }
    }
    Ok(Vec::new())
}

/// The status that an answer really has when it says 200 and means an error.
///
/// *Evidence*: composition emulators answer an error as 200 with the body `500`.
#[must_use]
pub fn hidden_status(body: &Value) -> Option<u16> {
    body.as_u64().and_then(|n| u16::try_from(n).ok()).filter(|n| (400..600).contains(n))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn resource(path: &str, body: Value) -> Resource {
        Resource { podm: "lab".into(), path: path.into(), etag: None, body }
    }

    #[test]
    fn nodes_are_found_wherever_the_root_keeps_them() {
        let link = json!({"@odata.id": "/n"});
        for body in [
            json!({ "Nodes": link }),
            json!({"Oem": {"Intel_RackScale": {"Nodes": link}}}),
            json!({"Oem": {"Intel:RackScale": {"Nodes": link}}}),
        ] {
            assert_eq!(root_link(&resource("/", body), "Nodes").unwrap().as_deref(), Some("/n"));
        }
        assert_eq!(root_link(&resource("/", json!({})), "Nodes").unwrap(), None);
    }

    #[test]
    fn both_names_of_allocate_and_both_annotations_are_known() {
        for name in ALLOCATE {
            let nodes = resource("/n", json!({"Actions": {name: {"target": "/t"}}}));
            assert_eq!(allocate_target(&nodes).unwrap().as_deref(), Some("/t"));
        }
        for annotation in ALLOWABLE {
            let node = resource("/n/1", json!({"Boot": {format!("Target{annotation}"): ["Pxe"]}}));
            assert_eq!(allowable(&node, "Boot/Target").unwrap(), ["Pxe"]);
        }
    }

    #[test]
    fn an_action_never_hits_another_node() {
        let node = |target: &str| resource("/n/1", json!({"Actions": {"#ComposedNode.Reset": {"target": target}}}));
        let target = |t: &str| node_target(&node(t), "Reset").unwrap().unwrap();
        assert_eq!(target("/n/2/Actions/ComposedNode.Reset"), "/n/1/Actions/ComposedNode.Reset");
        assert_eq!(target("/n/1/Actions/Own"), "/n/1/Actions/Own");
        assert_eq!(target("/systems/1/Actions/ComposedNode.Reset"), "/systems/1/Actions/ComposedNode.Reset");
    }

    #[test]
    fn a_block_is_free_when_neither_it_nor_a_system_says_otherwise() {
        let block = |status: Value| resource("/b/1", json!({ "CompositionStatus": status }));
        let unused = block(json!({"CompositionState": "Unused"}));
        assert!(is_free_block(&unused, &[]).unwrap());
        assert!(is_free_block(&block(Value::Null), &[]).unwrap());
        for state in ["Composed", "ComposedAndAvailable", "Composing", "Failed", "Unavailable"] {
            assert!(!is_free_block(&block(json!({ "CompositionState": state })), &[]).unwrap(), "{state}");
        }
        let system = resource("/s/1", json!({"Links": {"ResourceBlocks": [{"@odata.id": "/b/1/"}]}}));
        assert!(!is_free_block(&unused, &[system]).unwrap());
        assert!(!is_reserved(&block(json!({"Reserved": "false"}))) && is_reserved(&block(json!({"Reserved": "True"}))));
    }

    #[test]
    fn a_misspelt_compose_action_is_found() {
        let target = |target: &str| {
            let body = json!({"Actions": {"#CompositionService.Compose": {"target": target}}});
            compose_target(&resource("/redfish/v1/CompositionService", body)).unwrap().unwrap()
        };
        let right = "/redfish/v1/CompositionService/Actions/CompositionService.Compose";
        assert_eq!(target("/redfish/v1/CompostionService/Actions/CompositionService.Compose"), right);
        assert_eq!(target(right), right);
    }

    #[test]
    fn an_error_dressed_as_a_success_is_seen() {
        assert_eq!(hidden_status(&json!(500)), Some(500));
        assert_eq!(hidden_status(&json!({"Id": 500})), None);
        assert_eq!(hidden_status(&json!(200)), None);
    }
}
