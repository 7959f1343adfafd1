//! ExpEther Managers over real HTTP, as v1's clients know them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on should say so")]

mod support;

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use support::front::Front;
use support::pool::{assert_machine, device, devices};
use support::saga::Plant;
use support::wait;
use valence::model::device::{Device, DeviceState};
use valence::sim::{RsdVersion, SimConfig, SimFlavour};
use valence::store::record::TaskRecord;

fn eem(systems: usize) -> SimConfig {
    SimConfig { flavour: SimFlavour::Eem, systems, ..SimConfig::default() }
}

fn problem_of(task: &TaskRecord) -> (u16, String, String, String) {
    assert_eq!(task.state.as_str(), "failed", "{:?} {:?}", task.body, task.history());
    let problem = task.body.error.clone().unwrap().problem;
    (problem.status, problem.code, problem.title, problem.detail)
}

fn is_done(task: &TaskRecord) -> &Value {
    assert_eq!(task.state.as_str(), "completed", "{:?} {:?}", task.body, task.history());
    &task.body.result
}

fn with(kinds: &[&str]) -> Value {
    json!({"name": "n", "properties": {"pci_device": {"type": kinds}}})
}

/// The rows that the registration's own sync has made.
async fn synced(plant: &Plant, at_least: usize) -> Vec<Device> {
    wait::until("the devices were read", async || {
        let rows = devices(plant).await;
        if rows.len() >= at_least { Ok(rows) } else { Err(rows.len()) }
    })
    .await
}

fn first_free(rows: &[Device], kind: &str) -> String {
    rows.iter().find(|d| d.kind.as_deref() == Some(kind) && d.node_id.is_none()).unwrap().uuid.clone()
}

#[tokio::test]
async fn a_registration_reads_the_devices_by_itself() {
    let plant = Plant::start(eem(4)).await;
    let rows = synced(&plant, 7).await;
    assert_eq!(rows.len(), 7, "the eighth is unplugged");
    for row in &rows {
        assert_eq!((row.state, &row.node_id), (DeviceState::Free, &None));
        assert_eq!(row.pooled_group_id.as_deref(), Some("4093"));
        let id = row.resource_uri.strip_prefix("devices/").unwrap();
        assert_eq!(row.properties["device_id"], id);
        let is_40g = row.properties["model"] == "40g";
        assert_eq!((row.kind.is_some(), row.extra.get("vendor_name").is_some()), (is_40g, is_40g), "{row:?}");
    }
    let kinds: std::collections::BTreeSet<_> = rows.iter().filter_map(|r| r.kind.as_deref()).collect();
    assert_eq!(kinds.into_iter().collect::<Vec<_>>(), ["GPU", "Multi", "NIC", "SSD", "USB"]);
}

#[tokio::test]
async fn a_registration_follows_v1s_rules() {
    let plant = Plant::bare(eem(1), true).await;
    let front = Front::over(&plant).await;
    let body = |url: &str, password: &str| {
        let auth = json!([{"type": "basic", "auth_items": {"username": "admin", "password": password}}]);
        json!({"name": "eem", "url": url, "driver": "expether", "authentication": auth})
    };
    let url = plant.lab.url.clone();
    let (status, said) = front.ask(Method::POST, "/v1/pod_managers", Some(body(&url, "wrong"))).await;
    assert_eq!((status.as_u16(), &said["title"]), (401, &json!("Authorization Error")), "{said}");
    assert!(said["detail"].as_str().unwrap().contains("Invalid credentials passed"), "{said}");
    assert_eq!(front.get("/v1/pod_managers").await.1, json!([]));
    let (_, away) = front.ask(Method::POST, "/v1/pod_managers", Some(body("http://127.0.0.1:1", "x"))).await;
    assert_eq!(away["status"], "Offline");
    let uuid = away["uuid"].as_str().unwrap().to_owned();
    front.ask(Method::DELETE, &format!("/v1/pod_managers/{uuid}"), None).await;
    let (_, there) = front.ask(Method::POST, "/v1/pod_managers", Some(body(&url, support::podm::PASSWORD))).await;
    assert_eq!(there["status"], "Online", "{there}");
    let log = plant.lab.log().await.to_string();
    assert!(!log.contains("redfish"), "an ExpEther Manager is asked for no Redfish");
}

