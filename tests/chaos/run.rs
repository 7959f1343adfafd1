//! One run under faults: a deployment, clients at light load, a schedule of faults, and the checker at the end.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::Value;
use tokio::sync::Mutex;

use super::client::{Client, Log};
use super::history;
use super::schedule::{Schedule, Weights};
use super::support::deployment::{Deployment, Shape};
use super::support::engine::unrest;
use super::support::netns::Net;
use super::support::wait;

const CLIENTS: usize = 12;
const LEASE: Duration = Duration::from_millis(1500);

/// What the environment says, or the default.
pub fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|v| v.parse().ok()).unwrap_or(default)
}

/// A number of a campaign: what the environment says, else what belongs to a full run (`make chaos`) or to CI's.
pub fn amount(name: &str, full: u64, ci: u64) -> usize {
    let is_full = std::env::var("CHAOS").is_ok_and(|v| v == "full");
    usize::try_from(setting(name, if is_full { full } else { ci })).unwrap()
}

/// How much is done to whom.
pub struct Run {
    pub name: &'static str,
    pub seed: u64,
    pub tasks: usize,
    pub faults: usize,
    pub weights: Weights,
    /// Between two faults.
    pub pace: Duration,
    pub buckets: u16,
    pub fsync: &'static str,
    /// Processes have hosts of their own.
    pub net: Option<Net>,
}

pub struct Outcome {
    pub wrong: Vec<String>,
    pub fenced: i64,
}

impl Outcome {
    pub fn assert_clean(&self) {
        assert!(self.wrong.is_empty(), "{} violations:\n{}", self.wrong.len(), self.wrong.join("\n"));
    }
}

pub async fn run(mut r: Run) -> Outcome {
    let buckets = r.buckets.to_string();
    let flags = ["--lease", "1500ms", "--quarantine", "5s", "--grace", "5s", "--buckets", &buckets];
    let shape = Shape {
        apis: 2,
        workers: 3,
        schedulers: 2,
        podms: 2,
        flags: &flags,
        fsync: r.fsync,
        clocks: r.net.is_none(),
        net: r.net.as_mut(),
        ..Shape::default()
    };
    let mut d = Deployment::start(shape).await;
    let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(10)).build().unwrap();
    let log = Arc::new(Mutex::new(Log::default()));
    // Light load on purpose, spread over the time of the faults: under a backlog late writers come too late to be seen.
    let batch = if r.tasks > 20_000 { 60 } else { 1 };
    let client =
        Client { http: http.clone(), apis: d.apis.clone(), podms: d.podm_ids().await, log: log.clone(), batch };
    let lasts = r.pace.mul_f64(f64::from(u32::try_from(r.faults).unwrap()));
    let begun = Instant::now();
    let watcher = tokio::spawn(watch_blocks(http, d.sims.clone(), log.clone()));
    let clients = clients(&client, &r, lasts);
    let mut schedule = Schedule::new(&mut d, StdRng::seed_from_u64(r.seed));
    schedule.deal(r.weights, r.faults, r.pace).await;
    let dealt_in = begun.elapsed();
    let (faults, dealt, mut wrong) = (schedule.log, schedule.dealt, schedule.wrong);
    for client in clients {
        client.await.unwrap();
    }
    watcher.abort();
    let outcome = check(&d, &log, r.buckets).await;
    wrong.extend(outcome.wrong);
    let file = format!("{}/{}-{}.log", env!("CARGO_TARGET_TMPDIR"), r.name, r.seed);
    std::fs::write(&file, faults.join("\n")).unwrap();
    let log = log.lock().await;
    println!(
        "{} SEED={} buckets {} fsync {}: {} tasks accepted in {} posts, {} faults in {dealt_in:.0?} {dealt:?}; fenced {}; {:.0?} in all; fault log {file}\n{}",
        r.name,
        r.seed,
        r.buckets,
        r.fsync,
        log.accepted.len(),
        log.posts.len(),
        faults.len(),
        outcome.fenced,
        begun.elapsed(),
        history::row(&history::INVARIANTS, &wrong),
    );
    Outcome { wrong, fenced: outcome.fenced }
}

