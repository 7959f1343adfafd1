//! The driver for standard Redfish: servers as they stand over real HTTP, and recorded trees where they are at hand.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on should say so")]

mod support;

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::{Value, json};
use support::podm::Lab;
use support::saga::Plant;
use support::sushy::Sushy;
use support::trees;
use valence::podm::{Begun, Driver, Owner, RedfishError, Wanted};
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

/// Every tree of standard Redfish that is at hand.
fn recorded() -> Vec<PathBuf> {
    let Some(fixtures) = trees::fixtures() else { return Vec::new() };
    let all = ["dmtf", "sunfish"].map(|of| std::fs::read_dir(fixtures.join(of)).unwrap());
    all.into_iter().flatten().map(|e| e.unwrap().path()).filter(|tree| tree.join("index.json").is_file()).collect()
}

/// What the reads of a service found: systems, racks, storages, interfaces and switches, readings.
async fn read(driver: &dyn Driver) -> Result<[usize; 5], RedfishError> {
    driver.probe().await?;
    let systems = driver.systems(None).await?;
    let racks = driver.racks().await?;
    for node in driver.nodes().await? {
        driver.full_node(&node.path).await?;
        driver.node(&node.path).await?;
    }
    let (storages, network) = (driver.storage().unwrap().storages().unwrap(), driver.network().unwrap());
    driver.storage().unwrap().devices().await?;
    let mut stored = storages.list(None).await?.unwrap().len();
    let mut wired = 0;
    for switch in network.switches().await? {
        wired += 1 + network.ports(&switch.path).await?.len();
    }
    for system in &systems {
        let owner = Owner::System(system.shown["id"].as_str().unwrap());
        stored += storages.list(Some(owner)).await?.unwrap().len();
        for interface in network.interfaces(owner).await?.unwrap() {
            wired += 1;
            if let Some(vlans) = &interface.vlans {
                network.vlans(vlans).await?;
            }
        }
    }
    let telemetry = driver.telemetry().unwrap();
    telemetry.subscriptions().await?;
    Ok([systems.len(), racks.len(), stored, wired, telemetry.readings().await?.all.len()])
}

#[tokio::test]
async fn every_recorded_tree_of_standard_redfish_is_understood() {
    let mut found = [0; 5];
    for tree in recorded() {
        let lab = Lab::start(SimConfig { tree: Some(tree.clone()), ..SimConfig::default() }).await;
        let driver = driver_of(&lab);
        let here = tree.display();
        let counts = read(driver.as_ref()).await.unwrap_or_else(|e| panic!("{here}: {e}"));
        println!("{here}: systems, racks, storages, interfaces, readings: {counts:?}");
        for (all, here) in found.iter_mut().zip(counts) {
            *all += here;
        }
        match driver.offers(&wanted(json!({})), &HashSet::new()).await {
            Ok(offers) => println!("{here}: offers {offers:?}"),
            Err(e) => assert_eq!(e.status(), Some(409), "{here}: {e}"),
        }
    }
    if !recorded().is_empty() {
        let least = [20, 0, 10, 10, 50];
        assert!(found.iter().zip(least).all(|(found, least)| *found >= least), "{found:?}");
    }
}

#[tokio::test]
async fn a_server_of_another_make_is_listed_composed_reset_and_booted() {
    let Some(sushy) = Sushy::start().await else { return };
    let plant = Plant::bare(SimConfig::default(), true).await;
    let mut def = plant.registration(0, "sushy", &sushy.url);
    def.params["driver"] = json!("redfish");
    let registered = plant.done(plant.submit_def(def).await).await;
    assert_eq!(registered.body.result["status"], "Online", "{:?}", registered.body);
    let systems = plant.read("system.list", json!({})).await.unwrap();
    assert_eq!(systems["items"].as_array().unwrap().len(), 1, "{systems}");

    let task = plant.compose(json!({"name": "n"})).await;
    assert_eq!(task.state.as_str(), "completed", "{:?}", task.body);
    let node = task.body.result["uuid"].as_str().unwrap().to_owned();
    let shown = async || plant.read("node.get", json!({"id": node})).await.unwrap();
    // It shows a change of power only after seconds; the task is completed when it does.
    for (kind, power) in [("On", "On"), ("ForceOff", "Off")] {
        let task = plant.run("node.action", json!({"Reset": {"Type": kind}}), None, Some(&node)).await;
        assert_eq!(task.state.as_str(), "completed", "{:?}", task.body);
        assert_eq!(shown().await["node_power_state"], power);
    }
    let boot = json!({"Boot": {"Enabled": "Once", "Target": "Pxe"}});
    assert_eq!(plant.run("node.action", boot, None, Some(&node)).await.state.as_str(), "completed");
    assert_eq!(shown().await["boot_source"], "Pxe");
    let deleted = plant.run("node.delete", Value::Null, None, Some(&node)).await;
    assert_eq!(deleted.state.as_str(), "completed", "{:?}", deleted.body);
    assert_eq!(plant.read("system.list", json!({})).await.unwrap()["items"].as_array().unwrap().len(), 1);
}
