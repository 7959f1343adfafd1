//! `/redfish/v1/Chassis`: the pod, its racks, drawers and sleds, linked both ways.

use serde_json::{Value, json};

use super::answer::Answer;
use super::config::SimFlavour;
use super::hardware::{Hardware, Place};
use super::view::{View, collection, healthy, link, links, resource, standard, with};
use super::{pool, sensors, storage};

const PATH: &str = "/redfish/v1/Chassis";

/// Answers below `Chassis`.
pub(super) fn answer(view: &View<'_>, rest: &[&str]) -> Answer {
    match rest {
        [] => {
            let paths = view.hardware.places().into_iter().map(Place::path);
            view.read(collection(PATH, "ChassisCollection", "Chassis Collection", paths))
        }
        [id, rest @ ..] => match (view.hardware.place(id), rest) {
            (Some(place), []) => view.read(chassis(view, place)),
            (Some(Place::Rack(n)), ["Power"]) => view.read(sensors::power(view, n)),
            (Some(Place::Rack(n)), ["Thermal"]) => view.read(sensors::thermal(view, n)),
            (Some(Place::Rack(1)), ["Drives", drive]) => match pool::drive(view, drive) {
                Some(value) => view.read(value),
                None => view.missing(),
            },
            (Some(Place::Sled(n)), ["Sensors", rest @ ..]) => sensors::of_sled(view, n, rest),
            (Some(Place::Sled(n)), ["Drives", drive]) => match storage::drive(view.hardware, n, drive) {
                Some(value) => view.read(value),
                None => view.missing(),
            },
            _ => view.missing(),
        },
    }
}

/// One chassis.
fn chassis(view: &View<'_>, place: Place) -> Value {
    let hardware = view.hardware;
    let id = place.id();
    let (kind, model) = match place {
        Place::Pod => ("Pod", "Simulated Pod"),
        Place::Rack(_) => ("Rack", "42U Rack"),
        Place::Drawer(_) => ("Drawer", "4-Sled Drawer"),
        Place::Sled(_) => ("Sled", "Half-Width Sled"),
    };
    let (systems, drives) = match place {
        Place::Rack(1) => (Vec::new(), pool::drive_paths(view)),
        Place::Pod | Place::Rack(_) => (Vec::new(), Vec::new()),
        Place::Drawer(_) => (hardware.systems_in(place), Vec::new()),
        Place::Sled(n) => (vec![n], storage::drive_paths(hardware, n)),
    };
    let managers = match place {
        Place::Sled(n) => vec![format!("/redfish/v1/Managers/BMC{n}")],
        _ => vec!["/redfish/v1/Managers/PODM".to_owned()],
    };
    let switches = match place {
        Place::Rack(n) => vec![format!("/redfish/v1/EthernetSwitches/Switch{n}")],
        _ => Vec::new(),
    };
    let systems = systems.into_iter().flat_map(|n| view.systems_on(n));
    let mut body = with(
        resource(&place.path(), "Chassis.v1_3_0.Chassis", &id, &id),
        json!({
            "Description": format!("{kind} of a simulated pod"),
            "ChassisType": kind,
            "Manufacturer": "Valence",
            "Model": model,
            "SKU": "podm-sim",
            "PartNumber": format!("{}-1", kind.to_uppercase()),
            "SerialNumber": hardware.serial(&id),
            "AssetTag": id,
            "IndicatorLED": "Off",
            "PowerState": "On",
            "Status": healthy(),
            "Links": {
                "Contains": links(hardware.children(place).into_iter().map(Place::path)),
                "ComputerSystems": links(systems),
                "Drives": links(drives),
                "ManagedBy": links(&managers),
                "Oem": { "Intel_RackScale": {
                    "@odata.type": "#Intel.Oem.ChassisLinks",
                    "Switches": links(switches),
                } },
            },
            "Oem": { "Intel_RackScale": oem(hardware, place) },
        }),
    );
    if let Some(parent) = hardware.parent(place) {
        body["Links"]["ContainedBy"] = link(parent.path());
    }
    // The published Intel schemas are older than sensors.
    if matches!(place, Place::Sled(_)) && (!view.config.strict_schema || view.config.flavour == SimFlavour::Composition)
    {
        body["@odata.type"] = Value::from("#Chassis.v1_9_0.Chassis");
        body["Sensors"] = link(format!("{}/Sensors", place.path()));
    }
    if let Place::Rack(_) = place {
        body["Power"] = link(format!("{}/Power", place.path()));
        body["Thermal"] = link(format!("{}/Thermal", place.path()));
    }
    if view.config.flavour == SimFlavour::Composition { standard(body) } else { body }
}

/// The Intel extension: where the chassis stands.
fn oem(hardware: &Hardware, place: Place) -> Value {
    let location = json!({ "Id": place.id(), "ParentId": hardware.parent(place).map(Place::id) });
    match place {
        Place::Rack(n) => json!({
            "@odata.type": "#Intel.Oem.RackChassis",
            "Location": location,
            "RMMPresent": true,
            "RackSupportsDisaggregatedPowerCooling": false,
            "UUID": hardware.uuid(&format!("Rack{n}")),
            "GeoTag": "54.348103, 18.645172",
        }),
        _ => json!({ "@odata.type": "#Intel.Oem.Chassis", "Location": location }),
    }
}
