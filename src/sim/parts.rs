//! Processors, memory modules and network interfaces (with their VLANs) of a computer system.

use serde_json::{Value, json};

use super::answer::Answer;
use super::hardware::{Hardware, numbered};
use super::state::Vlan;
use super::view::{View, collection, link, ok, resource, with};
use super::vlans;

/// Answers below `Systems/SystemN`.
pub(super) fn answer(view: &mut View<'_>, system: usize, rest: &[&str]) -> Answer {
    let base = base(system);
    let found = match rest {
        ["Processors"] => {
            let paths = processor_paths(view.hardware, &base, system);
            Some(collection(&format!("{base}/Processors"), "ProcessorCollection", "Processors", paths))
        }
        ["Processors", id] => processor(view.hardware, &base, system, id),
        ["Memory"] => {
            let paths = memory_paths(view.hardware, &base, system);
            Some(collection(&format!("{base}/Memory"), "MemoryCollection", "Memory", paths))
        }
        ["Memory", id] => memory(view.hardware, &base, system, id),
        ["EthernetInterfaces"] => {
            let path = format!("{base}/EthernetInterfaces");
            let paths = interface_paths(view.hardware, &base, system);
            Some(collection(&path, "EthernetInterfaceCollection", "Ethernet Interfaces", paths))
        }
        ["EthernetInterfaces", id] => interface(view.hardware, &base, system, id),
        ["EthernetInterfaces", id, "VLANs", rest @ ..] => {
            let number = within(id, "LAN", view.hardware.profile(system).nics);
            let Some(number) = number else { return view.missing() };
            let path = format!("{base}/EthernetInterfaces/{id}/VLANs");
            let first = first_vlans(view, system, number);
            return vlans::answer(view, &path, &first, rest);
        }
        _ => None,
    };
    found.map_or_else(|| view.missing(), |value| view.read(value))
}

/// Where a system's parts are.
pub(super) fn base(system: usize) -> String {
    format!("/redfish/v1/Systems/System{system}")
}

fn paths(base: &str, family: &str, prefix: &str, count: u64) -> Vec<String> {
    (1..=count).map(|n| format!("{base}/{family}/{prefix}{n}")).collect()
}

/// The processors of a machine whose parts are at `base`.
pub(super) fn processor_paths(hardware: &Hardware, base: &str, system: usize) -> Vec<String> {
    paths(base, "Processors", "CPU", hardware.profile(system).sockets)
}

/// Its memory modules.
pub(super) fn memory_paths(hardware: &Hardware, base: &str, system: usize) -> Vec<String> {
    paths(base, "Memory", "Dimm", hardware.profile(system).dimms)
}

/// Its network interfaces.
pub(super) fn interface_paths(hardware: &Hardware, base: &str, system: usize) -> Vec<String> {
    paths(base, "EthernetInterfaces", "LAN", hardware.profile(system).nics)
}

/// The number behind an id such as `CPU1`.
fn within(id: &str, prefix: &str, last: u64) -> Option<usize> {
    numbered(id, prefix, usize::try_from(last).ok()?)
}

/// One of them.
pub(super) fn processor(hardware: &Hardware, base: &str, system: usize, id: &str) -> Option<Value> {
    let profile = hardware.profile(system);
    let number = within(id, "CPU", profile.sockets)?;
    let path = format!("{base}/Processors/{id}");
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

/// One of them.
pub(super) fn memory(hardware: &Hardware, base: &str, system: usize, id: &str) -> Option<Value> {
    let profile = hardware.profile(system);
    let number = within(id, "Dimm", profile.dimms)?;
    let path = format!("{base}/Memory/{id}");
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

/// One of them.
pub(super) fn interface(hardware: &Hardware, base: &str, system: usize, id: &str) -> Option<Value> {
    let profile = hardware.profile(system);
    let number = within(id, "LAN", profile.nics)?;
    let path = format!("{base}/EthernetInterfaces/{id}");
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
