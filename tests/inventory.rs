//! What Pod Managers have: counted right, refreshed in turn, cheap where nothing changes, with its age; and whether they are there.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on should say so")]

mod support;

use std::time::{Duration, Instant};

use jiff::SignedDuration;
use serde_json::{Value, json};
use support::podm::Lab;
use support::redis::TestRedis;
use support::saga::Plant;
use support::wait;
use valence::config::InventoryConfig;
use valence::ids::{Bucket, TaskId, new_record_id};
use valence::model::inventory::Inventory;
use valence::model::podm::{Podm, PodmStatus};
use valence::model::task::Definition;
use valence::model::topic::Priority;
use valence::sim::SimConfig;
use valence::store::records::{Collection, Writer};
use valence::upkeep::probe::Prober;

/// Nothing is refreshed by itself, unless something changes.
async fn plant(sim: SimConfig) -> Plant {
    Plant::start_with(sim, |config| config.inventory.interval = SignedDuration::ZERO).await
}

async fn refresh(plant: &Plant, params: Value) -> Value {
    let task = plant.run("inventory.refresh", params, Some(&plant.lab.uuids[0]), None).await;
    assert_eq!(task.state.as_str(), "completed", "{:?}", task.body);
    task.body.result
}

async fn known(plant: &Plant) -> Option<Inventory> {
    plant.store.inventories(&[plant.lab.uuids[0].clone()]).await.unwrap().remove(0)
}

async fn requests(plant: &Plant, path: &str) -> usize {
    let log = plant.lab.log().await;
    log.as_array().unwrap().iter().filter(|e| e["path"].as_str().unwrap().contains(path)).count()
}

#[tokio::test]
async fn systems_racks_nodes_and_devices_are_counted_and_a_nodes_system_is_not_free() {
    let plant = plant(SimConfig { systems: 6, ..SimConfig::default() }).await;
    let found = refresh(&plant, json!({})).await;
    assert_eq!((&found["systems"], &found["racks"], &found["nodes"]), (&json!(6), &json!(2), &json!(0)), "{found}");
    assert_eq!((&found["devices"], &found["devices_free"]), (&json!(4), &json!(4)), "{found}");
    plant.compose(json!({"name": "n", "properties": {"memory": {"capacity_mib": "300000"}}})).await;
    refresh(&plant, json!({})).await;
    let found = known(&plant).await.unwrap();
    let shapes: Vec<_> = found.shapes.iter().map(|s| (s.cores, s.memory_mib, s.total, s.free)).collect();
    assert_eq!(shapes, [(4, 16_384, 2, 2), (20, 65_536, 2, 2), (32, 131_072, 1, 1), (56, 393_216, 1, 0)]);
    assert_eq!(found.nodes, 1);
    let shown = plant.read("inventory.get", json!({"id": plant.lab.uuids[0]})).await.unwrap();
    let units = shown["units"].as_array().unwrap();
    assert_eq!((units.len(), units.iter().filter(|u| u["used"] == true).count()), (6, 1), "{units:?}");
    assert!(units.iter().all(|u| u["rack"].as_str().unwrap().starts_with("Rack")), "{units:?}");
    let all = plant.read("inventory.list", json!({})).await.unwrap();
    assert_eq!((&all["totals"]["systems"], &all["totals"]["systems_free"]), (&json!(6), &json!(5)), "{all}");
    assert_eq!((&all["totals"]["cores"], &all["totals"]["cores_free"]), (&json!(136), &json!(80)), "{all}");
    assert_eq!(plant.read("inventory.list", json!({"podm_id": "none"})).await.unwrap_err().status, 404);
}

