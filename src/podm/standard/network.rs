//! Switches, their ports, interfaces of machines, and the VLANs of both.

use serde_json::{Value, json};

use super::Standard;
use crate::podm::driver::network::{NetworkDriver, PortView, SwitchView, VlanView};
use crate::podm::driver::{Begun, Call, Owner};
use crate::podm::error::RedfishError;
use crate::podm::http::Change;
use crate::podm::quirks;
use crate::podm::resource::{Resource, last_segment};

impl NetworkDriver for Standard {
    fn switches(&self) -> Call<'_, Vec<SwitchView>> {
        Box::pin(self.list_switches())
    }
    fn ports<'a>(&'a self, switch: &'a str) -> Call<'a, Vec<PortView>> {
        Box::pin(async move {
            let Some(switch) = self.client.get_if_there(switch).await? else { return Ok(Vec::new()) };
            self.parts(&switch, "Ports").await?.iter().map(port).collect()
        })
    }
    fn interfaces<'a>(&'a self, of: Owner<'a>) -> Call<'a, Option<Vec<PortView>>> {
        Box::pin(self.list_interfaces(of))
    }
    fn vlans<'a>(&'a self, collection: &'a str) -> Call<'a, Vec<VlanView>> {
        Box::pin(async move { self.read_all(&self.members(collection).await?).await?.iter().map(vlan).collect() })
    }
    fn create_vlan<'a>(&'a self, collection: &'a str, vlan_id: u16, tagged: bool) -> Call<'a, Begun<()>> {
        Box::pin(async move {
            let body = quirks::vlan_body(vlan_id, tagged);
            self.ask(collection, Change::Post(Some(&body))).await
        })
    }
    fn delete_vlan<'a>(&'a self, vlan: &'a str) -> Call<'a, Begun<()>> {
        Box::pin(self.remove(vlan))
    }
}

impl Standard {
    /// Intel's Ethernet switches, and the switches of Ethernet fabrics.
    async fn list_switches(&self) -> Result<Vec<SwitchView>, RedfishError> {
        let mut all = Vec::new();
        if let Some(collection) = self.collection("EthernetSwitches").await? {
            all.extend(self.read_all(&self.members(&collection).await?).await?);
        }
        if let Some(fabrics) = self.collection("Fabrics").await? {
            for fabric in self.read_all(&self.members(&fabrics).await?).await? {
                if fabric.text("FabricType")?.as_deref() == Some("Ethernet") {
                    all.extend(self.parts(&fabric, "Switches").await?);
                }
            }
        }
        all.iter().map(switch).collect()
    }

    /// Those that a node links to, else all of its machine.
    async fn list_interfaces(&self, of: Owner<'_>) -> Result<Option<Vec<PortView>>, RedfishError> {
        let mut found = Vec::new();
        if let Owner::Node(path) = of {
            let Some(node) = self.client.get_if_there(path).await? else { return Ok(None) };
            found = self.read_all(&node.links("Links/EthernetInterfaces")?).await?;
        }
        if found.is_empty() {
            let Some(machine) = self.machine(of).await? else { return Ok(None) };
            found = self.parts(&machine, "EthernetInterfaces").await?;
        }
        found.iter().map(interface).collect::<Result<_, _>>().map(Some)
    }
}

fn switch(r: &Resource) -> Result<SwitchView, RedfishError> {
    let shown = json!({
        "id": last_segment(&r.path),
        "name": r.text_json("Name")?,
        "description": r.text_json("Description")?,
        "role": r.text_json("Role")?,
        "manufacturer": r.text_json("Manufacturer")?,
        "model": r.text_json("Model")?,
        "serial_number": r.text_json("SerialNumber")?,
        "firmware_version": r.text_json("FirmwareVersion")?,
        "health": r.text_json("Status/Health")?,
        "state": r.text_json("Status/State")?,
        "resource_uri": r.path,
    });
    Ok(SwitchView { path: r.path.clone(), id: last_segment(&r.path).to_owned(), shown })
}

