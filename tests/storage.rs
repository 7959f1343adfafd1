//! Storages, volumes and pooled devices: what they leave behind at a Pod Manager, whatever happens to requests, answers and workers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on should say so")]

mod support;

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use support::api::five_keys;
use support::front::Front;
use support::podm::Lab;
use support::saga::Plant;
use support::{trees, wait};
use valence::podm::{Advice, Begun, DeviceView, Driver, Owner, Wanted};
use valence::sim::{RsdVersion, SimConfig};
use valence::store::record::TaskRecord;

const STORAGES: [(RsdVersion, &str); 3] = [
    (RsdVersion::V1_2, "/redfish/v1/Services/RSS1/LogicalDrives"),
    (RsdVersion::V2_1, "/redfish/v1/Services/RSS1/LogicalDrives"),
    (RsdVersion::V2_4, "/redfish/v1/StorageServices/RSS1/Volumes"),
];
const VOLUMES: &str = STORAGES[2].1;

fn quick() -> SimConfig {
    SimConfig { assemble_time: Duration::from_millis(40), ..SimConfig::default() }
}

fn status_of(task: &TaskRecord) -> u16 {
    assert_eq!(task.state.as_str(), "failed", "{:?}", task.body);
    task.body.error.as_ref().unwrap().problem.status
}

fn completed(task: TaskRecord) -> Value {
    assert_eq!(task.state.as_str(), "completed", "{:?} {:?}", task.body, task.history());
    task.body.result
}

/// The volumes that the Pod Manager has, as their descriptions.
async fn there(lab: &Lab, collection: &str) -> Vec<String> {
    let driver = lab.driver();
    let volumes = driver.storage().unwrap().storages().unwrap().volumes(collection).await.unwrap();
    volumes.into_iter().map(|v| v.shown["description"].as_str().unwrap_or_default().to_owned()).collect()
}

fn volume() -> Value {
    json!({"storage_id": "RSS1", "name": "data", "description": "mine", "capacity_gib": 2.5})
}

async fn assembled(driver: &dyn Driver) -> String {
    let wanted =
        Wanted { name: "n".into(), description: String::new(), requirements: Default::default(), parts: Vec::new() };
    let Begun::Done(Some(node)) = driver.allocate(&wanted).await.unwrap() else { panic!("no node") };
    driver.assemble(&node).await.unwrap();
    wait::until("the node is assembled", async || {
        let view = driver.node(&node).await.unwrap().unwrap();
        if view.state.as_deref() == Some("Assembled") { Ok(()) } else { Err(view) }
    })
    .await;
    node
}

#[tokio::test]
async fn a_volume_is_made_shown_and_deleted_in_every_generation() {
    for (rsd_version, collection) in STORAGES {
        let plant = Plant::start(SimConfig { rsd_version, ..quick() }).await;
        let podm = Some(plant.lab.uuids[0].as_str());
        let mut params = volume();
        params["bootable"] = json!(true);
        let made = completed(plant.run("volume.create", params, podm, None).await);
        assert_eq!(
            (&made["name"], &made["description"], &made["capacity_gib"], &made["bootable"]),
            (&json!("data"), &json!("mine"), &json!(2.5), &json!(true)),
            "{made}"
        );
        assert!(made["resource_uri"].as_str().unwrap().starts_with(collection), "{made}");
        let list = plant.read("storage.list", json!({})).await.unwrap();
        assert_eq!((&list["items"][0]["id"], &list["incomplete"]), (&json!("RSS1"), &json!([])));
        assert_eq!(list["items"][0]["volumes"][0]["id"], made["id"], "{list}");
        let one = plant.read("storage.get", json!({"id": "RSS1"})).await.unwrap();
        assert_eq!((&one["podm_id"], &one["volumes"]), (&json!(plant.lab.uuids[0]), &list["items"][0]["volumes"]));
        let delete = || plant.run("volume.delete", json!({"storage_id": "RSS1", "volume_id": made["id"]}), podm, None);
        assert_eq!(completed(delete().await)["code"], "DELETED");
        assert_eq!(status_of(&delete().await), 404);
        assert!(there(&plant.lab, collection).await.is_empty());
    }
}