#[tokio::test]
async fn what_has_not_changed_is_neither_read_in_depth_nor_written() {
    let plant = plant(SimConfig::default()).await;
    refresh(&plant, json!({})).await;
    let (parts, chassis) = (requests(&plant, "/Processors/").await, requests(&plant, "/Chassis/").await);
    assert!(parts > 0 && chassis > 0);
    assert_eq!(refresh(&plant, json!({})).await["written"], 0);
    assert_eq!(requests(&plant, "/Processors/").await, parts, "versions tell that nothing has changed");
    plant.compose(json!({"name": "n"})).await;
    let written = refresh(&plant, json!({})).await["written"].as_u64().unwrap();
    assert!((1..=2).contains(&written), "one system has another node: {written} rows");
    let before = requests(&plant, "/Processors/").await;
    refresh(&plant, json!({"full": true})).await;
    assert_eq!(requests(&plant, "/Processors/").await, before + parts, "all of it, when that is asked for");
}

#[tokio::test]
async fn a_pod_manager_that_cannot_be_read_keeps_its_inventory_with_its_age() {
    let plant = plant(SimConfig::default()).await;
    refresh(&plant, json!({})).await;
    let before = known(&plant).await.unwrap();
    plant.lab.faults(json!([{"path_prefix": "/redfish/v1/Systems", "status": 500}])).await;
    let found = refresh(&plant, json!({"sweep": {"grace_s": 600}})).await;
    assert!(found["error"].is_string(), "one of many ends well, and says what was wrong: {found}");
    assert_eq!(known(&plant).await.unwrap(), before);
    let shown = plant.read("inventory.list", json!({})).await.unwrap();
    assert_eq!((&shown["inventory"][0]["systems"], shown["inventory"][0]["age_s"].is_u64()), (&json!(8), true));
}

#[tokio::test]
async fn a_refresh_that_began_earlier_does_not_overwrite_a_later_one() {
    let plant = plant(SimConfig::default()).await;
    let of = |at_ms, systems| Inventory { podm_id: plant.lab.uuids[0].clone(), at_ms, systems, ..Inventory::default() };
    assert!(plant.store.put_inventory(&of(2, 2)).await.unwrap());
    assert!(!plant.store.put_inventory(&of(1, 1)).await.unwrap());
    assert_eq!(known(&plant).await.unwrap().systems, 2);
}

#[tokio::test]
async fn a_compose_and_a_delete_have_the_inventory_refreshed_by_themselves() {
    let plant = plant(SimConfig::default()).await;
    let nodes = async |n: u32| {
        wait::until("the inventory shows it", async || {
            let found = known(&plant).await.map(|i| i.nodes);
            if found == Some(n) { Ok(()) } else { Err(found) }
        })
        .await;
    };
    let node = plant.compose(json!({"name": "n"})).await.body.result["uuid"].as_str().unwrap().to_owned();
    nodes(1).await;
    plant.run("node.delete", json!({}), None, Some(&node)).await;
    nodes(0).await;
}

#[tokio::test]
async fn a_pod_manager_is_read_as_soon_as_it_is_registered_and_again_when_it_is_back() {
    let plant = plant(SimConfig::default()).await;
    let first = wait::until("a new one is read", async || known(&plant).await).await;
    assert!(first.systems > 0, "{first:?}");
    let id = &plant.lab.uuids[0];
    plant.store.observe(Collection::Podm, id, &json!({ "status": PodmStatus::Offline })).await.unwrap();
    wait::until("one that is back is read", async || known(&plant).await.is_some_and(|i| i.at_ms > first.at_ms)).await;
}

#[tokio::test]
async fn all_are_refreshed_once_a_slot_however_many_schedulers_run() {
    let plant = plant(SimConfig { podms: 6, systems: 1, ..SimConfig::default() }).await;
    let config = InventoryConfig { interval: SignedDuration::from_hours(1), ..InventoryConfig::default() };
    let one = valence::upkeep::inventory::Inventory::new(plant.store.clone(), &config);
    let other = valence::upkeep::inventory::Inventory::new(plant.store.clone(), &config);
    let (a, b) = tokio::join!(one.pass(), other.pass());
    assert_eq!(a.unwrap() + b.unwrap(), 6);
    assert_eq!(one.pass().await.unwrap() + other.pass().await.unwrap(), 0);
    wait::until("all are known", async || {
        let found = plant.store.inventories(&plant.lab.uuids).await.unwrap();
        if found.iter().all(Option::is_some) { Ok(()) } else { Err(found) }
    })
    .await;
    one.pass().await.unwrap();
    let page = valence::observe::metrics::get().page();
    assert!(page.contains("valence_inventory_age_seconds{podm=\"lab-0\"}"), "{page}");
}

