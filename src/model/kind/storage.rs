//! Kinds of the storage service: storages, volumes, pooled devices.

use serde_json::Value;

use super::read::{check, name, no_nulls, read};
use super::schema::schema;
use super::{Gates, Kind, kind, sync};
use crate::model::params;
use crate::model::problem::Problem;
use crate::model::topic::Topic;

/// The largest volume that can be asked for, GiB: an exbibyte.
const MOST_GIB: f64 = 1_073_741_824.0;

/// The kinds.
pub(super) const KINDS: &[Kind] = &[
    Kind {
        check: check::<params::ListFilter>,
        schema: schema::<params::ListFilter>,
        ..sync("device.list", Topic::Storage, "Lists pooled devices on record")
    },
    Kind {
        check: check::<params::ById>,
        schema: schema::<params::ById>,
        ..sync("device.get", Topic::Storage, "Reads the record of a pooled device")
    },
    Kind {
        check: check::<params::DeviceSync>,
        schema: schema::<params::DeviceSync>,
        ..kind("device.sync", Topic::Storage, "Reads the devices of Pod Managers anew")
    },
    Kind {
        gates: Gates::Node,
        needs_node: true,
        check: check::<params::Device>,
        schema: schema::<params::Device>,
        ..kind("device.attach", Topic::Storage, "Attaches a pooled device to a node")
    },
    Kind {
        gates: Gates::Node,
        drains: true,
        needs_node: true,
        check: check::<params::Device>,
        schema: schema::<params::Device>,
        ..kind("device.detach", Topic::Storage, "Detaches a pooled device from a node")
    },
    Kind {
        check: check_list,
        schema: schema::<params::StorageList>,
        ..sync(
            "storage.list",
            Topic::Storage,
            "Lists storage services, or a node's storages, live from the Pod Managers",
        )
    },
    Kind {
        check: check::<params::StorageGet>,
        schema: schema::<params::StorageGet>,
        ..sync("storage.get", Topic::Storage, "Reads a storage with its volumes and drives, live from its Pod Manager")
    },
    Kind {
        gates: Gates::Podm,
        needs_podm: true,
        check: check_volume,
        schema: schema::<params::VolumeCreate>,
        ..kind("volume.create", Topic::Storage, "Makes a volume in a storage")
    },
    Kind {
        gates: Gates::Podm,
        drains: true,
        needs_podm: true,
        check: check::<params::VolumeDelete>,
        schema: schema::<params::VolumeDelete>,
        ..kind("volume.delete", Topic::Storage, "Deletes a volume of a storage")
    },
    Kind {
        gates: Gates::Podm,
        drains: true,
        needs_podm: true,
        admin: true,
        check: check::<params::VolumeReturn>,
        schema: schema::<params::VolumeReturn>,
        ..kind("volume.return", Topic::Storage, "Deletes a volume that a task has left behind")
    },
];

fn check_list(value: &Value) -> Result<(), Problem> {
    let list: params::StorageList = read(value)?;
    match (list.node_id, list.system_id) {
        (Some(_), Some(_)) => Err(Problem::validation("'node_id' and 'system_id' cannot stand together")),
        _ => Ok(()),
    }
}

fn check_volume(value: &Value) -> Result<(), Problem> {
    no_nulls(value)?;
    let volume: params::VolumeCreate = read(value)?;
    name(value)?;
    if volume.description.as_ref().is_some_and(|d| d.len() > 1000 || d.contains(char::is_control)) {
        let wanted = "at most 1000 bytes without control characters are wanted";
        return Err(Problem::validation(format!("Invalid input for field/attribute 'description'. {wanted}")));
    }
    if volume.capacity_gib > 0.0 && volume.capacity_gib <= MOST_GIB {
        return Ok(());
    }
    Err(Problem::validation(format!(
        "Invalid input for field/attribute 'capacity_gib' Value: '{}'. more than 0 and at most {MOST_GIB} is wanted",
        volume.capacity_gib
    )))
}
