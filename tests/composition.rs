//! Nodes on a Pod Manager that composes them of resource blocks: what a user gets, and what is left behind when something goes wrong.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on should say so")]

mod support;

use std::time::Duration;

use serde_json::{Value, json};
use support::saga::Plant;
use support::{blocks, pool, wait};
use valence::sim::{ComposeBy, Deviation, SimConfig, SimFlavour};
use valence::store::record::TaskRecord;

const SYSTEMS: &str = "/redfish/v1/Systems";

fn quick() -> SimConfig {
    SimConfig { flavour: SimFlavour::Composition, assemble_time: Duration::from_millis(20), ..SimConfig::default() }
}

fn by(way: ComposeBy) -> SimConfig {
    SimConfig { compose_by: vec![way], ..quick() }
}

fn with(deviation: Deviation) -> SimConfig {
    SimConfig { deviations: vec![deviation], ..quick() }
}

fn node_of(task: &TaskRecord) -> String {
    assert_eq!(task.state.as_str(), "completed", "{:?} {:?}", task.body, task.history());
    task.body.result["uuid"].as_str().unwrap().to_owned()
}

fn status_of(task: &TaskRecord) -> u16 {
    assert_eq!(task.state.as_str(), "failed", "{:?}", task.body);
    task.body.error.as_ref().unwrap().problem.status
}

fn properties() -> Value {
    json!({"memory": {"capacity_mib": "65536"}, "processor": {"total_cores": "8"}, "pci_device": {"type": ["SSD", "nic"]}})
}

/// A node lives from its composition to its deletion.
async fn live(plant: &Plant) {
    let node = node_of(&plant.compose(json!({"name": "n1", "description": "mine", "properties": properties()})).await);
    blocks::assert_true(plant, 1).await;
    let shown = plant.read("node.get", json!({"id": node})).await.unwrap();
    assert_eq!((&shown["node_state"], &shown["node_power_state"]), (&json!("Assembled"), &json!("On")), "{shown}");
    let sum = |part: &str, field: &str| {
        shown["metadata"][part].as_array().unwrap().iter().map(|p| p[field].as_u64().unwrap()).sum::<u64>()
    };
    assert!(sum("memory", "total_memory_mb") >= 65536 && sum("processor", "total_core") >= 8, "{shown}");
    assert!(!shown["metadata"]["network"].as_array().unwrap().is_empty(), "{shown}");
    let there = plant.lab.nodes().await;
    assert!(there[0]["blocks"].to_string().contains("Drives"), "{there:?}");

    let act = |params: Value| plant.run("node.action", params, None, Some(&node));
    for (kind, power) in [("ForceOff", "Off"), ("On", "On")] {
        assert_eq!(act(json!({"Reset": {"Type": kind}})).await.state.as_str(), "completed");
        assert_eq!(plant.read("node.get", json!({"id": node})).await.unwrap()["node_power_state"], power);
    }
    act(json!({"Boot": {"Enabled": "Once", "Target": "Pxe"}})).await;
    assert_eq!(plant.read("node.get", json!({"id": node})).await.unwrap()["boot_source"], "Pxe");

    let deleted = plant.run("node.delete", Value::Null, None, Some(&node)).await;
    assert_eq!(deleted.state.as_str(), "completed", "{:?}", deleted.body);
    blocks::assert_true(plant, 0).await;
}

#[tokio::test]
async fn a_node_of_blocks_is_composed_shown_reset_booted_and_deleted() {
    let plant = Plant::start(quick()).await;
    live(&plant).await;
    let flavor = json!({"name": "small", "properties": {"memory": {"capacity_mib": "1024"}}});
    let flavor = plant.run("flavor.create", flavor, None, None).await.body.result["uuid"].as_str().unwrap().to_owned();
    node_of(&plant.compose(json!({"name": "n2", "flavor_id": flavor})).await);
    blocks::assert_true(&plant, 1).await;
}

#[tokio::test]
async fn a_node_lives_however_its_pod_manager_composes() {
    for way in [ComposeBy::Constrained, ComposeBy::Action] {
        println!("{way:?}");
        live(&Plant::start(by(way)).await).await;
    }
    let misspelt = SimConfig { deviations: vec![Deviation::MisspeltTarget], ..by(ComposeBy::Action) };
    live(&Plant::start(misspelt).await).await;
}

