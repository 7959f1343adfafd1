//! C8: one Pod Manager of four hangs for a minute. It is not stormed with calls, and the tasks of the others are as quick as before.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::run::amount;
use super::support::deployment::{Deployment, Shape};
use super::support::wait;

/// Most requests to a Pod Manager that hangs, a second: those that run into the silence before its circuit opens, then probes.
const BUDGET: f64 = 2.0;

/// Composes and deletes nodes at one Pod Manager, one after the other, until told to end; how long each took.
async fn work(http: reqwest::Client, api: String, podm: String, stop: Arc<AtomicBool>) -> Vec<Duration> {
    let mut took = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let begun = Instant::now();
        let task = json!({"kind": "node.compose", "podm_id": podm, "params": {"name": "n"}});
        let Ok(answer) = http.post(format!("{api}/v1/tasks")).json(&task).send().await else { continue };
        let mut task: Value = answer.json().await.unwrap();
        while task["status"] == "In progress" && !stop.load(Ordering::Relaxed) {
            let asked = http.get(format!("{api}/v1/tasks/{}?wait=5", task["id"].as_str().unwrap())).send().await;
            task = asked.unwrap().json().await.unwrap();
        }
        if let Some(node) = task["result"]["uuid"].as_str() {
            took.push(begun.elapsed());
            let delete = json!({"kind": "node.delete", "node_id": node, "params": {}});
            let answer = http.post(format!("{api}/v1/tasks")).json(&delete).send().await.unwrap();
            let task: Value = answer.json().await.unwrap();
            let _ended = http.get(format!("{api}/v1/tasks/{}?wait=5", task["id"].as_str().unwrap())).send().await;
        }
    }
    took
}

/// Works at every Pod Manager for a while; how long each node of all but the first took.
async fn phase(d: &Deployment, podms: &[String], lasts: Duration) -> Vec<Duration> {
    let stop = Arc::new(AtomicBool::new(false));
    let mut at_work = Vec::new();
    for podm in podms {
        for _ in 0..2 {
            let (http, api) = (d.http.clone(), d.apis[0].clone());
            at_work.push((podm.clone(), tokio::spawn(work(http, api, podm.clone(), stop.clone()))));
        }
    }
    tokio::time::sleep(lasts).await;
    stop.store(true, Ordering::Relaxed);
    let mut took = Vec::new();
    for (podm, working) in at_work {
        let of_one = working.await.unwrap();
        if *podm != podms[0] {
            took.extend(of_one);
        }
    }
    took
}

/// The 99th percentile.
fn p99(mut took: Vec<Duration>) -> Duration {
    assert!(took.len() > 60, "only {} nodes were composed", took.len());
    took.sort_unstable();
    took[(took.len() * 99 / 100).min(took.len() - 1)]
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "make chaos CAMPAIGN=c8"]
async fn c8_a_pod_manager_that_hangs_is_left_alone_and_slows_nobody_else() {
    let lasts = Duration::from_secs(u64::try_from(amount("SECONDS", 60, 20)).unwrap());
    let d = Deployment::start(Shape { workers: 2, podms: 4, flags: &["--lease", "3s"], ..Shape::default() }).await;
    // In the order of the simulators: the first is the one that will hang.
    let mut podms = d.podm_ids().await;
    let rows = d.get("/v1/pod_managers").await;
    let of = |id: &String| rows.as_array().unwrap().iter().find(|r| r["uuid"] == id.as_str()).unwrap()["url"].clone();
    podms.sort_by_key(|id| d.sims.iter().position(|sim| of(id) == sim.as_str()));
    let calls = async || {
        let log: Value = d.http.get(format!("{}/sim/log", d.sims[0])).send().await.unwrap().json().await.unwrap();
        log.as_array().unwrap().len()
    };
    // The first ones read everything for the first time: they do not count.
    phase(&d, &podms, Duration::from_secs(5)).await;
    let usual = p99(phase(&d, &podms, lasts).await);
    let put = d.http.put(format!("{}/sim/faults", d.sims[0])).json(&json!([{"hang": true}]));
    assert!(put.send().await.unwrap().status().is_success());
    let before = calls().await;
    let beside = p99(phase(&d, &podms, lasts).await);
    let storm = f64::from(u32::try_from(calls().await - before).unwrap()) / lasts.as_secs_f64();
    println!(
        "c8: {storm:.2} calls a second to the one that hangs; p99 of the others {usual:.0?}, beside it {beside:.0?}"
    );
    let put = d.http.put(format!("{}/sim/faults", d.sims[0])).json(&json!([]));
    assert!(put.send().await.unwrap().status().is_success());
    wait::within(Duration::from_secs(180), "every task has ended", async || {
        let live: u64 = d.redis.command(&["ZCARD", "vl:{b00}:live"]).await;
        if live == 0 { Ok(()) } else { Err(live) }
    })
    .await;
    assert!(storm <= BUDGET, "{storm:.2} calls a second to a Pod Manager that hangs");
    let most = usual.mul_f64(1.2) + Duration::from_millis(20);
    assert!(beside <= most, "p99 {beside:?} beside one that hangs, {usual:?} before");
}
