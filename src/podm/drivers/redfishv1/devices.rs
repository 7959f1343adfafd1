//! Pooled devices: what fabrics and storage services have for nodes, and who has it.
//!
//! A device is a drive, a PCIe device, an accelerator behind a target endpoint of a fabric, a volume, or a logical drive. Its endpoints
//! and targets are other names of it: a node may link to either, and a zone joins a target endpoint with the initiator of a machine.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use serde_json::{Value, json};

use super::Rsd;
use crate::model::problem::Problem;
use crate::podm::driver::storage::{DeviceView, StorageDriver, Storages, first_free};
use crate::podm::driver::{Begun, Call};
use crate::podm::error::{Cause, RedfishError};
use crate::podm::http::ROOT;
use crate::podm::quirks;
use crate::podm::resource::{Resource, json_number, last_segment};

const GIB: f64 = 1_073_741_824.0;

impl StorageDriver for Rsd {
    fn devices(&self) -> Call<'_, Vec<DeviceView>> {
        Box::pin(self.list_devices())
    }
    fn choose<'a>(&'a self, kinds: &'a [String], taken: &'a HashSet<String>) -> Call<'a, Vec<String>> {
        Box::pin(async move {
            let none = |kind: &str| {
                let detail = format!("there is no free device of the type {kind}");
                self.client.error("GET", ROOT, Cause::Impossible(Box::new(Problem::conflict(detail))))
            };
            first_free(&self.list_devices().await?, kinds, taken).map_err(none)
        })
    }
    fn device<'a>(&'a self, device: &'a str) -> Call<'a, Option<DeviceView>> {
        Box::pin(self.read_device(device))
    }
    fn attach<'a>(&'a self, node: &'a str, device: &'a str) -> Call<'a, Begun<()>> {
        Box::pin(self.attach_device(node, device))
    }
    fn detach<'a>(&'a self, node: &'a str, device: &'a str) -> Call<'a, Begun<()>> {
        Box::pin(self.detach_device(node, device))
    }
    fn storages(&self) -> Option<&dyn Storages> {
        Some(&self.0)
    }
}

/// A composed node and everything it links to.
struct Owner {
    index: String,
    system: Option<String>,
    links: BTreeSet<String>,
}

/// Who may have devices, and through which endpoints.
struct Surroundings {
    nodes: Vec<Owner>,
    /// Path of a device → its endpoints, and what the fabric calls it.
    targets: BTreeMap<String, (Vec<String>, Option<String>)>,
    /// Target endpoints that a zone joins with an initiator → the machine of that initiator, when it says so.
    joined: BTreeMap<String, Option<String>>,
}

impl Rsd {
    async fn list_devices(&self) -> Result<Vec<DeviceView>, RedfishError> {
        let around = self.surroundings().await?;
        let mut links: BTreeSet<String> = around.targets.keys().cloned().collect();
        for name in quirks::STORAGE_SERVICES {
            let Some(services) = self.collection(name).await? else { continue };
            for service in self.read_all(&self.members(&services).await?).await? {
                if let Some(volumes) = quirks::volumes_of(&service)? {
                    links.extend(self.members(&volumes).await?.iter().map(|link| self.known_as(link)));
                }
            }
        }
        let links: Vec<String> = links.into_iter().collect();
        let mut all = Vec::with_capacity(links.len());
        for device in self.read_all(&links).await? {
            if !quirks::is_raw_volume(&device)? {
                all.push(self.show(&around, &device)?);
            }
        }
        Ok(all)
    }

    async fn read_device(&self, path: &str) -> Result<Option<DeviceView>, RedfishError> {
        let Some(device) = self.client.get_if_there(path).await? else { return Ok(None) };
        Ok(Some(self.show(&self.surroundings().await?, &device)?))
    }

    async fn surroundings(&self) -> Result<Surroundings, RedfishError> {
        let mut nodes = Vec::new();
        if let Some(collection) = self.collection("Nodes").await? {
            for node in self.read_all(&self.members(&collection).await?).await? {
                nodes.push(Owner {
                    index: last_segment(&node.path).to_owned(),
                    system: node.link("Links/ComputerSystem")?.map(|link| self.known_as(&link)),
                    links: self.linked(&node),
                });
            }
        }
        let mut around = Surroundings { nodes, targets: BTreeMap::new(), joined: BTreeMap::new() };
        self.add_fabrics(&mut around).await?;
        Ok(around)
    }

    async fn add_fabrics(&self, around: &mut Surroundings) -> Result<(), RedfishError> {
        let Some(fabrics) = self.collection("Fabrics").await? else { return Ok(()) };
        for fabric in self.read_all(&self.members(&fabrics).await?).await? {
            self.add_fabric(around, &fabric).await?;
        }
        Ok(())
    }

