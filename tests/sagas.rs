//! What changing kinds leave behind at a Pod Manager, whatever happens to requests, answers and workers on the way.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on should say so")]

mod support;

use std::time::Duration;

use serde_json::{Value, json};
use support::saga::Plant;
use support::wait;
use valence::sim::SimConfig;
use valence::store::record::TaskRecord;

const ALLOCATE: &str = "/redfish/v1/Nodes/Actions/Allocate";

fn node_of(task: &TaskRecord) -> String {
    assert_eq!(task.state.as_str(), "completed", "{:?} {:?}", task.body, task.history());
    task.body.result["uuid"].as_str().unwrap().to_owned()
}

fn status_of(task: &TaskRecord) -> u16 {
    assert_eq!(task.state.as_str(), "failed", "{:?}", task.body);
    task.body.error.as_ref().unwrap().problem.status
}

fn quick() -> SimConfig {
    SimConfig { assemble_time: Duration::from_millis(40), ..SimConfig::default() }
}

#[tokio::test]
async fn a_node_is_composed_shown_and_deleted() {
    let plant = Plant::start(quick()).await;
    let podm = plant.lab.uuids[0].clone();
    let flavor = plant.run(
        "flavor.create",
        json!({"name": "small", "properties": {"memory": {"capacity_mib": "1024"}}}),
        None,
        None,
    );
    let flavor = flavor.await.body.result["uuid"].as_str().unwrap().to_owned();
    let task = plant.compose(json!({"name": "n1", "description": "mine", "flavor_id": flavor})).await;
    let node = node_of(&task);
    plant.assert_agrees(1).await;
    for key in ["uuid", "name", "podm_id", "index", "resource_uri"] {
        assert!(task.body.result[key].is_string(), "{:?}", task.body.result);
    }
    let shown = plant.read("node.get", json!({"id": node})).await.unwrap();
    assert_eq!(
        (&shown["description"], &shown["node_state"], &shown["podm_id"]),
        (&json!("mine"), &json!("Assembled"), &json!(podm))
    );
    let list = |filters: Value| plant.read("node.list", json!({ "filters": filters }));
    assert_eq!(list(json!({"name": "n1"})).await.unwrap().as_array().unwrap().len(), 1);
    assert_eq!(list(json!({"name": "other"})).await.unwrap(), json!([]));
    assert_eq!(list(json!({"colour": "red"})).await.unwrap_err().status, 400);

    let deleted = plant.run("node.delete", Value::Null, None, Some(&node)).await;
    assert_eq!(deleted.body.result["code"], "DELETED", "{:?}", deleted.body);
    plant.assert_agrees(0).await;
}

#[tokio::test]
async fn a_compose_survives_any_answer_that_is_lost() {
    for (method, prefix) in [
        ("POST", ALLOCATE),
        ("POST", "/redfish/v1/Nodes/"),
        ("GET", "/redfish/v1/Nodes/"),
        ("GET", "/redfish/v1/Nodes"),
    ] {
        for cut in ["before", "after", "within"] {
            let plant = Plant::start(quick()).await;
            plant.lab.faults(json!([{"method": method, "path_prefix": prefix, "cut": cut, "count": 1}])).await;
            let task = plant.compose(json!({"name": "n"})).await;
            assert_eq!(task.state.as_str(), "completed", "{method} {prefix} {cut}: {:?}", task.body);
            plant.assert_agrees(1).await;
        }
    }
}

#[tokio::test]
async fn a_compose_whose_worker_dies_at_any_moment_leaves_one_node() {
    let plant = Plant::bare(SimConfig { systems: 40, latency: Duration::from_millis(4), ..quick() }, false).await;
    plant.enrol().await;
    let podm = plant.lab.uuids[0].clone();
    let mut nodes = Vec::new();
    for ms in (2..90).step_by(5) {
        let task = plant.submit("node.compose", json!({"name": "n"}), Some(&podm), None).await;
        let limits = [Duration::from_millis(ms), Duration::from_millis(ms / 2 + 5)];
        nodes.push(node_of(&plant.drive(task, &limits).await));
        plant.assert_agrees(nodes.len()).await;
    }
    while let Some(node) = nodes.pop() {
        let ms = 3 + 4 * nodes.len() as u64;
        let task = plant.submit("node.delete", Value::Null, None, Some(&node)).await;
        let task = plant.drive(task, &[Duration::from_millis(ms)]).await;
        assert_eq!(task.state.as_str(), "completed", "{ms} ms: {:?}", task.body);
        plant.assert_agrees(nodes.len()).await;
    }
}

