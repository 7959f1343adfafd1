//! Nodes, and what they are made of, as clients of the first Valence know them, over HTTP against simulated Pod Managers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on should say so")]

mod support;

use reqwest::{Method, StatusCode};
use serde_json::json;
use support::api::keys;
use support::front::Front;
use support::saga::Plant;
use valence::sim::SimConfig;

const NOBODY: &str = "11111111-2222-4333-8444-555555555555";
const BRIEF: [&str; 5] = ["index", "name", "podm_id", "resource_uri", "uuid"];

async fn one() -> (Plant, Front) {
    let sim = SimConfig { podms: 1, assemble_time: std::time::Duration::ZERO, ..SimConfig::default() };
    let plant = Plant::start(sim).await;
    let front = Front::over(&plant).await;
    (plant, front)
}

#[tokio::test]
async fn a_node_is_composed_brief_listed_brief_shown_whole_and_deleted_with_a_word() {
    let (plant, front) = one().await;
    let podm = plant.lab.uuids[0].clone();
    let node =
        front.ok(Method::POST, "/v1/nodes", Some(json!({"name": "n", "description": "d", "podm_id": podm}))).await;
    assert_eq!(keys(&node), BRIEF);
    assert_eq!((&node["name"], &node["podm_id"]), (&json!("n"), &json!(podm)));
    let there = plant.lab.nodes().await;
    assert_eq!(
        there[0]["index"].as_str().map_or_else(|| there[0]["index"].to_string(), str::to_owned),
        node["index"].as_str().unwrap()
    );
    assert_eq!(front.ok(Method::GET, "/v1/nodes", None).await, json!([node]));
    let path = format!("/v1/nodes/{}", node["uuid"].as_str().unwrap());
    let full = front.ok(Method::GET, &path, None).await;
    for key in BRIEF {
        assert_eq!(full[key], node[key], "the row wins");
    }
    for key in [
        "node_power_state",
        "description",
        "node_state",
        "boot_source",
        "target_boot_source",
        "health_status",
        "pooled_group_id",
        "metadata",
        "computer_system",
        "created_at",
        "updated_at",
    ] {
        assert!(full.get(key).is_some(), "{key}: {full}");
    }
    assert_eq!(full["description"], "d");
    assert!(full["computer_system"]["@odata.id"].is_string(), "{full}");
    assert_eq!(keys(&full["metadata"]), ["memory", "network", "processor"]);
    assert_eq!(keys(&full["metadata"]["processor"][0]), ["instruction_set", "model", "speed_mhz", "total_core"]);
    assert_eq!(keys(&full["metadata"]["memory"][0]), ["data_width_bit", "speed_mhz", "total_memory_mb"]);
    for key in ["speed_mbps", "mac", "status", "ipv4"] {
        assert!(full["metadata"]["network"][0].get(key).is_some(), "{key}: {full}");
    }
    let said = front.ok(Method::DELETE, &path, None).await;
    assert_eq!(keys(&said), ["code", "detail", "request_id"]);
    let detail = "This composed node has been deleted successfully.";
    assert_eq!((&said["code"], &said["detail"]), (&json!("DELETED"), &json!(detail)));
    assert!(plant.lab.nodes().await.is_empty());
    for method in [Method::GET, Method::DELETE] {
        let detail = front.refused(method, &path, Some(json!({})), 404, "Resource could not be found").await;
        assert_eq!(detail, format!("Composed node '{}' not found in database.", node["uuid"].as_str().unwrap()));
    }
}

