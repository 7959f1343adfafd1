//! Pooled devices of a Pod Manager, where its dialect has them.

use std::collections::HashSet;

use serde_json::Value;

use super::{Begun, Call, Owner};

/// A device that can be attached to nodes, as its Pod Manager shows it now.
#[derive(Debug, Clone, PartialEq)]
pub struct DeviceView {
    /// Its path; for an ExpEther Manager `devices/<id>`.
    pub path: String,
    /// What it is, such as `SSD` or `NIC`; `None` when that is not known.
    pub kind: Option<String>,
    /// The group of devices and node it belongs to, where the dialect has groups.
    pub group: Option<String>,
    /// The Pod Manager's own id of the node it is attached to.
    pub node: Option<String>,
    /// Whether a node has it.
    pub allocated: bool,
    /// What it is like.
    pub properties: Value,
    /// More about it.
    pub extra: Value,
}

/// Asking for pooled devices. A driver asks for one thing per call; sagas look before and after.
pub trait StorageDriver: Send + Sync {
    /// Lists all devices that can be attached, attached or not.
    fn devices(&self) -> Call<'_, Vec<DeviceView>>;

    /// Free devices of these types for a node to be composed, one each, that are none of `taken`; none where the parts of a node are
    /// chosen with their devices. They are attached once the node is there.
    fn choose<'a>(&'a self, kinds: &'a [String], taken: &'a HashSet<String>) -> Call<'a, Vec<String>>;

    /// Reads a device; `None` when there is none.
    fn device<'a>(&'a self, device: &'a str) -> Call<'a, Option<DeviceView>>;

    /// Attaches a device to a node. Accepted is not done: read the device. Attached to that node already is a success.
    fn attach<'a>(&'a self, node: &'a str, device: &'a str) -> Call<'a, Begun<()>>;

    /// Detaches a device from a node. One that is free already is a success.
    fn detach<'a>(&'a self, node: &'a str, device: &'a str) -> Call<'a, Begun<()>>;

    /// Storages and their volumes, where the dialect has them.
    fn storages(&self) -> Option<&dyn Storages> {
        None
    }
}

/// The first free device of each type, in the order of the list, that is none of `taken`.
///
/// # Errors
/// The type that there is no free device of.
pub fn first_free<'a>(
    devices: &[DeviceView],
    kinds: &'a [String],
    taken: &HashSet<String>,
) -> Result<Vec<String>, &'a str> {
    let mut chosen: Vec<String> = Vec::with_capacity(kinds.len());
    for kind in kinds {
        let is_free = |d: &&DeviceView| !d.allocated && !taken.contains(&d.path) && !chosen.contains(&d.path);
        let fits = |d: &&DeviceView| d.kind.as_ref().is_some_and(|k| k.eq_ignore_ascii_case(kind));
        let found = devices.iter().filter(is_free).find(fits).ok_or(kind.as_str())?;
        chosen.push(found.path.clone());
    }
    Ok(chosen)
}

/// A place that has volumes or drives: a storage service, or the storage of a computer system.
#[derive(Debug, Clone)]
pub struct StorageView {
    /// Its path.
    pub path: String,
    /// The id that its path ends with.
    pub id: String,
    /// Its collection of volumes; `None` when it has none of its own.
    pub volumes: Option<String>,
    /// As the v1 API shows it.
    pub shown: Value,
}

/// A volume, or what older Pod Managers call a logical drive.
#[derive(Debug, Clone)]
pub struct VolumeView {
    /// Its path.
    pub path: String,
    /// The id that its path ends with.
    pub id: String,
    /// Its name.
    pub name: Option<String>,
    /// Its tag, of whatever deployment.
    pub tag: Option<String>,
    /// How large it is.
    pub capacity_gib: Option<f64>,
    /// As the v1 API shows it.
    pub shown: Value,
}

/// A volume to make.
#[derive(Debug, Clone)]
pub struct WantedVolume {
    /// Its name.
    pub name: String,
    /// Its description, tag included.
    pub description: String,
    /// How large it must be.
    pub capacity_gib: f64,
    /// Whether a machine may boot from it; `None` where the Pod Manager may choose.
    pub bootable: Option<bool>,
}

/// Asking for storages and their volumes.
pub trait Storages: Send + Sync {
    /// Lists storage services, or the storages of a machine; `None` when that machine is not there.
    fn list<'a>(&'a self, of: Option<Owner<'a>>) -> Call<'a, Option<Vec<StorageView>>>;

    /// Lists the volumes of a collection.
    fn volumes<'a>(&'a self, collection: &'a str) -> Call<'a, Vec<VolumeView>>;

    /// Reads a volume; `None` when there is none.
    fn volume<'a>(&'a self, volume: &'a str) -> Call<'a, Option<VolumeView>>;

    /// Makes a volume. Accepted is not done: read it. `Done(None)`: it was made, and the answer does not say where.
    fn create<'a>(&'a self, collection: &'a str, wanted: &'a WantedVolume) -> Call<'a, Begun<Option<String>>>;

    /// Deletes a volume; one that is gone already is a success. Accepted is not done: read until it is gone.
    fn delete<'a>(&'a self, volume: &'a str) -> Call<'a, Begun<()>>;
}
