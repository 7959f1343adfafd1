//! Where hardware and records disagree: what is returned, adopted, finished, released or corrected, when, and what is never touched.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on should say so")]

mod support;

use jiff::SignedDuration;
use serde_json::{Value, json};
use support::pool;
use support::saga::Plant;
use support::wait;
use valence::model::audit::{AuditEntry, AuditFilter};
use valence::model::device::{Device, DeviceState};
use valence::podm::{Begun, Wanted, WantedVolume, tag};
use valence::sim::SimConfig;
use valence::store::records::{Collection, Writer};

/// Nothing is refreshed by itself: each look is the test's.
async fn plant() -> Plant {
    Plant::start_with(SimConfig::default(), |config| config.inventory.interval = SignedDuration::ZERO).await
}

/// Hardware with this description, that no record knows.
async fn hardware(plant: &Plant, description: &str) -> String {
    let requirements = serde_json::from_value(json!({})).unwrap();
    let wanted = Wanted { name: "n".into(), description: description.into(), requirements, parts: Vec::new() };
    match plant.lab.driver().allocate(&wanted).await.unwrap() {
        Begun::Done(Some(path)) => path,
        other => panic!("{other:?}"),
    }
}

/// A compose that has failed.
async fn failed(plant: &Plant) -> String {
    let task = plant.compose(json!({"name": "n", "properties": {"memory": {"capacity_mib": "999999999"}}})).await;
    assert_eq!(task.state.as_str(), "failed", "{:?}", task.body);
    task.id.to_string()
}

fn own(task: &str) -> String {
    tag::mark("", &format!("valence:valence:{task}"))
}

/// One look that may act.
async fn look(plant: &Plant, grace_s: u64) {
    let podm = plant.lab.uuids[0].clone();
    let params = json!({"sweep": {"grace_s": grace_s}});
    let task = plant.run("inventory.refresh", params, Some(&podm), None).await;
    assert_eq!((task.state.as_str(), task.body.result.get("error")), ("completed", None), "{:?}", task.body);
}

async fn drift(plant: &Plant) -> Vec<Value> {
    plant.read("drift.list", json!({})).await.unwrap()["drift"].as_array().unwrap().clone()
}

async fn is_there(plant: &Plant, path: &str) -> bool {
    plant.lab.driver().node(path).await.unwrap().is_some()
}

async fn audits(plant: &Plant, action: &str) -> Vec<AuditEntry> {
    let all = plant
        .store
        .audits(&AuditFilter::default(), 100, None)
        .await
        .unwrap()
        .entries
        .into_iter()
        .map(|(_, entry)| entry);
    all.filter(|entry| entry.action == action).collect()
}

/// Looks again until it holds.
async fn until_swept(plant: &Plant, grace_s: u64, what: &str, holds: impl AsyncFn() -> bool) {
    wait::until(what, async || {
        look(plant, grace_s).await;
        if holds().await { Ok(()) } else { Err(drift(plant).await) }
    })
    .await;
}

#[tokio::test]
async fn hardware_that_a_failed_compose_left_behind_is_returned_and_that_is_on_record() {
    let plant = plant().await;
    let task = failed(&plant).await;
    let path = hardware(&plant, &own(&task)).await;
    until_swept(&plant, 0, "it is returned", async || !is_there(&plant, &path).await).await;
    let entry = wait::until("it is audited", async || audits(&plant, "node.return").await.pop()).await;
    assert_eq!((entry.actor.as_str(), &entry.target, entry.task_id.as_ref()), ("sweep", &path, Some(&task)));
    until_swept(&plant, 0, "nothing disagrees", async || drift(&plant).await.is_empty()).await;
}

