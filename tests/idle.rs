//! What Pod Managers cost to which nothing happens: little each, and no more when there are many.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on should say so")]

mod support;

use std::time::Duration;

use serde_json::{Value, json};
use support::redis::TestRedis;
use support::saga::Plant;
use support::wait;
use valence::config::Config;
use valence::ids::{Bucket, TaskId, new_record_id};
use valence::model::podm::{Podm, PodmStatus};
use valence::sim::SimConfig;
use valence::store::Store;
use valence::store::records::{Collection, Writer};

/// Commands by name since the last reset, those of scripts among them.
async fn commands(redis: &TestRedis) -> Vec<(String, u64)> {
    let stats: String = redis.command(&["INFO", "commandstats"]).await;
    let line = |l: &str| {
        let (name, stats) = l.strip_prefix("cmdstat_")?.split_once(":calls=")?;
        Some((name.to_owned(), stats.split(',').next()?.parse().ok()?))
    };
    stats.lines().filter_map(line).collect()
}

#[tokio::test]
async fn what_two_hundred_idle_pod_managers_ask_of_redis_is_bounded() {
    const PODMS: usize = 200;
    const LOOKED_AT: Duration = Duration::from_secs(15);
    let plant = Plant::bare(SimConfig { podms: PODMS, systems: 2, ..SimConfig::default() }, true).await;
    for n in 0..PODMS {
        put(&plant.store, &plant.lab.record_of(n)).await;
    }
    wait::within(Duration::from_secs(90), "each was read once", async || {
        let inventories = plant.store.inventories(&plant.lab.uuids).await.unwrap();
        let readings = plant.store.overviews(&plant.lab.uuids).await.unwrap();
        let under_way: u64 = plant.redis.command(&["ZCARD", "vl:{b00}:live"]).await;
        let (known, measured) = (inventories.iter().flatten().count(), readings.iter().flatten().count());
        if (known, measured, under_way) == (PODMS, PODMS, 0) { Ok(()) } else { Err((known, measured, under_way)) }
    })
    .await;
    let _reset: String = plant.redis.command(&["CONFIG", "RESETSTAT"]).await;
    let began_ms = plant.store.clock().now_ms();
    let passed = || Duration::from_millis(plant.store.clock().now_ms() - began_ms);
    wait::until("it has been looked at for a while", async || passed() >= LOOKED_AT).await;
    let asked = commands(&plant.redis).await;
    let minutes = passed().as_secs_f64() / 60.0;
    let each = |n: u64| f64::from(u32::try_from(n).unwrap()) / minutes / f64::from(u32::try_from(PODMS).unwrap());
    let mut shown: Vec<_> = asked.iter().map(|(name, n)| (each(*n), name)).collect();
    shown.sort_by(|a, b| b.0.total_cmp(&a.0));
    let all: f64 = shown.iter().map(|(n, _)| n).sum();
    assert!(all < 300.0, "{all:.0} commands for a Pod Manager and minute: {shown:.1?}");
}

fn writer() -> Writer {
    Writer { task: TaskId::mint(1_700_000_000_000, Bucket(0)), claims: 1 }
}

/// A store with some Pod Managers, and their ids.
async fn with_podms(redis: &TestRedis, podms: usize) -> (Store, Vec<String>) {
    let store = redis.store(&Config::default()).await;
    let ids: Vec<String> = (0..podms).map(|_| new_record_id()).collect();
    for id in &ids {
        put(&store, &Podm::new(id, id, &format!("https://{id}.example"), "redfishv1")).await;
    }
    (store, ids)
}

async fn put(store: &Store, podm: &Podm) {
    assert!(store.put_record(Collection::Podm, &podm.uuid, podm, writer()).await.unwrap());
}

