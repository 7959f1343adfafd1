//! Volumes of a storage service.

use serde_json::json;
use valence::podm::{VolumeView, WantedVolume, tag};
use valence::sim::SimConfig;
use valence::store::records::Collection;

use super::support::matrix::{BASE, Case};
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
        undoes: true,
        sim: quick,
        prepare: |plant| Box::pin(registered(plant)),
        submit: |plant, _| Box::pin(submit(plant)),
        invariant: |plant, _, task| Box::pin(assert_volumes(plant, usize::from(is_done(task)))),
        ..BASE
    }
}

/// At a Pod Manager that keeps neither name nor description.
pub fn create_unmarked() -> Case {
    Case { name: "volume.create without a mark", sim: || SimConfig { forgetful: true, ..quick() }, ..create() }
}

pub fn create_with_monitor() -> Case {
    Case { name: "volume.create with a monitor", sim: || SimConfig { task_monitors: true, ..quick() }, ..create() }
}

/// One of a task that has failed; `path task`.
pub fn give_back() -> Case {
    Case {
        name: "volume.return",
        sim: quick,
        prepare: |plant| {
            Box::pin(async {
                registered(plant).await;
                let failed = failed(plant).await;
                format!("{} {failed}", left_by(plant, &failed).await)
            })
        },
        submit: |plant, both| {
            let (path, task) = both.split_once(' ').unwrap();
            let params = json!({"volume": path, "task_id": task});
            Box::pin(async { plant.submit("volume.return", params, Some(&plant.lab.uuids[0]), None).await })
        },
        invariant: |plant, _, task| {
            Box::pin(async {
                assert_done(task);
                assert_volumes(plant, 0).await;
            })
        },
        ..BASE
    }
}

/// A `volume.create` that has failed.
async fn failed(plant: &Plant) -> String {
    let params = json!({"storage_id": "RSS9", "name": "v", "capacity_gib": 1.0});
    let id = plant.submit("volume.create", params, Some(&plant.lab.uuids[0]), None).await;
    assert!(!is_done(&plant.drive(id, &[]).await));
    id.to_string()
}

/// A volume with the tag of a task.
async fn left_by(plant: &Plant, task: &str) -> String {
    let description = tag::mark("", &format!("valence:valence:{task}"));
    let wanted = WantedVolume { name: "v".into(), description, capacity_gib: 1.0, bootable: None };
    let driver = plant.lab.driver();
    driver.storage().unwrap().storages().unwrap().create(VOLUMES, &wanted).await.unwrap();
    volumes(plant).await.remove(0).path
}

pub fn delete() -> Case {
    Case {
        name: "volume.delete",
        sim: || SimConfig { forgetful: true, ..quick() },
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
        ..BASE
    }
}