#[tokio::test]
async fn one_sighting_is_not_enough_and_neither_are_two_within_the_grace() {
    let plant = plant().await;
    let path = hardware(&plant, &own(&failed(&plant).await)).await;
    look(&plant, 0).await;
    let found = drift(&plant).await;
    assert_eq!((&found[0]["sort"], &found[0]["sightings"]), (&json!("orphan"), &json!(1)), "{found:?}");
    assert_eq!(returns(&plant).await, 0, "one sighting");
    wait::until("it was sighted again", async || {
        look(&plant, 600).await;
        let found = drift(&plant).await;
        if found[0]["sightings"].as_u64() >= Some(3) { Ok(()) } else { Err(found) }
    })
    .await;
    assert_eq!(returns(&plant).await, 0, "the grace is not over");
    assert!(is_there(&plant, &path).await);
}

#[tokio::test]
async fn a_look_that_may_do_nothing_does_not_put_off_the_one_that_may() {
    let plant = plant().await;
    let podm = plant.lab.uuids[0].clone();
    hardware(&plant, &own(&failed(&plant).await)).await;
    wait::until("it was sighted twice", async || {
        plant.run("inventory.refresh", json!({"brief": true}), Some(&podm), None).await;
        let found = drift(&plant).await;
        if found[0]["sightings"].as_u64() >= Some(2) { Ok(()) } else { Err(found) }
    })
    .await;
    let again = plant.store.looks(&[podm]).await.unwrap()[0].again_ms.unwrap_or_default();
    assert!((1..=plant.store.clock().now_ms()).contains(&again), "{again}: the scheduler looks at once");
}

/// How many tasks were made to return hardware.
async fn returns(plant: &Plant) -> usize {
    let keys: Vec<String> = plant.redis.command(&["KEYS", "vl:{b00}:t:*:d"]).await;
    let mut count = 0;
    for key in keys {
        let text: String = plant.redis.command(&["GET", &key]).await;
        count += usize::from(text.contains("node.return"));
    }
    count
}

#[tokio::test]
async fn nodes_of_other_deployments_and_nodes_without_a_tag_are_never_touched() {
    let plant = plant().await;
    let ended = failed(&plant).await;
    let foreign = hardware(&plant, &tag::mark("", &format!("valence:another:{ended}"))).await;
    let bare = hardware(&plant, "somebody's").await;
    let ours = hardware(&plant, &own(&ended)).await;
    until_swept(&plant, 0, "ours is returned", async || !is_there(&plant, &ours).await).await;
    look(&plant, 0).await;
    assert!(is_there(&plant, &foreign).await && is_there(&plant, &bare).await);
    assert!(plant.node_rows().await.is_empty(), "and neither is adopted");
    assert_eq!(audits(&plant, "node.adopt").await, []);
}

#[tokio::test]
async fn hardware_with_our_tag_of_which_nothing_is_known_is_adopted_and_never_returned() {
    let plant = plant().await;
    let unknown = "019abcde-0000-7000-8000-000000000000";
    let path = hardware(&plant, &own(unknown)).await;
    look(&plant, 0).await;
    assert!(plant.node_rows().await.is_empty(), "one sighting is not enough");
    until_swept(&plant, 0, "it is on record", async || plant.node_rows().await.len() == 1).await;
    for _ in 0..2 {
        look(&plant, 0).await;
    }
    let rows = plant.node_rows().await;
    assert_eq!((rows.len(), &rows[0].resource_uri), (1, &path));
    assert!(is_there(&plant, &path).await);
    let entries = audits(&plant, "node.adopt").await;
    assert_eq!((entries.len(), entries[0].task_id.as_deref()), (1, Some(unknown)));
    assert_eq!(drift(&plant).await, Vec::<Value>::new());
    let deleted = plant.run("node.delete", json!({}), None, Some(&rows[0].uuid)).await;
    assert_eq!(deleted.state.as_str(), "completed", "an adopted node is a node: {:?}", deleted.body);
    assert!(!is_there(&plant, &path).await);
}