#[tokio::test]
async fn a_node_lives_on_services_that_differ_from_the_specification() {
    for deviation in [
        Deviation::Unused,
        Deviation::Create200,
        Deviation::Create204,
        Deviation::HiddenErrors,
        Deviation::ReservedText,
        Deviation::LinksMembers,
    ] {
        println!("{deviation:?}");
        live(&Plant::start(with(deviation)).await).await;
    }
}

#[tokio::test]
async fn what_no_blocks_can_make_is_refused_and_nothing_stays() {
    for config in [quick(), by(ComposeBy::Constrained), by(ComposeBy::Action)] {
        let plant = Plant::start(config).await;
        for wanted in [
            json!({"memory": {"capacity_mib": "99999999"}}),
            json!({"processor": {"total_cores": "100000"}}),
            json!({"pci_device": {"type": ["telepathy"]}}),
        ] {
            let task = plant.compose(json!({"name": "n", "properties": wanted})).await;
            assert_eq!(status_of(&task), 409, "{wanted}");
            blocks::assert_true(&plant, 0).await;
        }
    }
}

#[tokio::test]
async fn blocks_run_out_before_they_are_given_twice() {
    for config in [quick(), by(ComposeBy::Constrained), by(ComposeBy::Action), with(Deviation::Unused)] {
        println!("{:?} {:?}", config.compose_by, config.deviations);
        let plant = Plant::start(SimConfig { systems: 4, ..config }).await;
        for n in 1..=4 {
            node_of(&plant.compose(json!({"name": "n"})).await);
            blocks::assert_true(&plant, n).await;
        }
        assert_eq!(status_of(&plant.compose(json!({"name": "n"})).await), 409);
        blocks::assert_true(&plant, 4).await;
    }
}

#[tokio::test]
async fn sixteen_composes_at_once_never_share_a_block() {
    for config in [quick(), with(Deviation::Unused), by(ComposeBy::Constrained)] {
        println!("{:?} {:?}", config.compose_by, config.deviations);
        let plant = Plant::start(SimConfig { systems: 16, latency: Duration::from_millis(2), ..config }).await;
        let podm = plant.lab.uuids[0].clone();
        let ids: Vec<_> = futures_util::future::join_all((0..16).map(|n| {
            let wanted = json!({"name": format!("n{n}"), "properties": {"memory": {"capacity_mib": "40000"}}});
            plant.submit("node.compose", wanted, Some(&podm), None)
        }))
        .await;
        let mut made = 0;
        for id in ids {
            made += usize::from(plant.done(id).await.state.as_str() == "completed");
        }
        assert!(made >= 8, "{made} of 16 nodes were made, although there are blocks for more");
        blocks::assert_true(&plant, made).await;
    }
}

#[tokio::test]
async fn a_compose_survives_any_answer_that_is_lost() {
    const ACTION: &str = "/redfish/v1/CompositionService/Actions";
    for (config, target) in [
        (quick(), SYSTEMS),
        (SimConfig { forgetful: true, ..quick() }, SYSTEMS),
        (by(ComposeBy::Constrained), SYSTEMS),
        (by(ComposeBy::Action), ACTION),
    ] {
        for (method, prefix) in [("POST", target), ("GET", SYSTEMS), ("GET", "/redfish/v1/Systems/Composed")] {
            for cut in ["before", "after", "within"] {
                let plant = Plant::start(config.clone()).await;
                plant.lab.faults(json!([{"method": method, "path_prefix": prefix, "cut": cut, "count": 1}])).await;
                let task = plant.compose(json!({"name": "n"})).await;
                assert_eq!(task.state.as_str(), "completed", "{method} {prefix} {cut}: {:?}", task.body);
                blocks::assert_true(&plant, 1).await;
                assert_eq!(plant.lab.fault_counts().await, [0], "{method} {prefix} {cut} never happened");
            }
        }
    }
}

#[tokio::test]
async fn long_operations_are_followed_by_their_monitors() {
    for config in [quick(), by(ComposeBy::Constrained), by(ComposeBy::Action)] {
        let plant = Plant::start(SimConfig { task_monitors: true, ..config }).await;
        let node = node_of(&plant.compose(json!({"name": "n"})).await);
        blocks::assert_true(&plant, 1).await;
        let deleted = plant.run("node.delete", Value::Null, None, Some(&node)).await;
        assert_eq!(deleted.state.as_str(), "completed", "{:?}", deleted.body);
        blocks::assert_true(&plant, 0).await;
    }
}