    async fn add_fabric(&self, around: &mut Surroundings, fabric: &Resource) -> Result<(), RedfishError> {
        let mut initiators: BTreeMap<String, Option<String>> = BTreeMap::new();
        for endpoint in self.parts(fabric, "Endpoints").await? {
            let path = self.known_as(&endpoint.path);
            for entity in endpoint.items("ConnectedEntities")? {
                let link = entity.link("EntityLink")?.map(|link| self.known_as(&link));
                match (entity.text("EntityRole")?.as_deref(), link) {
                    (Some("Initiator"), machine) => {
                        initiators.insert(path.clone(), machine);
                    }
                    (Some("Target"), Some(device)) => {
                        let kind = entity.text("EntityType")?;
                        around.targets.entry(device).or_insert((Vec::new(), kind)).0.push(path.clone());
                    }
                    _ => {}
                }
            }
        }
        for zone in self.parts(fabric, "Zones").await? {
            let members: Vec<String> = zone.links("Links/Endpoints")?.iter().map(|link| self.known_as(link)).collect();
            let Some(machine) = members.iter().find_map(|m| initiators.get(m)) else { continue };
            for target in members.iter().filter(|m| !initiators.contains_key(*m)) {
                around.joined.insert(target.clone(), machine.clone());
            }
        }
        Ok(())
    }

    fn show(&self, around: &Surroundings, device: &Resource) -> Result<DeviceView, RedfishError> {
        let path = self.known_as(&device.path);
        let mut names = self.names_of(device)?;
        let target = around.targets.get(&path);
        names.extend(target.into_iter().flat_map(|(endpoints, _)| endpoints.iter().cloned()));
        let zone = names.iter().find_map(|name| around.joined.get(name));
        let linking = |node: &&Owner| node.links.contains(&path) || names.iter().any(|name| node.links.contains(name));
        let zoned = |node: &&Owner| node.system.is_some() && zone.is_some_and(|machine| *machine == node.system);
        let node = around.nodes.iter().find(linking).or_else(|| around.nodes.iter().find(zoned));
        let named = target.and_then(|(_, kind)| kind.clone());
        Ok(DeviceView {
            path,
            kind: quirks::device_kind(device, named)?,
            group: None,
            node: node.map(|n| n.index.clone()),
            allocated: node.is_some() || zone.is_some(),
            properties: json!({
                "capacity_gib": gib(device)?,
                "media": device.text_json("MediaType")?,
                "protocol": device.text_json("Protocol")?,
                "health": device.text_json("Status/Health")?,
            }),
            extra: json!({
                "name": device.text_json("Name")?,
                "manufacturer": device.text_json("Manufacturer")?,
                "model": device.text_json("Model")?,
                "serial_number": device.text_json("SerialNumber")?,
                "endpoints": names,
            }),
        })
    }

    /// Endpoints whose device something is, as the fabrics say.
    pub(super) async fn endpoints_of(&self, device: &str) -> Result<Vec<String>, RedfishError> {
        let mut around = Surroundings { nodes: Vec::new(), targets: BTreeMap::new(), joined: BTreeMap::new() };
        self.add_fabrics(&mut around).await?;
        Ok(around.targets.remove(device).map(|(endpoints, _)| endpoints).unwrap_or_default())
    }

    /// Endpoints and targets that a device names itself.
    pub(super) fn names_of(&self, device: &Resource) -> Result<BTreeSet<String>, RedfishError> {
        let mut names = BTreeSet::new();
        for field in quirks::OTHER_NAMES {
            names.extend(device.links(field)?.iter().map(|link| self.known_as(link)));
        }
        Ok(names)
    }

    /// Everything that a resource's `Links` lead to, at any depth.
    pub(super) fn linked(&self, node: &Resource) -> BTreeSet<String> {
        fn walk<'v>(value: &'v Value, found: &mut Vec<&'v str>) {
            match value {
                Value::Object(map) => map.iter().for_each(|(key, inner)| match inner {
                    Value::String(link) if key == "@odata.id" => found.push(link),
                    inner => walk(inner, found),
                }),
                Value::Array(items) => items.iter().for_each(|inner| walk(inner, found)),
                _ => {}
            }
        }
        let mut found = Vec::new();
        walk(node.raw("Links"), &mut found);
        found.into_iter().map(|link| self.known_as(link)).collect()
    }

    /// The one form of a path in which links are compared. A link that leads elsewhere equals none of ours.
    pub(super) fn known_as(&self, link: &str) -> String {
        let path = self.client.resolve(link).unwrap_or_else(|_| link.to_owned());
        path.trim_end_matches('/').to_owned()
    }
}

fn gib(device: &Resource) -> Result<Value, RedfishError> {
    if let Some(gib) = device.number("CapacityGiB")? {
        return Ok(json_number(gib));
    }
    let bytes = device.number("CapacityBytes")?;
    Ok(bytes.map_or(Value::Null, |bytes| json_number((bytes / GIB * 1000.0).round() / 1000.0)))
}
