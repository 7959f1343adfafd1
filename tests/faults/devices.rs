//! Pooled devices, and nodes that are machines as they stand.

use serde_json::{Value, json};
use valence::ids::TaskId;
use valence::sim::{SimConfig, SimFlavour};
use valence::store::record::TaskRecord;

use super::support::matrix::{BASE, Case, Stage, Step};
use super::support::pool;
use super::support::saga::Plant;
use super::{assert_done, is_done, quick, registered};

/// As few endpoints to read as can be.
fn one_system() -> SimConfig {
    SimConfig { systems: 1, ..quick() }
}

/// A node and a free device: `node device`.
async fn with_device(plant: &Plant) -> String {
    let (node, device) = pool::prepare(plant).await;
    format!("{node} {device}")
}

async fn change(plant: &Plant, kind: &str, both: &str) -> TaskId {
    let (node, device) = both.split_once(' ').unwrap();
    plant.submit(kind, json!({"resource_id": device}), None, Some(node)).await
}

pub fn attach() -> Case {
    Case {
        name: "device.attach",
        undoes: true,
        sim: one_system,
        prepare: |plant| Box::pin(with_device(plant)),
        submit: |plant, both| Box::pin(change(plant, "device.attach", both)),
        invariant: |plant, _, task| Box::pin(async { pool::assert_true(plant, usize::from(is_done(task))).await }),
        ..BASE
    }
}

pub fn detach() -> Case {
    Case {
        name: "device.detach",
        sim: one_system,
        prepare: |plant| {
            Box::pin(async {
                let both = with_device(plant).await;
                let id = change(plant, "device.attach", &both).await;
                assert_done(&plant.drive(id, &[]).await);
                both
            })
        },
        submit: |plant, both| Box::pin(change(plant, "device.detach", both)),
        invariant: |plant, _, task| Box::pin(async { pool::assert_true(plant, usize::from(!is_done(task))).await }),
        ..BASE
    }
}

fn eem() -> SimConfig {
    SimConfig { flavour: SimFlavour::Eem, systems: 2, ..SimConfig::default() }
}

/// A node of an ExpEther Manager with two devices.
async fn equipped(plant: &Plant) -> TaskId {
    let params = json!({"name": "n", "properties": {"pci_device": {"type": ["SSD", "NIC"]}}});
    plant.submit("node.compose", params, Some(&plant.lab.uuids[0]), None).await
}

pub fn compose_with() -> Case {
    Case {
        name: "node.compose with devices",
        undoes: true,
        sim: eem,
        prepare: |plant| Box::pin(registered(plant)),
        submit: |plant, _| Box::pin(equipped(plant)),
        invariant: |plant, _, task| {
            Box::pin(async {
                let done = is_done(task);
                pool::assert_machine(plant, if done { 2 } else { 0 }, usize::from(done)).await;
            })
        },
        ..BASE
    }
}

pub fn delete_with() -> Case {
    Case {
        name: "node.delete with devices",
        sim: eem,
        prepare: |plant| {
            Box::pin(async {
                registered(plant).await;
                let id = equipped(plant).await;
                plant.drive(id, &[]).await.body.result["uuid"].as_str().unwrap().to_owned()
            })
        },
        submit: |plant, node| Box::pin(plant.submit("node.delete", Value::Null, None, Some(node))),
        invariant: |plant, _, task| {
            Box::pin(async {
                assert_done(task);
                pool::assert_machine(plant, 0, 0).await;
            })
        },
        ..BASE
    }
}

fn machine_has<'a>(plant: &'a Stage, _: &'a str, task: &'a TaskRecord) -> Step<'a, ()> {
    Box::pin(pool::assert_machine(plant, usize::from(is_done(task)), 1))
}

fn machine_lost<'a>(plant: &'a Stage, _: &'a str, task: &'a TaskRecord) -> Step<'a, ()> {
    Box::pin(pool::assert_machine(plant, usize::from(!is_done(task)), 1))
}

pub fn attach_to_machine() -> Case {
    Case { name: "device.attach, eem", sim: eem, invariant: machine_has, ..attach() }
}

pub fn detach_from_machine() -> Case {
    Case { name: "device.detach, eem", sim: eem, invariant: machine_lost, ..detach() }
}

/// Rows say what is there, or nothing was read and they are as they were.
pub fn sync() -> Case {
    Case {
        name: "device.sync",
        sim: one_system,
        prepare: |plant| Box::pin(registered(plant)),
        submit: |plant, _| {
            let params = json!({ "podm_id": plant.lab.uuids[0] });
            Box::pin(plant.submit("device.sync", params, None, None))
        },
        invariant: |plant, _, task| {
            Box::pin(async {
                assert_done(task);
                pool::assert_true(plant, 0).await;
            })
        },
        ..BASE
    }
}
