//! Pooled devices of a plant: what is on record, reserved, and so at the hardware.

use std::collections::HashMap;

use serde_json::json;
use valence::model::device::{Device, DeviceState};
use valence::store::records::Collection;

use super::saga::Plant;

/// The rows.
pub async fn devices(plant: &Plant) -> Vec<Device> {
    plant.store.records(Collection::Device).await.unwrap()
}

pub async fn device(plant: &Plant, id: &str) -> Device {
    plant.store.record(Collection::Device, id).await.unwrap().unwrap()
}

/// What is reserved at the first Pod Manager, and for which node.
pub async fn owners(plant: &Plant) -> HashMap<String, String> {
    plant.store.names(Collection::Node, &format!("part:{}", plant.lab.uuids[0])).await.unwrap()
}

/// Rows, reservations and the first Pod Manager say the same of every device, and so many are attached.
pub async fn assert_true(plant: &Plant, attached: usize) {
    let (driver, reserved) = (plant.lab.driver(), owners(plant).await);
    let there = driver.storage().unwrap().devices().await.unwrap();
    let nodes = plant.node_rows().await;
    for row in devices(plant).await.into_iter().filter(|d| d.podm_id == plant.lab.uuids[0]) {
        let view = there.iter().find(|v| v.path == row.resource_uri).unwrap();
        assert_eq!(
            (&row.node_id, row.state == DeviceState::Allocated),
            (&view.node, view.allocated),
            "{row:?} {view:?}"
        );
        let owner = nodes.iter().find(|n| Some(&n.index) == row.node_id.as_ref()).map(|n| &n.uuid);
        assert_eq!(reserved.get(&row.resource_uri), owner, "{row:?} {reserved:?}");
    }
    assert_eq!((there.iter().filter(|v| v.allocated).count(), reserved.len()), (attached, attached), "{reserved:?}");
}

/// Without a worker: a registered Pod Manager, a node, a device that is on record and free.
pub async fn prepare(plant: &Plant) -> (String, String) {
    plant.enrol().await;
    let podm = plant.lab.uuids[0].clone();
    let id = plant.submit("node.compose", json!({"name": "n"}), Some(&podm), None).await;
    let node = plant.drive(id, &[]).await.body.result["uuid"].as_str().unwrap().to_owned();
    // The same one in every plant: ids of devices follow from the Pod Manager's.
    let free = devices(plant).await.into_iter().filter(|d| d.node_id.is_none());
    let free = free.min_by_key(|d| d.resource_uri.clone()).unwrap();
    (node, free.uuid)
}

/// At an ExpEther Manager so many devices are attached and so many nodes on record; rows say what the hardware does, reservations are the
/// nodes' machines and devices, and no device was ever taken from a machine that had it.
pub async fn assert_machine(plant: &Plant, attached: usize, nodes: usize) {
    let driver = plant.lab.driver();
    let there = driver.storage().unwrap().devices().await.unwrap();
    let rows = devices(plant).await;
    for view in &there {
        let row = rows.iter().find(|r| r.resource_uri == view.path && r.podm_id == plant.lab.uuids[0]).unwrap();
        assert_eq!((&row.node_id, &row.pooled_group_id), (&view.node, &view.group), "{row:?} {view:?}");
        assert_eq!(row.state == DeviceState::Allocated, view.allocated, "{row:?} {view:?}");
    }
    let with: Vec<_> = there.iter().filter(|v| v.allocated).collect();
    let recorded = plant.node_rows().await;
    let reserved = owners(plant).await;
    assert_eq!((with.len(), recorded.len()), (attached, nodes), "{with:?} {recorded:?}");
    assert_eq!(reserved.len(), attached + nodes, "{reserved:?}");
    for view in with {
        let node = recorded.iter().find(|n| Some(&n.index) == view.node.as_ref()).unwrap();
        assert_eq!(reserved.get(&view.path), Some(&node.uuid), "{view:?}");
    }
    let seen = plant.lab.seen("nodes").await;
    assert!(seen.as_array().unwrap().iter().all(|podm| podm["stolen"] == 0), "{seen}");
}
