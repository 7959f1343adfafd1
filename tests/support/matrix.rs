//! The fault matrix: every fault at every call that a kind makes, generated from what a clean run was seen to ask for.
//!
//! To add a case: one [`Case`] below `tests/faults`. `prepare` makes what the kind needs and hands back what `submit` wants to know of it
//! (such as a node's id), `submit` enqueues the task, `invariant` looks once everything has ended and panics at an orphan, a stray
//! record, a reservation that nobody holds. The harness finds the calls by itself. Attempts are made by hand, so a worker can die at one
//! call. A kind that asks Ironic as well has faults at both.

use std::collections::HashMap;
use std::ops::Deref;
use std::pin::Pin;
use std::time::Duration;

use futures_util::StreamExt as _;
use serde_json::{Value, json};
use valence::ids::TaskId;
use valence::model::state::{State, Status};
use valence::sim::SimConfig;
use valence::store::listing::Filter;
use valence::store::record::TaskRecord;

use super::keystone::Guarded;
use super::saga::Plant;
use super::wait;

pub type Step<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

pub struct Case {
    /// The kind, and what there is to say about it.
    pub name: &'static str,
    pub sim: fn() -> SimConfig,
    /// It registers with Ironic.
    pub ironic: bool,
    /// What is run twice is as if run once. Else a worker that dies before it told of its success is the last: it fails.
    pub repeats: bool,
    /// What it has done is taken back when it is cancelled: then its worker is also made to die at each call, and the task cancelled.
    pub undoes: bool,
    /// What the task concerns.
    pub prepare: for<'a> fn(&'a Stage) -> Step<'a, String>,
    pub submit: for<'a> fn(&'a Stage, &'a str) -> Step<'a, TaskId>,
    pub invariant: for<'a> fn(&'a Stage, &'a str, &'a TaskRecord) -> Step<'a, ()>,
}

/// What most cases have in common.
pub const BASE: Case = Case {
    name: "",
    sim: SimConfig::default,
    ironic: false,
    repeats: true,
    undoes: false,
    prepare: |_| Box::pin(std::future::ready(String::new())),
    submit: |_, _| Box::pin(async { panic!("nothing is submitted") }),
    invariant: |_, _, _| Box::pin(async { panic!("nothing is looked at") }),
};

impl Case {
    /// The kind that it is about.
    pub fn kind(&self) -> &str {
        self.name.split([' ', ',']).next().unwrap()
    }
}

/// A plant, and the Ironic that its nodes are registered with.
pub struct Stage {
    plant: Plant,
    pub ironic: Option<Guarded>,
}

impl Deref for Stage {
    type Target = Plant;

    fn deref(&self) -> &Plant {
        &self.plant
    }
}

/// A request that a clean run made.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Call {
    /// To Ironic, and not to the Pod Manager.
    ironic: bool,
    method: String,
    path: String,
}

/// What becomes of the task when its call goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    /// Its worker goes on.
    Lives,
    /// Its worker dies, another one takes the task over.
    Dies,
    /// Its worker dies, and somebody cancels the task.
    Cancelled,
    /// Its worker is stopped for longer than its lease, another does the work, and then it goes on.
    Sleeps,
}