#[tokio::test]
async fn a_node_lives_as_v1s_clients_know_it() {
    let plant = Plant::start(eem(4)).await;
    let rows = synced(&plant, 7).await;
    let podm = plant.lab.uuids[0].clone();
    let front = Front::over(&plant).await;
    let body = json!({"name": "n1", "podm_id": podm});
    let (status, node) = front.ask(Method::POST, "/v1/nodes", Some(body)).await;
    assert_eq!(status.as_u16(), 200, "{node}");
    let index = node["index"].as_str().unwrap().to_owned();
    assert_eq!(node["resource_uri"], format!("devices/{index}"));
    let path = format!("/v1/nodes/{}", node["uuid"].as_str().unwrap());

    let full = front.get(&path).await.1;
    let mut keys: Vec<&str> = full.as_object().unwrap().keys().map(String::as_str).collect();
    keys.retain(|k| !["uuid", "podm_id", "created_at", "updated_at"].contains(k));
    let expected = [
        "description",
        "host_model",
        "host_serial_number",
        "index",
        "mac_address",
        "name",
        "pooled_group_id",
        "power_state",
        "resource_uri",
        "serial_number",
        "type",
    ];
    assert_eq!(keys, expected);
    assert_eq!((&full["name"], &full["type"], &full["pooled_group_id"]), (&json!("n1"), &json!("40g"), &json!("4094")));

    let act = |body: Value| {
        let (front, path) = (&front, format!("{path}/action"));
        async move { front.ask(Method::POST, &path, Some(body)).await }
    };
    for (body, action) in
        [(json!({"Reset": {"Type": "On"}}), "Reset"), (json!({"Boot": {"Enabled": "Once", "Target": "Pxe"}}), "Boot")]
    {
        let (status, said) = act(body).await;
        assert_eq!(status.as_u16(), 400, "{said}");
        assert_eq!(said["detail"], format!("Unsupported action: {action}"));
    }
    let ssd = first_free(&rows, "SSD");
    assert_eq!(act(json!({"attach": {"resource_id": ssd}})).await.0.as_u16(), 204);
    let row = device(&plant, &ssd).await;
    assert_eq!((row.node_id.as_deref(), row.state), (Some(index.as_str()), DeviceState::Allocated));
    assert_eq!(front.get(&path).await.1["pooled_group_id"], json!(row.pooled_group_id), "it got a group of its own");
    assert_machine(&plant, 1, 1).await;
    let nic = first_free(&rows, "NIC");
    assert_eq!(act(json!({"attach": {"resource_id": nic}})).await.0.as_u16(), 204);
    for _twice in 0..2 {
        assert_eq!(act(json!({"detach": {"resource_id": ssd}})).await.0.as_u16(), 204);
    }
    assert_machine(&plant, 1, 1).await;
    assert!(front.command(&["node", "list"]).await.contains("n1"));
    assert!(front.command(&["device", "list"]).await.contains("NIC"));

    let (status, said) = front.ask(Method::DELETE, &path, None).await;
    assert_eq!((status.as_u16(), said), (200, Value::Null));
    assert_machine(&plant, 0, 0).await;
    assert_eq!(front.get(&path).await.0.as_u16(), 404);
}

#[tokio::test]
async fn systems_are_shown_as_v1_showed_them_and_there_are_no_racks() {
    let plant = Plant::start(eem(4)).await;
    let podm = plant.lab.uuids[0].clone();
    let front = Front::over(&plant).await;
    let all = front.get(&format!("/v1/systems?podm_id={podm}")).await.1;
    assert_eq!(all.as_array().unwrap().len(), 4);
    for key in ["id", "resource_uri", "pooled_group_id", "type", "mac_address", "host_serial_num", "host_model"] {
        assert!(all[0][key].is_string(), "{key}: {all}");
    }
    let id = all[3]["id"].as_str().unwrap();
    let one = front.get(&format!("/v1/systems/{id}?podm_id={podm}")).await.1;
    assert_eq!((&one["id"], &one["name"], &one["type"]), (&json!(id), &json!("eesv"), &json!("10g")), "{one}");
    assert_eq!(one["update_time"], "2018-02-19 00:25:10");
    for key in ["serial_number", "power_state", "host_serial_number", "description", "ee_version", "mac_address"] {
        assert!(one[key].is_string(), "{key}: {one}");
    }
    assert!(front.command(&["system", "show", id, "--podm", &podm]).await.contains("eesv"));
    let (status, racks) = front.get(&format!("/v1/racks?podm_id={podm}")).await;
    assert_eq!((status.as_u16(), racks), (200, json!([])));
    let (status, said) = front.get(&format!("/v1/systems/0x0?podm_id={podm}")).await;
    assert_eq!((status.as_u16(), &said["code"], &said["title"]), (404, &json!("40400"), &json!("ExpEther Exception")));
}