/// Each request takes its time, so the sweep fills its places for long.
#[tokio::test]
async fn an_urgent_refresh_jumps_the_line_of_a_sweep() {
    let plant = plant(SimConfig { podms: 60, systems: 4, ..SimConfig::default() }).await;
    plant.lab.faults(json!([{"latency_ms": 100}])).await;
    let mut sweep = Vec::new();
    for podm in &plant.lab.uuids {
        let mut def = Definition::new("inventory.refresh", json!({"sweep": {"grace_s": 600}}));
        (def.podm_id, def.priority) = (Some(podm.clone()), Priority::Low);
        sweep.push(plant.submit_def(def).await);
    }
    let mut def = Definition::new("inventory.refresh", json!({"brief": true}));
    (def.podm_id, def.priority) = (Some(plant.lab.uuids[59].clone()), Priority::High);
    let began = Instant::now();
    let urgent = plant.submit_def(def).await;
    plant.done(urgent).await;
    let took = began.elapsed();
    let last = plant.store.task(*sweep.last().unwrap()).await.unwrap().unwrap();
    assert!(!last.state.is_terminal(), "the sweep was over: nothing was tried");
    assert!(took < Duration::from_secs(2), "{took:?}");
}

/// Nothing of a service's own tells which server is a node as it stands.
#[tokio::test]
async fn a_server_that_was_made_a_node_is_not_free_until_it_is_given_back() {
    let plant = plant(SimConfig::default()).await;
    let podm = plant.lab.uuids[0].clone();
    let names = format!("part:{podm}");
    let part = "/redfish/v1/Systems/System1";
    let free = async || {
        refresh(&plant, json!({"brief": true})).await;
        known(&plant).await.unwrap().shapes.iter().map(|s| s.free).sum::<u32>()
    };
    assert_eq!(free().await, 8);
    plant.store.claim_name(Collection::Node, &names, part, "n").await.unwrap();
    assert_eq!(free().await, 7);
    plant.store.release_name(Collection::Node, &names, part, "n").await.unwrap();
    assert_eq!(free().await, 8);
}

#[tokio::test]
async fn a_pod_manager_that_is_forgotten_leaves_nothing_of_its_inventory() {
    let plant = plant(SimConfig::default()).await;
    refresh(&plant, json!({})).await;
    plant.run("podm.delete", json!({}), Some(&plant.lab.uuids[0]), None).await;
    let keys: Vec<String> = plant.redis.command(&["KEYS", "vl:inventory:*"]).await;
    assert_eq!(keys, Vec::<String>::new());
}

/// Registered by hand, so that nobody has asked them yet.
async fn unasked(podms: usize) -> Plant {
    let plant = Plant::bare(SimConfig { podms, systems: 1, ..SimConfig::default() }, false).await;
    let writer = Writer { task: valence::ids::TaskId::mint(1, valence::ids::Bucket(0)), claims: 1 };
    for n in 0..podms {
        let record = Podm { status: PodmStatus::Unknown, ..plant.lab.record_of(n) };
        plant.store.put_record(Collection::Podm, &record.uuid, &record, writer).await.unwrap();
    }
    plant
}

async fn with_status(plant: &Plant, status: PodmStatus) -> usize {
    let podms: Vec<Podm> = plant.store.records(Collection::Podm).await.unwrap();
    podms.iter().filter(|p| p.status == status).count()
}

