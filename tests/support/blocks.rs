//! Resource blocks of a plant: what is on record, what is reserved, and what the first Pod Manager's systems are made of.

use std::collections::HashMap;

use serde_json::Value;

use super::pool;
use super::saga::Plant;

/// What `GET /sim/nodes` says of the first Pod Manager.
pub async fn seen(plant: &Plant) -> Value {
    plant.lab.seen("nodes").await[0].clone()
}

/// So many nodes, each on record and assembled; each of its blocks, and no other, is reserved for it; and none was ever in two.
pub async fn assert_true(plant: &Plant, nodes: usize) {
    plant.assert_agrees(nodes).await;
    let (seen, rows) = (seen(plant).await, plant.node_rows().await);
    assert_eq!(seen["blocks_composed_twice_ever"], 0, "{seen}");
    let mut expected = HashMap::new();
    for node in seen["nodes"].as_array().unwrap() {
        let row = rows.iter().find(|r| node["index"] == r.index.as_str()).unwrap();
        for block in node["blocks"].as_array().unwrap() {
            let path = format!("/redfish/v1/CompositionService/ResourceBlocks/{}", block.as_str().unwrap());
            assert!(expected.insert(path, row.uuid.clone()).is_none(), "a block is in two nodes: {seen}");
        }
    }
    assert_eq!(pool::owners(plant).await, expected);
}
