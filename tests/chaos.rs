//! Faults under load: processes killed and paused, Redis killed, while clients go on. What was accepted is never lost, ends once, and
//! the hardware agrees with the record.
//!
//! Repeatable by seed: `make chaos SEED=7 TASKS=20000 FAULTS=600 BUCKETS=16`. Built with the feature `unsafe-no-claim-check`, the same run must
//! show violations, or it would prove nothing.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that cannot go on should say so"
)]

mod support;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};
use support::deployment::{Deployment, Shape, signal};
use support::engine::unrest;
use support::history;
use tokio::sync::Mutex;

const CLIENTS: usize = 12;
const LEASE: Duration = Duration::from_millis(1500);

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|v| v.parse().ok()).unwrap_or(default)
}

/// What clients did, as they saw it.
#[derive(Default)]
struct Log {
    accepted: HashSet<String>,
    duplicates: usize,
    keys: HashMap<String, String>,
    wrong: Vec<String>,
}

struct Client {
    http: reqwest::Client,
    apis: Vec<String>,
    podms: Vec<String>,
    log: Arc<Mutex<Log>>,
}

impl Client {
    /// Posts until it is accepted, as a client with an Idempotency-Key may.
    async fn submit(&self, rng: &mut StdRng, key: &str, task: &Value) -> String {
        loop {
            let api = &self.apis[rng.random_range(0..self.apis.len())];
            let post = self.http.post(format!("{api}/v1/tasks")).header("idempotency-key", key).json(task);
            if let Ok(answer) = post.send().await {
                let status = answer.status().as_u16();
                let body: Value = answer.json().await.unwrap_or(Value::Null);
                match status {
                    200..=299 => {
                        let id = body["id"].as_str().unwrap_or_default().to_owned();
                        let mut log = self.log.lock().await;
                        if let Some(before) = log.keys.insert(key.to_owned(), id.clone()) {
                            log.duplicates += 1;
                            if before != id {
                                log.wrong.push(format!("I7 key {key}: {before} and {id}"));
                            }
                        }
                        log.accepted.insert(id.clone());
                        return id;
                    }
                    503 => {}
                    _ => {
                        self.log.lock().await.wrong.push(format!("{task} was answered {status} {body}"));
                        return String::new();
                    }
                }
            }
            tokio::time::sleep(Duration::from_millis(rng.random_range(10..60))).await;
        }
    }

    async fn cancel(&self, rng: &mut StdRng, id: &str) {
        let api = &self.apis[rng.random_range(0..self.apis.len())];
        // Refused or not heard: a cancel is only a wish.
        let _heard = self.http.post(format!("{api}/v1/tasks/{id}/cancel")).send().await;
    }