#[tokio::test]
async fn what_a_task_is_at_work_on_is_left_to_it() {
    let plant = plant().await;
    let mut def = valence::model::task::Definition::new("node.compose", json!({"name": "later"}));
    def.podm_id = Some(plant.lab.uuids[0].clone());
    let later = plant.store.submit(def, Some(3_600_000), None).await.unwrap().id.to_string();
    let path = hardware(&plant, &own(&later)).await;
    let ended = hardware(&plant, &own(&failed(&plant).await)).await;
    until_swept(&plant, 0, "the other one is returned", async || !is_there(&plant, &ended).await).await;
    assert!(is_there(&plant, &path).await);
}

/// Between the sweeper's look and the return, somebody may have had the task repeated.
#[tokio::test]
async fn a_return_looks_again_before_it_takes_anything_away() {
    let plant = plant().await;
    let podm = plant.lab.uuids[0].clone();
    let node = plant.compose(json!({"name": "kept"})).await;
    let recorded = plant.node_rows().await.remove(0);
    let wanted = json!({"node": recorded.resource_uri, "task_id": node.id});
    let task = plant.run("node.return", wanted, Some(&podm), Some(&recorded.uuid)).await;
    assert_eq!(task.body.result["left"], "the node is on record", "{:?}", task.body);

    let path = hardware(&plant, &own(&failed(&plant).await)).await;
    let other = failed(&plant).await;
    let task = plant.run("node.return", json!({"node": path, "task_id": other}), Some(&podm), Some("n")).await;
    assert_eq!(task.body.result["left"], "it carries another tag", "{:?}", task.body);
    let unknown = "019abcde-0000-7000-8000-000000000000";
    let task = plant.run("node.return", json!({"node": path, "task_id": unknown}), Some(&podm), Some("n")).await;
    assert_eq!(task.body.result["left"], "nothing is on record of its task any more", "{:?}", task.body);
    assert!(is_there(&plant, &path).await);
    assert!(is_there(&plant, &recorded.resource_uri).await);
}

#[tokio::test]
async fn a_node_whose_hardware_vanished_is_listed_and_one_that_was_being_deleted_is_finished() {
    let plant = plant().await;
    for name in ["vanished", "half"] {
        assert_eq!(plant.compose(json!({ "name": name })).await.state.as_str(), "completed");
    }
    let rows = plant.node_rows().await;
    let of = |name: &str| rows.iter().find(|r| r.name == name).unwrap().clone();
    let (vanished, half) = (of("vanished"), of("half"));
    for row in [&vanished, &half] {
        plant.lab.driver().delete_node(&row.resource_uri).await.unwrap();
    }
    // As a delete leaves it that died for good midway.
    plant.store.observe(Collection::Node, &half.uuid, &json!({"deleting": failed(&plant).await})).await.unwrap();
    let left = async || plant.node_rows().await.into_iter().map(|r| r.name).collect::<Vec<_>>();
    look(&plant, 0).await;
    assert_eq!(left().await.len(), 2, "one sighting is not enough");
    until_swept(&plant, 0, "the deletion is finished", async || left().await == ["vanished"]).await;
    let found = drift(&plant).await;
    let listed = found.iter().find(|f| f["sort"] == "missing").unwrap();
    assert_eq!((&listed["node_id"], &listed["repaired_by"]), (&json!(vanished.uuid), &Value::Null), "{listed}");
}

#[tokio::test]
async fn parts_reserved_for_nobody_are_released_and_those_of_a_node_are_kept() {
    let plant = plant().await;
    plant.compose(json!({"name": "n"})).await;
    let node = plant.node_rows().await.remove(0).uuid;
    let names = format!("part:{}", plant.lab.uuids[0]);
    for (part, owner) in [("/part/1", "nobody"), ("/part/2", node.as_str())] {
        assert_eq!(plant.store.claim_name(Collection::Node, &names, part, owner).await.unwrap(), None);
    }
    look(&plant, 0).await;
    assert_eq!(pool::owners(&plant).await.len(), 2, "one sighting is not enough");
    until_swept(&plant, 0, "the stale one is released", async || pool::owners(&plant).await.len() == 1).await;
    assert_eq!(pool::owners(&plant).await["/part/2"], node);
    let entry = wait::until("it is audited", async || audits(&plant, "node.return").await.pop()).await;
    assert!(entry.detail.unwrap().contains("/part/1"));
}

