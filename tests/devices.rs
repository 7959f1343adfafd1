//! Pooled devices: their rows follow what Pod Managers show.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on should say so")]

mod support;

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use support::front::Front;
use support::pool::{assert_true, device, devices, owners};
use support::saga::Plant;
use valence::model::device::{Device, DeviceState};
use valence::sim::{RsdVersion, SimConfig};
use valence::store::record::TaskRecord;
use valence::store::records::{Collection, Writer};

const NOBODY: &str = "11111111-2222-4333-8444-555555555555";

#[tokio::test]
async fn devices_are_read_shown_and_forgotten_with_their_pod_manager() {
    let plant = Plant::start(SimConfig { podms: 2, ..SimConfig::default() }).await;
    let podm = plant.lab.uuids[0].clone();
    let front = Front::over(&plant).await;
    let (status, said) = front.ask(Method::POST, "/v1/devices/sync", Some(json!({"podm_id": podm}))).await;
    assert_eq!((status.as_u16(), said), (200, json!([{"podm_id": podm, "status": "SUCCESS"}])));
    let rows = front.get(&format!("/v1/devices?podm_id={podm}")).await.1;
    let first = rows.as_array().and_then(|r| r.first()).expect("a device").clone();
    let path = format!("/v1/devices/{}", first["uuid"].as_str().unwrap());
    let whole = front.get(&path).await.1;
    assert_eq!((&whole["resource_uri"], &whole["podm_id"]), (&first["resource_uri"], &json!(podm)));
    let all = front.ok(Method::POST, "/v1/devices/sync", None).await;
    assert!(all.as_array().unwrap().len() > 1, "{all}");
    let named = plant.run("device.sync", json!({}), Some(&podm), None).await;
    assert_eq!(named.body.result, json!([{"podm_id": podm, "status": "SUCCESS"}]), "a task may name it as others do");
    assert_eq!(front.get(&path).await.1, whole, "a sync that finds no change writes nothing");
    assert_eq!(plant.run("podm.delete", Value::Null, Some(&podm), None).await.state.as_str(), "completed");
    assert_eq!(front.get(&format!("/v1/devices?podm_id={podm}")).await.1, json!([]));
    assert_eq!(front.get(&path).await.0.as_u16(), 404);
}

