//! Late binding: a node is promised to a Pod Manager only when that has a place for it, so a crowd of nodes is there almost as soon as it
//! could be, whatever the speeds and widths; who waits is told why, and comes when there is a place.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on should say so")]

mod support;

use std::collections::HashMap;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::saga::Plant;
use support::wait;
use valence::ids::TaskId;
use valence::model::inventory::{Inventory, Shape};
use valence::model::podm::{Podm, PodmStatus, Policy};
use valence::model::task::Definition;
use valence::model::topic::Topic;
use valence::sim::SimConfig;
use valence::store::gates::Gatekeeper;
use valence::store::record::TaskRecord;
use valence::store::records::{Collection, Writer};

fn shape(free: u32) -> Shape {
    Shape { cores: 8, memory_mib: 8192, model: None, total: free.max(1), free }
}

fn quick(podms: usize) -> SimConfig {
    SimConfig { podms, systems: 30, assemble_time: Duration::from_millis(40), ..SimConfig::default() }
}

/// How much a Pod Manager does at once.
async fn set_width(plant: &Plant, podm: usize, at_once: u32) {
    let id = &plant.lab.uuids[podm];
    let row: Podm = plant.store.record(Collection::Podm, id).await.unwrap().unwrap();
    let policy = Policy { max_changes: Some(at_once), ..row.policy.clone() };
    plant.store.set_limits(id, &policy).await.unwrap();
    let row = Podm { policy, status: PodmStatus::Online, ..row };
    let writer = Writer { task: TaskId::mint(plant.store.clock().now_ms(), valence::ids::Bucket(0)), claims: 1 };
    assert!(plant.store.overwrite_record(Collection::Podm, id, &row, writer).await.unwrap());
    plant.store.read_candidates(Instant::now()).await.unwrap();
}

async fn count_hardware(plant: &Plant, podm: usize, free: u32) {
    let podm_id = plant.lab.uuids[podm].clone();
    let at_ms = plant.store.clock().now_ms();
    let inventory = Inventory { podm_id, at_ms, shapes: vec![shape(free)], ..Inventory::default() };
    plant.store.put_inventory(&inventory).await.unwrap();
    plant.store.read_candidates(Instant::now()).await.unwrap();
}

/// Pod Managers of these widths, whose Allocate takes so long.
async fn mixed(widths_and_latencies: &[(u32, u64)]) -> Plant {
    let plant = Plant::start(quick(widths_and_latencies.len())).await;
    let mut faults = Vec::new();
    for (podm, (width, latency_ms)) in widths_and_latencies.iter().enumerate() {
        set_width(&plant, podm, *width).await;
        count_hardware(&plant, podm, 30).await;
        faults.push(json!({"podm": podm, "method": "POST", "path_prefix": "/redfish/v1/Nodes/Actions/Allocate",
            "latency_ms": latency_ms}));
    }
    plant.lab.faults(Value::Array(faults)).await;
    plant
}

async fn crowd(plant: &Plant, n: usize, caller: &str) -> Vec<TaskId> {
    let mut ids = Vec::new();
    for n in 0..n {
        let mut def = Definition::new("node.place", json!({"name": format!("{caller} {n}")}));
        def.caller = Some(caller.to_owned());
        ids.push(plant.submit_def(def).await);
    }
    ids
}

/// What has been bound begins only when [`go_on`] says so: however slow this machine is, who waits still waits when a test looks.
async fn hold(plant: &Plant) {
    plant.store.pause(Topic::Compute, true).await.unwrap();
}

async fn go_on(plant: &Plant) {
    plant.store.pause(Topic::Compute, false).await.unwrap();
}

async fn first_reason(plant: &Plant, id: TaskId) -> (String, String) {
    let task = plant.store.task(id).await.unwrap().unwrap();
    let explained = plant.store.explain(&task, true).await.unwrap();
    let first = explained.reasons.first().unwrap();
    (first.code.clone(), first.message.clone())
}

