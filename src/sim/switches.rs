//! `/redfish/v1/EthernetSwitches`: one switch per rack, with an uplink and one port per system; its VLANs can be changed.

use serde_json::{Value, json};

use super::answer::Answer;
use super::hardware::{Place, numbered};
use super::parts::{base, interface_paths};
use super::state::Vlan;
use super::view::{View, collection, healthy, link, links, ok, resource, with};
use super::vlans;

const PATH: &str = "/redfish/v1/EthernetSwitches";

/// Answers below `EthernetSwitches`.
pub(super) fn answer(view: &mut View<'_>, rest: &[&str]) -> Answer {
    let [id, rest @ ..] = rest else {
        let all = (1..=view.hardware.racks()).map(|n| format!("{PATH}/Switch{n}"));
        return view.read(collection(PATH, "EthernetSwitchCollection", "Ethernet Switches", all));
    };
    let Some(rack) = numbered(id, "Switch", view.hardware.racks()) else { return view.missing() };
    let ports = format!("{PATH}/{id}/Ports");
    let systems = view.hardware.systems_in(Place::Rack(rack));
    match rest {
        [] => view.read(switch(view, rack, id)),
        ["Ports"] => {
            let all = (0..=systems.len()).map(|n| format!("{ports}/{}", port_id(n)));
            view.read(collection(&ports, "EthernetSwitchPortCollection", "Ports", all))
        }
        [_, port, rest @ ..] => {
            let Some(number) = (0..=systems.len()).find(|n| port_id(*n) == *port) else { return view.missing() };
            let system = number.checked_sub(1).and_then(|n| systems.get(n)).copied();
            let path = format!("{ports}/{port}");
            match rest {
                [] => view.read(port_resource(view, &path, id, port, system)),
                ["VLANs", rest @ ..] if !view.config.strict_schema => {
                    let first = [Vlan { id: 1, tagged: false }];
                    vlans::answer(view, &format!("{path}/VLANs"), &first, rest)
                }
                _ => view.missing(),
            }
        }
        _ => view.missing(),
    }
}

fn port_id(number: usize) -> String {
    if number == 0 { "Up1".to_owned() } else { format!("Port{number}") }
}

fn switch(view: &View<'_>, rack: usize, id: &str) -> Value {
    let path = format!("{PATH}/{id}");
    with(
        resource(&path, "EthernetSwitch.v1_0_0.EthernetSwitch", id, &format!("Top of Rack Switch {rack}")),
        json!({
            "SwitchId": id,
            "Manufacturer": "Valence",
            "Model": "TOR-48",
            "SerialNumber": view.hardware.serial(id),
            "PartNumber": "TOR-48-1",
            "FirmwareName": "SIMOS",
            "FirmwareVersion": "1.0",
            "Role": "TOR",
            "Status": healthy(),
            "Ports": link(format!("{path}/Ports")),
            "Links": {
                "Chassis": link(Place::Rack(rack).path()),
                "ManagedBy": links(["/redfish/v1/Managers/PODM"]),
            },
        }),
    )
}

fn port_resource(view: &View<'_>, path: &str, switch: &str, id: &str, system: Option<usize>) -> Value {
    let neighbor = system.and_then(|n| interface_paths(view.hardware, &base(n), n).into_iter().next());
    // The published schema gives VLANs of switch ports no place, although ports link to them.
    let vlans = (!view.config.strict_schema).then(|| format!("{path}/VLANs"));
    let speed = system.map_or(100_000, |n| view.hardware.profile(n).nic_mbps);
    let mut body = with(
        resource(path, "EthernetSwitchPort.v1_0_0.EthernetSwitchPort", id, &format!("Switch Port {id}")),
        json!({
            "PortId": id,
            "LinkType": "Ethernet",
            "OperationalState": "Up",
            "AdministrativeState": "Up",
            "LinkSpeedMbps": speed,
            "NeighborMAC": neighbor.map(|n| view.hardware.mac(&n)),
            "FrameSize": 1520,
            "Autosense": true,
            "FullDuplex": true,
            "MACAddress": view.hardware.mac(path),
            "PortClass": "Physical",
            "PortMode": "Unknown",
            "PortType": if system.is_some() { "Downstream" } else { "Upstream" },
            "Status": ok(),
            "Links": { "Switch": link(format!("{PATH}/{switch}")) },
        }),
    );
    if let Some(vlans) = vlans {
        body["Links"]["PrimaryVLAN"] = link(format!("{vlans}/1"));
        body["VLANs"] = link(vlans);
    }
    body
}