#[tokio::test]
async fn a_compose_that_cannot_be_assembled_leaves_nothing() {
    let plant = Plant::start(quick()).await;
    plant.lab.faults(json!([{"method": "POST", "path_prefix": "/redfish/v1/Nodes/1", "assembly_fails": true}])).await;
    let task = plant.compose(json!({"name": "n"})).await;
    assert_eq!(status_of(&task), 502);
    assert!(task.body.error.unwrap().problem.detail.contains("Failed"));
    plant.assert_agrees(0).await;
}

#[tokio::test]
async fn a_node_whose_assembly_is_refused_is_given_back_and_the_refusal_told() {
    let plant = Plant::start(quick()).await;
    plant.lab.faults(json!([{"method": "POST", "path_prefix": "/redfish/v1/Nodes/1/Actions", "status": 400,
        "body": {"error": {"code": "c", "message": "Assembly failed", "@Message.ExtendedInfo": [{"Message": "Wrong node state"}]}}}])).await;
    let task = plant.compose(json!({"name": "n"})).await;
    assert_eq!(status_of(&task), 400);
    let problem = task.body.error.unwrap().problem;
    assert_eq!((problem.title.as_str(), problem.detail.as_str()), ("Assembly failed", "Wrong node state"));
    plant.assert_agrees(0).await;
}

#[tokio::test]
async fn a_busy_pod_manager_is_waited_for_and_a_broken_one_is_final_for_who_waits() {
    let plant = Plant::start(quick()).await;
    let fault = |status: u16| json!([{"method": "POST", "path_prefix": ALLOCATE, "status": status, "count": 1, "retry_after_s": 0}]);
    for status in [429, 503, 500] {
        plant.lab.faults(fault(status)).await;
        let task = plant.compose(json!({"name": "n"})).await;
        assert_eq!(task.state.as_str(), "completed", "{status}: {:?}", task.body);
    }
    plant.lab.faults(fault(500)).await;
    let mut def = valence::model::task::Definition::new("node.compose", json!({"name": "n"}));
    def.podm_id = Some(plant.lab.uuids[0].clone());
    def.podm_errors_final = true;
    assert_eq!(status_of(&plant.done(plant.submit_def(def).await).await), 500);
    plant.assert_agrees(3).await;
}

#[tokio::test]
async fn a_refused_compose_fails_in_the_pod_managers_words() {
    let plant = Plant::start(quick()).await;
    let big = json!({"name": "n", "properties": {"memory": {"capacity_mib": "99999999"}}});
    let task = plant.compose(big).await;
    assert_eq!(status_of(&task), 409);
    let error = task.body.error.unwrap();
    assert!(error.problem.detail.contains("no free computer system"), "{error:?}");
    assert_eq!(error.podm_id.as_deref(), Some(plant.lab.uuids[0].as_str()));
    plant.assert_agrees(0).await;
}

#[tokio::test]
async fn a_cancelled_compose_gives_the_hardware_back() {
    let plant = Plant::start(SimConfig { assemble_time: Duration::from_secs(30), ..quick() }).await;
    let id = plant.submit("node.compose", json!({"name": "n"}), Some(&plant.lab.uuids[0]), None).await;
    wait::until("its node is there", async || !plant.lab.nodes().await.is_empty()).await;
    plant.store.cancel(id).await.unwrap();
    assert_eq!(plant.done(id).await.state.as_str(), "cancelled");
    plant.assert_agrees(0).await;
}

#[tokio::test]
async fn long_operations_are_followed_by_their_monitors() {
    let plant = Plant::start(SimConfig { task_monitors: true, ..quick() }).await;
    let node = node_of(&plant.compose(json!({"name": "n"})).await);
    plant.assert_agrees(1).await;
    let deleted = plant.run("node.delete", Value::Null, None, Some(&node)).await;
    assert_eq!(deleted.state.as_str(), "completed", "{:?}", deleted.body);
    plant.assert_agrees(0).await;
}