#[tokio::test]
async fn only_a_machine_is_managed_and_only_once() {
    let plant = Plant::start(eem(2)).await;
    let rows = synced(&plant, 4).await;
    let podm = plant.lab.uuids[0].clone();
    let manage = |index: String| {
        let (plant, podm) = (&plant, podm.clone());
        async move {
            let params = json!({ "node_index": index });
            let id = plant.submit("node.manage", params, Some(&podm), None).await;
            plant.done(id).await
        }
    };
    let eeio = rows[0].properties["device_id"].as_str().unwrap().to_owned();
    let (status, _, title, detail) = problem_of(&manage(eeio.clone()).await);
    assert_eq!((status, title.as_str(), detail), (500, "ExpEther Exception", format!("Not a valid EESV node {eeio}")));
    let free = plant.lab.driver().systems(None).await.unwrap()[0].shown["id"].as_str().unwrap().to_owned();
    assert_eq!(is_done(&manage(free.clone()).await)["index"], free);
    assert_eq!(problem_of(&manage(free.clone()).await).0, 409);
    let other = plant.compose(json!({"name": "n"})).await;
    assert_ne!(is_done(&other)["index"], free, "a managed machine is composed by nobody");
}

#[tokio::test]
async fn a_compose_takes_the_first_free_machine_and_a_device_of_each_type() {
    let plant = Plant::start(eem(4)).await;
    synced(&plant, 7).await;
    let task = plant.compose(with(&["NIC", "SSD"])).await;
    let index = is_done(&task)["index"].clone();
    let first = plant.lab.driver().systems(None).await.unwrap()[0].shown["id"].clone();
    assert_eq!(index, first);
    assert_machine(&plant, 2, 1).await;
    let node = plant.node_rows().await.remove(0);
    let mut kinds: Vec<_> = devices(&plant)
        .await
        .into_iter()
        .filter(|d| d.node_id == Some(node.index.clone()))
        .filter_map(|d| d.kind)
        .collect();
    kinds.sort();
    assert_eq!(kinds, ["NIC", "SSD"]);
}

#[tokio::test]
async fn what_is_not_there_is_refused_in_v1s_words_and_leaves_nothing() {
    let plant = Plant::start(SimConfig { podms: 2, ..eem(1) }).await;
    synced(&plant, 4).await;
    let refused = |detail: &str| (404, "40400".to_owned(), "ExpEther Exception".to_owned(), detail.to_owned());
    // Each of the two has one SSD and one NIC: the other one's is nobody's here (bug 10).
    let task = plant.compose(with(&["SSD", "SSD"])).await;
    assert_eq!(problem_of(&task), refused("Requested device not available"));
    assert_machine(&plant, 0, 0).await;
    is_done(&plant.compose(with(&["SSD"])).await);
    let task = plant.compose(json!({"name": "n"})).await;
    assert_eq!(problem_of(&task), refused("Node not available"));
    assert_machine(&plant, 1, 1).await;
    let placed = plant.run("node.place", with(&["NIC"]), None, None).await;
    assert_eq!(is_done(&placed)["podm_id"], plant.lab.uuids[1], "the next one is tried");
}

#[tokio::test]
async fn a_compose_that_fails_midway_is_taken_back_whole() {
    let plant = Plant::start(eem(4)).await;
    synced(&plant, 7).await;
    // The group of the machine, the first device, and then a refusal.
    let refusal = json!({"code": "40900", "message": "no more"});
    plant.lab.faults(json!([{"method": "PUT", "skip": 2, "status": 409, "body": refusal}])).await;
    let (status, code, title, detail) = problem_of(&plant.compose(with(&["NIC", "SSD"])).await);
    assert_eq!(
        (status, code.as_str(), title.as_str(), detail.as_str()),
        (409, "40900", "ExpEther Exception", "no more")
    );
    plant.lab.faults(json!([])).await;
    assert_machine(&plant, 0, 0).await;
}