#[tokio::test]
async fn a_compose_takes_a_flavor_or_properties_and_tells_what_is_unknown() {
    let (plant, front) = one().await;
    let podm = plant.lab.uuids[0].clone();
    let small = json!({"memory": {"capacity_mib": "1024"}, "processor": {"total_cores": "1"}});
    let flavor =
        front.ok(Method::POST, "/v1/flavors", Some(json!({"name": "f", "properties": small}))).await["uuid"].clone();
    for body in [
        json!({"name": "a", "podm_id": podm, "properties": small}),
        json!({"name": "b", "podm_id": podm, "flavor_id": flavor}),
        json!({"name": "b", "flavor_id": flavor}),
    ] {
        assert_eq!(keys(&front.ok(Method::POST, "/v1/nodes", Some(body)).await), BRIEF);
    }
    assert_eq!(plant.lab.nodes().await.len(), 3, "names need not be unique");
    for body in [
        json!({"name": "n", "podm_id": podm, "properties": {"invalid_key": {}}}),
        json!({"name": "n", "podm_id": podm, "properties": small, "flavor_id": flavor}),
        json!({"name": "n", "podm_id": podm, "remote_storage": {}}),
        json!({"podm_id": podm}),
        json!({"name": 5}),
    ] {
        front.refused(Method::POST, "/v1/nodes", Some(body), 400, "Validation Error").await;
    }
    let nowhere = json!({"name": "n", "podm_id": NOBODY, "flavor_id": NOBODY});
    let detail = front.refused(Method::POST, "/v1/nodes", Some(nowhere), 404, "Resource could not be found").await;
    assert_eq!(detail, format!("Pod Manager {NOBODY} not found in database."), "the Pod Manager is looked up first");
    let unknown = json!({"name": "n", "podm_id": podm, "flavor_id": NOBODY});
    let detail = front.refused(Method::POST, "/v1/nodes", Some(unknown), 404, "Resource could not be found").await;
    assert_eq!(detail, format!("Flavor {NOBODY} not found in database."));
    assert_eq!(plant.lab.nodes().await.len(), 3);
}

#[tokio::test]
async fn an_action_is_204_without_a_word_and_exactly_one() {
    let (_plant, front) = one().await;
    let node = front.ok(Method::POST, "/v1/nodes", Some(json!({"name": "n"}))).await;
    let path = format!("/v1/nodes/{}/action", node["uuid"].as_str().unwrap());
    for body in [
        json!({"Reset": {"Type": "ForceOff"}}),
        json!({"Reset": {"Type": "On"}}),
        json!({"Boot": {"Enabled": "Once", "Target": "Pxe"}}),
        json!({"Boot": {"Enabled": "Continuous", "Target": "Hdd"}}),
    ] {
        let answer = front.request(Method::POST, &path).json(&body).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::NO_CONTENT, "{body}");
        assert_eq!(answer.bytes().await.unwrap().len(), 0);
    }
    for body in [
        json!({"Boot": {"Type": "On"}}),
        json!({"Boot": {"Enabled": "Once"}}),
        json!({"Boot": {"Enabled": "Twice", "Target": "Pxe"}}),
        json!({"Boot": {"Enabled": "Once", "Target": "Floppy"}}),
        json!({"Boot": {"Enabled": "Once", "Target": null}}),
        json!({"Reset": {}}),
        json!({"Reset": {"Type": "Sideways"}}),
        json!({"Reset": {"Type": "On"}, "Boot": {"Enabled": "Once", "Target": "Pxe"}}),
        json!({"Assemble": {}}),
        json!({"attach": {"uuid": "x"}}),
        json!({"detach": {"resource_id": 5}}),
        json!({}),
        json!([]),
    ] {
        front.refused(Method::POST, &path, Some(body.clone()), 400, "Validation Error").await;
        let nowhere = format!("/v1/nodes/{NOBODY}/action");
        front.refused(Method::POST, &nowhere, Some(body), 400, "Validation Error").await;
    }
    let attach = json!({"attach": {"resource_id": NOBODY}});
    front.refused(Method::POST, &path, Some(attach), 404, "Resource could not be found").await;
    let register = format!("/v1/nodes/{NOBODY}/register");
    front.refused(Method::POST, &register, Some(json!({"extra": {}})), 404, "Resource could not be found").await;
}