/// What goes wrong at a call.
const FAULTS: [(&str, Then); 10] = [
    (r#"{"cut":"before"}"#, Then::Lives),
    (r#"{"cut":"after"}"#, Then::Lives),
    (r#"{"status":500}"#, Then::Lives),
    (r#"{"hang":true}"#, Then::Lives),
    // The worker dies while nobody answers: before and after the Pod Manager acts.
    (r#"{"hang":true}"#, Then::Dies),
    (r#"{"hang":true,"cut":"after"}"#, Then::Dies),
    (r#"{"hang":true}"#, Then::Cancelled),
    (r#"{"hang":true,"cut":"after"}"#, Then::Cancelled),
    // It is carried out late: after its worker has died, or while it sleeps.
    (r#"{"latency_ms":400}"#, Then::Dies),
    (r#"{"latency_ms":400}"#, Then::Sleeps),
];
/// What a task concerns, in the path of a call.
const SUBJECT: &str = "{}";
/// Cells at once.
const ABREAST: usize = 8;
/// How long a worker waits for a Pod Manager that hangs.
const NO_ANSWER: Duration = Duration::from_secs(1);

/// Runs every cell of a case; how many there were.
pub async fn run(case: &Case) -> usize {
    let calls = clean(case).await;
    assert!(!calls.is_empty(), "{}: a clean run asks nobody for anything", case.name);
    // These wait out a longer quarantine, so CI tries them at one kind.
    let full = std::env::var("CHAOS").is_ok_and(|v| v == "full");
    let late = full || case.name == "node.compose";
    let mut cells = Vec::new();
    for (at, call) in calls.iter().enumerate() {
        // A read changes nothing: to lose its answer is what it is not to have asked.
        let told = FAULTS.iter().filter(|(fault, _)| call.method != "GET" || !fault.contains("after"));
        let told = told.filter(|(_, then)| case.undoes || *then != Then::Cancelled);
        let told = told.filter(|(fault, _)| !is_late(fault) || (late && case.repeats && !call.ironic));
        // Reads are most of the calls: in CI each meets every second fault, and its neighbours the others.
        let told = told.enumerate().filter(|(n, _)| full || call.method != "GET" || (n + at) % 2 == 0);
        cells.extend(told.map(|(_, (fault, then))| cell(case, &calls, at, fault, *then)));
    }
    let count = cells.len();
    futures_util::stream::iter(cells).buffer_unordered(ABREAST).collect::<Vec<()>>().await;
    println!("{}: {} calls, {count} cells", case.name, calls.len());
    count
}

/// A stage with what the case needs.
async fn stage(case: &Case, fault: &str) -> (Stage, String) {
    let ironic = if case.ironic { Some(Guarded::start().await) } else { None };
    let config = ironic.as_ref().map(|guarded| valence::config::IronicConfig {
        request_timeout: jiff::SignedDuration::try_from(NO_ANSWER).unwrap(),
        ..guarded.config("right")
    });
    let quarantine = Duration::from_millis(if is_late(fault) { 1200 } else { 150 });
    let plant = Plant::impatient((case.sim)(), NO_ANSWER, quarantine, config.unwrap_or_default()).await;
    let stage = Stage { plant, ironic };
    let subject = (case.prepare)(&stage).await;
    stage.quiet().await;
    stage.cancel_scheduled().await;
    (stage, subject)
}

/// The calls of a run without faults; after a second run, in which every worker dies once after the last step of its task: what is run
/// twice is as if run once.
async fn clean(case: &Case) -> Vec<Call> {
    let (stage, subject) = stage(case, "").await;
    let before = stage.calls().await.len();
    let id = (case.submit)(&stage, &subject).await;
    let task = stage.drive(id, &[]).await;
    assert_eq!(task.state.as_str(), "completed", "{}: {:?}", case.name, task.body);
    assert_eq!(task.def.kind, case.kind(), "the name of a case begins with its kind");
    // Before the invariant looks: what it asks for is not the task's.
    let mut calls = stage.calls().await.split_off(before);
    // What it concerns has another name in every stage.
    if !subject.is_empty() {
        calls.iter_mut().for_each(|call| call.path = call.path.replace(&subject, SUBJECT));
    }
    stage.quiet().await;
    (case.invariant)(&stage, &subject, &task).await;

    let (stage, subject) = self::stage(case, "").await;
    let id = (case.submit)(&stage, &subject).await;
    let task = stage.drive_forgetful(id).await;
    assert_eq!(task.state.as_str() == "completed", case.repeats, "{}, run twice: {:?}", case.name, task.body);
    stage.quiet().await;
    (case.invariant)(&stage, &subject, &task).await;
    calls
}

/// Whether it is carried out after its client has gone.
fn is_late(fault: &str) -> bool {
    fault.contains("latency_ms")
}

async fn cell(case: &Case, calls: &[Call], at: usize, fault: &str, then: Then) {
    let call = &calls[at];
    let what = format!("{}: {} {} (call {at}) {fault} {then:?}", case.name, call.method, call.path);
    println!("{what}");
    let (stage, subject) = stage(case, fault).await;
    stage.arm(call, &calls[..at], &subject, fault).await;
    let id = (case.submit)(&stage, &subject).await;
    let mut ended = None;
    while then != Then::Lives && !stage.has_fired().await {
        let fired = wait::until("the fault has fired", async || stage.has_fired().await);
        let found = if then == Then::Sleeps {
            ended = stage.overtaken(id, fired).await;
            ended.is_some()
        } else {
            stage.attempt_until(fired, false).await
        };
        if !found {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let task = stage.store.task(id).await.unwrap().unwrap();
        assert!(!task.state.is_terminal() || stage.has_fired().await, "{what}: ended before");
    }
    if then == Then::Cancelled {
        // Too late only for what has ended.
        let _ended = stage.store.cancel(id).await.unwrap();
    }
    let task = match ended {
        Some(task) => task,
        None => stage.drive(id, &[]).await,
    };
    assert!(stage.has_fired().await, "{what} never fired");
    stage.quiet().await;
    (case.invariant)(&stage, &subject, &task).await;
}

impl Stage {
    /// Everything that was asked for so far.
    async fn calls(&self) -> Vec<Call> {
        let log = self.lab.log().await;
        let text = |call: &Value, key: &str| call[key].as_str().unwrap().to_owned();
        let at_podm = log.as_array().unwrap().iter();
        let mut calls: Vec<Call> = at_podm
            .map(|call| Call { ironic: false, method: text(call, "method"), path: text(call, "path") })
            .collect();
        if let Some(guarded) = &self.ironic {
            let asked = guarded.state.lock().unwrap().asked.clone();
            calls.extend(asked.into_iter().map(|(method, path)| Call { ironic: true, method, path }));
        }
        calls
    }

    /// Lets the call go wrong when it is made the next time after those `before` it.
    async fn arm(&self, call: &Call, before: &[Call], subject: &str, fault: &str) {
        let Call { ironic, method, path } = call;
        let is_met = |b: &&Call| b.ironic == *ironic && b.method == *method && b.path.starts_with(path.as_str());
        let skip = before.iter().filter(is_met).count();
        let mut switch: HashMap<String, Value> = serde_json::from_str(fault).unwrap();
        let place = [
            ("method", json!(method)),
            ("path_prefix", json!(path.replace(SUBJECT, subject))),
            ("skip", json!(skip)),
            ("count", json!(1)),
        ];
        switch.extend(place.map(|(k, v)| (k.to_owned(), v)));
        match &self.ironic {
            Some(guarded) if *ironic => guarded.state.lock().unwrap().fault = Some(json!(switch)),
            _ => self.lab.faults(json!([switch])).await,
        }
    }

    async fn has_fired(&self) -> bool {
        let at_ironic = self.ironic.as_ref().is_some_and(|guarded| guarded.state.lock().unwrap().fired);
        at_ironic || self.lab.fault_counts().await == [0]
    }

    /// Attempts until no task is left to run: what a task has set off has ended too. What is scheduled for later may wait.
    async fn quiet(&self) {
        wait::until("every task has ended", async || {
            while self.attempt(Duration::from_secs(10)).await {}
            let live = Filter { status: Some(Status::InProgress), ..Filter::default() };
            let left = self.store.list(&live, 10, None).await.unwrap().tasks;
            let left = left.into_iter().filter(|t| t.state != State::Scheduled);
            let left: Vec<_> = left.map(|t| (t.def.kind.clone(), t.history())).collect();
            if left.is_empty() { Ok(()) } else { Err(left) }
        })
        .await;
    }
}
