//! `/redfish/v1/Managers`: the Pod Manager itself and one BMC for each system.

use serde_json::{Value, json};

use super::answer::Answer;
use super::hardware::{Place, numbered};
use super::view::{View, collection, healthy, links, resource, with};

const PATH: &str = "/redfish/v1/Managers";

/// Answers below `Managers`.
pub(super) fn answer(view: &View<'_>, rest: &[&str]) -> Answer {
    match rest {
        [] => {
            let bmcs = (1..=view.hardware.systems).map(|n| format!("{PATH}/BMC{n}"));
            let all = std::iter::once(format!("{PATH}/PODM")).chain(bmcs);
            view.read(collection(PATH, "ManagerCollection", "Manager Collection", all))
        }
        ["PODM"] => view.read(podm(view)),
        [id] => match numbered(id, "BMC", view.hardware.systems) {
            Some(number) => view.read(bmc(view, number)),
            None => view.missing(),
        },
        _ => view.missing(),
    }
}

fn podm(view: &View<'_>) -> Value {
    let chassis = view.hardware.places().into_iter().filter(|p| !matches!(p, Place::Sled(_))).map(Place::path);
    manager(view, "PODM", "Service", json!({ "ManagerForChassis": links(chassis), "ManagerForServers": [] }))
}

fn bmc(view: &View<'_>, number: usize) -> Value {
    let links = json!({
        "ManagerForChassis": links([Place::Sled(number).path()]),
        "ManagerForServers": links(view.systems_on(number)),
    });
    manager(view, &format!("BMC{number}"), "BMC", links)
}

fn manager(view: &View<'_>, id: &str, kind: &str, links: Value) -> Value {
    with(
        resource(&format!("{PATH}/{id}"), "Manager.v1_4_0.Manager", id, id),
        json!({
            "Description": format!("Simulated {id}"),
            "ManagerType": kind,
            "Model": "podm-sim",
            "FirmwareVersion": env!("CARGO_PKG_VERSION"),
            "UUID": view.hardware.uuid(id),
            "PowerState": "On",
            "Status": healthy(),
            "Links": links,
        }),
    )
}
