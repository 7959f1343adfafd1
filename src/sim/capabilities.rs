//! What a request for a system may say: the capabilities that the collection of systems announces.

use serde_json::{Value, json};

use super::blocks;
use super::config::ComposeBy;
use super::view::{View, collection, link, resource, with};

const PATH: &str = "/redfish/v1/Systems";

/// A way of composing by POST, its object of capabilities, and the word of the specification for it.
const WAYS: [(ComposeBy, &str, &str); 2] = [
    (ComposeBy::Specific, "Capabilities", "ComputerSystemComposition"),
    (ComposeBy::Constrained, "ConstrainedCapabilities", "ComputerSystemConstrainedComposition"),
];

/// What the collection of systems announces.
pub(super) fn offered(view: &View<'_>) -> Option<Value> {
    let offered: Vec<Value> = WAYS
        .into_iter()
        .filter(|(by, ..)| view.composes_by(*by))
        .map(|(_, id, case)| {
            json!({
                "CapabilitiesObject": link(format!("{PATH}/{id}")),
                "UseCase": case,
                "Links": { "TargetCollection": link(PATH), "RelatedItem": blocks::zone_links(view.hardware) },
            })
        })
        .collect();
    let kind = "#CollectionCapabilities.v1_4_1.CollectionCapabilities";
    (!offered.is_empty()).then(|| json!({ "@odata.type": kind, "Capabilities": offered }))
}

/// The collections that the object for constrained composition links to with a strict schema: they are of no system, and so empty.
pub(super) fn collection_of(view: &View<'_>, id: &str, family: &str) -> Option<Value> {
    let path = format!("{PATH}/{id}/{family}");
    find(view, id).filter(|c| view.config.strict_schema && c[family]["@odata.id"] == path.as_str())?;
    let none: [&str; 0] = [];
    Some(collection(&path, &format!("{}Collection", family.trim_end_matches('s')), family, none))
}

/// The object of capabilities of an id.
pub(super) fn find(view: &View<'_>, id: &str) -> Option<Value> {
    let (by, id, _) = WAYS.into_iter().find(|(by, known, _)| *known == id && view.composes_by(*by))?;
    let base = resource(&format!("{PATH}/{id}"), "ComputerSystem.v1_27_0.ComputerSystem", id, "Capabilities");
    let mut body = with(
        base,
        json!({
            "Name@Redfish.OptionalOnCreate": true,
            "Name@Redfish.SetOnlyOnCreate": true,
            "Description@Redfish.OptionalOnCreate": true,
            "Description@Redfish.SetOnlyOnCreate": true,
            "Boot@Redfish.OptionalOnCreate": true,
            "Boot": {
                "BootSourceOverrideEnabled@Redfish.OptionalOnCreate": true,
                "BootSourceOverrideEnabled@Redfish.UpdatableAfterCreate": true,
                "BootSourceOverrideTarget@Redfish.OptionalOnCreate": true,
                "BootSourceOverrideTarget@Redfish.UpdatableAfterCreate": true,
            },
        }),
    );
    if by == ComposeBy::Specific {
        body["Links@Redfish.RequiredOnCreate"] = Value::from(true);
        body["Links"] = json!({ "ResourceBlocks@Redfish.RequiredOnCreate": true });
        return Some(body);
    }
    for (family, kind, required, fields) in [
        ("Processors", "Processor.v1_22_0.Processor", true, ["ProcessorType", "TotalCores"].as_slice()),
        ("Memory", "Memory.v1_23_0.Memory", true, ["CapacityMiB"].as_slice()),
        ("EthernetInterfaces", "EthernetInterface.v1_12_4.EthernetInterface", false, ["SpeedMbps"].as_slice()),
    ] {
        let mut member = json!({ "@odata.type": format!("#{kind}"), "@Redfish.RequestedCountRequired": true });
        for field in fields {
            member[format!("{field}@Redfish.RequiredOnCreate")] = Value::from(true);
        }
        announce(view, &mut body, family, kind.split('.').next().unwrap_or_default(), required, member);
    }
    let drive = json!({
        "@odata.type": "#Drive.v1_22_0.Drive",
        "@Redfish.RequestedCountRequired": true,
        "CapacityBytes@Redfish.RequiredOnCreate": true,
    });
    let member = json!({
        "@odata.type": "#Storage.v1_21_0.Storage",
        "@Redfish.RequestedCountRequired": true,
        "Drives@Redfish.RequiredOnCreate": true,
        "Drives": [drive],
    });
    announce(view, &mut body, "Storage", "Storage", false, member);
    Some(body)
}

fn announce(view: &View<'_>, body: &mut Value, family: &str, schema: &str, required: bool, member: Value) {
    let when = if required { "RequiredOnCreate" } else { "OptionalOnCreate" };
    body[format!("{family}@Redfish.{when}")] = Value::from(true);
    // The published schema has a link here, DMTF's mockups say what is in the collection.
    if view.config.strict_schema {
        body[family] = link(format!("{PATH}/ConstrainedCapabilities/{family}"));
        return;
    }
    body[family] = json!({
        "@odata.type": format!("#{schema}Collection.{schema}Collection"),
        "Members@Redfish.RequiredOnCreate": true,
        "Members": [member],
    });
}