    /// Waits until a task has ended.
    async fn ended(&self, id: &str) -> Value {
        let deadline = Instant::now() + Duration::from_secs(90);
        while Instant::now() < deadline {
            let seen = self.http.get(format!("{}/v1/tasks/{id}?wait=2", self.apis[0])).send().await;
            if let Ok(answer) = seen
                && let Ok(task) = answer.json::<Value>().await
                && task["status"].as_str().is_some_and(|s| s != "In progress")
            {
                return task;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Value::Null
    }

    /// The n-th piece of work.
    async fn work(&self, rng: &mut StdRng, n: usize) {
        let key = format!("k{n}");
        match rng.random_range(0..100) {
            0..50 => {
                let task = json!({"kind": "noop", "params": {"payload": {"n": n}}});
                self.submit(rng, &key, &task).await;
                if rng.random_bool(0.05) {
                    self.submit(rng, &key, &task).await;
                }
            }
            50..88 => {
                let steps = [1, 1, 1, 2, 4][rng.random_range(0..5)];
                let params = json!({
                    "ms": rng.random_range(0..300), "steps": steps,
                    "retries": u32::from(rng.random_bool(0.05)),
                    "park_ms": if rng.random_bool(0.1) { 50 } else { 0 }, "fail": rng.random_bool(0.03),
                });
                let priority = ["high", "normal", "low"][rng.random_range(0..3)];
                let id =
                    self.submit(rng, &key, &json!({"kind": "sleep", "params": params, "priority": priority})).await;
                if rng.random_bool(0.1) {
                    tokio::time::sleep(Duration::from_millis(rng.random_range(0..200))).await;
                    self.cancel(rng, &id).await;
                }
            }
            _ => self.compose(rng, &key, n).await,
        }
    }

    async fn compose(&self, rng: &mut StdRng, key: &str, n: usize) {
        let podm = &self.podms[n % self.podms.len()];
        let task = json!({"kind": "node.compose", "podm_id": podm, "params": {"name": format!("n{n}")}});
        let id = self.submit(rng, key, &task).await;
        if rng.random_bool(0.2) {
            tokio::time::sleep(Duration::from_millis(rng.random_range(0..400))).await;
            self.cancel(rng, &id).await;
        }
        let ended = self.ended(&id).await;
        let Some(node) = ended["result"]["uuid"].as_str() else { return };
        if rng.random_bool(0.9) {
            let task = json!({"kind": "node.delete", "node_id": node, "params": {}});
            let id = self.submit(rng, &format!("{key}-delete"), &task).await;
            self.ended(&id).await;
        }
    }
}

/// Deals faults until all are dealt; says how many of each.
async fn faults(d: &mut Deployment, rng: &mut StdRng, count: usize, pace: Duration) -> BTreeMap<&'static str, u32> {
    let mut dealt = BTreeMap::new();
    let mut paused: Vec<(Instant, u32, usize)> = Vec::new();
    for n in 0..count {
        let wait = pace.mul_f64(rng.random_range(0.5..1.5));
        let next = Instant::now() + wait;
        while Instant::now() < next {
            paused.retain(|(until, pid, _)| {
                let over = Instant::now() >= *until;
                if over {
                    signal(*pid, "-CONT");
                }
                !over
            });
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let pick = |d: &Deployment, rng: &mut StdRng, role: &str| {
            let all = d.of_role(role);
            all[rng.random_range(0..all.len())]
        };
        let is_paused = |paused: &[(Instant, u32, usize)], i: usize| paused.iter().any(|(_, _, p)| *p == i);
        let what = match rng.random_range(0..100) {
            0..38 => {
                let i = pick(d, rng, "worker");
                paused.retain(|(_, _, p)| *p != i);
                d.kill_and_restart(i);
                "worker kill -9"
            }
            38..72 => {
                let i = pick(d, rng, "worker");
                if !is_paused(&paused, i) {
                    signal(d.pid(i), "-STOP");
                    paused.push((Instant::now() + Duration::from_millis(rng.random_range(1000..5000)), d.pid(i), i));
                }
                "worker SIGSTOP"
            }
            72..80 => {
                let i = pick(d, rng, "api");
                d.kill_and_restart(i);
                "api kill -9"
            }
            80..88 => {
                let i = pick(d, rng, "scheduler");
                paused.retain(|(_, _, p)| *p != i);
                d.kill_and_restart(i);
                "scheduler kill -9"
            }
            88..94 => {
                let i = pick(d, rng, "scheduler");
                if !is_paused(&paused, i) {
                    signal(d.pid(i), "-STOP");
                    paused.push((Instant::now() + Duration::from_millis(rng.random_range(500..3000)), d.pid(i), i));
                }
                "scheduler SIGSTOP"
            }
            _ if n > 2 => {
                d.redis.kill();
                d.redis.restart().await;
                "redis kill -9"
            }
            _ => "none yet",
        };
        *dealt.entry(what).or_default() += 1;
    }
    for (_, pid, _) in paused {
        signal(pid, "-CONT");
    }
    dealt
}

struct Outcome {
    wrong: Vec<String>,
    fenced: i64,
}

/// How much is done to whom.
struct Campaign {
    seed: u64,
    tasks: usize,
    faults: usize,
    buckets: u16,
}

async fn campaign(c: Campaign) -> Outcome {
    let Campaign { seed, tasks, faults: count, buckets } = c;
    let flags = ["--lease", "1500ms", "--quarantine", "5s", "--buckets", &buckets.to_string()];
    let mut d =
        Deployment::start(Shape { apis: 2, workers: 3, schedulers: 2, podms: 2, flags: &flags, ..Shape::default() })
            .await;
    let podms = d.podm_ids().await;
    // Light load on purpose, spread over the time of the faults: under a backlog late writers come too late to be seen.
    let pace = Duration::from_millis(setting("PACE_MS", 500));
    let lasts = pace.mul_f64(f64::from(u32::try_from(count).unwrap()));
    let think =
        lasts.mul_f64(0.9 * f64::from(u32::try_from(CLIENTS).unwrap()) / f64::from(u32::try_from(tasks).unwrap()));
    let log = Arc::new(Mutex::new(Log::default()));
    let next = Arc::new(AtomicUsize::new(0));
    let begun = Instant::now();
    let clients: Vec<_> = (0..CLIENTS)
        .map(|c| {
            let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(10)).build().unwrap();
            let client = Client { http, apis: d.apis.clone(), podms: podms.clone(), log: log.clone() };
            let next = next.clone();
            let mut rng = StdRng::seed_from_u64(seed * 1000 + u64::try_from(c).unwrap());
            tokio::spawn(async move {
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    if n >= tasks {
                        return;
                    }
                    client.work(&mut rng, n).await;
                    tokio::time::sleep(think.mul_f64(rng.random_range(0.0..2.0))).await;
                }
            })
        })
        .collect();
    let dealt = faults(&mut d, &mut StdRng::seed_from_u64(seed), count, pace).await;
    let dealt_in = begun.elapsed();
    for client in clients {
        client.await.unwrap();
    }
    let outcome = check(&d, &log, buckets).await;
    let log = log.lock().await;
    println!(
        "seed {seed}, {buckets} buckets: {} tasks accepted ({} duplicate posts), {count} faults in {dealt_in:?}: {dealt:?}; fenced {}, violations {}; {:?}",
        log.accepted.len(),
        log.duplicates,
        outcome.fenced,
        outcome.wrong.len(),
        begun.elapsed(),
    );
    outcome
}

