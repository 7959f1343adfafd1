//! What a placement leaves behind and tells, however it ends: counts, reasons, nothing reserved, nothing made twice.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on should say so")]

mod support;

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::placing::{count_hardware, place, places, quick, set_policy};
use support::saga::{Plant, accepted_ago};
use support::wait;
use valence::ids::{Bucket, TaskId};
use valence::model::placement::{Candidate, Choice};
use valence::model::podm::Policy;
use valence::model::problem::Problem;
use valence::model::task::{Definition, TaskError};
use valence::model::topic::{Lane, Priority, Topic};
use valence::sim::SimConfig;
use valence::store::claims::{Outcome, Settled, Settlement, Source};
use valence::store::listing::Filter;
use valence::store::record::{Body, TaskRecord};
use valence::store::reservations::Reserved;
use valence::store::tasks::NewTask;
use valence::store::upkeep::all_lanes;

async fn reserved(plant: &Plant) -> usize {
    plant.store.read_candidates(Instant::now()).await.unwrap();
    plant
        .store
        .with_candidates(|all| all.iter().map(|c| c.reservations.iter().filter(|r| r.done_ms == 0).count()).sum())
}

/// What is reserved at a Pod Manager, for nodes that are there as well.
async fn reserved_at(plant: &Plant, podm: usize) -> usize {
    plant.store.read_candidates(Instant::now()).await.unwrap();
    let here =
        |all: &mut [Candidate]| all.iter().find(|c| c.site.uuid == plant.lab.uuids[podm]).unwrap().reservations.len();
    plant.store.with_candidates(here)
}

/// The child of a kind that a placement waits for.
async fn child_of(plant: &Plant, id: TaskId, kind: &str) -> TaskId {
    let filter = Filter { kind: Some(kind.into()), ..Filter::default() };
    wait::until("it waits for its child", async || {
        let task = plant.store.task(id).await.unwrap().unwrap();
        let why = task.field("why").unwrap_or_default();
        let tasks = plant.store.list(&filter, 100, None).await.unwrap().tasks;
        tasks
            .iter()
            .map(|child| child.id)
            .find(|child| why.contains(&child.to_string()))
            .ok_or((task.state, task.history()))
    })
    .await
}

