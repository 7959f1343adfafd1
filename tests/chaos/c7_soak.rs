//! C7: a million no-ops, and then Redis and every process hold what they held before (I11), and all lists and streams are empty (I9).

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::run::amount;
use super::support::deployment::{Deployment, Shape};
use super::support::engine::unrest;
use super::support::wait;

/// Enough for every bounded list to be at its bound.
const WARM: usize = 100_000;
const BATCH: usize = 500;
/// Tasks that may stand in the queue.
const AHEAD: i64 = 20_000;

/// Resident memory of each process and used memory of Redis, MiB.
async fn memory(d: &Deployment) -> Vec<(String, f64)> {
    let mut all = Vec::new();
    for (i, process) in d.processes.iter().enumerate() {
        let status = std::fs::read_to_string(format!("/proc/{}/status", d.pid(i))).unwrap();
        let line = status.lines().find(|l| l.starts_with("VmRSS")).unwrap();
        let kib: f64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
        all.push((format!("{} {i}", process.role), kib / 1024.0));
    }
    let _: String = d.redis.command(&["MEMORY", "PURGE"]).await;
    let info: String = d.redis.command(&["INFO", "memory"]).await;
    let used: f64 = info.lines().find_map(|l| l.strip_prefix("used_memory:")?.trim().parse().ok()).unwrap();
    all.push(("redis".into(), used / 1_048_576.0));
    all
}

async fn drain(d: &Deployment, count: usize) {
    let tasks: Vec<Value> = (0..BATCH).map(|_| json!({"kind": "noop", "params": {}})).collect();
    let body = json!({ "tasks": tasks });
    for n in 0..count / BATCH {
        let (status, answer) = d.post("/v1/tasks/batch", &body).await;
        assert_eq!(status, 202, "{answer}");
        if n % 20 == 0 {
            wait::within(Duration::from_secs(120), "the queue is worked off", async || {
                let left: i64 = d.total("compute", "enqueued").await - d.total("compute", "completed").await;
                if left < AHEAD { Ok(()) } else { Err(left) }
            })
            .await;
        }
    }
    wait::within(Duration::from_secs(300), "all is done and forgotten", async || {
        let kept: u64 = d.redis.command(&["ZCARD", "vl:{b00}:done"]).await;
        let live: u64 = d.redis.command(&["ZCARD", "vl:{b00}:live"]).await;
        if kept + live == 0 { Ok(()) } else { Err((kept, live)) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "make chaos CAMPAIGN=c7"]
async fn c7_a_million_tasks_leave_nothing_behind() {
    let count = amount("TASKS", 1_000_000, 50_000);
    let config = "[task]\nevents_kept = 10000\nretention = '1s'\n";
    let shape = Shape { workers: 0, schedulers: 1, fsync: "everysec", config, ..Shape::default() };
    let mut d = Deployment::start(shape).await;
    for _ in 0..2 {
        d.add("worker", &["--concurrency", "200", "--listen", "127.0.0.1:0"]);
    }
    d.until_workers(2).await;
    drain(&d, WARM).await;
    let (before, begun) = (memory(&d).await, Instant::now());
    drain(&d, count).await;
    let took = begun.elapsed();
    let after = memory(&d).await;
    println!("c7: {count} tasks in {took:.0?}, {:.0} a second", count as f64 / took.as_secs_f64());
    let mut wrong = Vec::new();
    for ((who, before), (_, after)) in before.iter().zip(&after) {
        let change = (after / before - 1.0) * 100.0;
        println!("c7: {who}: {before:.2} MiB before, {after:.2} MiB after, {change:+.1} %");
        if change > 5.0 {
            wrong.push(format!("I11 {who}: {change:+.1} %"));
        }
    }
    let store = d.redis.open(valence::config::Config::default().store_options()).await;
    wrong.extend(unrest(&store).await.into_iter().map(|what| format!("I9 {what}")));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