#[tokio::test]
async fn a_look_at_all_pod_managers_costs_the_same_however_many_there_are_while_none_changes() {
    let redis = TestRedis::start().await;
    let (store, ids) = with_podms(&redis, 50).await;
    assert_eq!(store.podms().await.unwrap().len(), 50);
    let _reset: String = redis.command(&["CONFIG", "RESETSTAT"]).await;
    assert_eq!(store.podms().await.unwrap().len(), 50);
    let asked: u64 = commands(&redis).await.iter().filter(|(name, _)| name != "config|resetstat").map(|(_, n)| n).sum();
    assert_eq!(asked, 2, "for {} Pod Managers", ids.len());
}

#[tokio::test]
async fn a_pod_manager_that_another_process_adds_changes_observes_or_deletes_is_seen_at_the_next_look() {
    let redis = TestRedis::start().await;
    let (reader, ids) = with_podms(&redis, 3).await;
    let other = redis.store(&Config::default()).await;
    let seen = async |id: &str| reader.podms().await.unwrap().iter().find(|p| p.uuid == id).cloned();
    let mut podm = seen(&ids[0]).await.unwrap();
    podm.policy.cordoned = true;
    assert!(other.update_record(Collection::Podm, &ids[0], &podm, writer()).await.unwrap());
    assert_eq!(seen(&ids[0]).await, Some(podm), "cordoned");
    other.observe(Collection::Podm, &ids[1], &json!({ "status": PodmStatus::Offline })).await.unwrap();
    assert_eq!(seen(&ids[1]).await.unwrap().status, PodmStatus::Offline);
    assert!(other.delete_record(Collection::Podm, &ids[2], writer()).await.unwrap());
    assert_eq!(seen(&ids[2]).await, None, "deleted");
    let row = other.raw_rows(Collection::Podm).await.unwrap().into_iter().find(|(id, _)| *id == ids[1]).unwrap().1;
    let anew = row.replace("https://", "https://www.");
    assert!(other.swap_row(Collection::Podm, &ids[1], &row, &anew).await.unwrap());
    assert!(seen(&ids[1]).await.unwrap().url.starts_with("https://www."), "sealed anew, say");
    let new = Podm::new(&new_record_id(), "new", "https://new.example", "redfishv1");
    put(&other, &new).await;
    assert_eq!(seen(&new.uuid).await, Some(new));
}

#[tokio::test]
async fn a_pod_manager_that_an_older_build_adds_or_deletes_is_seen_at_the_next_look() {
    let redis = TestRedis::start().await;
    let (store, ids) = with_podms(&redis, 3).await;
    let seen = async || store.podms().await.unwrap().len();
    assert_eq!(seen().await, 3);
    // It writes the record and the set of ids, and no stamp.
    let _gone: u32 = redis.command(&["DEL", &format!("vl:podm:{}", ids[0])]).await;
    let _gone: u32 = redis.command(&["SREM", "vl:podms", &ids[0]]).await;
    assert_eq!(seen().await, 2);
    let () = redis.command(&["FLUSHALL"]).await;
    assert_eq!(seen().await, 0, "emptied");
}

#[tokio::test]
async fn what_somebody_else_has_put_in_the_stamp_s_place_hides_no_change() {
    let redis = TestRedis::start().await;
    let (store, ids) = with_podms(&redis, 2).await;
    let _gone: u32 = redis.command(&["DEL", "vl:podms:stamp"]).await;
    let _added: u32 = redis.command(&["SADD", "vl:podms:stamp", "nonsense"]).await;
    assert_eq!(store.podms().await.unwrap().len(), 2);
    let cordoned = |podms: &[Podm]| podms.iter().filter(|p| p.policy.cordoned).count();
    let mut podm = store.record::<Podm>(Collection::Podm, &ids[0]).await.unwrap().unwrap();
    podm.policy.cordoned = true;
    put(&store, &podm).await;
    assert_eq!(cordoned(&store.podms().await.unwrap()), 1);
}

/// A device of a Pod Manager.
async fn device(store: &Store, podm: &str) -> String {
    let id = new_record_id();
    let row = json!({ "uuid": id, "podm_id": podm });
    assert!(store.put_record(Collection::Device, &id, &row, writer()).await.unwrap());
    id
}

