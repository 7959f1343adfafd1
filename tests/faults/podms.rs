//! Pod Managers: registered, looked at, forgotten.

use serde_json::{Value, json};
use valence::model::podm::{Podm, PodmStatus};
use valence::store::records::Collection;

use super::support::matrix::{BASE, Case};
use super::support::saga::Plant;
use super::telemetry::{self, subscriptions};
use super::{assert_done, composed, is_done, quick, registered};

async fn podm(plant: &Plant) -> Option<Podm> {
    plant.store.record(Collection::Podm, &plant.lab.uuids[0]).await.unwrap()
}

/// Names and URLs that are kept for Pod Managers.
async fn names(plant: &Plant) -> usize {
    let mut many = 0;
    for what in ["name", "url"] {
        many += plant.store.names(Collection::Podm, what).await.unwrap().len();
    }
    many
}

pub fn create() -> Case {
    Case {
        name: "podm.create",
        undoes: true,
        sim: quick,
        submit: |plant, _| Box::pin(async { plant.submit_def(plant.registration(0, "lab-0", &plant.lab.url)).await }),
        invariant: |plant, _, task| {
            Box::pin(async {
                let there = podm(plant).await.is_some();
                assert_eq!((there, names(plant).await), (is_done(task), 2 * usize::from(is_done(task))));
            })
        },
        ..BASE
    }
}

/// One with a node and a subscription of ours.
pub fn delete() -> Case {
    Case {
        name: "podm.delete",
        sim: quick,
        prepare: |plant| {
            Box::pin(async {
                composed(plant).await;
                let id = telemetry::submit(plant, "subscription.create").await;
                assert_done(&plant.drive(id, &[]).await);
                String::new()
            })
        },
        submit: |plant, _| {
            Box::pin(async { plant.submit("podm.delete", Value::Null, Some(&plant.lab.uuids[0]), None).await })
        },
        invariant: |plant, _, task| {
            Box::pin(async {
                assert_done(task);
                plant.assert_agrees(0).await;
                assert_eq!((podm(plant).await.is_some(), names(plant).await), (false, 0));
                assert_eq!(subscriptions(plant).await, 0);
            })
        },
        ..BASE
    }
}

pub fn probe() -> Case {
    Case {
        name: "podm.probe",
        sim: quick,
        prepare: |plant| Box::pin(registered(plant)),
        submit: |plant, _| {
            Box::pin(async { plant.submit("podm.probe", Value::Null, Some(&plant.lab.uuids[0]), None).await })
        },
        invariant: |plant, _, task| {
            Box::pin(async {
                assert_done(task);
                let status = podm(plant).await.unwrap().status;
                assert_eq!(json!(status), task.body.result["status"], "{:?}", task.body);
                assert!(matches!(status, PodmStatus::Online | PodmStatus::Offline), "{status:?}");
            })
        },
        ..BASE
    }
}

pub fn refresh() -> Case {
    Case {
        name: "inventory.refresh",
        sim: quick,
        prepare: |plant| Box::pin(composed(plant)),
        submit: |plant, _| {
            let params = json!({"full": true});
            Box::pin(async { plant.submit("inventory.refresh", params, Some(&plant.lab.uuids[0]), None).await })
        },
        invariant: |plant, _, task| {
            Box::pin(async {
                assert_done(task);
                plant.assert_agrees(1).await;
                let seen = (&task.body.result["systems"], &task.body.result["nodes"]);
                assert_eq!(seen, (&json!(2), &json!(1)), "{:?}", task.body);
            })
        },
        ..BASE
    }
}
