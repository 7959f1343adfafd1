//! Pooled devices of a Pod Manager, where its dialect has them.

use serde_json::Value;

use super::{Begun, Call};

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

    /// Reads a device; `None` when there is none.
    fn device<'a>(&'a self, device: &'a str) -> Call<'a, Option<DeviceView>>;

    /// Attaches a device to a node. Accepted is not done: read the device. Attached to that node already is a success.
    fn attach<'a>(&'a self, node: &'a str, device: &'a str) -> Call<'a, Begun<()>>;

    /// Detaches a device from a node. One that is free already is a success.
    fn detach<'a>(&'a self, node: &'a str, device: &'a str) -> Call<'a, Begun<()>>;
}