#[tokio::test]
async fn what_cannot_be_is_refused_by_its_name() {
    let plant = Plant::start(quick()).await;
    let podm = Some(plant.lab.uuids[0].as_str());
    for (field, value) in [
        ("capacity_gib", json!(0)),
        ("capacity_gib", json!(-1)),
        ("capacity_gib", json!("5")),
        ("name", json!("")),
        ("description", json!("a\u{7}b")),
        ("bootable", json!(null)),
        ("colour", json!("red")),
    ] {
        let mut params = volume();
        params[field] = value;
        let kind = valence::model::kind::Kind::find("volume.create").unwrap();
        let problem = (kind.check)(&params).unwrap_err();
        assert!(problem.status == 400 && problem.detail.contains(field), "{problem:?}");
    }
    let mut other = volume();
    other["storage_id"] = json!("RSS9");
    assert_eq!(status_of(&plant.run("volume.create", other, podm, None).await), 404);
    let mut large = volume();
    large["capacity_gib"] = json!(999_999);
    let refused = plant.run("volume.create", large, podm, None).await;
    assert_eq!(status_of(&refused), 409);
    assert!(refused.body.error.unwrap().problem.detail.contains("so much"));
    assert_eq!(plant.read("storage.list", json!({"filters": {"colour": "red"}})).await.unwrap_err().status, 400);
    assert_eq!(plant.read("storage.get", json!({"id": "RSS9"})).await.unwrap_err().status, 404);
    let none = plant.read("storage.list", json!({"filters": {"name": "other"}})).await.unwrap();
    assert_eq!(none["items"], json!([]));
    let of_system = plant.read("storage.list", json!({"system_id": "System3"})).await.unwrap();
    assert_eq!(of_system["items"][0]["drives"].as_array().unwrap().len(), 3, "{of_system}");
    assert_eq!(plant.read("storage.list", json!({"system_id": "System99"})).await.unwrap_err().status, 404);
}

#[tokio::test]
async fn a_volume_survives_any_answer_that_is_lost() {
    for forgetful in [false, true] {
        for method in ["POST", "GET"] {
            for cut in ["before", "after", "within"] {
                let plant = Plant::start(SimConfig { forgetful, ..quick() }).await;
                let podm = Some(plant.lab.uuids[0].as_str());
                completed(plant.run("volume.create", volume(), podm, None).await);
                let fault = json!([{"method": method, "path_prefix": VOLUMES, "cut": cut, "count": 1}]);
                plant.lab.faults(fault).await;
                completed(plant.run("volume.create", volume(), podm, None).await);
                assert_eq!(there(&plant.lab, VOLUMES).await.len(), 2, "{forgetful} {method} {cut}");
            }
        }
    }
}

#[tokio::test]
async fn a_volume_whose_worker_dies_at_any_moment_is_made_once_and_deleted_once() {
    for forgetful in [false, true] {
        let plant = Plant::bare(SimConfig { forgetful, latency: Duration::from_millis(4), ..quick() }, false).await;
        let create = plant.submit_def(plant.registration(0, "lab-0", &plant.lab.url)).await;
        plant.drive(create, &[]).await;
        let podm = plant.lab.uuids[0].clone();
        let mut made = Vec::new();
        for ms in (3..75).step_by(6) {
            let task = plant.submit("volume.create", volume(), Some(&podm), None).await;
            let limits = [Duration::from_millis(ms), Duration::from_millis(ms / 2 + 5)];
            made.push(completed(plant.drive(task, &limits).await)["id"].clone());
            assert_eq!(there(&plant.lab, VOLUMES).await.len(), made.len(), "{ms} ms");
        }
        while let Some(id) = made.pop() {
            let ms = 3 + 5 * made.len() as u64;
            let params = json!({"storage_id": "RSS1", "volume_id": id});
            let task = plant.submit("volume.delete", params, Some(&podm), None).await;
            completed(plant.drive(task, &[Duration::from_millis(ms)]).await);
            assert_eq!(there(&plant.lab, VOLUMES).await.len(), made.len(), "{ms} ms");
        }
    }
}

