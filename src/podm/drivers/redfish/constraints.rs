//! A request that says what a node must have, for services that choose the blocks themselves.
//!
//! A member asks for so many of one size, which no sum of cores or memory says. So the request describes the best fit among the blocks
//! that are free; the service takes these, or others that have the same.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::Redfish;
use super::fit::Wants;
use crate::podm::driver::Wanted;
use crate::podm::error::RedfishError;
use crate::podm::resource::Resource;

/// How many of each.
type Counted = Vec<(Value, u64)>;

impl Redfish {
    pub(super) async fn constraints(
        &self,
        service: &Resource,
        capabilities: &Resource,
        wanted: &Wanted,
    ) -> Result<Value, RedfishError> {
        let keeps = |when: &str| *capabilities.raw(&format!("Description@Redfish.{when}")) == Value::Bool(true);
        if !(keeps("OptionalOnCreate") || keeps("RequiredOnCreate")) {
            // Blocks that are not known beforehand, and no mark: a node whose answer is lost would be lost too.
            let why = "this Pod Manager chooses the blocks itself and takes no Description to find a node by";
            return Err(self.refusal(409, why.into()));
        }
        let wants = Wants::of(&wanted.requirements).map_err(|why| self.refusal(400, why))?;
        let Some(best) = self.of_blocks(service, &wants, &HashSet::new()).await?.into_iter().next() else {
            return Err(self.refusal(409, super::compose::NOTHING_FREE.into()));
        };
        let (mut processors, mut memory, mut drives, mut interfaces) = (vec![], vec![], vec![], vec![]);
        for block in self.read_all(&best.parts).await? {
            self.count(&block, "Processors", &["ProcessorType", "TotalCores", "Model"], &mut processors).await?;
            self.count(&block, "Memory", &["MemoryType", "CapacityMiB"], &mut memory).await?;
            if wants.has_network() {
                self.count(&block, "EthernetInterfaces", &["SpeedMbps"], &mut interfaces).await?;
            }
            for drive in self.drives(&block).await? {
                add(&drive, &["CapacityBytes"], &mut drives);
            }
        }
        let or_more = *service.raw("AllowOverprovisioning") == Value::Bool(true);
        let mut body = json!({
            "Name": wanted.name,
            "Description": wanted.description,
            "Processors": { "Members": members(processors, or_more) },
            "Memory": { "Members": members(memory, or_more) },
        });
        if !interfaces.is_empty() {
            body["EthernetInterfaces"] = json!({ "Members": members(interfaces, or_more) });
        }
        if !drives.is_empty() {
            let storage = json!({ "@Redfish.RequestedCount": 1, "Drives": members(drives, or_more) });
            body["Storage"] = json!({ "Members": [storage] });
        }
        Ok(body)
    }

    async fn count(
        &self,
        block: &Resource,
        family: &str,
        fields: &[&str],
        into: &mut Counted,
    ) -> Result<(), RedfishError> {
        for part in self.read_all(&block.links(family)?).await? {
            add(&part, fields, into);
        }
        Ok(())
    }
}

/// Counts a part, by those of the fields that it has.
fn add(part: &Resource, fields: &[&str], into: &mut Counted) {
    let has = fields.iter().filter(|f| !part.raw(f).is_null());
    let shape: serde_json::Map<String, Value> = has.map(|f| ((*f).to_owned(), part.raw(f).clone())).collect();
    let shape = Value::Object(shape);
    match into.iter_mut().find(|(known, _)| *known == shape) {
        Some((_, count)) => *count += 1,
        None => into.push((shape, 1)),
    }
}

fn members(counted: Counted, or_more: bool) -> Vec<Value> {
    let member = |(mut shape, count): (Value, u64)| {
        shape["@Redfish.RequestedCount"] = Value::from(count);
        if or_more {
            shape["@Redfish.AllowOverprovisioning"] = Value::Bool(true);
        }
        shape
    };
    counted.into_iter().map(member).collect()
}