#[tokio::test]
async fn a_pod_manager_that_cannot_be_read_fails_for_itself_only() {
    let plant = Plant::start(SimConfig::default()).await;
    let front = Front::over(&plant).await;
    let task = plant.submit_def(plant.registration_as(NOBODY, "away", "http://127.0.0.1:9")).await;
    plant.done(task).await;
    let said = front.ask(Method::POST, "/v1/devices/sync", None).await.1;
    assert_eq!(said.as_array().unwrap().len(), 2, "{said}");
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

fn quick() -> SimConfig {
    SimConfig { systems: 3, assemble_time: Duration::from_millis(10), ..SimConfig::default() }
}

fn status_of(task: &TaskRecord) -> u16 {
    assert_eq!(task.state.as_str(), "failed", "{:?}", task.body);
    task.body.error.as_ref().unwrap().problem.status
}

fn is_done(task: &TaskRecord) {
    assert_eq!(task.state.as_str(), "completed", "{:?} {:?}", task.body, task.history());
}

async fn synced(plant: &Plant) -> String {
    is_done(&plant.run("device.sync", json!({}), None, None).await);
    let free = devices(plant).await.into_iter().find(|d| d.node_id.is_none());
    free.expect("a free device").uuid
}

async fn node(plant: &Plant) -> String {
    plant.compose(json!({"name": "n"})).await.body.result["uuid"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_device_is_attached_once_and_detached_once_by_either_way() {
    for rsd_version in [RsdVersion::V2_1, RsdVersion::V2_4] {
        let plant = Plant::start(SimConfig { rsd_version, ..quick() }).await;
        let (front, id, mine) = (Front::over(&plant).await, synced(&plant).await, node(&plant).await);
        let theirs = node(&plant).await;
        let act = |what: &'static str| {
            let body = json!({ what: { "resource_id": id } });
            let (front, path) = (&front, format!("/v1/nodes/{mine}/action"));
            async move { front.ask(Method::POST, &path, Some(body)).await.0.as_u16() }
        };
        let params = || json!({ "resource_id": id });
        for _twice in 0..2 {
            assert_eq!(act("attach").await, 204);
            is_done(&plant.run("device.attach", params(), None, Some(&mine)).await);
        }
        assert_true(&plant, 1).await;
        for kind in ["device.attach", "device.detach"] {
            assert_eq!(status_of(&plant.run(kind, params(), None, Some(&theirs)).await), 400, "{kind}");
        }
        assert_true(&plant, 1).await;
        for _twice in 0..2 {
            is_done(&plant.run("device.detach", params(), None, Some(&mine)).await);
            assert_eq!(act("detach").await, 204);
        }
        assert_true(&plant, 0).await;
        let log = plant.lab.log().await.to_string();
        let (attached, detached) =
            (log.matches("ComposedNode.Attach").count(), log.matches("ComposedNode.Detach").count());
        assert_eq!((attached, detached), (1, 1), "nothing is asked for twice");
        front.command(&["device", "attach", &id, "--node", &theirs, "--wait"]).await;
        assert!(device(&plant, &id).await.node_id.is_some());
        assert_true(&plant, 1).await;
        front.command(&["device", "detach", &id, "--node", &theirs, "--wait"]).await;
        assert_true(&plant, 0).await;
    }
}

#[tokio::test]
async fn what_cannot_be_attached_is_refused_by_its_name() {
    let plant = Plant::start(SimConfig { podms: 2, ..quick() }).await;
    synced(&plant).await;
    let mine = node(&plant).await;
    let unknown = plant.run("device.attach", json!({"resource_id": NOBODY}), None, Some(&mine)).await;
    assert_eq!(status_of(&unknown), 404);
    assert_eq!(unknown.body.error.unwrap().problem.detail, format!("Device {NOBODY} not found in database."));
    let foreign = devices(&plant).await.into_iter().find(|d| d.podm_id == plant.lab.uuids[1]).unwrap();
    let refused = plant.run("device.attach", json!({"resource_id": foreign.uuid}), None, Some(&mine)).await;
    assert_eq!(status_of(&refused), 400);
    assert_true(&plant, 0).await;
}

#[tokio::test]
async fn of_two_attaches_of_one_device_at_once_one_wins() {
    let plant = Plant::start(SimConfig { latency: Duration::from_millis(5), ..quick() }).await;
    let (id, first, second) = (synced(&plant).await, node(&plant).await, node(&plant).await);
    for _again in 0..5 {
        let attach = |node: String| {
            plant.run("device.attach", json!({ "resource_id": id }), None, Some(Box::leak(node.into_boxed_str())))
        };
        let (one, two) = tokio::join!(attach(first.clone()), attach(second.clone()));
        let (winner, loser) = if one.state.as_str() == "completed" { (one, two) } else { (two, one) };
        is_done(&winner);
        assert_eq!(status_of(&loser), 400, "{:?}", loser.body);
        assert_true(&plant, 1).await;
        is_done(&plant.run("device.detach", json!({ "resource_id": id }), None, winner.def.node_id.as_deref()).await);
        assert_true(&plant, 0).await;
    }
}

#[tokio::test]
async fn a_deleted_node_gives_its_devices_back() {
    let plant = Plant::start(quick()).await;
    let (id, mine) = (synced(&plant).await, node(&plant).await);
    is_done(&plant.run("device.attach", json!({ "resource_id": id }), None, Some(&mine)).await);
    is_done(&plant.run("node.delete", Value::Null, None, Some(&mine)).await);
    assert_true(&plant, 0).await;
    let next = node(&plant).await;
    is_done(&plant.run("device.attach", json!({ "resource_id": id }), None, Some(&next)).await);
    assert_true(&plant, 1).await;
}

#[tokio::test]
async fn a_change_whose_worker_dies_at_any_moment_is_done_and_a_cancelled_attach_is_undone() {
    let plant = Plant::bare(SimConfig { latency: Duration::from_millis(3), ..quick() }, false).await;
    let (mine, id) = support::pool::prepare(&plant).await;
    for ms in (4..100).step_by(12) {
        let limits = [Duration::from_millis(ms), Duration::from_millis(ms / 2 + 5)];
        for (kind, attached) in [("device.attach", 1), ("device.detach", 0)] {
            let task = plant.submit(kind, json!({ "resource_id": id }), None, Some(&mine)).await;
            is_done(&plant.drive(task, &limits).await);
            assert_true(&plant, attached).await;
        }
        let task = plant.submit("device.attach", json!({ "resource_id": id }), None, Some(&mine)).await;
        plant.attempt(Duration::from_millis(ms)).await;
        plant.store.cancel(task).await.unwrap();
        match plant.drive(task, &[Duration::from_millis(ms)]).await.state.as_str() {
            "cancelled" => assert_true(&plant, 0).await,
            "completed" => {
                assert_true(&plant, 1).await;
                let task = plant.submit("device.detach", json!({ "resource_id": id }), None, Some(&mine)).await;
                is_done(&plant.drive(task, &[]).await);
            }
            other => panic!("{other} at {ms} ms"),
        }
    }
    assert!(owners(&plant).await.is_empty());
}

#[tokio::test]
async fn a_sync_corrects_who_has_a_device_and_takes_away_the_row_of_one_that_is_gone() {
    let plant = Plant::start(quick()).await;
    synced(&plant).await;
    let rows = devices(&plant).await;
    let again = plant.run("device.sync", json!({}), None, None).await;
    is_done(&again);
    let writer = Writer { task: again.id, claims: 1 };
    // In the group it had, but somebody's.
    let mut stale = rows.iter().find(|d| d.node_id.is_none()).unwrap().clone();
    (stale.node_id, stale.state) = (Some("77".into()), DeviceState::Allocated);
    assert!(plant.store.overwrite_record(Collection::Device, &stale.uuid, &stale, writer).await.unwrap());
    let gone = Device { uuid: NOBODY.into(), resource_uri: "/redfish/v1/Nowhere/1".into(), ..stale.clone() };
    assert!(plant.store.put_record(Collection::Device, NOBODY, &gone, writer).await.unwrap());
    is_done(&plant.run("device.sync", json!({}), None, None).await);
    let now = devices(&plant).await;
    assert_eq!(now.len(), rows.len());
    let row = now.iter().find(|d| d.uuid == stale.uuid).unwrap();
    assert_eq!((&row.node_id, row.state), (&None, DeviceState::Free));
}
