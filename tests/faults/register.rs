//! Nodes that Ironic is told of: faults at the Pod Manager, at Keystone and at Ironic.

use serde_json::json;

use super::support::matrix::{BASE, Case};
use super::{composed, is_done, quick};

pub fn register() -> Case {
    Case {
        name: "node.register",
        undoes: true,
        sim: quick,
        ironic: true,
        prepare: |plant| Box::pin(composed(plant)),
        submit: |plant, node| Box::pin(plant.submit("node.register", json!({}), None, Some(node))),
        invariant: |plant, node, task| {
            Box::pin(async move {
                let marked = plant.node_rows().await[0].managed_by.is_some();
                let state = plant.ironic.as_ref().unwrap().state.lock().unwrap();
                let mut macs: Vec<&str> = state.ports.values().map(|p| p["address"].as_str().unwrap()).collect();
                let ports = macs.len();
                macs.sort_unstable();
                macs.dedup();
                assert_eq!(macs.len(), ports, "a port is there twice");
                assert_eq!(
                    (marked, state.nodes.contains_key(node), ports > 0),
                    (is_done(task), is_done(task), is_done(task)),
                    "{:?} {:?}",
                    state.nodes,
                    task.body
                );
            })
        },
        ..BASE
    }
}