#[tokio::test]
async fn a_node_is_reset_and_booted_and_refuses_what_it_cannot() {
    let plant = Plant::start(quick()).await;
    let node = node_of(&plant.compose(json!({"name": "n"})).await);
    let act = |params: Value| plant.run("node.action", params, None, Some(&node));
    for kind in ["ForceOff", "ForceOff", "On", "GracefulRestart"] {
        let task = act(json!({"Reset": {"Type": kind}})).await;
        assert_eq!(task.state.as_str(), "completed", "{kind}: {:?}", task.body);
        let power = plant.read("node.get", json!({"id": node})).await.unwrap()["node_power_state"].clone();
        assert_eq!(power, if kind == "ForceOff" { "Off" } else { "On" });
    }
    let resets = plant.lab.log().await.to_string().matches("ComposedNode.Reset").count();
    assert_eq!(resets, 3, "what is off is not switched off again");
    act(json!({"Boot": {"Enabled": "Once", "Target": "Pxe"}})).await;
    assert_eq!(plant.read("node.get", json!({"id": node})).await.unwrap()["boot_source"], "Pxe");
    let task = act(json!({"attach": {"resource_id": "x"}})).await;
    assert_eq!(status_of(&task), 404);
    assert_eq!(task.body.error.unwrap().problem.detail, "Device x not found in database.");
}

#[tokio::test]
async fn a_foreign_node_is_managed_once() {
    let plant = Plant::start(quick()).await;
    let podm = plant.lab.uuids[0].clone();
    let driver = plant.lab.driver();
    let wanted = valence::podm::Wanted {
        name: "ext".into(),
        description: String::new(),
        requirements: Default::default(),
        parts: Vec::new(),
    };
    driver.allocate(&wanted).await.unwrap();
    let manage = |index: &str| plant.run("node.manage", json!({ "node_index": index }), Some(&podm), None);
    let node = node_of(&manage("1").await);
    assert_eq!(status_of(&manage("1").await), 409);
    assert_eq!(status_of(&manage("77").await), 404);
    let place = plant.store.clone();
    let refused = place.submit(
        valence::model::task::Definition {
            podm_id: Some(podm.clone()),
            ..valence::model::task::Definition::new("node.manage", json!({ "node_index": "" }))
        },
        None,
        None,
    );
    assert!(refused.await.is_err());
    plant.run("node.delete", Value::Null, None, Some(&node)).await;
    assert!(plant.node_rows().await.is_empty() && plant.lab.nodes().await.is_empty());
}

#[tokio::test]
async fn placement_goes_to_the_next_pod_manager_when_one_is_full() {
    let plant = Plant::start(SimConfig { podms: 2, systems: 2, ..quick() }).await;
    for placed in 1..=4 {
        let task = plant.run("node.place", json!({"name": "n"}), None, None).await;
        node_of(&task);
        plant.assert_agrees(placed).await;
    }
    let task = plant.run("node.place", json!({"name": "n"}), None, None).await;
    assert_eq!(status_of(&task), 409);
    let detail = task.body.error.unwrap().problem.detail;
    assert!(detail.contains("lab-0") && detail.contains("lab-1"), "{detail}");
    plant.assert_agrees(4).await;
}

#[tokio::test]
async fn a_cancelled_placement_leaves_nothing() {
    let plant = Plant::start(SimConfig { assemble_time: Duration::from_secs(30), ..quick() }).await;
    let id = plant.submit("node.place", json!({"name": "n"}), None, None).await;
    wait::until("its node is there", async || !plant.lab.nodes().await.is_empty()).await;
    plant.store.cancel(id).await.unwrap();
    assert_eq!(plant.done(id).await.state.as_str(), "cancelled");
    plant.assert_agrees(0).await;
}

#[tokio::test]
async fn placement_passes_by_one_that_is_away() {
    let plant = Plant::start(SimConfig { podms: 2, ..quick() }).await;
    plant.lab.faults(json!([{"podm": 0, "cut": "before"}])).await;
    for placed in 1..=3 {
        let task = plant.run("node.place", json!({"name": "n"}), None, None).await;
        node_of(&task);
        assert_eq!(task.body.result["podm_id"], plant.lab.uuids[1]);
        plant.assert_agrees(placed).await;
    }
}

