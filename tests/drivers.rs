//! The redfishv1 driver against simulated Pod Managers over real HTTP, and against every recorded tree that is at hand.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on should say so")]

mod support;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::podm::{Lab, PASSWORD};
use support::wait;
use valence::config::RedfishConfig;
use valence::lease::Lease;
use valence::model::params::{Boot, ResetType};
use valence::podm::{Advice, Begun, Cause, Driver, MonitorState, NodeView, Pool, Wanted};
use valence::sim::{RsdVersion, SimConfig};

const TAG: &str = "valence:test:019abcde-0000-7000-8000-000000000000";

fn wanted(memory_mib: &str) -> Wanted {
    let requirements = serde_json::from_value(json!({"memory": {"capacity_mib": memory_mib}})).unwrap();
    Wanted { name: "n1".into(), description: format!("rack 3 {TAG}"), requirements, parts: Vec::new() }
}

async fn allocate(driver: &dyn Driver) -> String {
    match driver.allocate(&wanted("1024")).await.unwrap() {
        Begun::Done(Some(node)) => node,
        other => panic!("{other:?}"),
    }
}

async fn until(driver: &dyn Driver, node: &str, what: impl Fn(&NodeView) -> bool) -> NodeView {
    wait::until("the node is as it should be", async || {
        let view = driver.node(node).await.unwrap().unwrap();
        if what(&view) { Ok(view) } else { Err(view) }
    })
    .await
}

async fn assembled(driver: &dyn Driver) -> String {
    let node = allocate(driver).await;
    assert_eq!(driver.assemble(&node).await.unwrap(), Begun::Done(()));
    until(driver, &node, |n| n.state.as_deref() == Some("Assembled")).await;
    node
}

#[tokio::test]
async fn a_node_is_composed_read_acted_upon_and_deleted() {
    for config in [
        SimConfig::default(),
        SimConfig { rsd_version: RsdVersion::V1_2, path_location: true, boot_204: true, ..SimConfig::default() },
        SimConfig { strict_schema: true, ..SimConfig::default() },
        SimConfig { dmtf_annotations: true, ..SimConfig::default() },
    ] {
        let lab = Lab::start(config).await;
        let driver = lab.driver();
        assert_eq!(driver.probe().await.unwrap().nodes, 0);
        let node = assembled(driver.as_ref()).await;
        let view = driver.find(TAG, &[]).await.unwrap().unwrap();
        assert_eq!(
            (view.path.as_str(), view.name.as_str(), view.description.as_str()),
            (node.as_str(), "n1", "rack 3")
        );
        assert_eq!(driver.node_by_index(&view.index).await.unwrap().path, node);

        let full = driver.full_node(&node).await.unwrap();
        assert_eq!(full["description"], "rack 3");
        assert_eq!(full["node_state"], "Assembled");
        assert!(full["metadata"]["processor"][0]["total_core"].as_u64().unwrap() > 0, "{full}");
        assert!(full["metadata"]["memory"][0]["total_memory_mb"].as_u64().unwrap() > 0, "{full}");
        assert!(full["metadata"]["network"][0]["mac"].is_string(), "{full}");
        assert!(full["computer_system"]["@odata.id"].is_string(), "{full}");

        for (kind, power) in [(ResetType::ForceOff, "Off"), (ResetType::On, "On")] {
            driver.reset(&node, kind).await.unwrap();
            until(driver.as_ref(), &node, |n| n.power.as_deref() == Some(power)).await;
        }
        let boot: Boot = serde_json::from_value(json!({"Enabled": "Continuous", "Target": "Pxe"})).unwrap();
        assert_eq!(driver.set_boot(&node, &boot).await.unwrap(), Begun::Done(()));
        until(driver.as_ref(), &node, |n| n.boot_target.as_deref() == Some("Pxe")).await;

        assert_eq!(driver.delete_node(&node).await.unwrap(), Begun::Done(()));
        assert_eq!(driver.node(&node).await.unwrap(), None);
        assert_eq!(driver.delete_node(&node).await.unwrap(), Begun::Done(()), "gone already is a success");
        assert_eq!(driver.find(TAG, &[]).await.unwrap(), None);
    }
}

