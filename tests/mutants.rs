//! Recorded trees with one field changed, each field of each schema in turn: left out or null it is no error, and of another type it is none
//! or one that names Pod Manager, resource and field. Nothing panics, and nothing is shown of what was not read.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that cannot go on should say so"
)]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};
use support::mutants::{Mutant, Tree, fields, schema};
use support::podm::Lab;
use support::trees::{fixtures, rack_scale};
use valence::podm::{Cause, Driver, RedfishError};
use valence::sim::{SimConfig, SimFlavour};

/// Everything that is read of a Pod Manager, by name.
async fn read(driver: &dyn Driver, what: &str) -> Result<(), RedfishError> {
    match what {
        "probe" => drop(driver.probe().await?),
        "systems" => drop(driver.systems(None).await?),
        "racks" => drop(driver.racks().await?),
        "survey" => drop(driver.survey(&Default::default()).await?),
        "nodes" => {
            for node in driver.nodes().await? {
                driver.full_node(&node.path).await?;
            }
        }
        "devices" => {
            let Some(storage) = driver.storage() else { return Ok(()) };
            storage.devices().await?;
        }
        "storages" => {
            let Some(storages) = driver.storage().and_then(|s| s.storages()) else { return Ok(()) };
            storages.list(None).await?;
        }
        "switches" => {
            let Some(network) = driver.network() else { return Ok(()) };
            for switch in network.switches().await? {
                network.ports(&switch.path).await?;
            }
        }
        "readings" => {
            let Some(telemetry) = driver.telemetry() else { return Ok(()) };
            telemetry.readings().await?;
            telemetry.subscriptions().await?;
        }
        other => panic!("{other}"),
    }
    Ok(())
}

const READS: [&str; 9] =
    ["probe", "systems", "racks", "survey", "nodes", "devices", "storages", "switches", "readings"];

/// What stands in the place of the nth field; `None`: nothing. One thing besides nothing, another for the next field; all with `CHAOS=full`.
fn changes(n: usize) -> Vec<Option<Value>> {
    let others = [json!(null), json!(7), json!("x"), json!([7]), json!({"@odata.id": 7})];
    let full = std::env::var("CHAOS").is_ok_and(|v| v == "full");
    let (skip, take) = if full { (0, others.len()) } else { (n % others.len(), 1) };
    std::iter::once(None).chain(others.into_iter().skip(skip).take(take).map(Some)).collect()
}

/// What a tree's reads find wrong that is not allowed to be.
async fn wrong_in(
    of: &str,
    tree: Tree,
    driver: &str,
    needed: &[&str],
    seen: &mut BTreeSet<(String, String)>,
) -> (usize, Vec<String>) {
    let mutant = Mutant::start(tree.clone(), driver).await;
    let mut reads_of: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for what in READS {
        mutant.take_log();
        match read(&*mutant.driver(), what).await {
            Err(error) if matches!(error.cause, Cause::Impossible(_)) => continue,
            read => read.unwrap_or_else(|e| panic!("{of} {what}: {e}")),
        }
        for path in mutant.take_log().into_iter().collect::<BTreeSet<_>>() {
            reads_of.entry(path).or_default().push(what);
        }
    }
    let (mut tried, mut wrong) = (0, Vec::new());
    for (path, reads) in &reads_of {
        let Some(body) = tree.0.get(path) else { continue };
        for field in fields(body) {
            if !seen.insert((schema(path, body), field.clone())) {
                continue;
            }
            for change in changes(seen.len()) {
                mutant.set(path, &field, change.clone());
                for what in reads {
                    tried += 1;
                    let (driver, of) = (mutant.driver(), (*what).to_owned());
                    let reading = tokio::spawn(async move { read(&*driver, &of).await });
                    let fault = match tokio::time::timeout(Duration::from_secs(20), reading).await {
                        Err(_) => Some("it hangs".to_owned()),
                        Ok(Err(panicked)) => Some(panicked.to_string()),
                        Ok(Ok(outcome)) => outcome.err().and_then(|e| fault(path, &field, change.as_ref(), needed, &e)),
                    };
                    let to = change.as_ref().map_or("nothing".to_owned(), Value::to_string);
                    wrong.extend(fault.map(|fault| format!("{what}: {path} {field} = {to}: {fault}")));
                }
            }
        }
        mutant.reset();
    }
    (tried, wrong)
}