#[tokio::test]
async fn a_pod_manager_is_registered_by_the_rules_of_v1() {
    let plant = Plant::bare(SimConfig { podms: 2, ..quick() }, true).await;
    let url = |n: usize| plant.lab.urls[n].clone();
    assert_eq!(status_of(&plant.run("node.place", json!({"name": "n"}), None, None).await), 503);

    let mut def = plant.registration(0, "a", &url(0));
    def.params["driver"] = json!("telepathy");
    assert_eq!(status_of(&plant.done(plant.submit_def(def).await).await), 404);
    let mut def = plant.registration(0, "a", &url(0));
    let wrong = plant.lab.key.seal(&plant.lab.uuids[0], "wrong").unwrap();
    def.params["authentication"][0]["auth_items"]["password"] = json!(wrong);
    assert_eq!(status_of(&plant.done(plant.submit_def(def).await).await), 401);
    assert_eq!(plant.read("podm.list", Value::Null).await.unwrap(), json!([]));

    let created = plant.register(0, "a", &url(0)).await;
    assert_eq!((&created.body.result["status"], created.state.as_str()), (&json!("Online"), "completed"));
    assert_eq!(created.body.result["authentication"][0]["auth_items"]["password"], "***");
    for (name, url) in [("a", url(1)), ("b", url(0))] {
        let twice = plant.register(1, name, &url).await;
        assert_eq!(status_of(&twice), 400);
        assert_eq!(twice.body.error.unwrap().problem.detail, "duplicated name or url !");
    }
    let away = plant.register(1, "b", "http://127.0.0.1:1").await;
    assert_eq!(away.body.result["status"], "Offline", "{:?}", away.body);
    let probed = plant.run("podm.probe", Value::Null, Some(&plant.lab.uuids[1]), None).await;
    assert_eq!(probed.body.result["status"], "Offline");
    let renamed = plant.run("podm.update", json!({"name": "c"}), Some(&plant.lab.uuids[1]), None).await;
    assert_eq!(renamed.body.result["name"], "c");
    let taken = plant.run("podm.update", json!({"name": "a"}), Some(&plant.lab.uuids[1]), None).await;
    assert_eq!(status_of(&taken), 400);
}

#[tokio::test]
async fn a_pod_manager_goes_with_its_nodes() {
    let plant = Plant::start(quick()).await;
    let podm = plant.lab.uuids[0].clone();
    for _ in 0..3 {
        node_of(&plant.compose(json!({"name": "n"})).await);
    }
    let task = plant.run("podm.delete", Value::Null, Some(&podm), None).await;
    assert_eq!(
        (&task.body.result["code"], &task.body.result["detail"]),
        (&json!(""), &json!("DELETED")),
        "{:?}",
        task.body
    );
    plant.assert_agrees(0).await;
    assert_eq!(plant.read("podm.get", json!({"id": podm})).await.unwrap_err().status, 404);
}

#[tokio::test]
async fn systems_of_all_pod_managers_are_listed_and_one_that_fails_is_named() {
    let plant = Plant::start(SimConfig { podms: 2, systems: 3, ..quick() }).await;
    let list = |params: Value| plant.read("system.list", params);
    let all = list(json!({})).await.unwrap();
    assert_eq!((all["items"].as_array().unwrap().len(), &all["incomplete"]), (6, &json!([])));
    assert_eq!(list(json!({"filters": {"ram": "100000"}})).await.unwrap()["items"], json!([]));
    plant.lab.faults(json!([{"podm": 1, "status": 500}])).await;
    let some = list(json!({})).await.unwrap();
    assert_eq!(some["items"].as_array().unwrap().len(), 3);
    assert_eq!(some["incomplete"], json!([plant.lab.uuids[1]]));
    let error = list(json!({"podm_id": plant.lab.uuids[1]})).await.unwrap_err();
    assert!(error.status == 500 && error.detail.contains("lab-1"), "{error:?}");
}
