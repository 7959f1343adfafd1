//! What an operator sees of hardware at the command line: `valence podm inventory`, `valence podm refresh`, `valence drift`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on should say so")]

mod support;

use serde_json::{Value, json};
use support::front::Front;
use support::saga::Plant;
use valence::podm::{Begun, Wanted};
use valence::sim::SimConfig;

fn row<'a>(table: &'a str, word: &str) -> Vec<&'a str> {
    let line = table.lines().find(|line| line.contains(word));
    line.unwrap_or_else(|| panic!("no {word} in {table}")).split_whitespace().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_inventory_is_a_table_a_refresh_brings_it_up_to_date_and_drift_names_what_disagrees() {
    let sim = SimConfig { podms: 2, systems: 3, ..SimConfig::default() };
    let plant = Plant::start_with(sim, |config| config.inventory.interval = jiff::SignedDuration::ZERO).await;
    let front = Front::over(&plant).await;
    let id = &plant.lab.uuids[0];
    let refreshed = front.command(&["podm", "refresh", id, "--wait"]).await;
    assert!(refreshed.contains("3 systems, 0 nodes"), "{refreshed}");
    front.command(&["podm", "refresh", &plant.lab.uuids[1], "--wait"]).await;

    let table = front.command(&["podm", "inventory"]).await;
    assert!(table.starts_with("PODM "), "{table}");
    // Name, status, age and its unit, systems, free ones.
    assert_eq!(row(&table, "lab-0")[1], "Online");
    assert_eq!(row(&table, "lab-0")[4..6], ["3", "3"]);
    assert_eq!(row(&table, "all")[1..3], ["6", "6"]);
    let one = front.command(&["podm", "inventory", "--podm", id]).await;
    assert!(one.contains("lab-0") && !one.contains("lab-1"), "{one}");
    let value: Value = serde_json::from_str(&front.command(&["--json", "podm", "inventory"]).await).unwrap();
    assert_eq!((&value["totals"]["systems"], value["inventory"].as_array().unwrap().len()), (&json!(6), 2));

    let drift = front.command(&["drift"]).await;
    assert!(drift.contains("hardware and records agree"), "{drift}");
    // Hardware that a compose which failed has left behind.
    let failed = plant.compose(json!({"name": "n", "properties": {"memory": {"capacity_mib": "999999999"}}})).await;
    let description = valence::podm::tag::mark("", &format!("valence:valence:{}", failed.id));
    let requirements = serde_json::from_value(json!({})).unwrap();
    let wanted = Wanted { name: "left".into(), description, requirements, parts: Vec::new() };
    let Begun::Done(Some(path)) = plant.lab.driver().allocate(&wanted).await.unwrap() else { panic!("not allocated") };
    let refreshed = front.command(&["podm", "refresh", id, "--full", "--wait"]).await;
    assert!(refreshed.contains("1 nodes"), "{refreshed}");
    assert_eq!(row(&front.command(&["podm", "inventory"]).await, "lab-0")[5], "2", "one system fewer is free");
    let drift = front.command(&["drift", "--podm", id]).await;
    let found = row(&drift, "orphan");
    assert!(drift.starts_with("SORT ") && drift.contains(&path) && found.len() > 4, "{drift}");
    let other = front.command(&["drift", "--podm", &plant.lab.uuids[1]]).await;
    assert!(other.contains("hardware and records agree"), "{other}");
}