#[tokio::test]
async fn a_system_that_cannot_be_composed_is_given_back() {
    let plant = Plant::start(quick()).await;
    plant.lab.faults(json!([{"method": "POST", "path_prefix": SYSTEMS, "assembly_fails": true}])).await;
    assert_eq!(status_of(&plant.compose(json!({"name": "n"})).await), 502);
    blocks::assert_true(&plant, 0).await;
}

#[tokio::test]
async fn a_cancelled_compose_frees_its_blocks() {
    let plant = Plant::start(SimConfig { assemble_time: Duration::from_secs(30), ..quick() }).await;
    let id = plant.submit("node.compose", json!({"name": "n"}), Some(&plant.lab.uuids[0]), None).await;
    wait::until("its system is there", async || !plant.lab.nodes().await.is_empty()).await;
    plant.store.cancel(id).await.unwrap();
    assert_eq!(plant.done(id).await.state.as_str(), "cancelled");
    blocks::assert_true(&plant, 0).await;
}

#[tokio::test]
async fn an_error_that_is_dressed_as_a_success_is_an_error() {
    let plant = Plant::start(quick()).await;
    plant
        .lab
        .faults(json!([{"method": "POST", "path_prefix": SYSTEMS, "status": 200, "body": "500", "count": 1}]))
        .await;
    node_of(&plant.compose(json!({"name": "n"})).await);
    blocks::assert_true(&plant, 1).await;
}

#[tokio::test]
async fn what_another_client_has_reserved_or_composed_is_left_to_it() {
    for deviations in [vec![], vec![Deviation::Unused]] {
        let plant = Plant::start(SimConfig { systems: 2, deviations, ..quick() }).await;
        let http = reqwest::Client::new();
        let url = |path: &str| format!("{}/redfish/v1/{path}", plant.lab.url);
        let password = Some(support::podm::PASSWORD);
        let reserve = json!({"CompositionStatus": {"Reserved": true}});
        let patch = http.patch(url("CompositionService/ResourceBlocks/Compute1")).basic_auth("admin", password);
        assert_eq!(patch.json(&reserve).send().await.unwrap().status(), 200);
        let block = json!({"@odata.id": "/redfish/v1/CompositionService/ResourceBlocks/Compute2"});
        let post = http.post(url("Systems")).basic_auth("admin", password);
        let foreign = json!({"Links": {"ResourceBlocks": [block]}});
        assert_eq!(post.json(&foreign).send().await.unwrap().status(), 201);
        assert_eq!(status_of(&plant.compose(json!({"name": "n"})).await), 409);
        assert_eq!(plant.lab.nodes().await.len(), 1, "the other client's system stays");
    }
}

#[tokio::test]
async fn a_node_that_its_service_makes_of_another_nodes_blocks_is_given_back() {
    let config = SimConfig { systems: 5, deviations: vec![Deviation::Unused], ..by(ComposeBy::Constrained) };
    let plant = Plant::start(config).await;
    for n in 1..=4 {
        node_of(&plant.compose(json!({"name": format!("n{n}")})).await);
    }
    // The fifth sled is as the first is, which the service takes for free.
    let task = plant.compose(json!({"name": "n5"})).await;
    assert_eq!(status_of(&task), 502);
    assert!(task.body.error.unwrap().problem.detail.contains("parts that another node has"));
    plant.assert_agrees(4).await;
    assert!(plant.lab.nodes().await.iter().all(|n| n["name"] != "n5"));
}

#[tokio::test]
async fn a_manifest_that_is_refused_inside_a_success_fails_in_the_pod_managers_words() {
    let plant = Plant::start(by(ComposeBy::Action)).await;
    let error = json!({"error": {"code": "c", "message": "Cannot compose", "@Message.ExtendedInfo": [{"Message": "Block 7 is not valid."}]}});
    plant
        .lab
        .faults(json!([{"method": "POST", "path_prefix": "/redfish/v1/CompositionService/Actions", "status": 200,
        "body": {"Manifest": {"Stanzas": [{"StanzaId": "1", "Response": error}]}}}]))
        .await;
    let task = plant.compose(json!({"name": "n"})).await;
    assert_eq!(status_of(&task), 409);
    let problem = task.body.error.unwrap().problem;
    assert_eq!((problem.title.as_str(), problem.detail.as_str()), ("Cannot compose", "Block 7 is not valid."));
    blocks::assert_true(&plant, 0).await;
}

