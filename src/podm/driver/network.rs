//! Switches, ports, interfaces and VLANs of a Pod Manager, where its dialect has them.

use serde_json::Value;

use super::{Begun, Call, Owner};

/// A switch.
#[derive(Debug, Clone)]
pub struct SwitchView {
    /// Its path.
    pub path: String,
    /// The id that its path ends with.
    pub id: String,
    /// As the v1 API shows it.
    pub shown: Value,
}

/// Something that carries VLANs: a port of a switch, or an interface of a machine.
#[derive(Debug, Clone)]
pub struct PortView {
    /// Its path.
    pub path: String,
    /// The id that its path ends with.
    pub id: String,
    /// Its collection of VLANs; `None` when it has none.
    pub vlans: Option<String>,
    /// Its own MAC address.
    pub mac: Option<String>,
    /// MAC address at the other end of the cable, where it is known.
    pub neighbor_mac: Option<String>,
    /// Path of the port or interface at the other end of the cable, where it is known.
    pub neighbor: Option<String>,
    /// As the v1 API shows it.
    pub shown: Value,
}

/// A VLAN of a port or an interface.
#[derive(Debug, Clone)]
pub struct VlanView {
    /// Its path.
    pub path: String,
    /// Its number.
    pub vlan_id: Option<u16>,
    /// Whether frames carry its number; `None` when the Pod Manager does not say.
    pub tagged: Option<bool>,
    /// As the v1 API shows it.
    pub shown: Value,
}

/// Asking for them. A driver asks for one thing per call; sagas look before and after.
pub trait NetworkDriver: Send + Sync {
    /// Lists all switches.
    fn switches(&self) -> Call<'_, Vec<SwitchView>>;

    /// Lists the ports of a switch.
    fn ports<'a>(&'a self, switch: &'a str) -> Call<'a, Vec<PortView>>;

    /// Lists the interfaces of a machine; `None` when it is not there.
    fn interfaces<'a>(&'a self, of: Owner<'a>) -> Call<'a, Option<Vec<PortView>>>;

    /// Lists the VLANs of a collection.
    fn vlans<'a>(&'a self, collection: &'a str) -> Call<'a, Vec<VlanView>>;

    /// Makes a VLAN. Accepted is not done: read the collection.
    fn create_vlan<'a>(&'a self, collection: &'a str, vlan_id: u16, tagged: bool) -> Call<'a, Begun<()>>;

    /// Deletes a VLAN; one that is gone already is a success. Accepted is not done: read the collection.
    fn delete_vlan<'a>(&'a self, vlan: &'a str) -> Call<'a, Begun<()>>;
}