#[tokio::test]
async fn a_node_that_was_composed_elsewhere_is_managed_once() {
    let (plant, front) = one().await;
    let podm = plant.lab.uuids[0].clone();
    let (status, _) = front.ask(Method::POST, "/Nodes/Actions/Allocate", Some(json!({"Name": "theirs"}))).await;
    assert_eq!(status, StatusCode::CREATED);
    let asked = json!({"node_index": "1", "podm_id": podm});
    let node = front.ok(Method::POST, "/v1/nodes/manage", Some(asked.clone())).await;
    assert_eq!(keys(&node), BRIEF);
    assert_eq!((&node["index"], &node["name"]), (&json!("1"), &json!("theirs")));
    assert_eq!(front.ok(Method::GET, "/v1/nodes", None).await, json!([node]));
    front.refused(Method::POST, "/v1/nodes/manage", Some(asked), 409, "Resource Already Exists").await;
    for body in [json!({"node_id": "1"}), json!({"node_index": 1}), json!({"node_index": "1", "podm_id": 1})] {
        front.refused(Method::POST, "/v1/nodes/manage", Some(body), 400, "Validation Error").await;
    }
    let nowhere = json!({"node_index": "1", "podm_id": NOBODY});
    front.refused(Method::POST, "/v1/nodes/manage", Some(nowhere), 404, "Resource could not be found").await;
}

#[tokio::test]
async fn lists_are_filtered_by_equality_of_all_that_is_given_and_the_first_of_what_is_given_twice() {
    let (plant, front) = one().await;
    let mut nodes = Vec::new();
    for name in ["a", "b", "b"] {
        nodes.push(front.ok(Method::POST, "/v1/nodes", Some(json!({"name": name}))).await);
    }
    let ask = async |path: String| front.ok(Method::GET, &path, None).await.as_array().unwrap().len();
    let (podm, last) = (plant.lab.uuids[0].clone(), nodes[2]["uuid"].as_str().unwrap().to_owned());
    for (query, count) in [
        (String::new(), 3),
        ("name=b".into(), 2),
        ("name=B".into(), 0),
        (format!("name=b&uuid={last}"), 1),
        (format!("name=a&uuid={last}"), 0),
        ("name=a&name=b".into(), 1),
        (format!("podm_id={podm}"), 3),
        (format!("podm_id={NOBODY}"), 0),
        ("managed_by=ironic".into(), 0),
        (format!("index={}", nodes[0]["index"].as_str().unwrap()), 1),
    ] {
        assert_eq!(ask(format!("/v1/nodes?{query}")).await, count, "{query}");
    }
    let devices = front.ok(Method::POST, "/v1/devices/sync", Some(json!({"podm_id": podm}))).await;
    assert_eq!(devices, json!([{"podm_id": podm, "status": "SUCCESS"}]));
    let all = front.ok(Method::GET, "/v1/devices", None).await;
    let first = &all[0];
    assert_eq!(keys(first), ["node_id", "podm_id", "pooled_group_id", "resource_uri", "state", "type", "uuid"]);
    let of_type = format!("/v1/devices?type={}&state=free", first["type"].as_str().unwrap());
    assert!((1..=all.as_array().unwrap().len()).contains(&ask(of_type).await));
    for path in ["/v1/nodes?colour=red", "/v1/devices?colour=red", "/v1/systems?colour=red", "/v1/racks?colour=red"] {
        let (status, said) = front.get(path).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{path}: {said}");
    }
}

#[tokio::test]
async fn a_deletion_that_is_repeated_with_its_key_is_answered_as_it_was() {
    let (_plant, front) = one().await;
    let flavor = front.ok(Method::POST, "/v1/flavors", Some(json!({"name": "f", "properties": {}}))).await;
    let node = front.ok(Method::POST, "/v1/nodes", Some(json!({"name": "n"}))).await;
    let podms = front.ok(Method::GET, "/v1/pod_managers", None).await;
    for (of, row) in [("flavors", &flavor), ("nodes", &node), ("pod_managers", &podms[0])] {
        let path = format!("/v1/{of}/{}", row["uuid"].as_str().unwrap());
        let delete = async |key: &str| {
            let answer = front.request(Method::DELETE, &path).header("Idempotency-Key", key).send().await.unwrap();
            (answer.status().as_u16(), answer.json::<serde_json::Value>().await.unwrap())
        };
        let key = format!("of-{of}");
        let (first, again) = (delete(&key).await, delete(&key).await);
        assert_eq!((first.0, &first), (200, &again), "{path}");
        assert_eq!(delete("another").await.0, 404, "{path}");
    }
}