#[tokio::test]
async fn the_row_of_a_device_that_is_attached_otherwise_is_corrected() {
    let plant = plant().await;
    look(&plant, 600).await;
    let mut row: Device = pool::devices(&plant).await.into_iter().find(|d| d.node_id.is_none()).unwrap();
    (row.node_id, row.state) = (Some("77".into()), DeviceState::Allocated);
    let writer = Writer { task: failed(&plant).await.parse().unwrap(), claims: 1 };
    assert!(plant.store.overwrite_record(Collection::Device, &row.uuid, &row, writer).await.unwrap());
    look(&plant, 600).await;
    assert_eq!(pool::device(&plant, &row.uuid).await.node_id, None);
    assert_eq!(audits(&plant, "device.correct").await[0].target, row.resource_uri);
    let found = drift(&plant).await;
    assert!(found.iter().any(|f| f["sort"] == "device" && f["target"] == row.resource_uri.as_str()), "{found:?}");
}

const VOLUMES: &str = "/redfish/v1/StorageServices/RSS1/Volumes";

/// A volume with this description.
async fn volume(plant: &Plant, description: &str) -> String {
    let wanted = WantedVolume { name: "v".into(), description: description.into(), capacity_gib: 1.0, bootable: None };
    let driver = plant.lab.driver();
    match driver.storage().unwrap().storages().unwrap().create(VOLUMES, &wanted).await.unwrap() {
        Begun::Done(Some(path)) => path,
        other => panic!("{other:?}"),
    }
}

async fn volumes(plant: &Plant) -> Vec<String> {
    let driver = plant.lab.driver();
    let all = driver.storage().unwrap().storages().unwrap().volumes(VOLUMES).await.unwrap();
    all.into_iter().map(|v| v.path).collect()
}

/// A look at everything, volumes too, that may act.
async fn look_at_all(plant: &Plant, grace_s: u64) {
    let podm = plant.lab.uuids[0].clone();
    let params = json!({"full": true, "sweep": {"grace_s": grace_s}});
    let task = plant.run("inventory.refresh", params, Some(&podm), None).await;
    assert_eq!((task.state.as_str(), task.body.result.get("error")), ("completed", None), "{:?}", task.body);
}

#[tokio::test]
async fn a_volume_that_a_failed_task_left_behind_is_deleted_and_every_other_stays() {
    let plant = plant().await;
    let podm = plant.lab.uuids[0].clone();
    let wanted = |storage: &str| json!({"storage_id": storage, "name": "v", "capacity_gib": 1.0});
    let made = plant.run("volume.create", wanted("RSS1"), Some(&podm), None).await;
    assert_eq!(made.state.as_str(), "completed", "{:?}", made.body);
    let failed = plant.run("volume.create", wanted("nowhere"), Some(&podm), None).await;
    assert_eq!(failed.state.as_str(), "failed", "{:?}", failed.body);
    let left = volume(&plant, &own(&failed.id.to_string())).await;
    for other in ["somebody's", &own("019abcde-0000-7000-8000-000000000000")] {
        volume(&plant, other).await;
    }
    volume(&plant, &tag::mark("", &format!("valence:another:{}", failed.id))).await;
    look_at_all(&plant, 600).await;
    // The next looks are no full ones: what was found is looked at all the same.
    wait::until("it was sighted again", async || {
        look(&plant, 600).await;
        let found = drift(&plant).await;
        if found[0]["sightings"].as_u64() >= Some(2) { Ok(()) } else { Err(found) }
    })
    .await;
    assert!(volumes(&plant).await.contains(&left), "the grace is not over");
    until_swept(&plant, 0, "it is deleted", async || !volumes(&plant).await.contains(&left)).await;
    let entry = wait::until("it is audited", async || audits(&plant, "volume.return").await.pop()).await;
    assert_eq!((entry.actor.as_str(), &entry.target), ("sweep", &left));
    until_swept(&plant, 0, "nothing disagrees", async || drift(&plant).await.is_empty()).await;
    look_at_all(&plant, 0).await;
    assert_eq!(volumes(&plant).await.len(), 4, "those of others, and of a task that has ended well, stay");
}