/// What was composed a moment ago is counted twice by an inventory that was read meanwhile: with its node gone, the hardware was "reserved"
/// still, and nodes were refused where all was free.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_given_back_is_placed_again_at_once_as_much_of_it_as_there_is() {
    let plant = Plant::start(SimConfig { systems: 2, ..quick(1) }).await;
    let wanted = json!({"name": "n", "properties": {"memory": {"capacity_mib": "1024"}}});
    let both = async |kind: &str, nodes: [Option<String>; 2]| {
        let params = if kind == "node.place" { wanted.clone() } else { json!({}) };
        let run = async |node: Option<String>| plant.run(kind, params.clone(), None, node.as_deref()).await;
        let [one, two] = nodes;
        let (one, two) = tokio::join!(run(one), run(two));
        [one, two].map(|task| {
            assert_eq!(task.state.as_str(), "completed", "{:?}", task.body.error);
            task.body.result["uuid"].as_str().map(str::to_owned)
        })
    };
    for _ in 0..8 {
        let nodes = both("node.place", [None, None]).await;
        both("node.delete", nodes).await;
    }
    plant.assert_agrees(0).await;
    assert_eq!(reserved(&plant).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_placement_that_is_cancelled_while_it_holds_a_reservation_gives_it_back_and_leaves_no_node() {
    let plant = Plant::start(SimConfig { assemble_time: Duration::from_secs(30), ..quick(1) }).await;
    count_hardware(&plant, 0, 1).await;
    let id = plant.submit("node.place", json!({"name": "n"}), None, None).await;
    wait::until("its node is there", async || !plant.lab.nodes().await.is_empty()).await;
    assert_eq!(reserved(&plant).await, 1);
    plant.store.cancel(id).await.unwrap();
    assert_eq!(plant.done(id).await.state.as_str(), "cancelled");
    assert_eq!(reserved(&plant).await, 0);
    plant.assert_agrees(0).await;
    // What was reserved is another's at once.
    count_hardware(&plant, 0, 1).await;
    let next = plant.submit("node.place", json!({"name": "m"}), None, None).await;
    wait::until("the next one's is there", async || !plant.lab.nodes().await.is_empty()).await;
    plant.store.cancel(next).await.unwrap();
    assert_eq!(plant.done(next).await.state.as_str(), "cancelled");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_there_before_its_placement_could_be_cancelled_is_taken_back_before_that_ends() {
    let plant = Plant::start(quick(1)).await;
    let pause = async |topic, paused| plant.store.pause(topic, paused).await.unwrap();
    pause(Topic::Compute, true).await;
    let id = plant.submit("node.place", json!({"name": "n"}), None, None).await;
    let compose = child_of(&plant, id, "node.compose").await;
    pause(Topic::Scheduler, true).await;
    wait::until("it is not looking", async || plant.store.task(id).await.unwrap().unwrap().state.as_str() != "running")
        .await;
    pause(Topic::Compute, false).await;
    assert_eq!(plant.done(compose).await.state.as_str(), "completed");
    plant.store.cancel(id).await.unwrap();
    pause(Topic::Compute, true).await;
    pause(Topic::Scheduler, false).await;
    child_of(&plant, id, "node.delete").await;
    assert_eq!(plant.lab.nodes().await.len(), 1);
    pause(Topic::Compute, false).await;
    assert_eq!(plant.done(id).await.state.as_str(), "cancelled");
    plant.assert_agrees(0).await;
    assert_eq!(reserved_at(&plant, 0).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_placement_whose_compose_somebody_cancels_says_so_and_gives_its_reservation_back() {
    let plant = Plant::start(quick(1)).await;
    plant.store.pause(Topic::Compute, true).await.unwrap();
    let id = plant.submit("node.place", json!({"name": "n"}), None, None).await;
    let compose = child_of(&plant, id, "node.compose").await;
    assert_eq!(reserved_at(&plant, 0).await, 1);
    plant.store.cancel(compose).await.unwrap();
    let problem = plant.done(id).await.body.error.unwrap().problem;
    assert!(problem.status == 409 && problem.detail.contains("was cancelled"), "{problem:?}");
    assert_eq!(reserved_at(&plant, 0).await, 0);
}

/// Two Pod Managers, and no worker: each attempt is made by hand.
async fn by_hand() -> Plant {
    let plant = Plant::bare(quick(2), false).await;
    plant.enrol().await;
    let other = plant.submit_def(plant.registration(1, "lab-1", &plant.lab.urls[1])).await;
    assert_eq!(plant.drive(other, &[]).await.state.as_str(), "completed");
    while plant.attempt(Duration::from_secs(10)).await {}
    plant.cancel_scheduled().await;
    plant
}

#[tokio::test]
async fn what_every_pod_manager_would_refuse_is_not_carried_from_door_to_door() {
    let plant = by_hand().await;
    let lanes: Vec<Lane> = all_lanes().collect();
    for (status, is_podms, is_final) in [
        (400, true, true),
        (413, true, true),
        (422, true, true),
        (404, false, true),
        (504, false, true),
        (404, true, false),
        (504, true, false),
        (409, true, false),
    ] {
        let id = plant.submit("node.place", json!({"name": "n"}), None, None).await;
        assert!(plant.attempt(Duration::from_secs(10)).await);
        let token = valence::ids::new_record_id();
        let claimed =
            plant.store.claim(Bucket(0), "hand", &token, 1, &lanes, &Source::New).await.unwrap().claimed.remove(0);
        let def = claimed.def.unwrap();
        assert_eq!(def.kind, "node.compose");
        let problem = Problem { status, ..Problem::conflict("no") };
        let error = TaskError { podm_id: def.podm_id.filter(|_| is_podms), ..problem.into() };
        let body = Some(Body { result: Value::Null, error: Some(error) });
        let (outcome, detail) = (Outcome::Failed, "by hand".into());
        let ended = Settlement { id: claimed.id, token, outcome, ending: None, body, detail };
        assert_eq!(plant.store.settle(ended).await.unwrap(), Settled::Ok);
        let task = plant.drive(id, &[]).await;
        let state = if is_final { "failed" } else { "completed" };
        assert_eq!(task.state.as_str(), state, "{status}: {:?}", task.body);
        assert!(task.body.error.is_none_or(|error| error.problem.status == status), "in its own words");
    }
}

#[tokio::test]
async fn what_an_attempt_reserved_and_did_not_live_to_note_is_given_back_by_the_next() {
    let plant = by_hand().await;
    let id = plant.submit("node.place", json!({"name": "n"}), None, None).await;
    assert!(plant.attempt_until(std::future::ready(()), false).await);
    let (podm_id, shape) = (plant.lab.uuids[0].clone(), String::new());
    let choice = Choice { at: 0, podm_id, shape, most: None, inventory_ms: 0, places: 8 };
    let reserved = plant.store.reserve(id, &choice, Duration::from_secs(600)).await.unwrap();
    assert_eq!((reserved, reserved_at(&plant, 0).await), (Reserved::Ok, 1));
    set_policy(&plant, 0, Policy { cordoned: true, ..Policy::default() }).await;
    let task = plant.drive(id, &[]).await;
    assert_eq!((task.state.as_str(), &task.body.result["podm_id"]), ("completed", &json!(plant.lab.uuids[1])));
    assert_eq!(reserved_at(&plant, 0).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_are_placed_counted_and_called_alike_however_many_buckets_there_are() {
    let plant = Plant::start_with(quick(3), |config| config.buckets = 16).await;
    for podm in 0..3 {
        set_policy(&plant, podm, Policy { max_changes: Some(1), ..Policy::default() }).await;
        count_hardware(&plant, podm, 4).await;
    }
    plant.lab.faults(json!([{"method": "POST", "path_prefix": "/redfish/v1/Nodes/Actions", "latency_ms": 300}])).await;
    let ids = [(); 12].map(|()| plant.submit("node.place", json!({"name": "n"}), None, None));
    let ids = futures_util::future::join_all(ids).await;
    let buckets: std::collections::HashSet<u8> = ids.iter().map(|id| id.bucket().0).collect();
    assert!(buckets.len() > 3, "they stand in many buckets: {buckets:?}");
    let mut at = std::collections::BTreeMap::new();
    for id in ids {
        let task = plant.done(id).await;
        assert_eq!(task.state.as_str(), "completed", "{:?}", task.body);
        *at.entry(task.body.result["podm_id"].to_string()).or_insert(0) += 1;
    }
    assert!(at.values().all(|n| *n <= 4), "no more anywhere than there is: {at:?}");
    assert!(places("waits") > 0, "some had to wait, and were called across buckets");
    assert_eq!((reserved(&plant).await, plant.store.nobody_waits().await.unwrap()), (0, true));
    plant.assert_agrees(12).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_manager_that_dies_in_the_middle_and_returns_keeps_no_orphan() {
    let plant = Plant::start(quick(2)).await;
    // The second is not counted, so the first is taken.
    count_hardware(&plant, 0, 4).await;
    // It allocates, and is not heard of for a while.
    plant
        .lab
        .faults(json!([{"podm": 0, "cut": "before", "method": "GET", "path_prefix": "/redfish/v1/Nodes/"},
            {"podm": 0, "cut": "before", "method": "DELETE"},
            {"podm": 0, "cut": "before", "method": "POST", "path_prefix": "/redfish/v1/Nodes/1/"}]))
        .await;
    let task = place(&plant).await;
    assert_eq!((task.state.as_str(), &task.body.result["podm_id"]), ("completed", &json!(plant.lab.uuids[1])));
    assert_eq!(plant.lab.nodes().await.len(), 2, "the half-made node is still there");
    assert_eq!(reserved(&plant).await, 0, "and takes nobody's place");
    assert_eq!(reserved_at(&plant, 0).await, 1, "but its hardware, until an inventory tells");
    plant.lab.faults(json!([])).await;
    wait::within(Duration::from_secs(30), "it is taken back", async || {
        let nodes = plant.lab.nodes().await;
        if nodes.len() == 1 { Ok(()) } else { Err(nodes) }
    })
    .await;
    plant.assert_agrees(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_can_be_nowhere_is_explained_by_what_keeps_it_out() {
    let plant = Plant::start(quick(1)).await;
    let explained = async |task: &TaskRecord| {
        let explained = plant.store.explain(task, true).await.unwrap();
        let codes: Vec<String> = explained.reasons.iter().map(|r| r.code.clone()).collect();
        assert_eq!(codes, ["ended", "last_error"]);
        explained.reasons[1].message.clone()
    };
    count_hardware(&plant, 0, 0).await;
    let full = explained(&place(&plant).await).await;
    assert!(full.starts_with("409") && full.contains("1 with all hardware that fits taken or reserved"), "{full}");
    count_hardware(&plant, 0, 4).await;
    set_policy(&plant, 0, Policy { cordoned: true, ..Policy::default() }).await;
    let cordoned = explained(&place(&plant).await).await;
    assert!(cordoned.starts_with("409") && cordoned.contains("1 cordoned or being drained"), "{cordoned}");
    set_policy(&plant, 0, Policy::default()).await;
    let id: Value = json!(plant.lab.uuids[0]);
    let named = plant.run("node.place", json!({"name": "n", "hints": {"podm_ids": [id]}}), None, None).await;
    assert_eq!(named.state.as_str(), "completed", "{:?}", named.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_waits_for_a_place_but_not_for_long_where_nobody_lets_anybody_in() {
    let plant = Plant::start(quick(1)).await;
    let podm = &plant.lab.uuids[0];
    let gates = valence::store::gates::Gatekeeper::new(&plant.store);
    gates.report(podm, 0, 1, Some(Duration::from_secs(500)), "answered 503").await.unwrap();
    let place = async |waits: bool| {
        let mut def = Definition::new("node.place", json!({"name": "n"}));
        def.node_id = Some(valence::ids::new_record_id());
        def.podm_errors_final = waits;
        // Accepted as long ago as a client waits.
        let id = accepted_ago(&plant.store, Duration::from_secs(31), podm);
        let lane = Lane { topic: Topic::Scheduler, priority: Priority::Normal };
        let task = NewTask { id, lane, def, delay_ms: None, gates: String::new(), idempotent: false };
        plant.store.enqueue(task).await.unwrap();
        id
    };
    let patient = place(false).await;
    wait::until("it stands in line", async || {
        let task = plant.store.task(patient).await.unwrap().unwrap();
        if task.state.as_str() == "parked" { Ok(()) } else { Err(task.history()) }
    })
    .await;
    let problem = plant.done(place(true).await).await.body.error.unwrap().problem;
    assert_eq!(problem.status, 503, "{problem:?}");
    assert!(problem.detail.contains("1 with an open circuit"), "{problem:?}");
}