/// Clients that have made so many tasks when the faults are about dealt.
fn clients(client: &Client, r: &Run, lasts: Duration) -> Vec<tokio::task::JoinHandle<()>> {
    let next = Arc::new(AtomicUsize::new(0));
    let made = Arc::new(AtomicUsize::new(0));
    let (seed, tasks, begun) = (r.seed, r.tasks, Instant::now());
    let one = |c: usize| {
        let (client, next, made) = (client.clone(), next.clone(), made.clone());
        let mut rng = StdRng::seed_from_u64(seed * 1000 + u64::try_from(c).unwrap());
        tokio::spawn(async move {
            while made.load(Ordering::Relaxed) < tasks {
                let n = next.fetch_add(1, Ordering::Relaxed);
                made.fetch_add(client.work(&mut rng, n).await, Ordering::Relaxed);
                // No faster than the faults, and never all at once.
                let share = made.load(Ordering::Relaxed) as f64 / tasks as f64;
                let due = begun + lasts.mul_f64(0.9 * share);
                let early = due.saturating_duration_since(Instant::now());
                tokio::time::sleep(early.mul_f64(rng.random_range(0.5..1.5))).await;
            }
        })
    };
    (0..CLIENTS).map(one).collect()
}

/// I8, all the time: what the simulators have in nodes.
async fn watch_blocks(http: reqwest::Client, sims: Vec<String>, log: Arc<Mutex<Log>>) {
    loop {
        for sim in &sims {
            let asked = http.get(format!("{sim}/sim/nodes")).timeout(Duration::from_secs(1)).send().await;
            let Ok(answer) = asked else { continue };
            let nodes: Value = answer.json().await.unwrap_or_default();
            log.lock().await.wrong.extend(history::blocks(&nodes));
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

async fn check(d: &Deployment, log: &Mutex<Log>, buckets: u16) -> Outcome {
    let mut options = valence::config::Config::default().store_options();
    options.lease = LEASE;
    options.buckets = valence::ids::Buckets::new(buckets).unwrap();
    let store = d.redis.open(options).await;
    // What is unended or untidy after this long is reported below, task by task.
    let deadline = Instant::now() + Duration::from_secs(60);
    while !unrest(&store).await.is_empty() && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let log = log.lock().await;
    let mut wrong = log.wrong.clone();
    let read = async |id: &String| {
        // Only 404 says that it is not there.
        let answer = wait::until("the API says what a task is", async || {
            let answer = d.http.get(format!("{}/v1/tasks/{id}", d.apis[0])).send().await.map_err(|e| e.to_string())?;
            let status = answer.status().as_u16();
            if [200, 404].contains(&status) { Ok(answer) } else { Err(format!("{status} {:?}", answer.text().await)) }
        })
        .await;
        let is_there = answer.status().is_success();
        is_there.then_some((id.clone(), answer.json::<Value>().await.unwrap()))
    };
    let tasks: BTreeMap<String, Value> = futures_util::stream::iter(log.accepted.iter().map(read))
        .buffer_unordered(16)
        .filter_map(std::future::ready)
        .collect()
        .await;
    let changes = history::changes(&d.redis.url(), buckets).await;
    wrong.extend(history::ends(&log.accepted, &changes, &tasks));
    wrong.extend(history::turns(&changes, &tasks));
    wrong.extend(history::keys(&log.posts));
    wrong.extend(history::answers(&log.told, &tasks));
    // Nothing lies about.
    wrong.extend(unrest(&store).await.into_iter().map(|what| format!("I9 {what}")));
    // The hardware agrees with the record.
    let on_record = d.recorded_nodes(&store).await;
    let at_podms = d.sim_nodes().await;
    if on_record != at_podms {
        wrong.push(format!("I6 on record {on_record:?}, at the Pod Managers {at_podms:?}"));
    }
    let fenced = store.counts().await.unwrap().get("compute:fenced").copied().unwrap_or(0);
    Outcome { wrong, fenced }
}