/// The tag says it, and not the sweeper.
#[tokio::test]
async fn a_volume_is_not_returned_for_another_task_than_its_own() {
    let plant = plant().await;
    let podm = plant.lab.uuids[0].clone();
    let (its, other) = (failed(&plant).await, failed(&plant).await);
    let path = volume(&plant, &own(&its)).await;
    let task = plant.run("volume.return", json!({"volume": path, "task_id": other}), Some(&podm), None).await;
    assert_eq!(task.body.result["left"], "it carries another tag", "{:?}", task.body);
    let done = plant.compose(json!({"name": "n"})).await.id.to_string();
    let kept = volume(&plant, &own(&done)).await;
    let task = plant.run("volume.return", json!({"volume": kept, "task_id": done}), Some(&podm), None).await;
    assert_eq!(task.body.result["left"], "its task has not ended without it", "{:?}", task.body);
    assert_eq!(volumes(&plant).await.len(), 2);
}

/// Ids of the sessions that are open at the first Pod Manager.
async fn sessions(plant: &Plant) -> Vec<String> {
    let url = format!("{}/redfish/v1/SessionService/Sessions", plant.lab.url);
    let asked =
        reqwest::Client::new().get(url).basic_auth("admin", Some(support::podm::PASSWORD)).send().await.unwrap();
    let all: Value = asked.json().await.unwrap();
    let path = |m: &Value| m["@odata.id"].as_str().unwrap().to_owned();
    all["Members"].as_array().unwrap().iter().map(path).collect()
}

#[tokio::test]
async fn a_session_whose_process_died_is_ended_and_those_in_use_and_of_others_stay() {
    let plant = plant().await;
    let key = format!("vl:sessions:{}", plant.lab.uuids[0]);
    look(&plant, 0).await;
    let in_use = sessions(&plant).await;
    let noted: Vec<String> = plant.redis.command(&["HKEYS", &key]).await;
    assert_eq!((&noted, noted.len()), (&in_use, 1), "whoever logs in notes where");
    // Two more, as by processes that were killed; of one nobody knows that it was ours.
    let _dead = [plant.lab.driver_anew().probe().await.unwrap(), plant.lab.driver_anew().probe().await.unwrap()];
    let mut lost = sessions(&plant).await;
    lost.retain(|path| !in_use.contains(path));
    let _: u64 = plant.redis.command(&["DEL", &key]).await;
    for (path, kept_ms) in [(&in_use[0], "99999999999999"), (&lost[0], "1")] {
        let _: u64 = plant.redis.command(&["HSET", &key, path, kept_ms]).await;
    }
    look(&plant, 0).await;
    let left = sessions(&plant).await;
    assert!(!left.contains(&lost[0]) && left.contains(&lost[1]) && left.contains(&in_use[0]), "{left:?}");
    let entry = audits(&plant, "session.end").await.pop().unwrap();
    assert_eq!((entry.actor.as_str(), &entry.target), ("sweep", &lost[0]));
    let noted: Vec<String> = plant.redis.command(&["HKEYS", &key]).await;
    assert!(!noted.contains(&lost[0]), "{noted:?}");
}

#[tokio::test]
async fn the_scheduler_sweeps_by_itself_after_the_grace_that_is_set() {
    let plant = Plant::start_with(SimConfig::default(), |config| {
        config.inventory.interval = SignedDuration::from_secs(2);
        config.inventory.orphan_grace = SignedDuration::from_secs(1);
    })
    .await;
    let path = hardware(&plant, &own(&failed(&plant).await)).await;
    wait::until("it is returned", async || !is_there(&plant, &path).await).await;
}
