//! Allocate, Assemble, and DELETE of a node.

use serde_json::{Map, Value, json};

use super::Rsd;
use crate::model::flavor::Requirements;
use crate::podm::driver::{Begun, Wanted};
use crate::podm::error::{Cause, RedfishError};
use crate::podm::http::Change;
use crate::podm::quirks;
use crate::podm::standard::begun;

impl Rsd {
    pub(super) async fn allocate_node(&self, wanted: &Wanted) -> Result<Begun<Option<String>>, RedfishError> {
        let nodes = self.needed("Nodes").await?;
        let missing = || self.client.error("GET", &nodes.path, Cause::Malformed("it does not offer Allocate".into()));
        let target = quirks::allocate_target(&nodes)?.ok_or_else(missing)?;
        let answer = self.client.change(&target, Change::Post(Some(&body(wanted)))).await?;
        begun(&self.client, &target, answer, |answer| {
            let named = answer.body["@odata.id"].as_str().and_then(|path| self.client.resolve(path).ok());
            answer.location.or(named)
        })
    }

    pub(super) async fn assemble_node(&self, path: &str) -> Result<Begun<()>, RedfishError> {
        let node = self.client.get(path).await?;
        let missing = || self.client.error("GET", path, Cause::Malformed("it does not offer Assemble".into()));
        let target = quirks::node_target(&node, "Assemble")?.ok_or_else(missing)?;
        self.ask(&target, Change::Post(None)).await
    }
}

/// The request. Both arrays always hold one object, maybe empty; values stay texts, as they were given.
fn body(wanted: &Wanted) -> Value {
    let Requirements { memory, processor, .. } = &wanted.requirements;
    let object = |fields: [(&str, Option<&String>); 2]| -> Map<String, Value> {
        fields.into_iter().filter_map(|(k, v)| Some((k.to_owned(), Value::from(v?.as_str())))).collect()
    };
    let memory = memory.clone().unwrap_or_default();
    let processor = processor.clone().unwrap_or_default();
    json!({
        "Name": wanted.name,
        "Description": wanted.description,
        "Memory": [object([("CapacityMiB", memory.capacity_mib.as_ref()), ("DimmDeviceType", memory.kind.as_ref())])],
        "Processors": [object([("Model", processor.model.as_ref()), ("TotalCores", processor.total_cores.as_ref())])],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requirements_are_passed_on_as_they_were_given() {
        let requirements = serde_json::from_value(json!({
            "memory": {"capacity_mib": "4000", "type": "DDR3"}, "processor": {"model": "Intel", "total_cores": "4"}}));
        let wanted = Wanted {
            name: "n".into(),
            description: "d".into(),
            requirements: requirements.unwrap(),
            parts: Vec::new(),
        };
        let asked = body(&wanted);
        assert_eq!(asked["Memory"], json!([{"CapacityMiB": "4000", "DimmDeviceType": "DDR3"}]));
        assert_eq!(asked["Processors"], json!([{"Model": "Intel", "TotalCores": "4"}]));
        let nothing = body(&Wanted { requirements: Requirements::default(), ..wanted });
        assert_eq!((&nothing["Memory"], &nothing["Processors"]), (&json!([{}]), &json!([{}])));
    }
}