/// What is wrong with an error. Without what is `needed`, nothing can be told.
fn fault(path: &str, field: &str, change: Option<&Value>, needed: &[&str], error: &RedfishError) -> Option<String> {
    let text = error.to_string();
    if change.is_none_or(Value::is_null) && !field.rsplit('/').next().is_some_and(|name| needed.contains(&name)) {
        return Some(format!("what is missing is no error: {text}"));
    }
    let mut names = field.split('/').filter(|name| name.parse::<usize>().is_err() && *name != "@odata.id");
    let at_path = text.contains(path) && names.next_back().is_none_or(|name| text.contains(name));
    // What stands for an address is one that leads nowhere, and an ExpEther board that is no machine is named by its id.
    let nowhere = ["x: answered 404", "7: answered 404", "Not a valid EESV node 0x"];
    let is_named = text.contains("mutant") && (at_path || nowhere.iter().any(|words| text.contains(words)));
    (!is_named).then(|| format!("not named: {text}"))
}

/// Every tree among these, in turn; a field that one has shown is not changed in the next.
async fn is_understood(trees: Vec<PathBuf>, driver: &str) {
    let (mut all, mut seen, mut tried) = (Vec::new(), BTreeSet::new(), 0);
    for dir in trees {
        let of = dir.display().to_string();
        let (reads, wrong) = wrong_in(&of, Tree::load(&dir), driver, &[], &mut seen).await;
        println!("{}: {reads} reads", dir.display());
        tried += reads;
        all.extend(wrong);
    }
    assert!(all.is_empty(), "{} of {tried}\n{}", all.len(), all.join("\n"));
    assert!(tried > 1_000 || fixtures().is_none(), "only {tried} reads");
}

fn below(folder: &str) -> Vec<PathBuf> {
    let Some(fixtures) = fixtures() else { return Vec::new() };
    let all = std::fs::read_dir(fixtures.join(folder)).unwrap().map(|e| e.unwrap().path());
    // Folders of single examples have no root.
    let mut all: Vec<PathBuf> = all.filter(|path| path.join("index.json").is_file()).collect();
    all.sort();
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_rack_scale_a_missing_field_is_no_error_and_a_wrong_one_is_named() {
    is_understood(rack_scale(), "redfishv1").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_standard_redfish_a_missing_field_is_no_error_and_a_wrong_one_is_named() {
    is_understood(below("dmtf"), "redfish").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_storage_fabrics_a_missing_field_is_no_error_and_a_wrong_one_is_named() {
    is_understood(below("sunfish"), "redfish").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_expether_a_missing_field_is_no_error_unless_it_says_whose_it_is_and_a_wrong_one_is_named() {
    let lab = Lab::start(SimConfig { flavour: SimFlavour::Eem, systems: 1, ..SimConfig::default() }).await;
    let driver = lab.driver();
    let storage = driver.storage().unwrap();
    let machine = driver.systems(None).await.unwrap().remove(0).shown["resource_uri"].as_str().unwrap().to_owned();
    let device = storage.devices().await.unwrap().remove(0).path;
    storage.attach(&machine, &device).await.unwrap();
    let group = storage.device(&device).await.unwrap().unwrap().group.unwrap();
    let lists = ["devices?status=eesv", "devices/detail?status=eesv", "devices/detail?status=eeio"].map(str::to_owned);
    let of_group = ["eesv", "eeio"].map(|status| format!("devices?status={status}&group_id={group}"));
    let all = ["api_version".to_owned(), machine, device].into_iter().chain(lists).chain(of_group);
    let tree = Tree::of(&lab, &all.map(|path| format!("/{path}")).collect::<Vec<_>>()).await;
    let needed = ["id", "group_id", "devices", "device", "status", "0"];
    let (tried, wrong) = wrong_in("expether", tree, "expether", &needed, &mut BTreeSet::new()).await;
    assert!(wrong.is_empty(), "{} of {tried}\n{}", wrong.len(), wrong.join("\n"));
    assert!(tried > 200, "only {tried} reads");
}