#[tokio::test]
async fn a_cancelled_volume_is_gone_whenever_the_cancel_comes() {
    for forgetful in [false, true] {
        let plant = Plant::bare(SimConfig { forgetful, latency: Duration::from_millis(4), ..quick() }, false).await;
        let create = plant.submit_def(plant.registration(0, "lab-0", &plant.lab.url)).await;
        plant.drive(create, &[]).await;
        let podm = plant.lab.uuids[0].clone();
        // Another's, which stays.
        let other = plant.submit("volume.create", volume(), Some(&podm), None).await;
        completed(plant.drive(other, &[]).await);
        for ms in (3..60).step_by(4) {
            let task = plant.submit("volume.create", volume(), Some(&podm), None).await;
            plant.attempt(Duration::from_millis(ms)).await;
            plant.store.cancel(task).await.unwrap();
            let ended = plant.drive(task, &[Duration::from_millis(ms)]).await;
            let left = there(&plant.lab, VOLUMES).await.len();
            match ended.state.as_str() {
                "cancelled" => assert_eq!(left, 1, "{ms} ms: {:?}", ended.history()),
                "completed" => {
                    assert_eq!(left, 2, "{ms} ms");
                    let params = json!({"storage_id": "RSS1", "volume_id": ended.body.result["id"]});
                    let task = plant.submit("volume.delete", params, Some(&podm), None).await;
                    completed(plant.drive(task, &[]).await);
                }
                other => panic!("{other}"),
            }
        }
    }
}

#[tokio::test]
async fn a_volume_that_takes_long_is_followed_by_its_monitor_and_its_cancel_waits_for_it() {
    for forgetful in [false, true] {
        let sim = SimConfig { forgetful, task_monitors: true, ..SimConfig::default() };
        let plant = Plant::start(sim).await;
        let podm = Some(plant.lab.uuids[0].as_str());
        let made = completed(plant.run("volume.create", volume(), podm, None).await);
        let delete = json!({"storage_id": "RSS1", "volume_id": made["id"]});
        completed(plant.run("volume.delete", delete, podm, None).await);
        assert!(there(&plant.lab, VOLUMES).await.is_empty());
        let id = plant.submit("volume.create", volume(), podm, None).await;
        wait::until("it was asked for", async || if plant.lab.posts().await == 2 { Ok(()) } else { Err(()) }).await;
        plant.store.cancel(id).await.unwrap();
        assert_eq!(plant.done(id).await.state.as_str(), "cancelled");
        assert!(there(&plant.lab, VOLUMES).await.is_empty());
    }
}

#[tokio::test]
async fn the_storages_of_a_node_are_its_machines() {
    let plant = Plant::start(quick()).await;
    let node = completed(plant.compose(json!({"name": "n"})).await)["uuid"].clone();
    let found = plant.read("storage.list", json!({ "node_id": node })).await.unwrap();
    let drives = found["items"][0]["drives"].as_array().unwrap();
    assert!(!drives.is_empty() && drives[0]["capacity_gib"].as_f64().unwrap() > 0.0, "{found}");
    assert_eq!(found["items"][0]["type"], "Storage");
    let unknown = json!({"node_id": valence::ids::new_record_id()});
    assert_eq!(plant.read("storage.list", unknown).await.unwrap_err().status, 404);
}

#[tokio::test]
async fn pooled_devices_are_attached_and_detached_by_either_generation() {
    for config in [
        SimConfig { rsd_version: RsdVersion::V2_1, ..quick() },
        SimConfig { rsd_version: RsdVersion::V2_1, dmtf_annotations: true, ..quick() },
        quick(),
        SimConfig { strict_schema: true, ..quick() },
    ] {
        let lab = Lab::start(config.clone()).await;
        let driver = lab.driver();
        let storage = driver.storage().unwrap();
        let collection = STORAGES.iter().find(|(v, _)| *v == config.rsd_version).unwrap().1;
        let wanted = valence::podm::WantedVolume {
            name: "v".into(),
            description: String::new(),
            capacity_gib: 1.0,
            bootable: None,
        };
        storage.storages().unwrap().create(collection, &wanted).await.unwrap();
        let devices = storage.devices().await.unwrap();
        assert_eq!(devices.len(), 5, "{devices:?}");
        assert!(devices.iter().all(|d| !d.allocated && d.node.is_none() && d.kind.is_some()), "{devices:?}");
        let (mine, theirs) = (assembled(driver.as_ref()).await, assembled(driver.as_ref()).await);
        for DeviceView { path, .. } in &devices {
            for _twice in 0..2 {
                assert_eq!(storage.attach(&mine, path).await.unwrap(), Begun::Done(()));
            }
            let now = storage.device(path).await.unwrap().unwrap();
            assert_eq!((now.allocated, now.node.as_deref()), (true, Some("1")), "{now:?}");
            let error = storage.attach(&theirs, path).await.unwrap_err();
            assert_eq!((error.problem().status, error.verdict()), (409, Advice::Final), "{error}");
            assert_eq!(storage.detach(&theirs, path).await.unwrap(), Begun::Done(()), "it does not have it");
            assert!(storage.device(path).await.unwrap().unwrap().allocated);
        }
        for DeviceView { path, .. } in &devices {
            for _twice in 0..2 {
                assert_eq!(storage.detach(&mine, path).await.unwrap(), Begun::Done(()));
            }
            assert!(!storage.device(path).await.unwrap().unwrap().allocated);
        }
        let posts = lab.log().await.to_string();
        let sent = |name: &str| posts.matches(&format!("ComposedNode.{name}\"")).count();
        let by = if config.rsd_version == RsdVersion::V2_1 { "Endpoint" } else { "Resource" };
        assert_eq!((sent(&format!("Attach{by}")), sent(&format!("Detach{by}"))), (5, 5), "nothing is asked for twice");
    }
}