async fn check(d: &Deployment, log: &Mutex<Log>, buckets: u16) -> Outcome {
    let mut options = valence::config::Config::default().store_options();
    options.lease = LEASE;
    options.buckets = valence::ids::Buckets::new(buckets).unwrap();
    let store = d.redis.open(options).await;
    // What is unended or untidy after this long is reported below, task by task.
    let deadline = Instant::now() + Duration::from_secs(60);
    while !unrest(&store).await.is_empty() && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let log = log.lock().await;
    let mut wrong = log.wrong.clone();
    let mut tasks = BTreeMap::new();
    for id in &log.accepted {
        let answer = d.http.get(format!("{}/v1/tasks/{id}", d.apis[0])).send().await.unwrap();
        if answer.status().is_success() {
            tasks.insert(id.clone(), answer.json::<Value>().await.unwrap());
        }
    }
    let changes = history::changes(&d.redis.url(), buckets).await;
    wrong.extend(history::violations(&log.accepted, &changes, &tasks));
    // I9: nothing lies about.
    wrong.extend(unrest(&store).await.into_iter().map(|what| format!("I9 {what}")));
    // I6: the hardware agrees with the record.
    let on_record = d.recorded_nodes(&store).await;
    let at_podms = d.sim_nodes().await;
    if on_record != at_podms {
        wrong.push(format!("I6 on record {on_record:?}, at the Pod Managers {at_podms:?}"));
    }
    let fenced = store.counts().await.unwrap().get("compute:fenced").copied().unwrap_or(0);
    Outcome { wrong, fenced }
}

/// As the environment says.
fn asked() -> Campaign {
    Campaign {
        seed: setting("SEED", 1),
        tasks: usize::try_from(setting("TASKS", 2000)).unwrap(),
        faults: usize::try_from(setting("FAULTS", 60)).unwrap(),
        buckets: u16::try_from(setting("BUCKETS", 1)).unwrap(),
    }
}

#[cfg(not(feature = "unsafe-no-claim-check"))]
#[tokio::test(flavor = "multi_thread")]
async fn nothing_accepted_is_lost_and_everything_ends_once_while_processes_die() {
    let outcome = campaign(asked()).await;
    assert!(outcome.wrong.is_empty(), "{} violations:\n{}", outcome.wrong.len(), outcome.wrong.join("\n"));
    assert!(outcome.fenced > 0, "no late writer was fenced: the faults were too gentle to prove anything");
}

#[cfg(not(feature = "unsafe-no-claim-check"))]
#[tokio::test(flavor = "multi_thread")]
async fn the_same_holds_in_sixteen_buckets() {
    let outcome = campaign(Campaign { seed: setting("SEED", 1), tasks: 500, faults: 15, buckets: 16 }).await;
    assert!(outcome.wrong.is_empty(), "{} violations:\n{}", outcome.wrong.len(), outcome.wrong.join("\n"));
}

#[cfg(feature = "unsafe-no-claim-check")]
#[tokio::test(flavor = "multi_thread")]
async fn control_without_the_claim_check_the_same_faults_show_violations() {
    let outcome = campaign(asked()).await;
    assert!(!outcome.wrong.is_empty(), "the campaign does not notice that the claim check is gone");
    println!("as it must be, {} violations, such as {}", outcome.wrong.len(), outcome.wrong[0]);
}
