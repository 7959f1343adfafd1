//! `/redfish/v1/Systems`: the computer systems and their actions; their parts are in [`super::parts`] and [`super::storage`].

use hyper::Method;
use serde_json::{Value, json};

use super::answer::Answer;
use super::state::SystemState;
use super::view::{View, collection, healthy, link, links, resource, with};
use super::{boot, parts, storage};

const PATH: &str = "/redfish/v1/Systems";

/// Answers below `Systems`.
pub(super) fn answer(view: &mut View<'_>, rest: &[&str]) -> Answer {
    let [id, rest @ ..] = rest else {
        let paths = (1..=view.hardware.systems).map(|n| format!("{PATH}/System{n}"));
        return view.read(collection(PATH, "ComputerSystemCollection", "Computer System Collection", paths));
    };
    let Some(number) = view.hardware.system_number(id) else { return view.missing() };
    match rest {
        [] if view.call.method == Method::PATCH => patch(view, number),
        [] if view.call.is_read() => view.entity(system(view, number)),
        [] => Answer::not_allowed("GET, HEAD, PATCH"),
        ["Actions", "ComputerSystem.Reset"] => boot::reset(view, number),
        [family @ ("Storage" | "SimpleStorage"), rest @ ..] => storage::of_system(view, number, family, rest),
        _ => parts::answer(view, number, rest),
    }
}

/// Changes the boot override or the asset tag.
fn patch(view: &mut View<'_>, number: usize) -> Answer {
    let current = system(view, number);
    match view.match_or_refuse(&current).and_then(|()| patched(view, number)) {
        Ok(next) => {
            *view.state.system_mut(number) = next;
            view.entity(system(view, number))
        }
        Err(refusal) => refusal,
    }
}

/// The settings of a system as a PATCH wants them.
pub(super) fn patched(view: &View<'_>, number: usize) -> Result<SystemState, Answer> {
    let mut next = view.state.system(number);
    for (key, value) in view.call.object()? {
        match (key.as_str(), value) {
            ("Boot", value) => boot::apply(&mut next.boot, value)?,
            ("AssetTag", Value::String(tag)) => next.asset_tag = Some(tag.clone()),
            ("AssetTag", Value::Null) => next.asset_tag = None,
            _ => return Err(boot::not_writable(key)),
        }
    }
    Ok(next)
}

/// One computer system.
fn system(view: &View<'_>, number: usize) -> Value {
    let profile = view.hardware.profile(number);
    let id = format!("System{number}");
    let path = format!("{PATH}/{id}");
    let state = view.state.system(number);
    let mut reset = json!({ "target": format!("{path}/Actions/ComputerSystem.Reset") });
    reset[view.allowable("ResetType")] = json!(boot::RESET_TYPES);
    with(
        resource(&path, "ComputerSystem.v1_3_0.ComputerSystem", &id, &id),
        json!({
            "Description": format!("Simulated {} server", profile.model),
            "SystemType": "Physical",
            "AssetTag": state.asset_tag,
            "Manufacturer": "Valence",
            "Model": profile.model,
            "SKU": format!("SIM-{}", profile.model),
            "SerialNumber": view.hardware.serial(&id),
            "PartNumber": format!("{}-1", profile.model),
            "UUID": view.hardware.uuid(&id),
            "HostName": null,
            "Status": healthy(),
            "IndicatorLED": "Off",
            "PowerState": boot::power(&state),
            "BiosVersion": "SIM.1.00",
            "Boot": boot::render(view, &state.boot),
            "ProcessorSummary": { "Count": profile.sockets, "Model": profile.cpu_model, "Status": healthy() },
            "MemorySummary": { "TotalSystemMemoryGiB": profile.total_mib() / 1024, "Status": healthy() },
            "Processors": link(format!("{path}/Processors")),
            "Memory": link(format!("{path}/Memory")),
            "EthernetInterfaces": link(format!("{path}/EthernetInterfaces")),
            "SimpleStorage": link(format!("{path}/SimpleStorage")),
            "Storage": link(format!("{path}/Storage")),
            "Links": {
                "Chassis": links([format!("/redfish/v1/Chassis/Sled{number}")]),
                "ManagedBy": links([format!("/redfish/v1/Managers/BMC{number}")]),
            },
            "Actions": { "#ComputerSystem.Reset": reset },
            "Oem": { "Intel_RackScale": {
                "@odata.type": "#Intel.Oem.ComputerSystem",
                "ProcessorSockets": profile.sockets,
                "MemorySockets": profile.dimms * 2,
                "PciDevices": [],
                "PCIeConnectionId": [],
            } },
        }),
    )
}
