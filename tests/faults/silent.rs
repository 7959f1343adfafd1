//! Kinds that change records alone: they are shown to ask nobody for anything, so there is no call to go wrong.

use serde_json::{Value, json};
use valence::sim::SimConfig;

use super::support::saga::Plant;
use super::{assert_done, registered};

/// Their names.
pub const KINDS: [&str; 5] = ["flavor.create", "flavor.update", "flavor.delete", "podm.cordon", "podm.update"];

#[tokio::test]
async fn kinds_of_records_alone_ask_no_pod_manager() {
    let plant = Plant::bare(SimConfig::default(), false).await;
    registered(&plant).await;
    while plant.attempt(std::time::Duration::from_secs(10)).await {}
    let podm = plant.lab.uuids[0].as_str();
    let before = plant.lab.log().await;
    let mut flavor = Value::Null;
    for kind in KINDS {
        let params = match kind {
            "flavor.create" => json!({"name": "f", "properties": {}}),
            "flavor.update" => json!({"flavor_id": flavor, "name": "g"}),
            "flavor.delete" => json!({ "flavor_id": flavor }),
            "podm.cordon" => json!({"cordoned": true}),
            _ => json!({"name": "renamed", "location": "here", "max_changes": 2}),
        };
        let id = plant.submit(kind, params, Some(podm).filter(|_| kind.starts_with("podm.")), None).await;
        let task = plant.drive(id, &[]).await;
        assert_done(&task);
        if kind == "flavor.create" {
            flavor = task.body.result["uuid"].clone();
        }
    }
    assert_eq!(plant.lab.log().await, before);
}
