//! Nodes that are composed of resource blocks.

use valence::sim::{ComposeBy, SimConfig, SimFlavour};

use super::support::blocks;
use super::support::matrix::Case;
use super::{assert_done, is_done, nodes, quick};

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
