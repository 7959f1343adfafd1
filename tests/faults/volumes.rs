//! Volumes of a storage service.

use serde_json::json;
use valence::podm::VolumeView;
use valence::sim::SimConfig;
use valence::store::records::Collection;

use super::support::matrix::Case;
use super::support::saga::Plant;
use super::{assert_done, is_done, quick, registered};

const VOLUMES: &str = "/redfish/v1/StorageServices/RSS1/Volumes";

async fn volumes(plant: &Plant) -> Vec<VolumeView> {
    let driver = plant.lab.driver();
    driver.storage().unwrap().storages().unwrap().volumes(VOLUMES).await.unwrap()
}

/// So many volumes are there, and whoever is noted as their maker made them.
async fn assert_volumes(plant: &Plant, many: usize) {
    let there = volumes(plant).await;
    assert_eq!(there.len(), many, "{there:?}");
    let podm = &plant.lab.uuids[0];
    let claimed = plant.store.names(Collection::Device, &format!("volume:{podm}")).await.unwrap();
    let untagged = there.iter().filter(|v| v.tag.is_none());
    assert!(untagged.clone().all(|v| claimed.contains_key(&v.path)), "{there:?} {claimed:?}");
    assert_eq!(claimed.len(), untagged.count(), "{there:?} {claimed:?}");
}

async fn submit(plant: &Plant) -> valence::ids::TaskId {
    let params = json!({"storage_id": "RSS1", "name": "v", "capacity_gib": 1.0});
    plant.submit("volume.create", params, Some(&plant.lab.uuids[0]), None).await
}

pub fn create() -> Case {
    Case {
        name: "volume.create",
        sim: quick,
        ironic: false,
        prepare: |plant| Box::pin(registered(plant)),
        submit: |plant, _| Box::pin(submit(plant)),
        invariant: |plant, _, task| Box::pin(assert_volumes(plant, usize::from(is_done(task)))),
    }
}

/// At a Pod Manager that keeps neither name nor description.
pub fn create_unmarked() -> Case {
    Case {
        name: "volume.create without a mark",
        sim: || SimConfig { forgetful: true, ..quick() },
        ..create()
    }
}

pub fn create_with_monitor() -> Case {
    Case {
        name: "volume.create with a monitor",
        sim: || SimConfig { task_monitors: true, ..quick() },
        ..create()
    }
}

pub fn delete() -> Case {
    Case {
        name: "volume.delete",
        sim: || SimConfig { forgetful: true, ..quick() },
        ironic: false,
        prepare: |plant| {
            Box::pin(async {
                registered(plant).await;
                let id = submit(plant).await;
                plant.drive(id, &[]).await.body.result["id"].as_str().unwrap().to_owned()
            })
        },
        submit: |plant, volume| {
            let params = json!({"storage_id": "RSS1", "volume_id": volume});
            Box::pin(async { plant.submit("volume.delete", params, Some(&plant.lab.uuids[0]), None).await })
        },
        invariant: |plant, _, task| {
            Box::pin(async {
                assert_done(task);
                assert_volumes(plant, 0).await;
            })
        },
    }
}
