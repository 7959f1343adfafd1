//! Nodes where the Pod Manager allocates.

use serde_json::{Value, json};
use valence::model::task::Definition;
use valence::podm::{Begun, NodeView, Wanted, tag};
use valence::sim::SimConfig;
use valence::store::record::TaskRecord;

use super::support::matrix::{BASE, Case};
use super::support::pool;
use super::support::saga::Plant;
use super::{assert_done, composed, is_done, quick, registered};

/// One node when the task is completed, none when it failed.
async fn one_or_none(plant: &Plant, task: &TaskRecord) {
    plant.assert_agrees(usize::from(is_done(task))).await;
}

pub fn compose() -> Case {
    Case {
        name: "node.compose",
        undoes: true,
        sim: quick,
        prepare: |plant| Box::pin(registered(plant)),
        submit: |plant, _| {
            Box::pin(async {
                plant.submit("node.compose", json!({"name": "n"}), Some(&plant.lab.uuids[0]), None).await
            })
        },
        invariant: |plant, _, task| Box::pin(one_or_none(plant, task)),
        ..BASE
    }
}

pub fn delete() -> Case {
    Case {
        name: "node.delete",
        sim: quick,
        prepare: |plant| Box::pin(composed(plant)),
        submit: |plant, node| Box::pin(plant.submit("node.delete", Value::Null, None, Some(node))),
        invariant: |plant, _, task| {
            Box::pin(async {
                assert_done(task);
                plant.assert_agrees(0).await;
            })
        },
        ..BASE
    }
}

pub fn reset() -> Case {
    Case {
        name: "node.action Reset",
        sim: quick,
        prepare: |plant| Box::pin(composed(plant)),
        submit: |plant, node| {
            Box::pin(plant.submit("node.action", json!({"Reset": {"Type": "ForceOff"}}), None, Some(node)))
        },
        invariant: |plant, node, task| {
            Box::pin(async move {
                assert_done(task);
                plant.assert_agrees(1).await;
                assert_eq!(plant.read("node.get", json!({"id": node})).await.unwrap()["node_power_state"], "Off");
            })
        },
        ..BASE
    }
}

pub fn boot() -> Case {
    Case {
        name: "node.action Boot",
        submit: |plant, node| {
            let params = json!({"Boot": {"Enabled": "Once", "Target": "Pxe"}});
            Box::pin(plant.submit("node.action", params, None, Some(node)))
        },
        invariant: |plant, node, task| {
            Box::pin(async move {
                assert_done(task);
                plant.assert_agrees(1).await;
                let row = plant.node_rows().await.remove(0);
                assert_eq!(row.uuid, node);
                let seen = plant.lab.driver().node(&row.resource_uri).await.unwrap().unwrap();
                assert_eq!((seen.boot_target.as_deref(), seen.boot_enabled.as_deref()), (Some("Pxe"), Some("Once")));
            })
        },
        ..reset()
    }
}

/// A node that somebody made at the Pod Manager, with this description.
async fn made_elsewhere(plant: &Plant, description: &str) -> NodeView {
    let requirements = serde_json::from_value(json!({})).unwrap();
    let wanted = Wanted { name: "n".into(), description: description.into(), requirements, parts: Vec::new() };
    let Begun::Done(Some(path)) = plant.lab.driver().allocate(&wanted).await.unwrap() else { panic!("no node") };
    plant.lab.driver().node(&path).await.unwrap().unwrap()
}

pub fn manage() -> Case {
    Case {
        name: "node.manage",
        undoes: true,
        sim: quick,
        prepare: |plant| {
            Box::pin(async {
                registered(plant).await;
                made_elsewhere(plant, "somebody's").await.index
            })
        },
        submit: |plant, index| {
            let params = json!({ "node_index": index });
            Box::pin(async { plant.submit("node.manage", params, Some(&plant.lab.uuids[0]), None).await })
        },
        invariant: |plant, _, task| {
            Box::pin(async {
                assert_eq!(plant.lab.nodes().await.len(), 1, "it is somebody's");
                let rows = plant.node_rows().await.len();
                assert_eq!((rows, pool::owners(plant).await.len()), (usize::from(is_done(task)), rows));
            })
        },
        ..BASE
    }
}

/// Hardware of a compose that has failed; `path task`.
pub fn give_back() -> Case {
    Case {
        name: "node.return",
        sim: quick,
        prepare: |plant| {
            Box::pin(async {
                registered(plant).await;
                let too_much = json!({"name": "n", "properties": {"memory": {"capacity_mib": "999999999"}}});
                let failed = plant.submit("node.compose", too_much, Some(&plant.lab.uuids[0]), None).await;
                assert!(!is_done(&plant.drive(failed, &[]).await));
                let node = made_elsewhere(plant, &tag::mark("", &format!("valence:valence:{failed}"))).await;
                format!("{} {failed}", node.path)
            })
        },
        submit: |plant, both| {
            let (path, task) = both.split_once(' ').unwrap();
            let params = json!({"node": path, "task_id": task});
            Box::pin(async { plant.submit("node.return", params, Some(&plant.lab.uuids[0]), Some("n")).await })
        },
        invariant: |plant, _, task| {
            Box::pin(async {
                assert_done(task);
                plant.assert_agrees(0).await;
            })
        },
        ..BASE
    }
}

/// Two Pod Managers: what one refuses, the other may do.
pub fn place() -> Case {
    Case {
        name: "node.place",
        undoes: true,
        sim: || SimConfig { podms: 2, ..quick() },
        prepare: |plant| {
            Box::pin(async {
                registered(plant).await;
                let id = plant.submit_def(plant.registration(1, "lab-1", &plant.lab.urls[1])).await;
                assert_done(&plant.drive(id, &[]).await);
                String::new()
            })
        },
        submit: |plant, _| {
            Box::pin(async { plant.submit_def(Definition::new("node.place", json!({"name": "n"}))).await })
        },
        invariant: |plant, _, task| Box::pin(one_or_none(plant, task)),
        ..BASE
    }
}

/// An Allocate that an old client sends: what it does is not Valence's to know, so it is never sent again.
pub fn passed_on() -> Case {
    Case {
        name: "proxy.write",
        sim: quick,
        repeats: false,
        prepare: |plant| Box::pin(registered(plant)),
        submit: |plant, _| {
            let podm = plant.lab.uuids[0].as_str();
            let body = plant.lab.key.seal(podm, r#"{"Name": "n"}"#).unwrap();
            let params = json!({"method": "POST", "path": "Nodes/Actions/Allocate", "body": body});
            Box::pin(plant.submit("proxy.write", params, Some(podm), None))
        },
        invariant: |plant, _, task| {
            Box::pin(async {
                let there = plant.lab.nodes().await.len();
                assert!(plant.lab.posts().await <= 1 && there <= 1);
                match &task.body.error {
                    None => assert_eq!(task.body.result["status"] == 201, there == 1, "{:?}", task.body),
                    Some(error) => assert_eq!(error.problem.status, 504, "{error:?}"),
                }
            })
        },
        ..BASE
    }
}
