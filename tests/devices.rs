//! Pooled devices: their rows follow what Pod Managers show.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on should say so")]

mod support;

use reqwest::Method;
use serde_json::{Value, json};
use support::front::Front;
use support::saga::Plant;
use valence::sim::SimConfig;

const NOBODY: &str = "11111111-2222-4333-8444-555555555555";

#[tokio::test]
async fn devices_are_read_shown_and_forgotten_with_their_pod_manager() {
    let plant = Plant::start(SimConfig::default()).await;
    let podm = plant.lab.uuids[0].clone();
    let front = Front::over(&plant).await;
    let (status, said) = front.ask(Method::POST, "/v1/devices/sync", Some(json!({"podm_id": podm}))).await;
    assert_eq!((status.as_u16(), said), (200, json!([{"podm_id": podm, "status": "SUCCESS"}])));
    let rows = front.get(&format!("/v1/devices?podm_id={podm}")).await.1;
    let first = rows.as_array().and_then(|r| r.first()).expect("a device").clone();
    let path = format!("/v1/devices/{}", first["uuid"].as_str().unwrap());
    let whole = front.get(&path).await.1;
    assert_eq!((&whole["resource_uri"], &whole["podm_id"]), (&first["resource_uri"], &json!(podm)));
    front.ask(Method::POST, "/v1/devices/sync", None).await;
    assert_eq!(front.get(&path).await.1, whole, "a sync that finds no change writes nothing");
    assert_eq!(plant.run("podm.delete", Value::Null, Some(&podm), None).await.state.as_str(), "completed");
    assert_eq!(front.get(&format!("/v1/devices?podm_id={podm}")).await.1, json!([]));
    assert_eq!(front.get(&path).await.0.as_u16(), 404);
}

#[tokio::test]
async fn a_pod_manager_that_cannot_be_read_fails_for_itself_only() {
    let plant = Plant::start(SimConfig::default()).await;
    let front = Front::over(&plant).await;
    let mut away = plant.registration(0, "away", "http://127.0.0.1:9");
    away.podm_id = Some(NOBODY.into());
    let task = plant.submit_def(away).await;
    plant.done(task).await;
    let said = front.ask(Method::POST, "/v1/devices/sync", None).await.1;
    for row in said.as_array().unwrap() {
        let wanted = if row["podm_id"] == NOBODY { "FAILED" } else { "SUCCESS" };
        assert_eq!(row["status"], wanted, "{said}");
    }
}

#[tokio::test]
async fn what_is_wrong_in_a_request_is_said_on_an_empty_store_too() {
    let plant = Plant::bare(SimConfig::default(), true).await;
    let front = Front::over(&plant).await;
    assert_eq!(front.get("/v1/devices?colour=red").await.0.as_u16(), 400);
    assert_eq!(front.get("/v1/devices/sync").await.0.as_u16(), 404);
    assert_eq!(front.ask(Method::POST, "/v1/devices/sync", Some(json!([1]))).await.0.as_u16(), 400);
    assert_eq!(front.ask(Method::POST, "/v1/devices/sync", None).await.1, json!([]));
    let said = front.ask(Method::POST, "/v1/devices/sync", Some(json!({"podm_id": NOBODY}))).await;
    assert_eq!((said.0.as_u16(), said.1), (200, json!([{"podm_id": NOBODY, "status": "FAILED"}])));
}
