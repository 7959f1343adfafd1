//! Computer systems with their parts, as the v1 API shows them: numbers are texts, sizes in whole GiB.

use serde_json::{Value, json};

use super::Standard;
use super::chassis::Tree;
use crate::podm::driver::SystemView;
use crate::podm::error::RedfishError;
use crate::podm::resource::{Resource, json_number, last_segment};

const GIB: f64 = 1_073_741_824.0;

impl Standard {
    pub(in crate::podm) async fn list_systems(&self, id: Option<&str>) -> Result<Vec<SystemView>, RedfishError> {
        let Some(collection) = self.collection("Systems").await? else { return Ok(Vec::new()) };
        let mut links = self.members(&collection).await?;
        if let Some(id) = id {
            links.retain(|link| last_segment(link) == id);
        }
        if links.is_empty() {
            return Ok(Vec::new());
        }
        let tree = self.chassis_tree().await?;
        let mut all = Vec::with_capacity(links.len());
        for system in self.read_all(&links).await? {
            all.push(self.show_system(&tree, system).await?);
        }
        Ok(all)
    }

    async fn show_system(&self, tree: &Tree, system: Resource) -> Result<SystemView, RedfishError> {
        let processors = self.parts(&system, "Processors").await?;
        let storage = self.parts(&system, "SimpleStorage").await?;
        let interfaces = match system.link("EthernetInterfaces")? {
            Some(link) => self.client.get_if_there(&link).await?,
            None => None,
        };
        let network = interfaces.map(|c| c.number("Members@odata.count")).transpose()?.flatten().unwrap_or(0.0);
        let shown = json!({
            "id": last_segment(&system.path),
            "Name": system.text_json("Name")?,
            "Description": system.text_json("Description")?,
            "uuid": system.text_json("UUID")?,
            "health": system.text_json("Status/Health")?,
            "location": tree.location(&system)?,
            "cpu": cpu(&processors)?,
            "ram": system.number("MemorySummary/TotalSystemMemoryGiB")?.map_or_else(|| "0".into(), text),
            "storage": text((capacity(&storage)? / GIB).floor()),
            "network": text(network),
        });
        Ok(SystemView { shown, raw: system.body })
    }
}

/// Sum of cores; architecture and model of the last processor.
fn cpu(processors: &[Resource]) -> Result<Value, RedfishError> {
    let mut cores = 0.0;
    let (mut arch, mut model) = (Value::Null, Value::Null);
    for p in processors {
        cores += p.number("TotalCores")?.unwrap_or(0.0);
        arch = p.text_json("InstructionSet")?;
        model = p.text_json("Model")?;
    }
    Ok(json!({ "cores": text(cores), "arch": arch, "model": model }))
}

/// Bytes of all devices.
fn capacity(storage: &[Resource]) -> Result<f64, RedfishError> {
    let mut bytes = 0.0;
    for controller in storage {
        for device in controller.items("Devices")? {
            bytes += device.number("CapacityBytes")?.unwrap_or(0.0);
        }
    }
    Ok(bytes)
}

fn text(n: f64) -> String {
    json_number(n).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resource(body: Value) -> Resource {
        Resource { podm: "lab".into(), path: "/s/1".into(), etag: None, body }
    }

    #[test]
    fn cores_are_summed_and_the_last_processor_names_the_model() {
        let processors = [
            resource(json!({"TotalCores": 1, "InstructionSet": "x86", "Model": "A"})),
            resource(json!({"TotalCores": "2", "InstructionSet": "x86", "Model": "Intel Xeon"})),
        ];
        assert_eq!(cpu(&processors).unwrap(), json!({"cores": "3", "arch": "x86", "model": "Intel Xeon"}));
    }

    #[test]
    fn storage_is_counted_in_whole_gibibytes() {
        let one = resource(json!({"Devices": [{"CapacityBytes": 322_122_547_200_u64}]}));
        assert_eq!(text((capacity(&[one.clone(), one]).unwrap() / GIB).floor()), "600");
    }
}
