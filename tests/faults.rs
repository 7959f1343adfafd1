//! Whatever goes wrong at whichever call of a changing kind: it ends done or wholly undone. `support::matrix` says how to add a kind.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that cannot go on should say so"
)]

mod support;

use std::time::Duration;

use serde_json::{Value, json};
use support::matrix::{self, Case};
use support::saga::Plant;
use support::{blocks, pool};
use valence::ids::TaskId;
use valence::sim::{ComposeBy, SimConfig, SimFlavour};
use valence::store::record::TaskRecord;

fn quick() -> SimConfig {
    SimConfig { systems: 2, assemble_time: Duration::from_millis(10), ..SimConfig::default() }
}

async fn registered(plant: &Plant) -> String {
    plant.enrol().await;
    String::new()
}

async fn composed(plant: &Plant) -> String {
    registered(plant).await;
    let id = plant.submit("node.compose", json!({"name": "n"}), Some(&plant.lab.uuids[0]), None).await;
    plant.drive(id, &[]).await.body.result["uuid"].as_str().unwrap().to_owned()
}

/// One node when the task is completed, none when it failed.
async fn one_or_none(plant: &Plant, task: &TaskRecord) {
    plant.assert_agrees(usize::from(task.state.as_str() == "completed")).await;
}

fn compose() -> Case {
    Case {
        name: "node.compose",
        sim: quick,
        prepare: |plant| Box::pin(registered(plant)),
        submit: |plant, _| {
            Box::pin(async {
                plant.submit("node.compose", json!({"name": "n"}), Some(&plant.lab.uuids[0]), None).await
            })
        },
        invariant: |plant, _, task| Box::pin(one_or_none(plant, task)),
    }
}

fn delete() -> Case {
    Case {
        name: "node.delete",
        sim: quick,
        prepare: |plant| Box::pin(composed(plant)),
        submit: |plant, node| Box::pin(plant.submit("node.delete", Value::Null, None, Some(node))),
        invariant: |plant, _, task| {
            Box::pin(async {
                assert_eq!(task.state.as_str(), "completed", "{:?}", task.body);
                plant.assert_agrees(0).await;
            })
        },
    }
}

fn reset() -> Case {
    Case {
        name: "node.action Reset",
        sim: quick,
        prepare: |plant| Box::pin(composed(plant)),
        submit: |plant, node| {
            Box::pin(plant.submit("node.action", json!({"Reset": {"Type": "ForceOff"}}), None, Some(node)))
        },
        invariant: |plant, node, task| {
            Box::pin(async move {
                assert_eq!(task.state.as_str(), "completed", "{:?}", task.body);
                plant.assert_agrees(1).await;
                assert_eq!(plant.read("node.get", json!({"id": node})).await.unwrap()["node_power_state"], "Off");
            })
        },
    }
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

fn attach() -> Case {
    Case {
        name: "device.attach",
        sim: quick,
        prepare: |plant| Box::pin(with_device(plant)),
        submit: |plant, both| Box::pin(change(plant, "device.attach", both)),
        invariant: |plant, _, task| {
            Box::pin(async { pool::assert_true(plant, usize::from(task.state.as_str() == "completed")).await })
        },
    }
}

fn detach() -> Case {
    Case {
        name: "device.detach",
        sim: quick,
        prepare: |plant| {
            Box::pin(async {
                let both = with_device(plant).await;
                let id = change(plant, "device.attach", &both).await;
                assert_eq!(plant.drive(id, &[]).await.state.as_str(), "completed");
                both
            })
        },
        submit: |plant, both| Box::pin(change(plant, "device.detach", both)),
        invariant: |plant, _, task| {
            Box::pin(async { pool::assert_true(plant, usize::from(task.state.as_str() != "completed")).await })
        },
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

fn compose_with_devices() -> Case {
    Case {
        name: "node.compose with devices",
        sim: eem,
        prepare: |plant| Box::pin(registered(plant)),
        submit: |plant, _| Box::pin(equipped(plant)),
        invariant: |plant, _, task| {
            Box::pin(async {
                let done = task.state.as_str() == "completed";
                pool::assert_machine(plant, if done { 2 } else { 0 }, usize::from(done)).await;
            })
        },
    }
}

fn delete_with_devices() -> Case {
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
                assert_eq!(task.state.as_str(), "completed", "{:?}", task.body);
                pool::assert_machine(plant, 0, 0).await;
            })
        },
    }
}

#[tokio::test]
async fn a_compose_with_devices_ends_whole_or_leaves_nothing() {
    assert!(matrix::run(&compose_with_devices()).await > 0);
}

