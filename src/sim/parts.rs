//! Processors, memory modules and network interfaces (with their VLANs) of a computer system.

use serde_json::{Value, json};

use super::answer::Answer;
use super::hardware::{Hardware, numbered};
use super::state::Vlan;
use super::view::{View, collection, link, ok, resource, with};
use super::vlans;

/// Answers below `Systems/SystemN`.
pub(super) fn answer(view: &mut View<'_>, system: usize, rest: &[&str]) -> Answer {
    let found = match rest {
        ["Processors"] => {
            let path = format!("{}/Processors", base(system));
            Some(collection(&path, "ProcessorCollection", "Processors", processor_paths(view.hardware, system)))
        }
        ["Processors", id] => processor(view.hardware, system, id),
        ["Memory"] => {
            let path = format!("{}/Memory", base(system));
            Some(collection(&path, "MemoryCollection", "Memory", memory_paths(view.hardware, system)))
        }
        ["Memory", id] => memory(view.hardware, system, id),
        ["EthernetInterfaces"] => {
            let path = format!("{}/EthernetInterfaces", base(system));
            let paths = interface_paths(view.hardware, system);
            Some(collection(&path, "EthernetInterfaceCollection", "Ethernet Interfaces", paths))
        }
        ["EthernetInterfaces", id] => interface(view.hardware, system, id),
        ["EthernetInterfaces", id, "VLANs", rest @ ..] => {
            let number = within(id, "LAN", view.hardware.profile(system).nics);
            let Some(number) = number else { return view.missing() };
            let path = format!("{}/EthernetInterfaces/{id}/VLANs", base(system));
            let first = first_vlans(view, system, number);
            return vlans::answer(view, &path, &first, rest);
        }
        _ => None,
    };
    found.map_or_else(|| view.missing(), |value| view.read(value))
}

fn base(system: usize) -> String {
    format!("/redfish/v1/Systems/System{system}")
}

fn paths(system: usize, family: &str, prefix: &str, count: u64) -> Vec<String> {
    (1..=count).map(|n| format!("{}/{family}/{prefix}{n}", base(system))).collect()
}

/// The processors of a system.
pub(super) fn processor_paths(hardware: &Hardware, system: usize) -> Vec<String> {
    paths(system, "Processors", "CPU", hardware.profile(system).sockets)
}

/// The memory modules of a system.
pub(super) fn memory_paths(hardware: &Hardware, system: usize) -> Vec<String> {
    paths(system, "Memory", "Dimm", hardware.profile(system).dimms)
}

/// The network interfaces of a system.
pub(super) fn interface_paths(hardware: &Hardware, system: usize) -> Vec<String> {
    paths(system, "EthernetInterfaces", "LAN", hardware.profile(system).nics)
}

/// The number behind an id such as `CPU1`.
fn within(id: &str, prefix: &str, last: u64) -> Option<usize> {
    numbered(id, prefix, usize::try_from(last).ok()?)
}

fn processor(hardware: &Hardware, system: usize, id: &str) -> Option<Value> {
    let profile = hardware.profile(system);
    let number = within(id, "CPU", profile.sockets)?;
    let path = format!("{}/Processors/{id}", base(system));
    Some(with(
        resource(&path, "Processor.v1_1_0.Processor", id, &format!("Processor {number}")),
        json!({
            "Socket": format!("CPU {number}"),
            "ProcessorType": "CPU",
            "ProcessorArchitecture": "x86",
            "InstructionSet": "x86-64",
            "Manufacturer": "Intel(R) Corporation",
            "Model": profile.cpu_model,
            "MaxSpeedMHz": profile.mhz,
            "TotalCores": profile.cores,
            "TotalThreads": profile.cores * 2,
            "Status": ok(),
            "Oem": { "Intel_RackScale": {
                "@odata.type": "#Intel.Oem.Processor",
                "Brand": profile.brand,
                "Capabilities": ["sse4_2", "avx", "avx2"],
            } },
        }),
    ))
}

fn memory(hardware: &Hardware, system: usize, id: &str) -> Option<Value> {
    let profile = hardware.profile(system);
    let number = within(id, "Dimm", profile.dimms)?;
    let path = format!("{}/Memory/{id}", base(system));
    Some(with(
        resource(&path, "Memory.v1_3_0.Memory", id, &format!("DIMM {number}")),
        json!({
            "MemoryType": "DRAM",
            "MemoryDeviceType": profile.dimm_type,
            "BaseModuleType": "RDIMM",
            "MemoryMedia": ["DRAM"],
            "CapacityMiB": profile.dimm_mib,
            "DataWidthBits": 64,
            "BusWidthBits": 72,
            "Manufacturer": "Valence",
            "SerialNumber": hardware.serial(&path),
            "AllowedSpeedsMHz": [profile.dimm_mhz],
            "OperatingSpeedMhz": profile.dimm_mhz,
            "DeviceLocator": format!("DIMM_{number}"),
            "ErrorCorrection": "MultiBitECC",
            "Status": ok(),
        }),
    ))
}

fn interface(hardware: &Hardware, system: usize, id: &str) -> Option<Value> {
    let profile = hardware.profile(system);
    let number = within(id, "LAN", profile.nics)?;
    let path = format!("{}/EthernetInterfaces/{id}", base(system));
    let mac = hardware.mac(&path);
    let address = format!("10.{}.{}.{}", hardware.podm % 250, system / 250 % 250, system % 250 + 1);
    Some(with(
        resource(&path, "EthernetInterface.v1_3_0.EthernetInterface", id, &format!("Network Interface {number}")),
        json!({
            "Status": ok(),
            "InterfaceEnabled": true,
            "LinkStatus": "LinkUp",
            "PermanentMACAddress": mac,
            "MACAddress": mac,
            "SpeedMbps": profile.nic_mbps,
            "AutoNeg": true,
            "FullDuplex": true,
            "MTUSize": 1500,
            "IPv4Addresses": [{
                "Address": address,
                "SubnetMask": "255.0.0.0",
                "AddressOrigin": "DHCP",
                "Gateway": "10.255.255.254",
            }],
            "VLANs": link(format!("{path}/VLANs")),
        }),
    ))
}

/// The VLANs of an interface before anybody changed them: 1, and those asked for with the node on it.
fn first_vlans(view: &View<'_>, system: usize, interface: usize) -> Vec<Vlan> {
    let mut list = vec![Vlan { id: 1, tagged: false }];
    let asked = view.state.node_on(system).and_then(|(_, node)| node.vlans.get(interface - 1));
    list.extend(asked.into_iter().flatten().copied());
    list
}
