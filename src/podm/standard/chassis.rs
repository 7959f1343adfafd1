//! The tree of chassis, for the location of systems: `Systems:1_Drawer:Drawer1_Rack:Rack1_Pod:Pod1_`.

use std::collections::HashMap;

use super::Standard;
use crate::podm::error::RedfishError;
use crate::podm::resource::Resource;

struct Chassis {
    label: String,
    parent: Option<String>,
    systems: Vec<String>,
}

/// All chassis of a Pod Manager by their path.
#[derive(Default)]
pub(in crate::podm) struct Tree(HashMap<String, Chassis>);

impl Standard {
    pub(in crate::podm) async fn chassis_tree(&self) -> Result<Tree, RedfishError> {
        let Some(collection) = self.collection("Chassis").await? else { return Ok(Tree::default()) };
        let all = self.read_all(&self.members(&collection).await?).await?;
        Tree::build(&all)
    }
}

impl Tree {
    fn build(all: &[Resource]) -> Result<Self, RedfishError> {
        let mut tree = HashMap::with_capacity(all.len());
        for c in all {
            let label = format!("{}:{}", c.text("ChassisType")?.unwrap_or_else(|| "Chassis".into()), c.id()?);
            let parent = c.link("Links/ContainedBy")?;
            let systems = c.links("Links/ComputerSystems")?.iter().map(|p| trimmed(p)).collect();
            tree.insert(trimmed(&c.path), Chassis { label, parent: parent.map(|p| trimmed(&p)), systems });
        }
        for c in all {
            for child in c.links("Links/Contains")? {
                if let Some(child) = tree.get_mut(&trimmed(&child)) {
                    child.parent.get_or_insert_with(|| trimmed(&c.path));
                }
            }
        }
        Ok(Self(tree))
    }

    /// Where a system stands: itself, then every chassis around it, from the inside out.
    pub(in crate::podm) fn location(&self, system: &Resource) -> Result<String, RedfishError> {
        let path = trimmed(&system.path);
        let linked = system.links("Links/Chassis")?.into_iter().map(|p| trimmed(&p));
        let listing = self.0.iter().filter(|(_, c)| c.systems.contains(&path)).map(|(p, _)| p.clone());
        let deepest =
            linked.chain(listing).map(|p| self.around(&p)).max_by_key(|labels| (labels.len(), labels.first().cloned()));
        let mut location = format!("Systems:{}_", system.id()?);
        for label in deepest.unwrap_or_default() {
            location.push_str(&label);
            location.push('_');
        }
        Ok(location)
    }

    /// Labels of a chassis and of all that contain it. A tree that bites its tail ends where it began.
    fn around(&self, chassis: &str) -> Vec<String> {
        let mut labels = Vec::new();
        let mut at = Some(chassis.to_owned());
        while let Some(c) = at.and_then(|path| self.0.get(&path)) {
            if labels.len() >= self.0.len() {
                break;
            }
            labels.push(c.label.clone());
            at = c.parent.clone();
        }
        labels
    }
}

pub(super) fn trimmed(path: &str) -> String {
    path.trim_end_matches('/').to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn resource(path: &str, body: Value) -> Resource {
        Resource { podm: "lab".into(), path: path.into(), etag: None, body }
    }

    #[test]
    fn a_system_stands_in_the_innermost_chassis_that_knows_it() {
        let link = |p: &str| json!([{ "@odata.id": p }]);
        let all = [
            resource("/c/Pod1", json!({"Id": "Pod1", "ChassisType": "Pod", "Links": {"Contains": link("/c/Rack1")}})),
            resource(
                "/c/Rack1",
                json!({"Id": "Rack1", "ChassisType": "Rack",
                "Links": {"Contains": link("/c/Drawer1"), "ComputerSystems": link("/s/1")}}),
            ),
            resource(
                "/c/Drawer1",
                json!({"Id": "Drawer1", "ChassisType": "Drawer", "Links": {"ComputerSystems": link("/s/1")}}),
            ),
        ];
        let system = resource("/s/1", json!({"Id": "1"}));
        let tree = Tree::build(&all).unwrap();
        assert_eq!(tree.location(&system).unwrap(), "Systems:1_Drawer:Drawer1_Rack:Rack1_Pod:Pod1_");
    }

    #[test]
    fn a_tree_that_bites_its_tail_ends() {
        let link = |p: &str| json!({ "@odata.id": p });
        let all = [
            resource("/c/A", json!({"Id": "A", "Links": {"ContainedBy": link("/c/B")}})),
            resource("/c/B", json!({"Id": "B", "Links": {"ContainedBy": link("/c/A")}})),
        ];
        let system = resource("/s/1", json!({"Id": 1, "Links": {"Chassis": link("/c/A")}}));
        assert_eq!(Tree::build(&all).unwrap().location(&system).unwrap(), "Systems:1_Chassis:A_Chassis:B_");
    }
}
