//! Pod Managers that hang, storm or are taken out of use: only their own tasks wait, nothing hammers them, all goes on by itself.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that cannot go on should say so"
)]

mod support;

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};
use support::front::Front;
use support::saga::Plant;
use support::wait;
use valence::config::{Config, RedfishConfig};
use valence::ids::TaskId;
use valence::model::circuit::CircuitState;
use valence::model::podm::Podm;
use valence::podm::Pool;
use valence::shutdown::Shutdown;
use valence::sim::SimConfig;
use valence::store::records::Collection;

fn quick(podms: usize, systems: usize) -> SimConfig {
    SimConfig { podms, systems, assemble_time: Duration::ZERO, ..SimConfig::default() }
}

async fn composes(plant: &Plant, podm: usize, n: usize) -> Vec<TaskId> {
    let mut ids = Vec::new();
    for _ in 0..n {
        ids.push(plant.submit("node.compose", json!({"name": "n"}), Some(&plant.lab.uuids[podm]), None).await);
    }
    ids
}

async fn circuit(plant: &Plant, podm: usize) -> CircuitState {
    plant.store.circuit(&plant.lab.uuids[podm]).await.unwrap().state
}

async fn until_open(plant: &Plant, podm: usize) {
    wait::until("the circuit is open", async || match circuit(plant, podm).await {
        CircuitState::Open => Ok(()),
        other => Err(other),
    })
    .await;
}

async fn all_completed(plant: &Plant, ids: Vec<TaskId>) {
    for id in ids {
        let task = plant.done(id).await;
        assert_eq!(task.state.as_str(), "completed", "{:?} {:?}", task.body, task.history());
    }
}

#[tokio::test]
async fn a_black_hole_opens_its_circuit_holds_up_nobody_else_and_is_taken_back_by_itself() {
    let plant = Plant::start(quick(2, 8)).await;
    let front = Front::over(&plant).await;
    plant.lab.faults(json!([{ "podm": 0, "hang": true }])).await;
    let stuck = composes(&plant, 0, 8).await;
    until_open(&plant, 0).await;

    let asked = Instant::now();
    let url = format!("{}/Nodes?podm_id={}", front.url, plant.lab.uuids[0]);
    let read = reqwest::get(url).await.unwrap();
    assert_eq!(read.status().as_u16(), 503);
    let after: u64 = read.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=60).contains(&after), "{after}");
    assert!(asked.elapsed() < Duration::from_secs(2), "it is answered at once: {:?}", asked.elapsed());

    for _ in 0..5 {
        let begun = Instant::now();
        let node = plant.run("node.compose", json!({"name": "m"}), Some(&plant.lab.uuids[1]), None).await;
        assert_eq!(node.state.as_str(), "completed", "{:?}", node.body);
        assert!(
            begun.elapsed() < Duration::from_secs(2),
            "the other Pod Manager is as quick as ever: {:?}",
            begun.elapsed()
        );
    }
    assert_eq!(circuit(&plant, 1).await, CircuitState::Closed);
    let waiting = wait::until("somebody waits at the circuit", async || {
        for id in &stuck {
            let task = plant.store.task(*id).await.unwrap().unwrap();
            let explained = plant.store.explain(&task, true).await.unwrap();
            if explained.reasons[0].code == "circuit_open" {
                let podm: Podm = plant.store.record(Collection::Podm, &plant.lab.uuids[0]).await.unwrap().unwrap();
                let name = podm.name;
                assert!(explained.summary.contains(&format!("the circuit to Pod Manager {name} is ")), "{explained:?}");
                return Some(task);
            }
        }
        None
    })
    .await;
    assert_eq!(waiting.field("worker").filter(|_| waiting.field("token").is_some()), None, "it holds no slot");

    plant.lab.faults(json!([])).await;
    all_completed(&plant, stuck).await;
    assert_eq!(circuit(&plant, 0).await, CircuitState::Closed);
}

#[tokio::test]
async fn a_storm_of_503_is_not_hammered_and_everything_completes_after_it() {
    let plant = Plant::start(quick(1, 32)).await;
    plant.lab.faults(json!([{ "status": 503, "retry_after_s": 1 }])).await;
    let before = plant.lab.log().await.as_array().unwrap().len();
    let begun = Instant::now();
    let ids = composes(&plant, 0, 30).await;
    // Twice as long as at first: a probe has failed.
    let key = format!("vl:{{b00}}:breaker:{}", plant.lab.uuids[0]);
    wait::until("a probe has failed", async || {
        let wait: Option<u64> = plant.redis.command(&["HGET", &key, "wait"]).await;
        if wait.is_some_and(|w| w >= 10_000) { Ok(()) } else { Err(wait) }
    })
    .await;
    let (asked, seconds) = (plant.lab.log().await.as_array().unwrap().len() - before, begun.elapsed().as_secs());
    println!("{asked} requests in {seconds} s of storm, with 30 tasks");
    assert!(asked as u64 <= 15 + 4 * seconds, "{asked} requests in {seconds} s");
    plant.lab.faults(json!([])).await;
    all_completed(&plant, ids).await;
    plant.assert_agrees(30).await;
}

