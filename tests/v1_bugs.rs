//! What the first Valence did wrong, by the number that the mistake has in its list, seen from a client. Those not here are seen elsewhere:
//! 1 in api_errors.rs, 3 in v1_live.rs, 4 beside the code (podm/standard/racks.rs, chassis.rs), 8 and 16 in devices.rs, 11 and 14 in
//! expether.rs, 12 in sessions.rs, 13 and 21 in ironic.rs and beside the code (compute/enrolment.rs), 15 in chaos.rs, 17 in security.rs, 18 in
//! drivers.rs, 19 in trust.rs, 20 in v1_nodes.rs, 23 in v1_acceptance.rs and expether.rs, 25 in proxy_answers.rs, 27 in sim.rs, 28 in
//! api_tasks.rs; 29 was Python's own.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on should say so")]

mod support;

use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use support::api::five_keys;
use support::front::Front;
use support::pool::devices;
use support::saga::Plant;
use support::wait;
use valence::sim::{SimConfig, SimFlavour};

fn rsd(podms: usize) -> SimConfig {
    SimConfig { podms, assemble_time: Duration::ZERO, ..SimConfig::default() }
}

async fn plant(sim: SimConfig) -> (Plant, Front) {
    let plant = Plant::start(sim).await;
    let front = Front::over(&plant).await;
    (plant, front)
}

fn rows(list: &Value) -> &Vec<Value> {
    list.as_array().unwrap_or_else(|| panic!("{list}"))
}

#[tokio::test]
async fn bug_2_a_failed_assembly_is_an_error_and_leaves_no_node() {
    let (plant, front) = plant(rsd(1)).await;
    plant.lab.faults(json!([{"method": "POST", "path_prefix": "/redfish/v1/Nodes/1/", "assembly_fails": true}])).await;
    let asked = json!({"name": "n", "podm_id": plant.lab.uuids[0]});
    let (status, said) = front.ask(Method::POST, "/v1/nodes", Some(asked)).await;
    assert!(status.is_client_error() || status.is_server_error(), "{status} {said}");
    five_keys(status, &said);
    assert!(plant.lab.nodes().await.is_empty() && plant.node_rows().await.is_empty());
}

#[tokio::test]
async fn bug_5_systems_are_filtered_by_least_amounts_and_by_all_that_is_given() {
    let (_plant, front) = plant(rsd(1)).await;
    let all = front.ok(Method::GET, "/v1/systems", None).await;
    let number = |row: &Value, key: &str| row[key].as_str().unwrap().parse::<u64>().unwrap();
    for (query, key) in [("ram", "ram"), ("nw", "network"), ("storage", "storage")] {
        let mut amounts: Vec<u64> = rows(&all).iter().map(|row| number(row, key)).collect();
        amounts.sort_unstable();
        for least in [0, amounts[amounts.len() / 2], amounts[amounts.len() - 1], amounts[amounts.len() - 1] + 1] {
            let found = front.ok(Method::GET, &format!("/v1/systems?{query}={least}"), None).await;
            let wanted = amounts.iter().filter(|n| **n >= least).count();
            assert_eq!(rows(&found).len(), wanted, "{query}={least} of {amounts:?}");
        }
    }
    let first = &rows(&all)[0];
    let both = format!("/v1/systems?ram=0&Name={}", first["Name"].as_str().unwrap().replace(' ', "%20"));
    assert!(rows(&front.ok(Method::GET, &both, None).await).iter().all(|row| row["Name"] == first["Name"]));
}

#[tokio::test]
async fn bug_6_a_filter_that_no_row_has_is_400_however_many_rows_there_are() {
    let (plant, front) = plant(rsd(1)).await;
    front.ok(Method::POST, "/v1/nodes", Some(json!({"name": "n"}))).await;
    front.ok(Method::POST, "/v1/devices/sync", Some(json!({"podm_id": plant.lab.uuids[0]}))).await;
    for list in ["nodes", "devices"] {
        front.refused(Method::GET, &format!("/v1/{list}?colour=red"), None, 400, "Validation Error").await;
    }
    // A field that this row happens not to have matches nothing.
    assert_eq!(front.ok(Method::GET, "/v1/nodes?managed_by=ironic", None).await, json!([]));
}

