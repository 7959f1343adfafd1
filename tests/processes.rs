//! What a deployment of real processes promises when they are killed, paused, drained, doubled, or left without Redis.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on should say so")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use support::deployment::{Deployment, Shape, free_port, signal};
use support::engine::unrest;
use support::wait::{self, until, within};
use valence::model::kind::podm_gate;
use valence::store::gates::Entry;

const SHORT_LEASE: [&str; 2] = ["--lease", "1500ms"];

fn now_ms() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

/// The items of a task's history that tell of a state.
fn items<'t>(task: &'t Value, state: &str) -> Vec<&'t Value> {
    task["history"].as_array().unwrap().iter().filter(|h| h["state"] == state).collect()
}

fn at_ms(item: &Value) -> i64 {
    item["at"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap().as_millisecond()
}

/// Asserts a 503 with Retry-After within a second.
async fn refused(request: reqwest::RequestBuilder, what: &str) {
    let asked = Instant::now();
    let answer = request.send().await.unwrap();
    let took = asked.elapsed();
    assert_eq!(answer.status().as_u16(), 503, "{what}");
    assert!(answer.headers().contains_key("retry-after"), "{what}: {:?}", answer.headers());
    assert!(took <= Duration::from_secs(1), "{what} took {took:?}");
}

fn post_task(d: &Deployment) -> reqwest::RequestBuilder {
    d.http.post(format!("{}/v1/tasks", d.apis[0])).json(&json!({"kind": "noop", "params": {}}))
}

fn get_nodes(d: &Deployment) -> reqwest::RequestBuilder {
    d.http.get(format!("{}/v1/nodes", d.apis[0]))
}

#[tokio::test]
async fn a_killed_workers_task_is_taken_up_within_lease_and_a_second_and_resumes() {
    let mut d = Deployment::start(Shape { flags: &SHORT_LEASE, ..Shape::default() }).await;
    let id = d.submit("sleep", json!({"ms": 200, "steps": 15})).await;
    d.until_task(&id, "three steps are saved", |t| t["progress"]["percent"].as_u64() >= Some(20)).await;
    d.worker();
    d.until_workers(2).await;
    let killed = now_ms();
    d.kill(d.of_role("worker")[0]);
    let task = d.done(&id).await;
    let claims = items(&task, "running");
    assert_eq!(claims.len(), 2, "{task}");
    assert_ne!(claims[0]["worker"], claims[1]["worker"]);
    let taken_up = at_ms(claims[1]) - killed;
    assert!((0..=2500).contains(&taken_up), "taken up {taken_up} ms after the kill: {task}");
    assert_eq!(task["state"], "completed", "{task}");
    assert!(task["result"]["resumed_from"].as_u64() > Some(0), "{task}");
    assert_eq!((&task["attempt"], &task["crashes"]), (&json!(1), &json!(1)), "{task}");
}

#[tokio::test]
async fn a_killed_workers_read_leaves_its_place_at_the_pod_manager_after_a_lease() {
    let mut d = Deployment::start(Shape { flags: &SHORT_LEASE, podms: 1, ..Shape::default() }).await;
    let podm = d.podm_ids().await.remove(0);
    let store = d.redis.open(valence::config::Config::default().store_options()).await;
    let (bucket, gate) = (store.options().buckets.of_name(&podm), podm_gate(&podm, false));
    let key = format!("vl:{{{bucket}}}:gate:{gate}");
    // Who holds a place, and until when.
    let held = async || d.redis.command::<Vec<String>>(&["ZRANGE", &key, "0", "-1", "WITHSCORES"]).await;
    until("nobody reads", async || held().await.is_empty()).await;
    let hang = d.http.put(format!("{}/sim/faults", d.sims[0])).json(&json!([{"hang": true}]));
    assert!(hang.send().await.unwrap().status().is_success());
    d.submit_task(&json!({"kind": "inventory.refresh", "podm_id": podm, "params": {}})).await;
    let taken = until("it reads", async || Some(held().await).filter(|h| !h.is_empty())).await;
    let enter = async || store.gate_enter(bucket, &gate, "next", 1, Duration::from_secs(9)).await.unwrap();
    until("the place is kept while it reads", async || held().await.get(1) > taken.get(1)).await;
    assert_eq!(enter().await, Entry::Full);
    d.kill(d.of_role("worker")[0]);
    until("the place is free", async || enter().await == Entry::In).await;
}

#[tokio::test]
async fn a_worker_that_is_told_to_stop_under_load_ends_in_time_and_gives_its_tasks_back() {
    let mut d = Deployment::start(Shape { flags: &["--grace", "5s"], ..Shape::default() }).await;
    let tasks: Vec<Value> = (0..40).map(|_| json!({"kind": "sleep", "params": {"ms": 300, "steps": 2}})).collect();
    let (status, accepted) = d.post("/v1/tasks/batch", &json!({"tasks": tasks})).await;
    assert_eq!(status, 202, "{accepted}");
    let ids: Vec<&str> = accepted["tasks"].as_array().unwrap().iter().map(|t| t["id"].as_str().unwrap()).collect();
    until("some are done", async || d.total("compute", "completed").await >= 4).await;
    let first = d.of_role("worker")[0];
    d.worker();
    d.until_workers(2).await;
    d.signal(first, "-TERM");
    assert_eq!(d.exit_code(first, Duration::from_secs(5)).await, Some(0));
    let mut released = 0;
    for id in ids {
        let task = d.done(id).await;
        assert_eq!((&task["state"], &task["attempt"]), (&json!("completed"), &json!(1)), "{task}");
        assert_eq!(task["crashes"], 0, "{task}");
        released += items(&task, "queued").iter().filter(|h| h["detail"] == "released at shutdown").count();
    }
    assert!(released > 0, "the worker had nothing to give back: the test proves nothing");
}

#[tokio::test]
async fn a_worker_that_slept_over_its_lease_is_fenced() {
    let mut d = Deployment::start(Shape { flags: &SHORT_LEASE, ..Shape::default() }).await;
    let id = d.submit("sleep", json!({"ms": 800})).await;
    d.until_task(&id, "it runs", |t| t["state"] == "running").await;
    let first = d.of_role("worker")[0];
    d.signal(first, "-STOP");
    d.worker();
    let task = d.done(&id).await;
    assert_eq!(d.total("compute", "fenced").await, 0);
    d.signal(first, "-CONT");
    until("the late writer is fenced", async || d.total("compute", "fenced").await > 0).await;
    let after = d.task(&id).await;
    assert_eq!(items(&after, "completed").len(), 1, "{after}");
    assert_eq!((&after["result"], &after["history"]), (&task["result"], &task["history"]));
    assert_eq!(after["result"]["claim"], 2, "{after}");
}

#[tokio::test]
async fn without_redis_requests_are_refused_at_once_and_work_goes_on_soon_after_it_is_back() {
    let mut d = Deployment::start(Shape::default()).await;
    d.done(&d.submit("noop", json!({})).await).await;
    d.redis.kill();
    for _ in 0..3 {
        refused(post_task(&d), "POST /v1/tasks").await;
        refused(get_nodes(&d), "GET /v1/nodes").await;
    }
    d.redis.restart().await;
    let back = Instant::now();
    let id = within(Duration::from_secs(2), "a task is accepted", async || {
        let answer = post_task(&d).send().await.unwrap();
        let status = answer.status().as_u16();
        let body: Value = answer.json().await.unwrap();
        if status == 202 { Ok(body["id"].as_str().unwrap().to_owned()) } else { Err(body) }
    })
    .await;
    let left = Duration::from_secs(2).saturating_sub(back.elapsed());
    within(left, "it completes", async || {
        let task = d.task(&id).await;
        if task["state"] == "completed" { Ok(()) } else { Err(task) }
    })
    .await;
}

#[tokio::test]
async fn a_full_redis_refuses_new_work_and_finishes_what_runs() {
    let d = Deployment::start(Shape::default()).await;
    let id = d.submit("sleep", json!({"ms": 100, "steps": 10})).await;
    d.until_task(&id, "it runs", |t| t["state"] == "running").await;
    let () = d.redis.command(&["CONFIG", "SET", "maxmemory", "1"]).await;
    refused(post_task(&d), "POST /v1/tasks").await;
    refused(get_nodes(&d), "GET /v1/nodes").await;
    assert_eq!(d.task(&id).await["status"], "In progress", "it ended too early: the test proves nothing");
    let task = d.done(&id).await;
    assert_eq!((&task["state"], &task["attempt"]), (&json!("completed"), &json!(1)), "{task}");
    refused(post_task(&d), "POST /v1/tasks").await;
    let () = d.redis.command(&["CONFIG", "SET", "maxmemory", "0"]).await;
    let id = until("a task is accepted", async || {
        let (status, body) = d.post("/v1/tasks", &json!({"kind": "noop", "params": {}})).await;
        (status == 202).then(|| body["id"].as_str().unwrap().to_owned())
    })
    .await;
    assert_eq!(d.done(&id).await["state"], "completed");
}

#[tokio::test]
async fn two_schedulers_fire_a_schedule_once_per_nominal_time() {
    let d = Deployment::start(Shape { schedulers: 2, ..Shape::default() }).await;
    let spec = json!({"name": "often", "every_s": 1, "task": {"kind": "noop", "params": {}}});
    let (status, made) = d.post("/v1/schedules", &spec).await;
    assert!((200..300).contains(&status), "{made}");
    let path = format!("/v1/schedules/{}", made["id"].as_str().unwrap());
    let mut fired: BTreeMap<String, String> = BTreeMap::new();
    until("it has fired four times", async || {
        let seen = d.get(&path).await;
        if let (Some(at), Some(task)) = (seen["last_at"].as_str(), seen["last_task"].as_str()) {
            let before = fired.insert(at.to_owned(), task.to_owned());
            assert!(before.is_none_or(|b| b == task), "two tasks for {at}: {seen}");
        }
        fired.len() >= 4
    })
    .await;
    let there = d.get("/v1/tasks?kind=noop&limit=1000").await;
    let last = fired.values().max().unwrap();
    let there: BTreeSet<&str> = there["tasks"].as_array().unwrap().iter().map(|t| t["id"].as_str().unwrap()).collect();
    // One more may have been fired since the last look.
    let until_last: BTreeSet<&str> = there.iter().copied().filter(|t| *t <= last.as_str()).collect();
    assert_eq!(until_last, fired.values().map(String::as_str).collect(), "{fired:?}");
    assert!(there.len() <= fired.len() + 1, "{there:?}");
}

#[tokio::test]
async fn a_poison_task_is_a_dead_letter_after_three_crashes_and_the_others_complete() {
    let mut d = Deployment::start(Shape { workers: 2, flags: &["--lease", "500ms"], ..Shape::default() }).await;
    let poison = d.submit("sleep", json!({"abort": true})).await;
    let mut others = Vec::new();
    let mut crashes = 0;
    let task = until("the poison task has ended", async || {
        for worker in d.of_role("worker") {
            if d.ended(worker).is_some() {
                crashes += 1;
                d.restart(worker);
                others.push(d.submit("noop", json!({})).await);
                others.push(d.submit("sleep", json!({"ms": 20, "steps": 2})).await);
            }
        }
        let task = d.task(&poison).await;
        if task["status"] == "In progress" { Err(task) } else { Ok(task) }
    })
    .await;
    assert_eq!((&task["state"], &task["crashes"]), (&json!("failed"), &json!(3)), "{task}");
    assert_eq!((&task["error"]["code"], crashes), (&json!("Crashed"), 3), "{task}");
    let dead = d.get("/v1/dead-letters").await;
    let dead: Vec<&Value> = dead["dead_letters"].as_array().unwrap().iter().map(|t| &t["id"]).collect();
    assert_eq!(dead, [&json!(poison)]);
    for id in others {
        assert_eq!(d.done(&id).await["state"], "completed");
    }
}

#[tokio::test]
async fn without_a_worker_reads_are_refused_at_once_and_a_task_says_what_it_waits_for() {
    let d = Deployment::start(Shape { workers: 0, ..Shape::default() }).await;
    refused(get_nodes(&d), "GET /v1/nodes").await;
    let id = d.submit("noop", json!({})).await;
    let path = format!("/v1/tasks/{id}/explain");
    let codes = |explained: &Value| -> Vec<String> {
        explained["reasons"].as_array().unwrap().iter().map(|r| r["code"].as_str().unwrap().to_owned()).collect()
    };
    let explained = d.get(&path).await;
    assert_eq!(codes(&explained)[0], "no_worker", "{explained}");
    let (status, _) = d.post("/v1/queues/compute/pause", &json!({})).await;
    assert_eq!(status, 200);
    let explained = d.get(&path).await;
    assert_eq!(codes(&explained)[..2], ["paused", "no_worker"], "{explained}");
}

#[tokio::test]
async fn a_second_signal_ends_a_draining_process_at_once() {
    let mut d = Deployment::start(Shape { workers: 0, ..Shape::default() }).await;
    let metrics = format!("127.0.0.1:{}", free_port());
    let worker = d.add("worker", &["--listen", &metrics]);
    d.until_workers(1).await;
    let id = d.submit("sleep", json!({"ms": 60_000})).await;
    d.until_task(&id, "it runs", |t| t["state"] == "running").await;
    let listens = async || tokio::net::TcpStream::connect(&metrics).await.is_ok();
    until("it listens", listens).await;
    // A Redis that does not answer: the worker cannot give its task back, and drains for all of its grace.
    signal(d.redis.pid(), "-STOP");
    d.signal(worker, "-TERM");
    until("it drains, and listens no more", async || !listens().await).await;
    assert!(d.ended(worker).is_none(), "it ended with the first signal");
    d.signal(worker, "-TERM");
    assert_eq!(d.exit_code(worker, Duration::from_secs(1)).await, Some(130));
    signal(d.redis.pid(), "-CONT");
}

#[tokio::test]
async fn workers_on_one_host_need_no_ports_chosen() {
    let mut d = Deployment::start(Shape { workers: 0, ..Shape::default() }).await;
    let (one, other) = (d.add("worker", &[]), d.add("worker", &[]));
    d.until_workers(2).await;
    assert!(d.ended(one).is_none() && d.ended(other).is_none());
}

#[tokio::test]
async fn sixteen_buckets_work_as_one() {
    let flags = ["--buckets", "16"];
    let d = Deployment::start(Shape { workers: 2, schedulers: 2, podms: 2, flags: &flags, ..Shape::default() }).await;
    let podms = d.podm_ids().await;
    let mut ids = Vec::new();
    for n in 0..60 {
        let task = match n % 10 {
            0 => json!({"kind": "node.compose", "podm_id": podms[n / 10 % 2], "params": {"name": format!("n{n}")}}),
            1 => json!({"kind": "sleep", "params": {"ms": 20, "steps": 3, "park_ms": 30}}),
            2 => json!({"kind": "noop", "params": {}, "delay_s": 1}),
            _ => json!({"kind": "noop", "params": {}}),
        };
        ids.push(d.submit_task(&task).await);
    }
    let mut nodes = Vec::new();
    for id in &ids {
        let task = d.done(id).await;
        assert_eq!(task["state"], "completed", "{task}");
        nodes.extend(task["result"]["uuid"].as_str().map(str::to_owned));
    }
    assert_eq!(nodes.len(), 6);
    let used: BTreeSet<&str> = ids.iter().map(|id| &id[id.len() - 2..]).collect();
    assert!(used.len() > 8, "{used:?}");
    for node in &nodes[..4] {
        let id = d.submit_task(&json!({"kind": "node.delete", "node_id": node, "params": {}})).await;
        let task = d.done(&id).await;
        assert_eq!(task["state"], "completed", "{task}");
    }
    assert_eq!(d.get("/v1/nodes").await.as_array().unwrap().len(), 2);
    let mut options = valence::config::Config::default().store_options();
    options.buckets = valence::ids::Buckets::new(16).unwrap();
    let store = d.redis.open(options).await;
    wait::until("everything is at rest", async || {
        let found = unrest(&store).await;
        if found.is_empty() { Ok(()) } else { Err(found) }
    })
    .await;
    let there = d.sim_nodes().await;
    assert_eq!((there.len(), &there), (2, &d.recorded_nodes(&store).await));
}

/// With more fetch loops than slots, a slot that came free was handed from one waiting loop to the next for ever, and nothing was claimed.
#[tokio::test]
async fn more_buckets_than_slots_do_not_keep_each_other_from_work() {
    let d = Deployment::start(Shape { flags: &["--buckets", "16"], ..Shape::default() }).await;
    let tasks: Vec<Value> = (0..200).map(|_| json!({"kind": "sleep", "params": {"ms": 20}})).collect();
    let (status, accepted) = d.post("/v1/tasks/batch", &json!({"tasks": tasks})).await;
    assert_eq!(status, 202, "{accepted}");
    until("all are done", async || {
        let done = d.total("compute", "completed").await;
        if done == 200 { Ok(()) } else { Err(done) }
    })
    .await;
}