#[tokio::test]
async fn an_attach_is_refused_in_the_wrong_state_and_retried_when_the_machine_is_not_ready() {
    let lab = Lab::start(quick()).await;
    let driver = lab.driver();
    let storage = driver.storage().unwrap();
    let device = storage.devices().await.unwrap().remove(0).path;
    let wanted =
        Wanted { name: "n".into(), description: String::new(), requirements: Default::default(), parts: Vec::new() };
    let Begun::Done(Some(allocated)) = driver.allocate(&wanted).await.unwrap() else { panic!("no node") };
    let error = storage.attach(&allocated, &device).await.unwrap_err();
    assert_eq!(error.problem().status, 409);
    assert!(error.problem().detail.contains("Assembled or Failed"), "{error}");
    let node = assembled(driver.as_ref()).await;
    let prefix = format!("{node}/Actions/ComposedNode.Attach");
    lab.faults(json!([{"method": "POST", "path_prefix": prefix, "status": 503, "retry_after_s": 1, "count": 1}])).await;
    let error = storage.attach(&node, &device).await.unwrap_err();
    assert_eq!(error.verdict(), Advice::Retry { after: Some(Duration::from_secs(1)) });
    wait::until("it may be asked again", async || driver.probe().await.map(drop)).await;
    lab.faults(json!([{"method": "POST", "path_prefix": prefix, "cut": "after", "count": 1}])).await;
    assert_eq!(storage.attach(&node, &device).await.unwrap_err().verdict(), Advice::Look);
    assert!(storage.device(&device).await.unwrap().unwrap().allocated);
    assert_eq!(storage.attach(&node, &device).await.unwrap(), Begun::Done(()), "it is there: nothing is asked");
    driver.delete_node(&node).await.unwrap();
    assert!(!storage.device(&device).await.unwrap().unwrap().allocated, "a decomposed node has nothing");
    assert_eq!(storage.detach(&node, &device).await.unwrap(), Begun::Done(()));
    assert!(storage.device("/redfish/v1/Chassis/Rack1/Drives/99").await.unwrap().is_none());
    let old = Lab::start(SimConfig { rsd_version: RsdVersion::V1_2, ..quick() }).await;
    let driver = old.driver();
    let node = assembled(driver.as_ref()).await;
    let local = "/redfish/v1/Chassis/Sled2/Drives/1";
    let error = driver.storage().unwrap().attach(&node, local).await.unwrap_err();
    assert!(error.problem().status == 400 && error.problem().detail.contains("no action"), "{error}");
}

