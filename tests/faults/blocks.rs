//! Nodes that are composed of resource blocks.

use serde_json::json;
use valence::ids::TaskId;
use valence::sim::{ComposeBy, Deviation, SimConfig, SimFlavour};

use super::support::matrix::{BASE, Case};
use super::support::saga::Plant;
use super::support::{blocks, pool};
use super::{assert_done, composed, is_done, nodes, quick};

/// One choice of blocks, and a system that is read twice before it stands: meanwhile its blocks are being composed.
fn of_blocks() -> SimConfig {
    SimConfig { flavour: SimFlavour::Composition, systems: 1, assemble_looks: 2, ..quick() }
}

/// The same on a Pod Manager that composes of blocks: what is reserved is looked at too.
pub fn compose() -> Case {
    Case {
        name: "node.compose of blocks",
        sim: of_blocks,
        invariant: |plant, _, task| Box::pin(blocks::assert_true(plant, usize::from(is_done(task)))),
        ..nodes::compose()
    }
}

pub fn compose_by_constraints() -> Case {
    Case {
        name: "node.compose by constraints",
        sim: || SimConfig { compose_by: vec![ComposeBy::Constrained], ..of_blocks() },
        ..compose()
    }
}

pub fn compose_by_manifest() -> Case {
    Case {
        name: "node.compose by manifest",
        sim: || SimConfig { compose_by: vec![ComposeBy::Action], ..of_blocks() },
        ..compose()
    }
}

pub fn delete() -> Case {
    Case {
        name: "node.delete of blocks",
        sim: of_blocks,
        invariant: |plant, _, task| {
            Box::pin(async {
                assert_done(task);
                blocks::assert_true(plant, 0).await;
            })
        },
        ..nodes::delete()
    }
}

pub fn reset() -> Case {
    Case { name: "node.action Reset of blocks", sim: of_blocks, ..nodes::reset() }
}

/// A node and a block that is free: `node device`.
async fn with_block(plant: &Plant) -> String {
    let node = composed(plant).await;
    let podm = &plant.lab.uuids[0];
    let id = plant.submit("device.sync", json!({ "podm_id": podm }), None, None).await;
    assert_done(&plant.drive(id, &[]).await);
    let free = pool::devices(plant).await.into_iter().filter(|d| d.node_id.is_none());
    let free = free.min_by_key(|d| d.resource_uri.clone()).unwrap();
    format!("{node} {}", free.uuid)
}

async fn change(plant: &Plant, kind: &str, both: &str) -> TaskId {
    let (node, device) = both.split_once(' ').unwrap();
    plant.submit(kind, json!({"resource_id": device}), None, Some(node)).await
}

/// One node, which has the block or not; the row of the block, and its reservation, say the same.
async fn assert_block(plant: &Plant, both: &str, has: bool) {
    blocks::assert_true(plant, 1).await;
    let row = pool::device(plant, both.split_once(' ').unwrap().1).await;
    let node = plant.node_rows().await.remove(0);
    let made_of = &plant.lab.nodes().await[0]["blocks"];
    let is_in =
        made_of.as_array().unwrap().iter().any(|b| row.resource_uri.ends_with(&format!("/{}", b.as_str().unwrap())));
    assert_eq!((is_in, row.node_id), (has, has.then_some(node.index)), "{made_of}");
}

pub fn attach() -> Case {
    Case {
        name: "device.attach of blocks",
        undoes: true,
        sim: of_blocks,
        prepare: |plant| Box::pin(with_block(plant)),
        submit: |plant, both| Box::pin(change(plant, "device.attach", both)),
        invariant: |plant, both, task| Box::pin(assert_block(plant, both, is_done(task))),
        ..BASE
    }
}

pub fn detach() -> Case {
    Case {
        name: "device.detach of blocks",
        sim: || SimConfig { deviations: vec![Deviation::PatchBlocks], ..of_blocks() },
        prepare: |plant| {
            Box::pin(async {
                let both = with_block(plant).await;
                let id = change(plant, "device.attach", &both).await;
                assert_done(&plant.drive(id, &[]).await);
                both
            })
        },
        submit: |plant, both| Box::pin(change(plant, "device.detach", both)),
        invariant: |plant, both, task| Box::pin(assert_block(plant, both, !is_done(task))),
        ..BASE
    }
}