fn port(r: &Resource) -> Result<PortView, RedfishError> {
    let neighbor_mac = r.text("NeighborMAC")?;
    let neighbor = quirks::neighbor(r)?;
    let shown = json!({
        "id": last_segment(&r.path),
        "name": r.text_json("Name")?,
        "port_id": r.text_json("PortId")?,
        "type": r.text_json("PortType")?,
        "class": r.text_json("PortClass")?,
        "mac": r.text_json("MACAddress")?,
        "neighbor_mac": neighbor_mac,
        "neighbor_interface": neighbor,
        "speed_mbps": r.number_json("LinkSpeedMbps")?,
        "link": r.text_json("OperationalState")?,
        "admin_state": r.text_json("AdministrativeState")?,
        "primary_vlan": r.link("Links/PrimaryVLAN")?.map(|path| last_segment(&path).to_owned()),
        "health": r.text_json("Status/Health")?,
        "resource_uri": r.path,
    });
    view(r, neighbor_mac, neighbor, shown)
}

fn interface(r: &Resource) -> Result<PortView, RedfishError> {
    let neighbor = quirks::neighbor(r)?;
    let address = |a: &Resource| {
        Ok(json!({
            "address": a.text_json("Address")?,
            "subnet_mask": a.text_json("SubnetMask")?,
            "gateway": a.text_json("Gateway")?,
        }))
    };
    let shown = json!({
        "id": last_segment(&r.path),
        "name": r.text_json("Name")?,
        "description": r.text_json("Description")?,
        "mac": r.text_json("MACAddress")?,
        "speed_mbps": r.number_json("SpeedMbps")?,
        "link": r.text_json("LinkStatus")?,
        "ipv4": r.items("IPv4Addresses")?.iter().map(address).collect::<Result<Vec<_>, RedfishError>>()?,
        "neighbor_port": neighbor,
        "status": r.text_json("Status/State")?,
        "health": r.text_json("Status/Health")?,
        "resource_uri": r.path,
    });
    view(r, None, neighbor, shown)
}

fn view(
    r: &Resource,
    neighbor_mac: Option<String>,
    neighbor: Option<String>,
    shown: Value,
) -> Result<PortView, RedfishError> {
    Ok(PortView {
        path: r.path.clone(),
        id: last_segment(&r.path).to_owned(),
        vlans: r.link("VLANs")?,
        mac: r.text("MACAddress")?,
        neighbor_mac,
        neighbor,
        shown,
    })
}

fn vlan(r: &Resource) -> Result<VlanView, RedfishError> {
    let vlan_id = match r.number("VLANId")? {
        None => None,
        Some(n) if n.fract() == 0.0 && (0.0..=4095.0).contains(&n) => Some(whole(n)),
        Some(_) => return Err(r.wrong("VLANId", "the number of a VLAN")),
    };
    let tagged = quirks::tagged(r)?;
    let enabled = match r.raw("VLANEnable") {
        Value::Null => Value::Null,
        Value::Bool(b) => Value::Bool(*b),
        _ => return Err(r.wrong("VLANEnable", "true or false")),
    };
    let shown = json!({
        "id": last_segment(&r.path),
        "name": r.text_json("Name")?,
        "vlan_id": vlan_id,
        "tagged": tagged,
        "enabled": enabled,
        "resource_uri": r.path,
    });
    Ok(VlanView { path: r.path.clone(), vlan_id, tagged, shown })
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole and within 0 to 4095, as checked")]
fn whole(n: f64) -> u16 {
    n as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vlan_needs_no_field_and_a_wrong_one_is_named() {
        let of = |body: Value| vlan(&Resource { podm: "lab".into(), path: "/p/1/VLANs/2".into(), etag: None, body });
        let view = of(json!({"VLANId": "101", "Oem": {"Intel_RackScale": {"Tagged": true}}})).unwrap();
        assert_eq!((view.vlan_id, view.tagged), (Some(101), Some(true)));
        assert_eq!((of(json!({})).unwrap().vlan_id, of(json!({})).unwrap().tagged), (None, None));
        for (body, field) in [
            (json!({"VLANId": 70_000}), "VLANId"),
            (json!({"VLANEnable": "no"}), "VLANEnable"),
            (json!({"Oem": {"Intel_RackScale": {"Tagged": 1}}}), "Tagged"),
        ] {
            let error = of(body).unwrap_err().to_string();
            assert!(error.contains(field) && error.contains("/p/1/VLANs/2"), "{error}");
        }
    }
}