#[tokio::test]
async fn storages_are_served_by_the_rest_api_and_the_command_line() {
    let plant = Plant::start(SimConfig { podms: 2, ..quick() }).await;
    let front = Front::over(&plant).await;
    let podm = plant.lab.uuids[0].as_str();
    let (status, list) = front.get("/v1/storages").await;
    assert_eq!((status.as_u16(), list.as_array().unwrap().len()), (200, 2), "{list}");
    let of_one = [front.get(&format!("/v1/storages?podm_id={podm}")).await.1, {
        let body = Some(json!({ "podm_id": podm }));
        front.ask(Method::GET, "/v1/storages", body).await.1
    }];
    assert!(of_one.iter().all(|l| l.as_array().unwrap().len() == 1 && l[0]["podm_id"] == podm), "{of_one:?}");
    for (path, status) in [
        ("/v1/storages?colour=red", 400),
        ("/v1/storages/RSS1", 400),
        ("/v1/storages?podm_id=nobody", 404),
        ("/v1/nodes/nobody/storages", 404),
    ] {
        let (answered, body) = front.get(path).await;
        assert_eq!(answered.as_u16(), status, "{path} {body}");
        five_keys(answered, &body);
    }
    let missing = front.get(&format!("/v1/storages/RSS9?podm_id={podm}")).await;
    assert_eq!(missing.0.as_u16(), 404, "{missing:?}");
    let mut body = json!({"podm_id": podm, "name": "data", "capacity_gib": 2});
    let (status, made) = front.ask(Method::POST, "/v1/storages/RSS1/volumes", Some(body.clone())).await;
    assert_eq!((status.as_u16(), &made["name"]), (200, &json!("data")), "{made}");
    let path = format!("/v1/storages/RSS1/volumes/{}?podm_id={podm}", made["id"].as_str().unwrap());
    assert_eq!(front.ask(Method::DELETE, &path, None).await.1["code"], "DELETED");
    assert_eq!(front.ask(Method::DELETE, &path, None).await.0.as_u16(), 404);
    body["storage_id"] = json!("other");
    assert_eq!(front.ask(Method::POST, "/v1/storages/RSS1/volumes", Some(body)).await.0.as_u16(), 400);

    let made = front
        .command(&["storage", "volume-create", "RSS1", "--podm", podm, "--name", "cli", "--capacity", "1.5", "--wait"])
        .await;
    assert!(made.contains("cli") && made.contains("1.5"), "{made}");
    assert!(front.command(&["storage", "show", "RSS1", "--podm", podm]).await.contains("cli"));
    assert!(front.command(&["storage", "list"]).await.contains("StorageService"));
    let gone = front.command(&["storage", "volume-delete", "RSS1", "2", "--podm", podm, "--wait"]).await;
    assert!(gone.contains("volume 2 is deleted"), "{gone}");
    assert!(there(&plant.lab, VOLUMES).await.is_empty());
    let node = completed(plant.compose(json!({"name": "n"})).await)["uuid"].as_str().unwrap().to_owned();
    assert_eq!(front.get(&format!("/v1/nodes/{node}/storages")).await.1[0]["type"], "Storage");
    assert!(front.command(&["storage", "list", "--node", &node]).await.contains("Storage"));
}

/// Every recorded Rack Scale tree is read without an error, and what it has is found.
#[tokio::test]
async fn storages_and_devices_of_every_recorded_tree_are_understood() {
    let (mut storages, mut volumes, mut devices, mut drives) = (0, 0, Vec::new(), 0);
    for tree in trees::rack_scale() {
        let lab = Lab::start(SimConfig { tree: Some(tree.clone()), ..SimConfig::default() }).await;
        let driver = lab.driver();
        let name = tree.display();
        let asked = driver.storage().unwrap();
        devices.extend(asked.devices().await.unwrap_or_else(|e| panic!("{name}: {e}")));
        let of = asked.storages().unwrap();
        let mut found = of.list(None).await.unwrap_or_else(|e| panic!("{name}: {e}")).unwrap();
        for system in driver.systems(None).await.unwrap() {
            let id = system.shown["id"].as_str().unwrap().to_owned();
            found.extend(of.list(Some(Owner::System(&id))).await.unwrap_or_else(|e| panic!("{name}: {e}")).unwrap());
        }
        for node in driver.nodes().await.unwrap() {
            of.list(Some(Owner::Node(&node.path))).await.unwrap_or_else(|e| panic!("{name}: {e}")).unwrap();
        }
        storages += found.len();
        volumes += found.iter().map(|s| s.shown["volumes"].as_array().unwrap().len()).sum::<usize>();
        drives += found.iter().map(|s| s.shown["drives"].as_array().unwrap().len()).sum::<usize>();
    }
    println!("{storages} storages, {volumes} volumes, {drives} drives, {} devices", devices.len());
    if trees::rack_scale().is_empty() {
        return;
    }
    assert!(
        storages >= 4 && volumes >= 4 && drives >= 3 && devices.len() >= 3,
        "{storages} {volumes} {drives} {devices:?}"
    );
    assert!(devices.iter().any(|d| d.allocated), "an NVMe-oF volume stands in a zone with an initiator");
}