#[tokio::test]
async fn an_undo_leaves_devices_that_others_have_attached() {
    let plant = Plant::start(eem(1)).await;
    let rows = synced(&plant, 2).await;
    let driver = plant.lab.driver();
    let storage = driver.storage().unwrap();
    let machine = driver.systems(None).await.unwrap()[0].shown["resource_uri"].as_str().unwrap().to_owned();
    let nic = rows.iter().find(|d| d.kind.as_deref() == Some("NIC")).unwrap();
    storage.attach(&machine, &nic.resource_uri).await.unwrap();
    plant.lab.faults(json!([{"method": "PUT", "status": 400}])).await;
    assert_eq!(problem_of(&plant.compose(with(&["SSD"])).await).0, 400);
    plant.lab.faults(json!([])).await;
    assert!(storage.device(&nic.resource_uri).await.unwrap().unwrap().node.is_some());
}

#[tokio::test]
async fn two_composes_at_once_never_get_the_same_hardware() {
    let plant = Plant::start(SimConfig { latency: Duration::from_millis(4), ..eem(4) }).await;
    synced(&plant, 7).await;
    let tasks = futures_util::future::join_all((0..4).map(|_| plant.compose(with(&["SSD"])))).await;
    let done: Vec<_> = tasks.iter().filter(|t| t.state.as_str() == "completed").collect();
    assert_eq!(done.len(), 2, "there are two SSDs");
    assert_ne!(done[0].body.result["index"], done[1].body.result["index"]);
    assert_machine(&plant, 2, 2).await;
}

#[tokio::test]
async fn a_full_machine_and_a_busy_device_are_refused() {
    let plant = Plant::start(eem(4)).await;
    let rows = synced(&plant, 7).await;
    let node = is_done(&plant.compose(json!({"name": "n"})).await)["uuid"].as_str().unwrap().to_owned();
    let index = plant.node_rows().await[0].index.clone();
    let attach = |id: String| {
        let (plant, node) = (&plant, node.clone());
        async move {
            let id = plant.submit("device.attach", json!({ "resource_id": id }), None, Some(&node)).await;
            plant.done(id).await
        }
    };
    let full = json!({"device": {"id": index, "status": "eesv", "group_id": "7", "max_eeio_count": "0"}});
    let path = format!("/devices/{index}");
    plant.lab.faults(json!([{"method": "GET", "path_prefix": path, "body": full}])).await;
    let (status, _, title, _) = problem_of(&attach(first_free(&rows, "SSD")).await);
    assert_eq!((status, title.as_str()), (500, "Internal server error"));
    plant.lab.faults(json!([])).await;
    // Put by others into a group that no machine is in.
    let busy = rows.iter().find(|d| d.kind.as_deref() == Some("GPU")).unwrap();
    let put = reqwest::Client::new().put(format!("{}/{}/group_id", plant.lab.url, busy.resource_uri));
    let put = put.basic_auth("admin", Some(support::podm::PASSWORD)).json(&json!({"group_id": "77"}));
    assert!(put.send().await.unwrap().status().is_success());
    assert_eq!(problem_of(&attach(busy.uuid.clone()).await).0, 400);
    is_done(&plant.run("device.sync", json!({}), None, None).await);
    let row = device(&plant, &busy.uuid).await;
    assert_eq!((row.state, row.node_id, row.pooled_group_id.as_deref()), (DeviceState::Allocated, None, Some("77")));
}

/// Between a saga's look and its attach, somebody else may have been faster: the Manager itself would move the device.
#[tokio::test]
async fn a_device_that_went_to_another_machine_meanwhile_is_not_taken_from_it() {
    let plant = Plant::start(eem(4)).await;
    let rows = synced(&plant, 7).await;
    is_done(&plant.compose(with(&["SSD"])).await);
    is_done(&plant.compose(json!({"name": "m"})).await);
    let theirs = devices(&plant).await.into_iter().find(|d| d.node_id.is_some()).unwrap();
    let mine = plant.node_rows().await.into_iter().find(|n| Some(&n.index) != theirs.node_id.as_ref()).unwrap();
    let driver = plant.lab.driver();
    let storage = driver.storage().unwrap();
    let error = storage.attach(&mine.resource_uri, &theirs.resource_uri).await.unwrap_err();
    assert_eq!(error.problem().status, 400, "{error}");
    let now = storage.device(&theirs.resource_uri).await.unwrap().unwrap();
    assert_eq!(now.node, theirs.node_id, "of {} devices", rows.len());
    assert_machine(&plant, 1, 2).await;
}