#[tokio::test]
async fn systems_are_shown_as_v1_shows_them() {
    let lab = Lab::start(SimConfig::default()).await;
    let systems = lab.driver().systems(None).await.unwrap();
    assert_eq!(systems.len(), 8);
    let one = &systems[0].shown;
    for key in ["id", "Name", "uuid", "health", "location", "ram", "storage", "network"] {
        assert!(one[key].is_string(), "{key}: {one}");
    }
    assert!(one["location"].as_str().unwrap().ends_with("_Pod:Pod1_"), "{one}");
    assert!(one["cpu"]["cores"].as_str().unwrap().parse::<u64>().unwrap() > 0, "{one}");
    let id = one["id"].as_str().unwrap();
    let alone = lab.driver().systems(Some(id)).await.unwrap();
    assert_eq!((alone.len(), &alone[0].shown), (1, one));
    assert!(lab.driver().systems(Some("none")).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_refusal_comes_in_the_pod_managers_words() {
    let lab = Lab::start(SimConfig::default()).await;
    let error = lab.driver().allocate(&wanted("999999999")).await.unwrap_err();
    assert_eq!(error.status(), Some(409));
    assert_eq!(error.verdict(), Advice::Final);
    assert!(error.problem().detail.contains("no free computer system"), "{:?}", error.problem());
    let node = allocate(lab.driver().as_ref()).await;
    let error = lab.driver().reset(&node, ResetType::On).await.unwrap_err();
    assert_eq!(error.problem().status, 409, "a node that is not assembled cannot be reset");
}

#[tokio::test]
async fn a_change_cut_after_acting_is_unseen_and_its_tag_finds_it() {
    let lab = Lab::start(SimConfig::default()).await;
    lab.faults(
        json!([{"method": "POST", "path_prefix": "/redfish/v1/Nodes/Actions/Allocate", "cut": "after", "count": 1}]),
    )
    .await;
    let driver = lab.driver();
    let error = driver.allocate(&wanted("1024")).await.unwrap_err();
    assert!(error.answer_unseen(), "{error}");
    assert_eq!(error.verdict(), Advice::Look);
    assert!(driver.find(TAG, &[]).await.unwrap().is_some());
}

#[tokio::test]
async fn a_broken_body_after_a_status_is_still_an_answer() {
    let lab = Lab::start(SimConfig::default()).await;
    let driver = lab.driver();
    let node = assembled(driver.as_ref()).await;
    lab.faults(json!([{"method": "PATCH", "cut": "within", "count": 1}])).await;
    let boot: Boot = serde_json::from_value(json!({"Enabled": "Once", "Target": "Hdd"})).unwrap();
    assert_eq!(driver.set_boot(&node, &boot).await.unwrap(), Begun::Done(()));
}

#[tokio::test]
async fn a_long_operation_is_followed_by_its_monitor() {
    let lab = Lab::start(SimConfig { task_monitors: true, ..SimConfig::default() }).await;
    let driver = lab.driver();
    let Begun::Monitor { path, .. } = driver.allocate(&wanted("1024")).await.unwrap() else { panic!("no monitor") };
    let node = wait::until("the operation has ended", async || match driver.monitor(&path).await.unwrap() {
        MonitorState::Ended { location } => Ok(location.unwrap()),
        other => Err(other),
    })
    .await;
    assert_eq!(driver.node(&node).await.unwrap().unwrap().tag.as_deref(), Some(TAG));
    assert_eq!(driver.monitor("/redfish/v1/TaskService/TaskMonitors/99").await.unwrap(), MonitorState::Gone);
}

#[tokio::test]
async fn a_busy_pod_manager_says_when_to_come_back() {
    let lab = Lab::start(SimConfig::default()).await;
    lab.faults(json!([{"status": 503, "retry_after_s": 30}])).await;
    let error = lab.driver().probe().await.unwrap_err();
    // The log-in has heard it already: the request itself is not sent.
    let asked = |after| after > Duration::from_secs(29) && after <= Duration::from_secs(30);
    assert!(matches!(error.verdict(), Advice::Retry { after: Some(after) } if asked(after)), "{error}");
}

#[tokio::test]
async fn an_endless_answer_is_cut_off() {
    let lab = Lab::start(SimConfig::default()).await;
    lab.faults(json!([{"body_bytes": 40_000_000}])).await;
    let error = lab.driver().probe().await.unwrap_err();
    assert!(matches!(error.cause, Cause::TooLarge(_)), "{error}");
    assert_eq!(error.problem().status, 502);
}

#[tokio::test]
async fn a_pod_manager_that_hangs_costs_one_timeout() {
    let lab = Lab::start(SimConfig::default()).await;
    lab.faults(json!([{"hang": true}])).await;
    let began = Instant::now();
    let error = lab.driver().probe().await.unwrap_err();
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
    assert_eq!((error.verdict(), error.problem().status), (Advice::Retry { after: None }, 504));
}

#[tokio::test]
async fn a_pod_manager_that_hangs_costs_no_more_than_the_client_s_patience() {
    let lab = Lab::start_with(SimConfig::default(), Duration::from_secs(600)).await;
    lab.faults(json!([{"hang": true}])).await;
    let late = Lease::new(Instant::now(), Duration::from_secs(600)).begun_within(Duration::ZERO);
    let error = lab.driver_with(Some(late)).nodes().await.unwrap_err();
    assert_eq!((error.verdict(), error.problem().status), (Advice::Retry { after: None }, 504), "{error}");
}

#[tokio::test]
async fn wrong_credentials_are_told_without_being_repeated() {
    let lab = Lab::start(SimConfig { password: "another".into(), ..SimConfig::default() }).await;
    let error = lab.driver().probe().await.unwrap_err();
    let problem = error.problem();
    assert_eq!(problem.status, 401);
    assert!(!format!("{error:?} {error} {problem:?}").contains(PASSWORD), "{error:?}");
}

#[tokio::test]
async fn nothing_is_changed_once_the_lease_is_over_and_reads_go_on() {
    let lab = Lab::start(SimConfig::default()).await;
    let over = Lease::new(Instant::now() - Duration::from_secs(2), Duration::from_secs(1));
    let driver = lab.driver_with(Some(over));
    let error = driver.allocate(&wanted("1024")).await.unwrap_err();
    assert_eq!((error.verdict(), error.answer_unseen()), (Advice::Stop, false));
    assert_eq!(driver.nodes().await.unwrap(), []);
}

#[tokio::test]
async fn a_redirect_is_refused_and_nobody_else_is_asked() {
    let canary = Lab::start(SimConfig::default()).await;
    let lab = Lab::start(SimConfig::default()).await;
    lab.faults(json!([{"status": 302}])).await;
    let error = lab.driver().probe().await.unwrap_err();
    assert_eq!((error.status(), error.problem().status), (Some(302), 502));
    assert!(!canary.log().await.to_string().contains("/redfish/"));
}

#[tokio::test]
async fn a_link_to_another_host_is_not_followed() {
    let lab = Lab::start(SimConfig::default()).await;
    let canary = Lab::start(SimConfig::default()).await;
    let elsewhere = format!("{}/redfish/v1/Nodes", canary.url);
    lab.faults(json!([{"path_prefix": "/redfish/v1", "body": {"Nodes": {"@odata.id": elsewhere}}}])).await;
    let error = lab.driver().probe().await.unwrap_err();
    assert!(matches!(error.cause, Cause::Malformed(_)), "{error}");
    assert!(!canary.log().await.to_string().contains("/redfish/"));
}

#[tokio::test]
async fn one_that_is_not_there_is_unreachable_and_nothing_was_sent() {
    let lab = Lab::start(SimConfig::default()).await;
    let mut record = lab.record();
    record.url = "http://127.0.0.1:1".into();
    let error = lab.pool.connect(&record, None).unwrap().probe().await.unwrap_err();
    assert!(matches!(error.cause, Cause::Unreachable(_)), "{error}");
    assert_eq!(error.problem().status, 503);
    record.driver = "telepathy".into();
    let refused = lab.pool.connect(&record, None).err().unwrap();
    assert_eq!((refused.problem().status, refused.problem().title.as_str()), (404, "Unsupported Driver Specified"));
    record.driver = "redfishv1".into();
    for url in
        ["http://169.254.169.254/", "file:///etc/passwd", "http://u:p@127.0.0.1/", "http://10.0.0.1/", "nonsense"]
    {
        record.url = url.into();
        assert_eq!(lab.pool.connect(&record, None).err().unwrap().problem().status, 400, "{url}");
    }
    record.url = "http://localhost.localdomain.invalid/".into();
    let error = lab.pool.connect(&record, None).unwrap().probe().await.unwrap_err();
    assert!(matches!(error.cause, Cause::Unreachable(_)), "{error}");
}

#[tokio::test]
async fn a_name_that_leads_to_this_machine_is_refused_when_it_is_resolved() {
    let lab = Lab::start(SimConfig::default()).await;
    let pool = Pool::new(&RedfishConfig::default(), Some(Arc::clone(&lab.key))).unwrap();
    let mut record = lab.record();
    for scheme in ["https", "http"] {
        record.url = lab.url.replace("http://127.0.0.1", &format!("{scheme}://localhost"));
        let error = pool.connect(&record, None).unwrap().probe().await.unwrap_err();
        assert!(matches!(error.cause, Cause::Forbidden(_)), "{error}");
        assert_eq!(error.problem().status, 400);
    }
    assert!(!lab.log().await.to_string().contains("/redfish/"));
}

/// Every recorded Rack Scale tree is read without an error, its dangling links included.
#[tokio::test]
async fn every_recorded_tree_is_understood() {
    let Some(fixtures) = fixtures() else {
        println!("skipped: no recorded trees (VALENCE_FIXTURES)");
        return;
    };
    let mut trees = vec![fixtures.join("rsd-1.2.1-podm-valence-simulator"), fixtures.join("rsd-2.x-podm-rsd-lib/tree")];
    let simulators = std::fs::read_dir(fixtures.join("rsd-2.x-intel-simulators")).unwrap();
    trees.extend(simulators.map(|e| e.unwrap().path()).filter(|p| p.is_dir()));
    let mut seen = (0, 0);
    for tree in trees {
        let lab = Lab::start(SimConfig { tree: Some(tree.clone()), ..SimConfig::default() }).await;
        let driver = lab.driver();
        driver.probe().await.unwrap();
        let systems = driver.systems(None).await.unwrap_or_else(|e| panic!("{}: {e}", tree.display()));
        let nodes = driver.nodes().await.unwrap_or_else(|e| panic!("{}: {e}", tree.display()));
        for node in &nodes {
            let full = driver.full_node(&node.path).await.unwrap_or_else(|e| panic!("{}: {e}", tree.display()));
            assert_eq!(full["index"], Value::from(node.index.as_str()));
        }
        let storage = driver.storage().unwrap();
        storage.devices().await.unwrap_or_else(|e| panic!("{}: devices: {e}", tree.display()));
        let storages = storage.storages().unwrap().list(None).await;
        storages.unwrap_or_else(|e| panic!("{}: storages: {e}", tree.display()));
        driver.racks().await.unwrap_or_else(|e| panic!("{}: racks: {e}", tree.display()));
        let network = driver.network().unwrap();
        let switches = network.switches().await.unwrap_or_else(|e| panic!("{}: switches: {e}", tree.display()));
        for switch in switches {
            network.ports(&switch.path).await.unwrap_or_else(|e| panic!("{}: ports: {e}", tree.display()));
        }
        println!("{}: {} systems, {} nodes", tree.display(), systems.len(), nodes.len());
        seen = (seen.0 + systems.len(), seen.1 + nodes.len());
    }
    assert!(seen.0 >= 48 + 9 && seen.1 > 8, "{seen:?}");
}

fn fixtures() -> Option<PathBuf> {
    let named = std::env::var_os("VALENCE_FIXTURES").map(PathBuf::from);
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/fixtures");
    named.or(Some(beside)).filter(|p| p.is_dir())
}

/// A driver is used by several reads of one handler at once.
#[tokio::test]
async fn a_driver_is_shared_by_concurrent_calls() {
    let lab = Lab::start(SimConfig::default()).await;
    let driver = lab.driver();
    let calls = (0..8).map(|_| {
        let driver: Arc<dyn Driver> = Arc::clone(&driver);
        tokio::spawn(async move { driver.nodes().await.map(|n| n.len()) })
    });
    for call in calls.collect::<Vec<_>>() {
        assert_eq!(call.await.unwrap().unwrap(), 0);
    }
}