#[tokio::test]
async fn a_deletion_leaves_no_device_with_a_machine() {
    assert!(matrix::run(&delete_with_devices()).await > 0);
}

#[tokio::test]
async fn an_attach_to_a_machine_is_done_or_leaves_nothing() {
    assert!(matrix::run(&Case { name: "device.attach, eem", sim: eem, invariant: machine_has, ..attach() }).await > 0);
}

#[tokio::test]
async fn a_detach_from_a_machine_is_done_or_changes_nothing() {
    assert!(matrix::run(&Case { name: "device.detach, eem", sim: eem, invariant: machine_lost, ..detach() }).await > 0);
}

fn machine_has<'a>(plant: &'a Plant, _: &'a str, task: &'a TaskRecord) -> matrix::Step<'a, ()> {
    Box::pin(pool::assert_machine(plant, usize::from(task.state.as_str() == "completed"), 1))
}

fn machine_lost<'a>(plant: &'a Plant, _: &'a str, task: &'a TaskRecord) -> matrix::Step<'a, ()> {
    Box::pin(pool::assert_machine(plant, usize::from(task.state.as_str() != "completed"), 1))
}

/// One choice of blocks, and a system that stands at once, so that every cell makes the same calls: it starts by itself, and how often it
/// is looked at meanwhile would be up to the clock.
fn of_blocks() -> SimConfig {
    SimConfig { flavour: SimFlavour::Composition, systems: 1, assemble_time: Duration::ZERO, ..quick() }
}

/// The same on a Pod Manager that composes of blocks: what is reserved is looked at too.
fn compose_of_blocks() -> Case {
    Case {
        name: "node.compose of blocks",
        sim: of_blocks,
        invariant: |plant, _, task| {
            Box::pin(blocks::assert_true(plant, usize::from(task.state.as_str() == "completed")))
        },
        ..compose()
    }
}

fn compose_by_constraints() -> Case {
    Case {
        name: "node.compose by constraints",
        sim: || SimConfig { compose_by: vec![ComposeBy::Constrained], ..of_blocks() },
        ..compose_of_blocks()
    }
}

fn compose_by_manifest() -> Case {
    Case {
        name: "node.compose by manifest",
        sim: || SimConfig { compose_by: vec![ComposeBy::Action], ..of_blocks() },
        ..compose_of_blocks()
    }
}

fn delete_of_blocks() -> Case {
    Case {
        name: "node.delete of blocks",
        sim: of_blocks,
        invariant: |plant, _, task| {
            Box::pin(async {
                assert_eq!(task.state.as_str(), "completed", "{:?}", task.body);
                blocks::assert_true(plant, 0).await;
            })
        },
        ..delete()
    }
}

fn reset_of_blocks() -> Case {
    Case { name: "node.action Reset of blocks", sim: of_blocks, ..reset() }
}

#[tokio::test]
async fn a_compose_of_blocks_ends_whole_or_leaves_nothing() {
    assert!(matrix::run(&compose_of_blocks()).await > 0);
}

#[tokio::test]
async fn a_compose_by_constraints_ends_whole_or_leaves_nothing() {
    assert!(matrix::run(&compose_by_constraints()).await > 0);
}

#[tokio::test]
async fn a_compose_by_manifest_ends_whole_or_leaves_nothing() {
    assert!(matrix::run(&compose_by_manifest()).await > 0);
}

#[tokio::test]
async fn a_deletion_frees_every_block() {
    assert!(matrix::run(&delete_of_blocks()).await > 0);
}

#[tokio::test]
async fn a_reset_of_a_composed_system_is_done_when_it_says_so() {
    assert!(matrix::run(&reset_of_blocks()).await > 0);
}

#[tokio::test]
async fn an_attach_is_done_or_leaves_nothing() {
    assert!(matrix::run(&attach()).await > 0);
}

#[tokio::test]
async fn a_detach_is_done_or_changes_nothing() {
    assert!(matrix::run(&detach()).await > 0);
}

#[tokio::test]
async fn a_compose_ends_whole_or_leaves_nothing() {
    assert!(matrix::run(&compose()).await > 0);
}

/// The proof of the proof: without looking for its tag, or without waiting until a late request is over, a node is composed twice.
#[cfg(feature = "unsafe-controls")]
#[tokio::test]
#[should_panic(expected = "left == right")]
async fn control_c4_without_adoption_or_quarantine_a_node_is_left_over() {
    matrix::run(&compose()).await;
}

#[tokio::test]
async fn a_deletion_leaves_neither_node_nor_record() {
    assert!(matrix::run(&delete()).await > 0);
}

#[tokio::test]
async fn a_reset_is_done_when_it_says_so() {
    assert!(matrix::run(&reset()).await > 0);
}