/// Waits until a task waits for a place, and says in which words.
async fn waits(plant: &Plant, id: TaskId) -> String {
    wait::until("it waits for a place", async || {
        let (code, message) = first_reason(plant, id).await;
        if code == "no_place" { Ok(message) } else { Err((code, message)) }
    })
    .await
}

/// The key of the one line that there is.
async fn line_of(plant: &Plant) -> String {
    let lines: Vec<String> = plant.redis.command(&["ZRANGE", "vl:{b00}:lines", "0", "-1"]).await;
    format!("vl:{{b00}}:line:{}", lines.first().cloned().unwrap_or_default())
}

fn children(tasks: &[TaskRecord]) -> usize {
    tasks.iter().filter(|t| t.def.kind == "node.compose").count()
}

async fn all(plant: &Plant) -> Vec<TaskRecord> {
    let filter = valence::store::listing::Filter::default();
    plant.store.list(&filter, 1_000, None).await.unwrap().tasks
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_promised_beyond_the_places_there_are_and_all_come_in_the_order_they_were_asked_for() {
    let plant = mixed(&[(2, 300)]).await;
    hold(&plant).await;
    // Who is asked for in the same moment may be bound in any order.
    let mut ids = crowd(&plant, 2, "a").await;
    wait::until("both are bound", async || children(&all(&plant).await) == 2).await;
    for _ in 2..8 {
        ids.extend(crowd(&plant, 1, "a").await);
        waits(&plant, ids[ids.len() - 1]).await;
    }
    let told = waits(&plant, ids[7]).await;
    assert!(told.contains("that want the same stand before it"), "{told}");
    let told = waits(&plant, ids[2]).await;
    assert!(told.contains("as much at once as it may") && told.contains("lab-0"), "{told}");
    let last = plant.store.task(ids[7]).await.unwrap().unwrap();
    assert_eq!(last.state.as_str(), "parked");
    assert_eq!(last.field("token").unwrap_or_default(), "", "it holds no slot");
    assert_eq!(children(&all(&plant).await), 2, "two are bound, for two places");
    plant.store.read_candidates(Instant::now()).await.unwrap();
    assert_eq!(plant.store.with_candidates(|all| all[0].reservations.len()), 2);

    go_on(&plant).await;
    let mut ends = Vec::new();
    for id in &ids {
        let task = plant.done(*id).await;
        assert_eq!(task.state.as_str(), "completed", "{:?}", task.body);
        ends.push(task.field("finished").unwrap().parse::<u64>().unwrap());
    }
    // Two at once may end in either order.
    assert!(ends.windows(3).all(|three| three[0] <= three[2]), "{ends:?}");
    let placement = &plant.done(ids[7]).await.body.result["placement"];
    assert!(placement["waited_ms"].as_u64().unwrap() > 300, "{placement}");
    assert!(placement["waits"].as_str().unwrap().contains("none is free"), "{placement}");
    let lines: i64 = plant.redis.command(&["EXISTS", "vl:{b00}:lines", "vl:{b00}:line-wants"]).await;
    assert_eq!(lines, 0, "nobody is left in line");
    plant.assert_agrees(8).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_on_mixed_speeds_and_widths_is_there_almost_as_soon_as_it_could_be() {
    const NODES: usize = 48;
    let plant = mixed(&[(4, 500), (2, 1_000), (1, 1_500), (2, 2_500)]).await;
    let began = Instant::now();
    let ids = crowd(&plant, NODES, "a").await;
    // How long each Pod Manager really took, with all that this machine adds.
    let mut took: HashMap<String, Vec<u64>> = HashMap::new();
    for id in ids {
        let task = wait::within(Duration::from_secs(60), "it is there", async || {
            let task = plant.store.task(id).await.unwrap().unwrap();
            if task.state.is_terminal() { Ok(task) } else { Err(first_reason(&plant, id).await) }
        })
        .await;
        assert_eq!(task.state.as_str(), "completed", "{:?}", task.body);
    }
    let makespan = began.elapsed();
    for task in all(&plant).await.iter().filter(|t| t.def.kind == "node.compose") {
        took.entry(task.def.podm_id.clone().unwrap()).or_default().push(task.ran_ms().unwrap());
    }
    let widths = [4, 2, 1, 2];
    let known: Vec<(u64, u64)> = plant
        .lab
        .uuids
        .iter()
        .zip(widths)
        .filter_map(|(id, width)| took.get(id).map(|ms| (ms.iter().sum::<u64>() / ms.len() as u64, width)))
        .collect();
    let there = |time: u64| known.iter().map(|(ms, width)| (time / ms * width).min(30)).sum::<u64>();
    let bound = (1..).map(|n| n * 10).find(|ms| there(*ms) >= NODES as u64).unwrap();
    let ratio = makespan.as_secs_f64() * 1000.0 / bound as f64;
    assert!(ratio < 1.5, "{ratio:.2} × the bound of {bound} ms; {took:?}");
    plant.assert_agrees(NODES).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_callers_first_node_does_not_wait_for_all_of_a_crowds() {
    let plant = mixed(&[(1, 200)]).await;
    hold(&plant).await;
    let crowd_of = crowd(&plant, 12, "crowd").await;
    waits(&plant, crowd_of[11]).await;
    let other = crowd(&plant, 1, "other").await[0];
    waits(&plant, other).await;
    go_on(&plant).await;
    assert_eq!(plant.done(other).await.state.as_str(), "completed");
    let mut left = 0;
    for id in &crowd_of {
        left += usize::from(!plant.store.task(*id).await.unwrap().unwrap().state.is_terminal());
    }
    assert!(left >= 7, "{left} of the crowd's 12 came after it");
    for id in crowd_of {
        assert_eq!(plant.done(id).await.state.as_str(), "completed");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_comes_when_there_is_more_room_wherever_it_comes_from() {
    let plant = mixed(&[(1, 60_000), (1, 0)]).await;
    let ids = &plant.lab.uuids;
    // The second is shut; the first is busy for long.
    let gates = Gatekeeper::new(&plant.store);
    gates.report(&ids[1], 0, 1, Some(Duration::from_secs(60)), "answered 503").await.unwrap();
    plant.store.read_candidates(Instant::now()).await.unwrap();
    let first = crowd(&plant, 1, "a").await[0];
    wait::until("the first is bound", async || children(&all(&plant).await) == 1).await;
    let second = crowd(&plant, 1, "a").await[0];
    waits(&plant, second).await;
    let key = format!("vl:{{b00}}:breaker:{}", ids[1]);
    let _closed: i64 = plant.redis.command(&["DEL", &key]).await;
    let task = plant.done(second).await;
    assert_eq!(task.body.result["podm_id"], json!(ids[1]), "{:?}", task.body);
    plant.store.cancel(first).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_cancelled_in_line_ends_at_once_and_takes_nobodys_place() {
    let plant = mixed(&[(1, 200)]).await;
    hold(&plant).await;
    let ids = crowd(&plant, 4, "a").await;
    waits(&plant, ids[3]).await;
    plant.store.cancel(ids[1]).await.unwrap();
    plant.store.cancel(ids[2]).await.unwrap();
    go_on(&plant).await;
    for (n, state) in [(1, "cancelled"), (2, "cancelled"), (0, "completed"), (3, "completed")] {
        let task = plant.done(ids[n]).await;
        assert_eq!(task.state.as_str(), state, "{:?}", task.body);
    }
    plant.assert_agrees(2).await;
    wait::until("nobody is in line", async || plant.store.nobody_waits().await.unwrap()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn those_who_were_called_by_a_process_that_died_before_it_told_them_come_within_seconds() {
    let plant = mixed(&[(2, 0)]).await;
    hold(&plant).await;
    let ids = crowd(&plant, 8, "a").await;
    wait::until("two are bound, and six wait", async || {
        let waiting: usize = plant.redis.command(&["ZCARD", &line_of(&plant).await]).await;
        if (children(&all(&plant).await), waiting) == (2, 6) { Ok(()) } else { Err(waiting) }
    })
    .await;
    // Another scheduler takes all out of the line, and is no more.
    let other = plant.redis.open(plant.store.options().clone()).await;
    let line = line_of(&plant).await;
    let line = line.rsplit(':').next().unwrap();
    assert_eq!(other.take_from_line(line, 100).await.unwrap().len(), 6);
    drop(other);
    let began = Instant::now();
    go_on(&plant).await;
    for id in ids {
        assert_eq!(plant.done(id).await.state.as_str(), "completed");
    }
    assert!(began.elapsed() < Duration::from_secs(25), "not by their own looking, after 30 s: {:?}", began.elapsed());
    wait::until("nobody is on the way", async || plant.store.nobody_waits().await.unwrap()).await;
    plant.assert_agrees(8).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn six_hundred_who_wait_for_one_pod_manager_do_not_keep_others_from_another() {
    const LINES: usize = 600;
    let plant = mixed(&[(1, 0), (1, 0)]).await;
    let only_at = async |podm: usize, caller: usize| {
        let params = json!({"name": "n", "hints": {"podm_ids": [plant.lab.uuids[podm]]}});
        let mut def = Definition::new("node.place", params);
        def.caller = Some(format!("caller-{podm}-{caller}"));
        plant.submit_def(def).await
    };
    // The first has its one place taken for good.
    let gate = format!("vl:{{b00}}:gate:podm:{}:w", plant.lab.uuids[0]);
    let _new: i64 = plant.redis.command(&["ZADD", &gate, "9999999999999", "sync:somebody"]).await;
    plant.store.read_candidates(Instant::now()).await.unwrap();
    hold(&plant).await;
    let mut stuck = Vec::new();
    for n in 0..LINES {
        stuck.push(only_at(0, n).await);
    }
    let mut others = Vec::new();
    for n in 0..6 {
        others.push(only_at(1, n).await);
    }
    wait::until("all stand in line but one", async || {
        let lines: usize = plant.redis.command(&["ZCARD", "vl:{b00}:lines"]).await;
        if lines == LINES + others.len() - 1 { Ok(()) } else { Err(lines) }
    })
    .await;
    let began = Instant::now();
    go_on(&plant).await;
    for id in others {
        assert_eq!(plant.done(id).await.state.as_str(), "completed");
    }
    assert!(began.elapsed() < Duration::from_secs(25), "not by their own looking, after 30 s: {:?}", began.elapsed());
    // Those come as well, once there is a place.
    assert_eq!(children(&all(&plant).await), 6);
    let _gone: i64 = plant.redis.command(&["DEL", &gate]).await;
    for id in stuck.iter().take(3) {
        plant.done(*id).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_black_hole_gets_no_further_nodes_before_its_circuit_opens() {
    let plant = mixed(&[(4, 0), (4, 0)]).await;
    let ids = &plant.lab.uuids;
    plant.lab.faults(json!([{"podm": 0, "hang": true}])).await;
    Gatekeeper::new(&plant.store).silent(&ids[0]).await.unwrap();
    let circuit = plant.store.circuit(&ids[0]).await.unwrap();
    assert_eq!(circuit.state, valence::model::circuit::CircuitState::Closed, "{circuit:?}");
    plant.store.read_candidates(Instant::now()).await.unwrap();
    for id in crowd(&plant, 8, "a").await {
        let task = plant.done(id).await;
        assert_eq!(
            (task.state.as_str(), &task.body.result["podm_id"]),
            ("completed", &json!(ids[1])),
            "{:?}",
            task.body
        );
        assert_eq!(task.body.result["placement"].get("tried"), None, "it was not even tried");
    }
    plant.lab.faults(json!([])).await;
}
