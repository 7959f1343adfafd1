//! Storage: a system's Storage, SimpleStorage and drives, and the pod's storage service.

use serde_json::{Value, json};

use super::answer::Answer;
use super::config::RsdVersion;
use super::hardware::{DriveModel, Hardware};
use super::view::{View, collection, healthy, link, links, ok, resource, with};
use super::volumes;

/// What the pod's storage service can lend in all, in GiB.
pub(super) const POOL_GIB: u64 = 10_240;

const GIB: u64 = 1 << 30;

/// Answers below `Services` (generation 1) and `StorageServices` (generation 2).
pub(super) fn answer(view: &mut View<'_>, family: &str, rest: &[&str]) -> Answer {
    let path = format!("/redfish/v1/{family}");
    let one = format!("{path}/RSS1");
    match rest {
        [] => view.read(collection(&path, "StorageServiceCollection", "Storage Services", [&one])),
        ["RSS1"] => view.read(service(&path, family)),
        ["RSS1", "StoragePools"] => {
            let pool = format!("{one}/StoragePools/1");
            view.read(collection(&format!("{one}/StoragePools"), "StoragePoolCollection", "Storage Pools", [pool]))
        }
        ["RSS1", "StoragePools", "1"] => view.read(pool(view, &one)),
        ["RSS1", kind, rest @ ..] if *kind == volumes_of(family) => {
            volumes::answer(view, &format!("{one}/{kind}"), family == "Services", rest)
        }
        _ => view.missing(),
    }
}

/// What a service of this family calls its volumes.
fn volumes_of(family: &str) -> &'static str {
    if family == "Services" { "LogicalDrives" } else { "Volumes" }
}

/// The volumes that can be attached, in the family that this generation has.
pub(super) fn attachable(view: &View<'_>) -> Vec<(u64, String)> {
    let family = if view.config.rsd_version == RsdVersion::V2_4 { "StorageServices" } else { "Services" };
    let path = format!("/redfish/v1/{family}/RSS1/{}", volumes_of(family));
    view.state.kept.volumes.keys().map(|n| (*n, format!("{path}/{n}"))).collect()
}

fn service(path: &str, family: &str) -> Value {
    let path = format!("{path}/RSS1");
    with(
        resource(&path, "StorageService.v1_0_2.StorageService", "RSS1", "Pod Storage"),
        json!({
            "Description": "Storage service of a simulated pod",
            "Status": healthy(),
            "StoragePools": link(format!("{path}/StoragePools")),
            volumes_of(family): link(format!("{path}/{}", volumes_of(family))),
        }),
    )
}

fn pool(view: &View<'_>, service: &str) -> Value {
    let used: u64 = view.state.kept.nodes.values().map(|n| n.remote_gib).sum();
    with(
        resource(&format!("{service}/StoragePools/1"), "StoragePool.v1_0_0.StoragePool", "1", "Pod Storage Pool"),
        json!({
            "Status": healthy(),
            "Capacity": { "Data": {
                "AllocatedBytes": POOL_GIB * GIB,
                "ConsumedBytes": used * GIB + volumes::taken(view),
            } },
        }),
    )
}

/// The drives of a system, as members of its sled.
pub(super) fn drive_paths(hardware: &Hardware, system: usize) -> Vec<String> {
    let count = hardware.profile(system).drives.len();
    (1..=count).map(|d| format!("/redfish/v1/Chassis/Sled{system}/Drives/{d}")).collect()
}

/// One drive of a system.
pub(super) fn drive(hardware: &Hardware, system: usize, id: &str) -> Option<Value> {
    let drives = hardware.profile(system).drives;
    let number = super::hardware::numbered(id, "", drives.len())?;
    let model: &DriveModel = drives.get(number - 1)?;
    let path = format!("/redfish/v1/Chassis/Sled{system}/Drives/{number}");
    let mut body = with(
        resource(&path, "Drive.v1_2_0.Drive", id, &format!("Drive {number}")),
        json!({
            "Manufacturer": "Valence",
            "Model": model.model,
            "SerialNumber": hardware.serial(&path),
            "MediaType": model.media,
            "Protocol": model.protocol,
            "CapacityBytes": model.gib * GIB,
            "Status": ok(),
            "Links": { "Chassis": link(format!("/redfish/v1/Chassis/Sled{system}")) },
        }),
    );
    if model.rpm > 0 {
        body["RotationSpeedRPM"] = Value::from(model.rpm);
    }
    Some(body)
}

/// Answers below `Systems/SystemN/Storage` and `Systems/SystemN/SimpleStorage`.
pub(super) fn of_system(view: &View<'_>, system: usize, family: &str, rest: &[&str]) -> Answer {
    let path = format!("/redfish/v1/Systems/System{system}/{family}");
    let one = format!("{path}/1");
    match rest {
        [] => {
            let kind = format!("{family}Collection");
            view.read(collection(&path, &kind, &format!("{family} Collection"), [one]))
        }
        ["1"] if family == "Storage" => view.read(controller(view.hardware, system, &one)),
        ["1"] => view.read(simple(view.hardware, system, &one)),
        _ => view.missing(),
    }
}

/// A system's drives as storage at a path, in the words of the newer schema.
pub(super) fn standard(hardware: &Hardware, system: usize, path: &str) -> Value {
    let drives = drive_paths(hardware, system);
    with(
        resource(path, "Storage.v1_21_0.Storage", "1", "Storage"),
        json!({ "Status": healthy(), "Drives@odata.count": drives.len(), "Drives": links(drives) }),
    )
}

fn controller(hardware: &Hardware, system: usize, path: &str) -> Value {
    let drives = drive_paths(hardware, system);
    with(
        resource(path, "Storage.v1_2_0.Storage", "1", "Local Storage"),
        json!({
            "Status": healthy(),
            "Drives@odata.count": drives.len(),
            "Drives": links(drives),
            "StorageControllers": [{
                "@odata.id": format!("{path}#/StorageControllers/0"),
                "MemberId": "0",
                "Manufacturer": "Valence",
                "Model": "HBA-8",
                "SerialNumber": hardware.serial(path),
                "SupportedDeviceProtocols": ["SATA", "SAS", "NVMe"],
                "Status": ok(),
            }],
            "StorageControllers@odata.count": 1,
            "Links": { "Enclosures": [link(format!("/redfish/v1/Chassis/Sled{system}"))] },
        }),
    )
}

/// A system's drives as simple storage at a path.
pub(super) fn simple(hardware: &Hardware, system: usize, path: &str) -> Value {
    let devices: Vec<Value> = hardware
        .profile(system)
        .drives
        .iter()
        .enumerate()
        .map(|(i, d)| {
            json!({
                "Name": format!("Drive {}", i + 1),
                "Manufacturer": "Valence",
                "Model": d.model,
                "CapacityBytes": d.gib * GIB,
                "Status": ok(),
            })
        })
        .collect();
    with(
        resource(path, "SimpleStorage.v1_2_0.SimpleStorage", "1", "Simple Storage"),
        json!({ "Status": healthy(), "Devices": devices, "UefiDevicePath": "Acpi(PNP0A03,0)/Pci(1F|2)" }),
    )
}