#[tokio::test]
async fn a_deletion_that_is_refused_says_of_which_node() {
    let plant = Plant::start(eem(2)).await;
    synced(&plant, 4).await;
    let node = is_done(&plant.compose(with(&["SSD"])).await).clone();
    let (id, index) = (node["uuid"].as_str().unwrap(), node["index"].as_str().unwrap());
    let refusal = json!({"code": "40900", "message": "locked"});
    plant.lab.faults(json!([{"method": "DELETE", "status": 409, "body": refusal}])).await;
    let front = Front::over(&plant).await;
    let (status, said) = front.ask(Method::DELETE, &format!("/v1/nodes/{id}"), None).await;
    let detail = format!("Composed node {index} deletion failed with error : locked");
    assert_eq!((status.as_u16(), &said["detail"], &said["title"]), (500, &json!(detail), &json!("ExpEther Exception")));
    plant.lab.faults(json!([])).await;
    assert_machine(&plant, 1, 1).await;
}

#[tokio::test]
async fn a_compose_whose_worker_dies_at_any_moment_leaves_one_node() {
    let plant = Plant::bare(SimConfig { latency: Duration::from_millis(3), ..eem(8) }, false).await;
    plant.enrol().await;
    for ms in (3..90).step_by(9) {
        let task = plant.submit("node.compose", with(&["NIC", "SSD"]), Some(&plant.lab.uuids[0]), None).await;
        let task = plant.drive(task, &[Duration::from_millis(ms), Duration::from_millis(ms / 2 + 5)]).await;
        let node = is_done(&task)["uuid"].as_str().unwrap().to_owned();
        assert_machine(&plant, 2, 1).await;
        let task = plant.submit("node.delete", Value::Null, None, Some(&node)).await;
        is_done(&plant.drive(task, &[Duration::from_millis(ms)]).await);
        assert_machine(&plant, 0, 0).await;
    }
}

#[tokio::test]
async fn what_an_eem_has_survives_its_restart() {
    let dir = tempfile::tempdir().unwrap();
    let config = || SimConfig { data_dir: Some(dir.path().to_owned()), ..eem(1) };
    let lab = support::podm::Lab::start(config()).await;
    let driver = lab.driver();
    let machine = driver.systems(None).await.unwrap()[0].shown["resource_uri"].as_str().unwrap().to_owned();
    let device = driver.storage().unwrap().devices().await.unwrap().remove(0).path;
    driver.storage().unwrap().attach(&machine, &device).await.unwrap();
    drop(lab);
    let lab = support::podm::Lab::start(config()).await;
    assert!(lab.driver().storage().unwrap().device(&device).await.unwrap().unwrap().node.is_some());
}

#[tokio::test]
async fn a_rack_scale_node_gets_pooled_devices_of_the_wanted_type() {
    let rsd =
        SimConfig { rsd_version: RsdVersion::V2_4, assemble_time: Duration::from_millis(10), ..SimConfig::default() };
    let plant = Plant::start(rsd).await;
    let rows = synced(&plant, 1).await;
    let kind = rows.iter().find_map(|d| d.kind.clone()).unwrap();
    is_done(&plant.compose(with(&[&kind, &kind])).await);
    support::pool::assert_true(&plant, 2).await;
    let task = plant.compose(with(&["telescope"])).await;
    assert_eq!(problem_of(&task).0, 409);
    plant.assert_agrees(1).await;
    plant.lab.faults(json!([{"method": "POST", "path_prefix": "/redfish/v1/Nodes/2/Actions/ComposedNode.AttachResource", "status": 400}])).await;
    assert_eq!(problem_of(&plant.compose(with(&[&kind])).await).0, 400);
    plant.assert_agrees(1).await;
    support::pool::assert_true(&plant, 2).await;
}
