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
    let id = plant.submit_def(plant.registration(0, "lab-0", &plant.lab.url)).await;
    assert_eq!(plant.drive(id, &[]).await.state.as_str(), "completed");
    let podm = plant.lab.uuids[0].clone();
    let id = plant.submit("node.compose", json!({"name": "n"}), Some(&podm), None).await;
    let node = plant.drive(id, &[]).await.body.result["uuid"].as_str().unwrap().to_owned();
    let id = plant.submit("device.sync", json!({"podm_id": podm}), None, None).await;
    assert_eq!(plant.drive(id, &[]).await.state.as_str(), "completed");
    // The same one in every plant: ids of devices follow from the Pod Manager's.
    let free = devices(plant).await.into_iter().filter(|d| d.node_id.is_none());
    let free = free.min_by_key(|d| d.resource_uri.clone()).unwrap();
    (node, free.uuid)
}