#[tokio::test]
async fn black_holes_hold_up_nobodys_probe() {
    let plant = unasked(60).await;
    let holes: Vec<Value> = (0..40).map(|n| json!({"podm": n, "hang": true})).collect();
    plant.lab.faults(json!(holes)).await;
    let prober = Prober::new(plant.store.clone(), plant.lab.pool.clone(), Duration::from_secs(60));
    let began = Instant::now();
    assert_eq!(prober.pass().await.unwrap(), 60);
    assert!(began.elapsed() < Duration::from_secs(1), "a pass waits for nobody: {:?}", began.elapsed());
    wait::until("the others are seen", async || with_status(&plant, PodmStatus::Online).await == 20).await;
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    wait::until("the holes are seen", async || with_status(&plant, PodmStatus::Offline).await == 40).await;
    plant.lab.faults(json!([])).await;
}

#[tokio::test]
async fn schedulers_share_the_probes() {
    let plant = unasked(30).await;
    let prober = || Prober::new(plant.store.clone(), plant.lab.pool.clone(), Duration::from_secs(3600));
    let (one, other) = (prober(), prober());
    let (a, b) = tokio::join!(one.pass(), other.pass());
    assert_eq!(a.unwrap() + b.unwrap(), 30);
    wait::until("all are seen", async || with_status(&plant, PodmStatus::Online).await == 30).await;
    assert_eq!(roots(&plant.lab).await, 30, "each was asked once");
}

async fn roots(lab: &Lab) -> usize {
    let log = lab.log().await;
    let podms: std::collections::BTreeSet<u64> =
        log.as_array().unwrap().iter().map(|e| e["podm"].as_u64().unwrap()).collect();
    let root = |e: &&Value| e["path"] == "/redfish/v1/Nodes";
    assert_eq!(podms.len(), 30);
    log.as_array().unwrap().iter().filter(root).count()
}

#[tokio::test]
async fn reading_what_one_pod_manager_has_costs_the_same_however_much_others_have() {
    let redis = TestRedis::start().await;
    let [writer, reader] = [(); 2].map(|()| redis.open(valence::config::Config::default().store_options()));
    let (writer, reader) = (writer.await, reader.await);
    let (mine, others) = (new_record_id(), new_record_id());
    let by = Writer { task: TaskId::mint(writer.clock().now_ms(), Bucket(0)), claims: 1 };
    let device = async |podm: &str| {
        let id = new_record_id();
        let row = json!({"uuid": id, "podm_id": podm});
        assert!(writer.put_record(Collection::Device, &id, &row, by).await.unwrap());
        id
    };
    let found = async || {
        let rows: Vec<Value> = reader.records_of(&mine, Collection::Device).await.unwrap();
        let mut ids: Vec<String> = rows.iter().map(|row| row["uuid"].as_str().unwrap().to_owned()).collect();
        ids.sort();
        ids
    };
    let sorted = |ids: &[&String]| {
        let mut ids: Vec<String> = ids.iter().map(|id| (*id).clone()).collect();
        ids.sort();
        ids
    };
    for _ in 0..300 {
        device(&others).await;
    }
    let (first, second) = (device(&mine).await, device(&mine).await);
    assert_eq!(found().await, sorted(&[&first, &second]));
    // What has come since is seen, and what has gone.
    let third = device(&mine).await;
    device(&others).await;
    assert!(writer.delete_record(Collection::Device, &first, by).await.unwrap());
    assert_eq!(found().await, sorted(&[&second, &third]));
    let _reset: String = redis.command(&["CONFIG", "RESETSTAT"]).await;
    assert_eq!(found().await, sorted(&[&second, &third]));
    let stats: String = redis.command(&["INFO", "commandstats"]).await;
    let asked = |name: &str| {
        let stat = stats.lines().find_map(|l| l.strip_prefix(&format!("cmdstat_{name}:calls="))?.split(',').next());
        stat.map(|n| n.parse().unwrap()).unwrap_or(0)
    };
    assert_eq!((asked("hmget"), asked("smembers")), (2, 1), "its own two, and which they are");
    let others_ids: u32 = redis.command(&["SCARD", &format!("vl:devices:of:{others}")]).await;
    let own: u32 = redis.command(&["SCARD", &format!("vl:devices:of:{mine}")]).await;
    assert_eq!((own, others_ids), (2, 301), "who is gone is taken out");
}