/// A worker whose requests may take a minute.
async fn patient(plant: &Plant) -> Shutdown {
    let redfish = RedfishConfig { allow_cidrs: vec!["127.0.0.0/8".parse().unwrap()], ..RedfishConfig::default() };
    let pool = Pool::new(&redfish, Some(plant.lab.key.clone())).unwrap();
    let shutdown = Shutdown::new();
    let mut config = Config::default();
    config.task.lease = jiff::SignedDuration::from_secs(3);
    config.worker.topics = valence::model::topic::Topic::ALL.to_vec();
    valence::worker::run(&config, plant.store.clone(), pool.clone(), &shutdown).await.unwrap();
    valence::upkeep::run(&config, plant.store.clone(), pool, None, &shutdown).await.unwrap();
    shutdown
}

#[tokio::test]
async fn a_cancel_ends_a_request_that_hangs_and_its_effect_is_looked_for_after_the_quarantine() {
    let plant = Plant::bare(quick(1, 4), false).await;
    let worker = patient(&plant).await;
    plant.register_all().await;
    // It allocates, and never says so.
    plant
        .lab
        .faults(json!([{ "method": "POST", "path_prefix": "/redfish/v1/Nodes", "hang": true, "cut": "after" }]))
        .await;
    let id = composes(&plant, 0, 1).await[0];
    wait::until("the node is there", async || plant.lab.nodes().await.len() == 1).await;
    plant.lab.faults(json!([])).await;
    let asked = Instant::now();
    plant.store.cancel(id).await.unwrap();
    let task = plant.done(id).await;
    assert!(asked.elapsed() < Duration::from_secs(20), "{:?}: not the minute of the request", asked.elapsed());
    assert_eq!(task.state.as_str(), "cancelled", "{:?}", task.body);
    plant.assert_agrees(0).await;
    worker.stop();
}

#[tokio::test]
async fn no_request_outlives_its_tasks_deadline() {
    let plant = Plant::bare(quick(1, 4), false).await;
    let worker = patient(&plant).await;
    plant.register_all().await;
    plant.lab.faults(json!([{ "path_prefix": "/redfish/v1/Nodes", "hang": true }])).await;
    let mut def = valence::model::task::Definition::new("node.compose", json!({"name": "n"}));
    def.podm_id = Some(plant.lab.uuids[0].clone());
    def.timeout_s = 2;
    let begun = Instant::now();
    let id = plant.submit_def(def).await;
    wait::until("its attempt is over", async || {
        let task = plant.store.task(id).await.unwrap().unwrap();
        if task.state.is_terminal() || task.field("ending").is_some() { Ok(()) } else { Err(task.state) }
    })
    .await;
    assert!(begun.elapsed() < Duration::from_secs(12), "{:?}: not the minute of the request", begun.elapsed());
    plant.lab.faults(json!([])).await;
    let task = plant.done(id).await;
    assert_eq!(task.body.error.unwrap().problem.status, 504);
    worker.stop();
}

