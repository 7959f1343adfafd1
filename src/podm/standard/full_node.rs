//! A composed node with its parts, as the v1 API shows it.

use serde_json::{Value, json};

use super::Standard;
use crate::podm::error::RedfishError;
use crate::podm::resource::{Resource, last_segment};
use crate::podm::tag;

/// Parts of a node.
pub(in crate::podm) struct Parts {
    pub processors: Vec<Resource>,
    pub memory: Vec<Resource>,
    pub interfaces: Vec<Resource>,
}

impl Standard {
    /// A node, or a computer system that is one, with its parts.
    pub(in crate::podm) async fn shown(
        &self,
        node: &Resource,
        state: Value,
        system: Option<String>,
        parts: Parts,
    ) -> Result<Value, RedfishError> {
        let Parts { processors, memory, interfaces } = parts;
        let mut network = Vec::with_capacity(interfaces.len());
        for interface in &interfaces {
            network.push(self.interface(interface).await?);
        }
        let boot = node.text_json("Boot/BootSourceOverrideTarget")?;
        let description = node.text("Description")?.unwrap_or_default();
        Ok(json!({
            "name": node.text_json("Name")?,
            "index": last_segment(&node.path),
            "resource_uri": node.path,
            "description": tag::split(&description).0,
            "node_power_state": node.text_json("PowerState")?,
            "node_state": state,
            "boot_source": boot,
            "target_boot_source": boot,
            "health_status": node.text_json("Status/Health")?,
            "pooled_group_id": null,
            "computer_system": system.map(|path| json!({ "@odata.id": path })),
            "metadata": {
                "processor": processors.iter().map(processor).collect::<Result<Vec<_>, _>>()?,
                "memory": memory.iter().map(module).collect::<Result<Vec<_>, _>>()?,
                "network": network,
            },
        }))
    }

    async fn interface(&self, interface: &Resource) -> Result<Value, RedfishError> {
        let ipv4 = |a: &Resource| {
            Ok(json!({
                "address": a.text_json("Address")?,
                "subnet_mask": a.text_json("SubnetMask")?,
                "gateway": a.text_json("Gateway")?,
            }))
        };
        let addresses = interface.items("IPv4Addresses")?;
        let mut shown = json!({
            "speed_mbps": interface.number_json("SpeedMbps")?,
            "mac": interface.text_json("MACAddress")?,
            "status": interface.text_json("Status/State")?,
            "ipv4": addresses.iter().map(ipv4).collect::<Result<Vec<_>, _>>()?,
        });
        if interface.link("VLANs")?.is_some() {
            let vlan =
                |v: &Resource| Ok(json!({"vlanid": v.number_json("VLANId")?, "status": v.text_json("Status/State")?}));
            let vlans = self.parts(interface, "VLANs").await?;
            shown["vlans"] = vlans.iter().map(vlan).collect::<Result<Vec<_>, _>>()?.into();
        }
        Ok(shown)
    }
}

fn processor(p: &Resource) -> Result<Value, RedfishError> {
    Ok(json!({
        "instruction_set": p.text_json("InstructionSet")?,
        "model": p.text_json("Model")?,
        "speed_mhz": p.number_json("MaxSpeedMHz")?,
        "total_core": p.number_json("TotalCores")?,
    }))
}

fn module(m: &Resource) -> Result<Value, RedfishError> {
    Ok(json!({
        "data_width_bit": m.number_json("DataWidthBits")?,
        "speed_mhz": m.number_json("OperatingSpeedMhz")?,
        "total_memory_mb": m.number_json("CapacityMiB")?,
    }))
}