#[tokio::test]
async fn bug_7_the_pod_manager_may_be_left_out() {
    let (plant, front) = plant(rsd(2)).await;
    let node = front.ok(Method::POST, "/v1/nodes", Some(json!({"name": "n"}))).await;
    assert!(plant.lab.uuids.iter().any(|id| node["podm_id"] == id.as_str()), "{node}");
    for path in ["/v1/racks", "/v1/systems"] {
        let all = front.ok(Method::GET, path, None).await;
        let one = front.ok(Method::GET, path, Some(json!({"podm_id": plant.lab.uuids[0]}))).await;
        assert_eq!(rows(&all).len(), 2 * rows(&one).len(), "{path}");
        assert_eq!(front.ok(Method::GET, &format!("{path}?podm_id={}", plant.lab.uuids[0]), None).await, one, "{path}");
    }
    let which =
        front.refused(Method::POST, "/v1/nodes/manage", Some(json!({"node_index": "1"})), 400, "Validation Error");
    assert!(which.await.contains("podm_id"));
}

#[tokio::test]
async fn bug_9_nodes_of_two_pod_managers_may_have_the_same_index() {
    let (plant, front) = plant(rsd(2)).await;
    for podm in &plant.lab.uuids {
        let path = format!("/Nodes/Actions/Allocate?podm_id={podm}");
        assert_eq!(front.ask(Method::POST, &path, Some(json!({"Name": "n"}))).await.0, StatusCode::CREATED);
    }
    let asked = |podm: &str| Some(json!({"node_index": "1", "podm_id": podm}));
    for podm in &plant.lab.uuids {
        let node = front.ok(Method::POST, "/v1/nodes/manage", asked(podm)).await;
        assert_eq!((&node["index"], &node["podm_id"]), (&json!("1"), &json!(podm)));
    }
    let title = "Resource Already Exists";
    front.refused(Method::POST, "/v1/nodes/manage", asked(&plant.lab.uuids[0]), 409, title).await;
}

#[tokio::test]
async fn bug_10_a_compose_takes_devices_of_its_own_pod_manager_only() {
    let eem = SimConfig { flavour: SimFlavour::Eem, systems: 6, podms: 2, ..SimConfig::default() };
    let (plant, front) = plant(eem).await;
    let podm = plant.lab.uuids[0].clone();
    let of_type = |rows: Vec<valence::model::device::Device>| {
        rows.into_iter().filter(|d| d.kind.as_deref() == Some("SSD")).collect::<Vec<_>>()
    };
    let all = wait::until("the devices of both are read", async || {
        let rows = of_type(devices(&plant).await);
        if plant.lab.uuids.iter().all(|id| rows.iter().any(|d| d.podm_id == *id)) { Ok(rows) } else { Err(rows.len()) }
    })
    .await;
    let own = all.iter().filter(|d| d.podm_id == podm).count();
    let asked = json!({"name": "n", "podm_id": podm, "properties": {"pci_device": {"type": ["SSD"]}}});
    for _ in 0..own {
        front.ok(Method::POST, "/v1/nodes", Some(asked.clone())).await;
    }
    let detail = front.refused(Method::POST, "/v1/nodes", Some(asked), 404, "ExpEther Exception").await;
    assert!(detail.contains("Requested device not available"), "{detail}");
    for device in of_type(devices(&plant).await) {
        assert_eq!(device.node_id.is_some(), device.podm_id == podm, "{device:?}");
    }
}

#[tokio::test]
async fn bug_22_a_node_has_no_link_that_leads_nowhere() {
    let (_plant, front) = plant(rsd(1)).await;
    let node = front.ok(Method::POST, "/v1/nodes", Some(json!({"name": "n"}))).await;
    let path = format!("/v1/nodes/{}", node["uuid"].as_str().unwrap());
    for row in [node, front.ok(Method::GET, &path, None).await] {
        assert!(row.get("links").is_none(), "{row}");
    }
}

