//! The service root and the OData documents.

use serde_json::{Value, json};

use super::config::{RsdVersion, SimFlavour};
use super::view::{View, link, resource, with};

/// The service root; where Nodes and their like stand depends on the generation of the Intel API.
pub(super) fn service_root(view: &View<'_>) -> Value {
    let intel = [
        ("Nodes", link("/redfish/v1/Nodes")),
        ("EthernetSwitches", link("/redfish/v1/EthernetSwitches")),
        ("Services", link("/redfish/v1/Services")),
    ];
    let is_intels = view.config.flavour == SimFlavour::Rsd;
    let kind = if is_intels { "ServiceRoot.v1_3_1.ServiceRoot" } else { "ServiceRoot.v1_16_0.ServiceRoot" };
    let base = resource("/redfish/v1/", kind, "RootService", "Simulated Pod Manager");
    let mut root = with(
        base,
        json!({
            "RedfishVersion": "1.5.0",
            "UUID": view.hardware.uuid("root"),
            "Systems": link("/redfish/v1/Systems"),
            "Chassis": link("/redfish/v1/Chassis"),
            "Managers": link("/redfish/v1/Managers"),
            "EventService": link("/redfish/v1/EventService"),
            "SessionService": link("/redfish/v1/SessionService"),
            "TelemetryService": link("/redfish/v1/TelemetryService"),
            "Tasks": link("/redfish/v1/TaskService"),
            "Registries": link("/redfish/v1/Registries"),
            "Links": { "Sessions": link("/redfish/v1/SessionService/Sessions") },
        }),
    );
    if !is_intels {
        root["CompositionService"] = link("/redfish/v1/CompositionService");
        return root;
    }
    match view.config.rsd_version {
        RsdVersion::V1_2 => {
            for (name, to) in intel {
                root[name] = to;
            }
            root["Oem"] =
                json!({ "Intel:RackScale": { "@odata.type": "#Intel.Oem.ServiceRoot", "ApiVersion": "1.2.0" } });
        }
        version => {
            let (api_version, without) =
                if version == RsdVersion::V2_1 { ("2.1.0", "none") } else { ("2.4.0", "Services") };
            let mut oem = json!({ "@odata.type": "#Intel.Oem.ServiceRoot", "ApiVersion": api_version });
            for (name, to) in intel.into_iter().filter(|(name, _)| *name != without) {
                oem[name] = to;
            }
            root["Oem"] = json!({ "Intel_RackScale": oem });
            if version == RsdVersion::V2_4 {
                root["StorageServices"] = link("/redfish/v1/StorageServices");
            }
            root["Fabrics"] = link("/redfish/v1/Fabrics");
        }
    }
    root
}

/// The OData service document.
pub(super) fn odata(view: &View<'_>) -> Value {
    let own = if view.config.flavour == SimFlavour::Rsd { "Nodes" } else { "CompositionService" };
    let of = |name: &str| json!({ "name": name, "kind": "Singleton", "url": format!("/redfish/v1/{name}") });
    let mut value = vec![json!({ "name": "Service", "kind": "Singleton", "url": "/redfish/v1/" })];
    value.extend(["Systems", "Chassis", "Managers", own, "EventService", "SessionService", "TaskService"].map(of));
    json!({ "@odata.context": "/redfish/v1/$metadata", "value": value })
}

/// The OData metadata document: it names the schemas and leaves them where their publishers keep them.
pub(super) const METADATA: &str = concat!(
    r#"<?xml version="1.0" encoding="UTF-8"?>"#,
    r#"<edmx:Edmx xmlns:edmx="http://docs.oasis-open.org/odata/ns/edmx" Version="4.0">"#,
    r#"<edmx:Reference Uri="http://redfish.dmtf.org/schemas/v1/ServiceRoot_v1.xml">"#,
    r#"<edmx:Include Namespace="ServiceRoot"/><edmx:Include Namespace="ServiceRoot.v1_3_1"/></edmx:Reference>"#,
    r#"<edmx:Reference Uri="http://redfish.dmtf.org/schemas/v1/RedfishExtensions_v1.xml">"#,
    r#"<edmx:Include Namespace="RedfishExtensions.v1_0_0" Alias="Redfish"/></edmx:Reference>"#,
    r#"<edmx:DataServices><Schema xmlns="http://docs.oasis-open.org/odata/ns/edm" Namespace="Service">"#,
    r#"<EntityContainer Name="Service" Extends="ServiceRoot.v1_3_1.ServiceContainer"/></Schema></edmx:DataServices>"#,
    r#"</edmx:Edmx>"#,
);
