//! Racks with the systems in them.
//!
//! *Source*: the first Valence's "list racks"; its walk mixed racks up and lost the systems of a chassis that contains others.

use std::collections::{HashMap, HashSet};

use serde_json::json;

use super::Standard;
use super::chassis::trimmed;
use crate::model::inventory::Rack;
use crate::podm::driver::RackView;
use crate::podm::error::RedfishError;
use crate::podm::resource::{Resource, last_segment};

/// What every chassis contains, and which systems stand in it, by path.
#[derive(Default)]
struct Contents {
    chassis: HashMap<String, Vec<String>>,
    systems: HashMap<String, Vec<String>>,
}

impl Standard {
    pub(in crate::podm) async fn list_racks(&self) -> Result<Vec<RackView>, RedfishError> {
        let Some(collection) = self.collection("Chassis").await? else { return Ok(Vec::new()) };
        let all = self.read_all(&self.members(&collection).await?).await?;
        let contents = Contents::of(&all)?;
        let mut uuids = HashMap::new();
        let mut racks = Vec::new();
        for rack in all {
            if rack.text("ChassisType")?.as_deref() != Some("Rack") {
                continue;
            }
            let paths = contents.systems_in(&trimmed(&rack.path));
            let unread: Vec<String> = paths.iter().filter(|p| !uuids.contains_key(*p)).cloned().collect();
            for system in self.read_all(&unread).await? {
                // A system without a UUID is known by its id.
                let uuid = match system.text("UUID")? {
                    Some(uuid) => uuid,
                    None => system.id()?,
                };
                uuids.insert(trimmed(&system.path), uuid);
            }
            let mut seen = HashSet::new();
            let systems: Vec<&String> =
                paths.iter().filter_map(|p| uuids.get(p)).filter(|uuid| seen.insert(*uuid)).collect();
            let shown = json!({
                "id": last_segment(&rack.path),
                "name": rack.text_json("Name")?,
                "systems": systems,
                "manufacturer": rack.text_json("Manufacturer")?,
                "model": rack.text_json("Model")?,
                "description": rack.text_json("Description")?,
                "serial_number": rack.text_json("SerialNumber")?,
            });
            racks.push(RackView { shown, raw: rack.body });
        }
        Ok(racks)
    }
}

impl Standard {
    /// Racks, each with the paths of the systems in it.
    pub(in crate::podm) async fn rack_contents(&self) -> Result<Vec<(Rack, Vec<String>)>, RedfishError> {
        let Some(collection) = self.collection("Chassis").await? else { return Ok(Vec::new()) };
        let all = self.read_all(&self.members(&collection).await?).await?;
        let contents = Contents::of(&all)?;
        let mut racks = Vec::new();
        for rack in all {
            if rack.text("ChassisType")?.as_deref() == Some("Rack") {
                let systems = contents.systems_in(&trimmed(&rack.path));
                let count = systems.len().try_into().unwrap_or(u32::MAX);
                let row = Rack { id: last_segment(&rack.path).to_owned(), name: rack.text("Name")?, systems: count };
                racks.push((row, systems));
            }
        }
        Ok(racks)
    }
}

impl Contents {
    /// Both sides of the links count: some name only the parent, some only the children.
    fn of(all: &[Resource]) -> Result<Self, RedfishError> {
        let mut contents = Self::default();
        for c in all {
            let path = trimmed(&c.path);
            let children = c.links("Links/Contains")?.iter().map(|p| trimmed(p)).collect::<Vec<_>>();
            let systems = c.links("Links/ComputerSystems")?.iter().map(|p| trimmed(p)).collect();
            contents.systems.insert(path.clone(), systems);
            contents.chassis.entry(path.clone()).or_default().extend(children);
            if let Some(parent) = c.link("Links/ContainedBy")? {
                contents.chassis.entry(trimmed(&parent)).or_default().push(path);
            }
        }
        Ok(contents)
    }

    /// Paths of all systems in a chassis and in what it contains, each once. A tree that bites its tail ends.
    fn systems_in(&self, chassis: &str) -> Vec<String> {
        let (mut found, mut seen, mut next) = (Vec::new(), HashSet::new(), vec![chassis]);
        while let Some(at) = next.pop() {
            if !seen.insert(at) {
                continue;
            }
            for system in self.systems.get(at).into_iter().flatten() {
                if !found.contains(system) {
                    found.push(system.clone());
                }
            }
            next.extend(self.chassis.get(at).into_iter().flatten().rev().map(String::as_str));
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn chassis(path: &str, links: Value) -> Resource {
        Resource { podm: "lab".into(), path: path.into(), etag: None, body: json!({ "Links": links }) }
    }

    #[test]
    fn a_rack_has_its_own_systems_at_any_depth_each_once() {
        let link = |p: &str| json!([{ "@odata.id": p }]);
        let all = [
            chassis("/c/R1", json!({"Contains": link("/c/D1"), "ComputerSystems": link("/s/1")})),
            chassis("/c/R2", json!({})),
            chassis("/c/D1", json!({"ComputerSystems": [{"@odata.id": "/s/1"}, {"@odata.id": "/s/2/"}]})),
            chassis("/c/D2", json!({"ContainedBy": {"@odata.id": "/c/R2"}, "ComputerSystems": link("/s/3")})),
        ];
        let contents = Contents::of(&all).unwrap();
        assert_eq!(contents.systems_in("/c/R1"), ["/s/1", "/s/2"]);
        assert_eq!(contents.systems_in("/c/R2"), ["/s/3"]);
    }

    #[test]
    fn a_chassis_that_contains_itself_ends() {
        let all = [chassis("/c/R1", json!({"Contains": [{"@odata.id": "/c/R1"}], "ComputerSystems": []}))];
        assert!(Contents::of(&all).unwrap().systems_in("/c/R1").is_empty());
    }
}
