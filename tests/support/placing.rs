//! Placements at a plant whose hardware and rules are as a test says.

use std::time::{Duration, Instant};

use serde_json::json;
use valence::ids::{Bucket, TaskId};
use valence::model::inventory::{Inventory, Shape};
use valence::model::podm::{Podm, PodmStatus, Policy};
use valence::observe::metrics;
use valence::sim::SimConfig;
use valence::store::record::TaskRecord;
use valence::store::records::{Collection, Writer};

use super::saga::Plant;

pub fn quick(podms: usize) -> SimConfig {
    SimConfig { podms, assemble_time: Duration::from_millis(40), ..SimConfig::default() }
}

pub async fn count_hardware(plant: &Plant, podm: usize, free: u32) {
    let shapes = vec![Shape { cores: 8, memory_mib: 8192, model: None, total: free.max(1), free }];
    let (podm_id, at_ms) = (plant.lab.uuids[podm].clone(), plant.store.clock().now_ms());
    plant.store.put_inventory(&Inventory { podm_id, at_ms, shapes, ..Inventory::default() }).await.unwrap();
    plant.store.read_candidates(Instant::now()).await.unwrap();
}

pub async fn set_policy(plant: &Plant, podm: usize, policy: Policy) {
    let id = &plant.lab.uuids[podm];
    let row: Podm = plant.store.record(Collection::Podm, id).await.unwrap().unwrap();
    plant.store.set_limits(id, &policy).await.unwrap();
    let row = Podm { policy, status: PodmStatus::Online, ..row };
    let writer = Writer { task: TaskId::mint(plant.store.clock().now_ms(), Bucket(0)), claims: 1 };
    assert!(plant.store.overwrite_record(Collection::Podm, id, &row, writer).await.unwrap());
    plant.store.read_candidates(Instant::now()).await.unwrap();
}

/// Placements of this process that ended so.
pub fn places(reason: &str) -> u64 {
    metrics::get().placement.results.with_label_values(&[reason]).get()
}

pub async fn place(plant: &Plant) -> TaskRecord {
    plant.run("node.place", json!({"name": "n"}), None, None).await
}