#[tokio::test]
async fn a_task_that_is_answered_without_a_monitor_is_not_taken_for_the_node() {
    let plant = Plant::start(quick()).await;
    // Something that is there, and enabled.
    plant
        .lab
        .faults(json!([{"method": "POST", "path_prefix": SYSTEMS, "status": 202, "count": 1,
        "body": {"@odata.type": "#Task.v1_2_0.Task", "@odata.id": "/redfish/v1/TaskService", "TaskState": "Running"}}]))
        .await;
    node_of(&plant.compose(json!({"name": "n"})).await);
    blocks::assert_true(&plant, 1).await;
}

#[tokio::test]
async fn a_block_is_attached_to_a_node_and_detached_by_action_or_by_its_list() {
    for config in [quick(), with(Deviation::PatchBlocks), with(Deviation::Unused)] {
        let plant = Plant::start(config).await;
        let podm = plant.lab.uuids[0].clone();
        let wanted = json!({"name": "n1", "properties": {"pci_device": {"type": ["SSD"]}}});
        let node = node_of(&plant.compose(wanted).await);
        let other = node_of(&plant.compose(json!({"name": "n2"})).await);
        plant.run("device.sync", json!({ "podm_id": podm }), None, None).await;
        let rows = pool::devices(&plant).await;
        let index = plant.node_rows().await.into_iter().find(|n| n.uuid == node).unwrap().index;
        let own = rows.iter().find(|d| d.node_id.as_ref() == Some(&index)).expect("a block that came with the node");
        assert_eq!(own.kind.as_deref(), Some("Storage"));
        assert!(rows.iter().all(|d| !d.resource_uri.contains("Compute") && !d.resource_uri.contains("Memory")));
        let mut free = rows.iter().filter(|d| d.node_id.is_none());
        let network = free.clone().find(|d| d.resource_uri.ends_with("Network2"));
        let drives = network.or_else(|| free.next_back()).unwrap();
        for _twice in 0..2 {
            let task = plant.run("device.attach", json!({"resource_id": drives.uuid}), None, Some(&node)).await;
            assert_eq!(task.state.as_str(), "completed", "{:?}", task.body);
        }
        assert_eq!(pool::device(&plant, &drives.uuid).await.node_id.as_ref(), Some(&index));
        blocks::assert_true(&plant, 2).await;
        let taken = plant.run("device.attach", json!({"resource_id": drives.uuid}), None, Some(&other)).await;
        assert_eq!(status_of(&taken), 400);
        let task = plant.run("device.detach", json!({"resource_id": drives.uuid}), None, Some(&node)).await;
        assert_eq!(task.state.as_str(), "completed", "{:?}", task.body);
        assert_eq!(pool::device(&plant, &drives.uuid).await.node_id, None);
        blocks::assert_true(&plant, 2).await;
        let own = own.uuid.clone();
        assert_eq!(plant.run("node.delete", Value::Null, None, Some(&node)).await.state.as_str(), "completed");
        assert_eq!(pool::device(&plant, &own).await.node_id, None, "its row goes free with the node");
    }
}

#[tokio::test]
async fn a_system_that_takes_long_to_compose_is_waited_for_and_its_blocks_are_nobody_elses_meanwhile() {
    // Twice the looks of one attempt, so that it parks although the other compose looks at the system too.
    let slow = SimConfig { systems: 1, assemble_looks: 14, ..quick() };
    let plant = Plant::start(slow).await;
    let podm = plant.lab.uuids[0].clone();
    let first = plant.submit("node.compose", json!({"name": "n1"}), Some(&podm), None).await;
    wait::until("it is being composed", async || plant.lab.nodes().await.iter().any(|n| n["state"] == "Assembling"))
        .await;
    let second = plant.run("node.compose", json!({"name": "n2"}), Some(&podm), None).await;
    assert_eq!(status_of(&second), 409, "the one sled is being composed");
    let first = plant.done(first).await;
    node_of(&first);
    let states = format!("{:?}", first.history());
    assert!(states.contains("arked"), "a worker holds no slot meanwhile: {states}");
    blocks::assert_true(&plant, 1).await;
}
