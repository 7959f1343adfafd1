//! What is in a resource block: processors, modules of memory, network interfaces, storage.

use serde_json::{Value, json};

use super::blocks::{Block, MODULE_MIB, MODULES, Sort};
use super::hardware::{Hardware, numbered};
use super::view::{View, ok, resource, standard, with};
use super::{parts, storage};

/// A part of a block: a processor, a module, a network interface, a storage.
pub(super) fn find(view: &View<'_>, block: Block, rest: &[&str]) -> Option<Value> {
    let (hardware, path, number) = (view.hardware, block.path(), block.number);
    match (block.sort, rest) {
        (Sort::Compute, ["Processors", id]) => parts::processor(hardware, &path, number, id).map(standard),
        (Sort::Compute, ["Memory", id]) => parts::memory(hardware, &path, number, id),
        (Sort::Memory, ["Memory", id]) => {
            let number = numbered(id, "Dimm", usize::try_from(MODULES).ok()?)?;
            Some(module(hardware, &format!("{path}/Memory/{id}"), id, number))
        }
        (Sort::Network, ["EthernetInterfaces", id]) => {
            let mut interface = parts::interface(hardware, &path, number, id)?;
            interface.as_object_mut()?.remove("VLANs");
            Some(interface)
        }
        (Sort::Drives, ["Storage", "1"]) => Some(storage::standard(hardware, number, &format!("{path}/Storage/1"))),
        (Sort::Drives, ["SimpleStorage", "1"]) => {
            Some(storage::simple(hardware, number, &format!("{path}/SimpleStorage/1")))
        }
        (Sort::Gpu, ["Processors", "GPU1"]) => {
            let path = format!("{path}/Processors/GPU1");
            Some(with(
                resource(&path, "Processor.v1_1_0.Processor", "GPU1", "Accelerator 1"),
                json!({
                    "ProcessorType": "GPU",
                    "Manufacturer": "Valence",
                    "Model": "SIM-GPU",
                    "Status": ok(),
                }),
            ))
        }
        _ => None,
    }
}

fn module(hardware: &Hardware, path: &str, id: &str, number: usize) -> Value {
    with(
        resource(path, "Memory.v1_3_0.Memory", id, &format!("Module {number}")),
        json!({
            "MemoryType": "DRAM",
            "MemoryDeviceType": "DDR4",
            "CapacityMiB": MODULE_MIB,
            "DataWidthBits": 64,
            "BusWidthBits": 72,
            "Manufacturer": "Valence",
            "SerialNumber": hardware.serial(path),
            "OperatingSpeedMhz": 2666,
            "Status": ok(),
        }),
    )
}
