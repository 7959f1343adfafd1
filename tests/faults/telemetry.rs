//! Subscriptions to events, and readings.

use serde_json::json;
use valence::ids::TaskId;
use valence::sim::SimConfig;

use super::support::matrix::{BASE, Case};
use super::support::saga::Plant;
use super::{assert_done, is_done, quick, registered};

/// How many subscriptions there are at the Pod Manager.
pub async fn subscriptions(plant: &Plant) -> usize {
    let driver = plant.lab.driver();
    driver.telemetry().unwrap().subscriptions().await.unwrap().unwrap().len()
}

pub async fn submit(plant: &Plant, kind: &str) -> TaskId {
    let params = if kind == "subscription.create" { json!({"receiver": "http://127.0.0.1:1"}) } else { json!({}) };
    plant.submit(kind, params, Some(&plant.lab.uuids[0]), None).await
}

/// So many at the Pod Manager, and on record.
async fn assert_subscribed(plant: &Plant, is: bool) {
    let noted = plant.store.subscribed(&plant.lab.uuids[0]).await.unwrap().is_some();
    assert_eq!((subscriptions(plant).await, noted), (usize::from(is), is));
}

pub fn subscribe() -> Case {
    Case {
        name: "subscription.create",
        undoes: true,
        sim: quick,
        prepare: |plant| Box::pin(registered(plant)),
        submit: |plant, _| Box::pin(submit(plant, "subscription.create")),
        invariant: |plant, _, task| Box::pin(assert_subscribed(plant, is_done(task))),
        ..BASE
    }
}

pub fn unsubscribe() -> Case {
    Case {
        name: "subscription.delete",
        undoes: false,
        prepare: |plant| {
            Box::pin(async {
                registered(plant).await;
                let id = submit(plant, "subscription.create").await;
                assert_done(&plant.drive(id, &[]).await);
                String::new()
            })
        },
        submit: |plant, _| Box::pin(submit(plant, "subscription.delete")),
        invariant: |plant, _, task| {
            Box::pin(async {
                assert_done(task);
                assert_subscribed(plant, false).await;
            })
        },
        ..subscribe()
    }
}

pub fn collect() -> Case {
    Case {
        name: "telemetry.collect",
        sim: || SimConfig { systems: 1, ..quick() },
        prepare: |plant| Box::pin(registered(plant)),
        submit: |plant, _| Box::pin(submit(plant, "telemetry.collect")),
        invariant: |plant, _, task| {
            Box::pin(async {
                assert_done(task);
                let kept = plant.read("reading.list", json!({})).await.unwrap();
                assert_eq!(task.body.result["readings"], json!(kept.as_array().unwrap().len()), "{:?}", task.body);
            })
        },
        ..BASE
    }
}
