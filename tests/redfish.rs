//! The driver for standard Redfish: servers as they stand over real HTTP, and recorded trees where they are at hand.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on should say so")]

mod support;

use std::collections::HashSet;
use std::sync::Arc;

use serde_json::json;
use support::podm::Lab;
use support::trees;
use valence::model::params::{Boot, ResetType};
use valence::podm::{Begun, Driver, Wanted};
use valence::sim::SimConfig;

const TAG: &str = "valence:test:019abcde-0000-7000-8000-000000000000";

fn driver_of(lab: &Lab) -> Arc<dyn Driver> {
    let mut record = lab.record();
    record.driver = "redfish".into();
    lab.pool.connect(&record, None).unwrap()
}

fn wanted(requirements: serde_json::Value) -> Wanted {
    let requirements = serde_json::from_value(requirements).unwrap();
    Wanted { name: "n1".into(), description: TAG.into(), requirements, parts: Vec::new() }
}

#[tokio::test]
async fn a_server_as_it_stands_is_offered_used_and_never_deleted() {
    let lab = Lab::start(SimConfig::default()).await;
    let driver = driver_of(&lab);
    driver.probe().await.unwrap();
    let mut wanted = wanted(json!({"memory": {"capacity_mib": "1024"}}));
    let offers = driver.offers(&wanted, &HashSet::new()).await.unwrap().unwrap();
    let taken = HashSet::from([offers[0].parts[0].clone()]);
    let others = driver.offers(&wanted, &taken).await.unwrap().unwrap();
    assert!(others.iter().all(|o| o.parts != offers[0].parts), "a reserved server is offered to nobody else");

    wanted.parts = offers[0].parts.clone();
    let node = wanted.parts[0].clone();
    assert_eq!(driver.allocate(&wanted).await.unwrap(), Begun::Done(Some(node.clone())));
    let view = driver.node(&node).await.unwrap().unwrap();
    assert!(view.composed && view.state.as_deref() == Some("Assembled"), "{view:?}");
    assert_eq!(driver.node_by_index(&view.index).await.unwrap().path, node);
    assert_eq!(driver.full_node(&node).await.unwrap()["resource_uri"], node.as_str());

    driver.delete_node(&node).await.unwrap();
    assert!(driver.is_gone(&node).await.unwrap() && driver.node(&node).await.unwrap().is_some());
    assert_eq!(lab.posts().await, 0, "nothing was asked of it");
    assert!(!lab.log().await.to_string().contains("DELETE"));
}

#[tokio::test]
async fn what_no_server_has_is_refused() {
    let lab = Lab::start(SimConfig::default()).await;
    let wanted = wanted(json!({"memory": {"capacity_mib": "999999999"}}));
    let error = driver_of(&lab).offers(&wanted, &HashSet::new()).await.unwrap_err();
    assert_eq!(error.status(), Some(409));
}

#[tokio::test]
async fn every_recorded_tree_of_standard_redfish_is_understood() {
    let Some(fixtures) = trees::fixtures() else { return };
    for tree in std::fs::read_dir(fixtures.join("dmtf")).unwrap().map(|e| e.unwrap().path()) {
        if !tree.join("Systems").is_dir() {
            continue;
        }
        let lab = Lab::start(SimConfig { tree: Some(tree.clone()), ..SimConfig::default() }).await;
        let driver = driver_of(&lab);
        let here = tree.display();
        driver.probe().await.unwrap_or_else(|e| panic!("{here}: {e}"));
        let systems = driver.systems(None).await.unwrap_or_else(|e| panic!("{here}: {e}"));
        for node in driver.nodes().await.unwrap_or_else(|e| panic!("{here}: {e}")) {
            driver.full_node(&node.path).await.unwrap_or_else(|e| panic!("{here}: {e}"));
        }
        match driver.offers(&wanted(json!({})), &HashSet::new()).await {
            Ok(offers) => println!("{here}: {} systems, offers {offers:?}", systems.len()),
            Err(e) => assert_eq!(e.status(), Some(409), "{here}: {e}"),
        }
    }
}

#[tokio::test]
async fn a_real_server_is_reset_and_booted() {
    let Ok(url) = std::env::var("VALENCE_SUSHY_URL") else {
        println!("skipped: no sushy-emulator (VALENCE_SUSHY_URL)");
        return;
    };
    let lab = Lab::start(SimConfig::default()).await;
    let mut record = lab.record();
    (record.driver, record.url) = ("redfish".into(), url);
    let driver = lab.pool.connect(&record, None).unwrap();
    let system = driver.systems(None).await.unwrap().remove(0);
    let node = driver.node_by_index(system.shown["id"].as_str().unwrap()).await.unwrap().path;
    driver.reset(&node, ResetType::On).await.unwrap();
    let boot: Boot = serde_json::from_value(json!({"Enabled": "Once", "Target": "Pxe"})).unwrap();
    driver.set_boot(&node, &boot).await.unwrap();
}
