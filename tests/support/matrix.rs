//! The fault matrix: every fault at every Redfish call that a kind makes, generated from what a clean run was seen to ask for.
//!
//! To add a case: one [`Case`] in `tests/faults.rs`. `prepare` makes what the kind needs and hands back a node's id (or nothing),
//! `submit` enqueues the task, `invariant` looks at the plant once the task has ended and panics at an orphan, a stray record, a
//! reservation that nobody holds. The harness finds the calls by itself. Attempts are made by hand, so a worker can die at one call.

use std::collections::HashMap;
use std::pin::Pin;
use std::time::Duration;

use futures_util::StreamExt as _;
use serde_json::{Value, json};
use valence::ids::TaskId;
use valence::sim::SimConfig;
use valence::store::record::TaskRecord;

use super::saga::Plant;
use super::wait;

pub type Step<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

pub struct Case {
    pub name: &'static str,
    pub sim: fn() -> SimConfig,
    /// The node that the task concerns, or nothing.
    pub prepare: for<'a> fn(&'a Plant) -> Step<'a, String>,
    pub submit: for<'a> fn(&'a Plant, &'a str) -> Step<'a, TaskId>,
    pub invariant: for<'a> fn(&'a Plant, &'a str, &'a TaskRecord) -> Step<'a, ()>,
}

/// What becomes of the worker whose call goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Worker {
    Lives,
    Dies,
    /// It is stopped for longer than its lease, another does the work, and then it goes on.
    Sleeps,
}

/// What goes wrong at a call.
const FAULTS: [(&str, Worker); 8] = [
    (r#"{"cut":"before"}"#, Worker::Lives),
    (r#"{"cut":"after"}"#, Worker::Lives),
    (r#"{"status":500}"#, Worker::Lives),
    (r#"{"hang":true}"#, Worker::Lives),
    // The worker dies while nobody answers: before and after the Pod Manager acts, and while it takes its time to.
    (r#"{"hang":true}"#, Worker::Dies),
    (r#"{"hang":true,"cut":"after"}"#, Worker::Dies),
    (r#"{"latency_ms":400}"#, Worker::Dies),
    (r#"{"latency_ms":400}"#, Worker::Sleeps),
];
/// Cells at once.
const ABREAST: usize = 8;

/// Runs every cell of a case; how many there were.
pub async fn run(case: &Case) -> usize {
    let calls = clean(case).await;
    assert!(!calls.is_empty(), "{}: a clean run asks the Pod Manager for nothing", case.name);
    let mut cells = Vec::new();
    for at in 0..calls.len() {
        // What is read late, or slept over, changes nothing: one in four of those will do in CI.
        let reads = calls[at].0 == "GET" && at % 4 != 0 && !std::env::var("CHAOS").is_ok_and(|v| v == "full");
        let faults = FAULTS.iter().filter(|(fault, _)| !(reads && is_late(fault)));
        cells.extend(faults.map(|(fault, worker)| cell(case, &calls, at, fault, *worker)));
    }
    let count = cells.len();
    futures_util::stream::iter(cells).buffer_unordered(ABREAST).collect::<Vec<()>>().await;
    println!("{}: {} calls, {count} cells", case.name, calls.len());
    count
}

/// The calls of a run without faults, whose worker dies once after its last step: what is run twice is as if run once.
async fn clean(case: &Case) -> Vec<(String, String)> {
    let plant = Plant::bare((case.sim)(), false).await;
    let subject = (case.prepare)(&plant).await;
    let before = plant.lab.log().await.as_array().unwrap().len();
    let id = (case.submit)(&plant, &subject).await;
    let task = plant.drive(id, &[]).await;
    assert_eq!(task.state.as_str(), "completed", "{}: {:?}", case.name, task.body);
    // Before the invariant looks: what it asks for is not the task's.
    let log = plant.lab.log().await;
    (case.invariant)(&plant, &subject, &task).await;
    let text = |call: &Value, key: &str| call[key].as_str().unwrap().to_owned();
    let calls = log.as_array().unwrap().iter().skip(before).map(|c| (text(c, "method"), text(c, "path"))).collect();

    let plant = Plant::bare((case.sim)(), false).await;
    let subject = (case.prepare)(&plant).await;
    let id = (case.submit)(&plant, &subject).await;
    plant.attempt_until(std::future::pending(), true).await;
    let task = plant.drive(id, &[]).await;
    assert_eq!(task.state.as_str(), "completed", "{}, run twice: {:?}", case.name, task.body);
    (case.invariant)(&plant, &subject, &task).await;
    calls
}

async fn cell(case: &Case, calls: &[(String, String)], at: usize, fault: &str, worker: Worker) {
    let (method, path) = &calls[at];
    println!("{}: {method} {path} (call {at}) {fault} worker {worker:?}", case.name);
    let plant =
        if is_late(fault) { Plant::patient((case.sim)()).await } else { Plant::bare((case.sim)(), false).await };
    let subject = (case.prepare)(&plant).await;
    let skip = calls[..at].iter().filter(|(m, p)| m == method && p.starts_with(path.as_str())).count();
    let mut switch: HashMap<String, Value> = serde_json::from_str(fault).unwrap();
    let place = [("method", json!(method)), ("path_prefix", json!(path)), ("skip", json!(skip)), ("count", json!(1))];
    switch.extend(place.map(|(k, v)| (k.to_owned(), v)));
    plant.lab.faults(json!([switch])).await;
    let id = (case.submit)(&plant, &subject).await;
    let mut task = None;
    while worker != Worker::Lives && !has_fired(&plant).await {
        let fired = wait::until("the fault has fired", async || has_fired(&plant).await);
        let found = if worker == Worker::Sleeps {
            task = plant.overtaken(id, fired).await;
            task.is_some()
        } else {
            plant.attempt_until(fired, false).await
        };
        if !found {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let task = plant.store.task(id).await.unwrap().unwrap();
        assert!(!task.state.is_terminal() || has_fired(&plant).await, "{}: ended before call {at}", case.name);
    }
    let task = match task {
        Some(task) if task.state.is_terminal() => task,
        _ => plant.drive(id, &[]).await,
    };
    assert!(has_fired(&plant).await, "{}: {method} {path} (call {at}) {fault} never fired", case.name);
    (case.invariant)(&plant, &subject, &task).await;
}

/// Whether it is carried out after its client has gone.
fn is_late(fault: &str) -> bool {
    fault.contains("latency_ms")
}

async fn has_fired(plant: &Plant) -> bool {
    plant.lab.fault_counts().await == [0]
}