#[tokio::test]
async fn an_operator_limits_cordons_and_drains_a_pod_manager_and_sees_how_it_stands() {
    let plant = Plant::start(quick(2, 4)).await;
    let front = Front::over(&plant).await;
    let podm = plant.lab.uuids[0].clone();
    let path = format!("/v1/pod_managers/{podm}");

    let (status, row) = front
        .ask(
            Method::PATCH,
            &path,
            Some(json!({"labels": {"zone": "a"}, "weight": 2.5, "max_changes": 2, "max_reads": 3})),
        )
        .await;
    assert_eq!((status.as_u16(), &row["labels"]["zone"], &row["weight"]), (200, &json!("a"), &json!(2.5)), "{row}");
    let (status, state) = front.get(&format!("{path}/state")).await;
    assert_eq!(status.as_u16(), 200);
    assert_eq!(
        (&state["podm_id"], &state["name"], &state["driver"]),
        (&json!(podm), &json!("lab-0"), &json!("redfishv1"))
    );
    assert_eq!(state["circuit"], json!({"state": "closed", "failures": 0}));
    assert_eq!(state["gates"][0], json!({"name": "changes", "limit": 2, "in_flight": 0, "waiting": 0, "holders": []}));
    assert_eq!((&state["gates"][1]["name"], &state["gates"][1]["limit"]), (&json!("reads"), &json!(3)));
    for bad in [
        json!({"max_changes": 0}),
        json!({"max_reads": 257}),
        json!({"max_changes": "many"}),
        json!({"weight": -1}),
        json!({"weight": 101}),
        json!({"labels": {"a:b": "c"}}),
        json!({"labels": {"": "c"}}),
    ] {
        let (status, answer) = front.ask(Method::PATCH, &path, Some(bad.clone())).await;
        assert_eq!(status.as_u16(), 400, "{bad}: {answer}");
    }

    let (status, page) = front.get("/v1/pod_managers/states?limit=1").await;
    assert_eq!((status.as_u16(), page["states"].as_array().unwrap().len()), (200, 1), "{page}");
    let marker = page["marker"].as_str().unwrap();
    let (_, rest) = front.get(&format!("/v1/pod_managers/states?limit=5&marker={marker}")).await;
    assert_eq!((&rest["states"][0]["name"], &rest["marker"]), (&json!("lab-1"), &Value::Null), "{rest}");
    assert_eq!(front.get("/v1/pod_managers/00000000-0000-4000-8000-00000000dead/state").await.0.as_u16(), 404);

    let node = plant.compose(json!({"name": "before"})).await.body.result["uuid"].as_str().unwrap().to_owned();
    let (status, row) = front.ask(Method::POST, &format!("{path}/cordon"), None).await;
    assert_eq!((status.as_u16(), &row["cordoned"]), (200, &json!(true)), "{row}");
    let compose = Some(json!({"name": "n", "podm_id": podm}));
    let (status, refusal) = front.ask(Method::POST, "/v1/nodes", compose.clone()).await;
    assert_eq!(status.as_u16(), 409, "{refusal}");
    assert!(refusal["detail"].as_str().unwrap().contains("cordoned"), "{refusal}");
    let action = format!("/v1/nodes/{node}/action");
    let (status, answer) = front.ask(Method::POST, &action, Some(json!({"Reset": {"Type": "ForceOff"}}))).await;
    assert!(status.is_success(), "actions go on: {answer}");
    assert_eq!(front.get(&format!("/v1/nodes/{node}")).await.0.as_u16(), 200, "reads go on");

    let shown = front.command(&["podm", "drain", &podm]).await;
    assert!(shown.contains("nothing runs any more"), "{shown}");
    let (status, refusal) = front.ask(Method::POST, &action, Some(json!({"Reset": {"Type": "On"}}))).await;
    assert_eq!(status.as_u16(), 409, "{refusal}");
    assert!(refusal["detail"].as_str().unwrap().contains("drained"), "{refusal}");
    let (_, state) = front.get(&format!("{path}/state")).await;
    assert_eq!((&state["draining"], &state["cordoned"], &state["under_way"]), (&json!(true), &json!(true), &json!(0)));
    let (status, answer) = front.ask(Method::DELETE, &format!("/v1/nodes/{node}"), None).await;
    assert!(status.is_success(), "deletions go on: {answer}");

    let shown = front.command(&["podm", "uncordon", &podm]).await;
    assert!(shown.contains("everything"), "{shown}");
    assert!(front.command(&["podm", "cordon", &podm]).await.contains("no new nodes"));
    front.command(&["podm", "uncordon", &podm]).await;
    assert!(front.command(&["podm", "show", &podm]).await.contains("0 of 2"));
    let (status, answer) = front.ask(Method::POST, "/v1/nodes", compose).await;
    assert!(status.is_success(), "{answer}");
}

#[tokio::test]
async fn a_compose_that_was_accepted_before_the_cordon_is_refused_and_nothing_is_made() {
    let plant = Plant::bare(quick(1, 4), false).await;
    let podm = plant.lab.uuids[0].clone();
    let registered = plant.submit_def(plant.registration(0, "lab-0", &plant.lab.url)).await;
    plant.drive(registered, &[]).await;
    let id = composes(&plant, 0, 1).await[0];
    let cordon = plant.submit("podm.cordon", json!({"cordoned": true}), Some(&podm), None).await;
    let mut row: valence::model::podm::Podm =
        plant.store.record(valence::store::records::Collection::Podm, &podm).await.unwrap().unwrap();
    row.policy.cordoned = true;
    let writer = valence::store::records::Writer { task: cordon, claims: 1 };
    plant.store.update_record(valence::store::records::Collection::Podm, &podm, &row, writer).await.unwrap();
    let task = plant.drive(id, &[]).await;
    assert_eq!((task.state.as_str(), task.body.error.unwrap().problem.status), ("failed", 409));
    plant.assert_agrees(0).await;
}

#[tokio::test]
async fn a_read_whose_worker_died_holds_its_place_for_one_lease_and_no_longer() {
    let plant = Plant::bare(quick(1, 2), false).await;
    plant.enrol().await;
    plant.lab.faults(json!([{"hang": true}])).await;
    plant.submit("inventory.refresh", json!({"full": true}), Some(&plant.lab.uuids[0]), None).await;
    let gate = format!("vl:{{b00}}:gate:podm:{}:r", plant.lab.uuids[0]);
    let held =
        async || -> Vec<(String, u64)> { plant.redis.command(&["ZRANGE", &gate, "0", "-1", "WITHSCORES"]).await };
    let asks = wait::until("it has its place", async || !held().await.is_empty());
    assert!(plant.attempt_until(asks, false).await);
    let (left, now) = (held().await, plant.store.clock().now_ms());
    let lease = plant.store.options().lease.as_millis();
    assert!(left.len() == 1 && u128::from(left[0].1.saturating_sub(now)) <= lease, "at {now}: {left:?}");
}