#[tokio::test]
async fn bug_24_a_patch_changes_what_may_be_changed_and_refuses_what_it_does_not_know() {
    let (plant, front) = plant(rsd(1)).await;
    let flavor = front.ok(Method::POST, "/v1/flavors", Some(json!({"name": "f", "properties": {}}))).await;
    let podm = format!("/v1/pod_managers/{}", plant.lab.uuids[0]);
    let flavor = format!("/v1/flavors/{}", flavor["uuid"].as_str().unwrap());
    for path in [&flavor, &podm] {
        let before = front.ok(Method::GET, path, None).await;
        // The row as it was read, with other values in what no PATCH changes.
        let mut row = before.clone();
        row.as_object_mut().unwrap().remove("authentication");
        for (key, value) in row.as_object_mut().unwrap() {
            if ["uuid", "url", "status", "created_at", "updated_at"].contains(&key.as_str()) {
                *value = json!([{"odd": 1}]);
            }
        }
        let said = front.ok(Method::PATCH, path, Some(row)).await;
        for (key, value) in before.as_object().unwrap().iter().filter(|(key, _)| *key != "updated_at") {
            assert_eq!(&said[key], value, "{path}");
        }
        let same = front.ok(Method::GET, path, None).await;
        for (body, field) in [
            (json!({"name": "x", "colour": "red"}), "colour"),
            (json!({"name": null}), "name"),
            (json!({"name": 5}), "name"),
            (json!({"name": ""}), "name"),
            (json!([]), "object"),
        ] {
            let detail = front.refused(Method::PATCH, path, Some(body), 400, "Validation Error").await;
            assert!(detail.contains(field), "{detail}");
        }
        assert_eq!(front.ok(Method::GET, path, None).await, same);
    }
    for body in [
        json!({"description": null}),
        json!({"labels": {"a": 1}}),
        json!({"weight": "heavy"}),
        json!({"authentication": []}),
        json!({"authentication": [{"type": "basic", "auth_items": {"username": "admin", "password": "***"}}]}),
    ] {
        front.refused(Method::PATCH, &podm, Some(body), 400, "Validation Error").await;
    }
    front.refused(Method::PATCH, &flavor, Some(json!({"flavor_id": "x"})), 400, "Validation Error").await;
}

#[tokio::test]
async fn another_driver_is_taken_when_it_is_one_and_nothing_was_made_with_the_old_one() {
    let (plant, front) = plant(rsd(1)).await;
    let path = format!("/v1/pod_managers/{}", plant.lab.uuids[0]);
    let driver = |name: &str| Some(json!({ "driver": name }));
    front.refused(Method::PATCH, &path, driver("telepathy"), 404, "Unsupported Driver Specified").await;
    let node = front.ok(Method::POST, "/v1/nodes", Some(json!({"name": "n"}))).await;
    front.refused(Method::PATCH, &path, driver("redfish"), 409, "Conflict").await;
    front.ok(Method::PATCH, &path, driver("redfishv1")).await;
    front.ok(Method::DELETE, &format!("/v1/nodes/{}", node["uuid"].as_str().unwrap()), None).await;
    assert_eq!(front.ok(Method::PATCH, &path, driver("redfish")).await["driver"], "redfish");
    assert_eq!(front.ok(Method::GET, &path, None).await["driver"], "redfish");
}

#[tokio::test]
async fn bug_26_a_pod_manager_that_was_away_is_offline_until_it_is_seen_again() {
    let plant = Plant::bare(rsd(1), true).await;
    let front = Front::over(&plant).await;
    plant.lab.faults(json!([{"cut": "before"}])).await;
    let basic = json!([{"type": "basic", "auth_items": {"username": "admin", "password": support::podm::PASSWORD}}]);
    let asked = json!({"name": "p", "url": plant.lab.url, "authentication": basic});
    let row = front.ok(Method::POST, "/v1/pod_managers", Some(asked)).await;
    assert_eq!(row["status"], "Offline");
    plant.lab.faults(json!([])).await;
    let id = row["uuid"].as_str().unwrap();
    plant.run("podm.probe", Value::Null, Some(id), None).await;
    assert_eq!(front.ok(Method::GET, &format!("/v1/pod_managers/{id}"), None).await["status"], "Online");
}