async fn devices_of(store: &Store, podm: &str) -> Vec<String> {
    let rows: Vec<Value> = store.records_of(podm, Collection::Device).await.unwrap();
    let mut ids: Vec<String> = rows.iter().map(|row| row["uuid"].as_str().unwrap().to_owned()).collect();
    ids.sort();
    ids
}

fn sorted(ids: &[&String]) -> Vec<String> {
    let mut ids: Vec<String> = ids.iter().map(|id| (*id).clone()).collect();
    ids.sort();
    ids
}

#[tokio::test]
async fn devices_that_an_older_build_has_left_are_found_and_none_of_another_pod_manager() {
    let redis = TestRedis::start().await;
    let store = redis.store(&Config::default()).await;
    let (mine, others) = (new_record_id(), new_record_id());
    let (first, second) = (device(&store, &mine).await, device(&store, &mine).await);
    device(&store, &others).await;
    let home = format!("vl:devices:of:{mine}");
    let _gone: u32 = redis.command(&["DEL", "vl:devices:homes", &home]).await;
    assert_eq!(devices_of(&store, &mine).await, sorted(&[&first, &second]), "made when it is missing");
    // Beside this one, an older build adds another.
    let third = device(&store, &mine).await;
    let _gone: u32 = redis.command(&["SREM", &home, &third]).await;
    let all: Vec<Value> = store.all_records_of(&mine, Collection::Device).await.unwrap();
    assert_eq!(all.len(), 3, "who destroys what is not there looks at all");
    let _gone: u32 = redis.command(&["SREM", &home, &third]).await;
    valence::upkeep::homes::pass(&store).await.unwrap();
    assert_eq!(devices_of(&store, &mine).await, sorted(&[&first, &second, &third]), "made anew now and then");
}

#[tokio::test]
async fn what_somebody_else_has_put_among_a_pod_manager_s_devices_is_taken_out_and_hides_none() {
    let redis = TestRedis::start().await;
    let store = redis.store(&Config::default()).await;
    let (mine, others) = (new_record_id(), new_record_id());
    let (own, odd) = (device(&store, &mine).await, device(&store, &mine).await);
    let another = device(&store, &others).await;
    let home = format!("vl:devices:of:{mine}");
    let _added: u32 = redis.command(&["SADD", &home, "nonsense", "", &another, &new_record_id()]).await;
    let () = redis.command(&["HSET", &format!("vl:device:{odd}"), "row", "nonsense"]).await;
    assert_eq!(devices_of(&store, &mine).await, sorted(&[&own]));
    let left: Vec<String> = redis.command(&["SMEMBERS", &home]).await;
    assert_eq!(left, [own], "nothing else is read again");
    // Whose set is no set at all loses its own alone.
    let _gone: u32 = redis.command(&["DEL", &home]).await;
    let () = redis.command(&["SET", &home, "nonsense"]).await;
    valence::upkeep::homes::pass(&store).await.unwrap();
    assert_eq!(devices_of(&store, &others).await, sorted(&[&another]));
}

#[tokio::test]
async fn a_pod_manager_that_is_forgotten_leaves_no_device_and_no_list_of_them() {
    let plant = Plant::start(SimConfig { podms: 2, ..SimConfig::default() }).await;
    for podm in &plant.lab.uuids {
        let synced = plant.run("device.sync", json!({}), Some(podm), None).await;
        assert_eq!(synced.state.as_str(), "completed", "{:?}", synced.body);
    }
    let [gone, stays] = [0, 1].map(|n| plant.lab.uuids[n].clone());
    assert!(!devices_of(&plant.store, &gone).await.is_empty());
    plant.run("podm.delete", Value::Null, Some(&gone), None).await;
    let homes: Vec<String> = plant.redis.command(&["KEYS", "vl:devices:of:*"]).await;
    assert_eq!(homes, [format!("vl:devices:of:{stays}")]);
    let left: Vec<Value> = plant.store.records(Collection::Device).await.unwrap();
    assert!(!left.is_empty() && left.iter().all(|row| row["podm_id"] == stays.as_str()), "{left:?}");
}
