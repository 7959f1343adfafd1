//! C10: a worker, an API or a scheduler dies at each call to Redis that a task's life needs: right before it is made, and right after it
//! was carried out, before the answer is heard. At n = 1, 2, … until the task's life is over before the n-th call. Each is started again at
//! once; the task has to end, once, as it should, and nothing may lie about.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use serde_json::{Value, json};

use super::history;
use super::run::amount;
use super::support::deployment::{Deployment, Shape, WORKER, free_port};
use super::support::engine::unrest;
use super::support::relay::{Relay, Side};
use super::support::wait;

/// What a task is asked for, and how it may end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Life {
    Noop,
    /// A node at whichever Pod Manager: it parks until its child, the compose, has ended.
    ParkedCompose,
    /// Cancelled half-way, with a checkpoint.
    Cancelled,
    /// Fails once, then succeeds.
    Retried,
}

impl Life {
    fn task(self, n: usize) -> Value {
        match self {
            Self::Noop => json!({"kind": "noop", "params": {}}),
            Self::ParkedCompose => json!({"kind": "node.place", "params": {"name": format!("n{n}")}}),
            Self::Cancelled => json!({"kind": "sleep", "params": {"ms": 400, "steps": 4}}),
            Self::Retried => json!({"kind": "sleep", "params": {"ms": 20, "steps": 2, "retries": 1}}),
        }
    }

    fn may_end(self, state: &str) -> bool {
        // A cancel that comes when the last step is done is too late.
        state == "completed" && self != Self::Cancelled
            || self == Self::Cancelled && ["cancelled", "completed"].contains(&state)
    }
}

/// A deployment in which one process reaches Redis through the relay.
struct Stage {
    d: Deployment,
    relay: Relay,
    role: &'static str,
    mortal: usize,
    api: String,
    accepted: HashSet<String>,
}

impl Stage {
    async fn start(role: &'static str) -> Self {
        let flags = ["--lease", "1s", "--quarantine", "1s"];
        let others = |of: &str| usize::from(role != of);
        let shape = Shape {
            workers: others("worker"),
            schedulers: others("scheduler"),
            podms: 3,
            flags: &flags,
            ..Shape::default()
        };
        let mut d = Deployment::start(shape).await;
        let relay = Relay::start(d.redis.socket());
        let port = free_port();
        let at = format!("127.0.0.1:{port}");
        let own: &[&str] = match role {
            "worker" => &WORKER,
            "api" => &["--listen", &at],
            _ => &["--listen", "127.0.0.1:0"],
        };
        let mortal = d.add_through(&relay.url(), role, own);
        let api = if role == "api" { format!("http://{at}") } else { d.apis[0].clone() };
        d.podm_ids().await;
        wait::until("the Pod Managers are online", async || {
            let seen = d.get("/v1/pod_managers").await;
            if seen.as_array().unwrap().iter().all(|p| p["status"] == "Online") { Ok(()) } else { Err(seen) }
        })
        .await;
        Self { d, relay, role, mortal, api, accepted: HashSet::new() }
    }

    /// Starts the process again when it has died; what it died at.
    fn revive(&mut self) -> Option<String> {
        if self.relay.has_struck() { self.spare() } else { None }
    }

    /// Lets the process live from now on, again if it has died; what it died at, if it did.
    fn spare(&mut self) -> Option<String> {
        let call = self.relay.disarm()?;
        wait::blocking("it is dead", || self.d.ended(self.mortal));
        self.d.restart(self.mortal);
        Some(call)
    }

    /// Waits until the process does what it is there for: its start is not part of a task's life.
    async fn until_up(&self) {
        wait::until("it is up", async || match self.role {
            "worker" => self.relay.has_waited(),
            "api" => {
                let ready = self.d.http.get(format!("{}/readyz", self.api)).send().await;
                ready.is_ok_and(|r| r.status().is_success())
            }
            _ => true,
        })
        .await;
    }

    /// Posts until it is answered, reviving who dies of it. Refused for now is no answer.
    async fn post(&mut self, path: &str, key: &str, body: &Value, died: &mut Vec<String>) -> (u16, Value) {
        loop {
            let post = self.d.http.post(format!("{}{path}", self.api)).header("idempotency-key", key).json(body);
            if let Ok(answer) = post.send().await {
                let status = answer.status().as_u16();
                if let (true, Ok(answer)) = (status != 503, answer.json().await) {
                    return (status, answer);
                }
            }
            died.extend(self.revive());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// One life in which the process dies at its n-th call; what that was, if there were so many.
    async fn run(&mut self, life: Life, n: usize, side: Side) -> Option<String> {
        let (key, mut died) = (format!("{life:?}-{n}-{side:?}"), Vec::new());
        self.until_up().await;
        self.relay.arm(n, side, self.d.pid(self.mortal));
        let (status, task) = self.post("/v1/tasks", &key, &life.task(n), &mut died).await;
        assert_eq!(status, 202, "{key}: {task}");
        let id = task["id"].as_str().unwrap().to_owned();
        self.accepted.insert(id.clone());
        if life == Life::Cancelled {
            let mut began = false;
            wait::until("it has begun", async || {
                died.extend(self.revive());
                let task = self.d.task(&id).await;
                began = task["progress"]["percent"].as_u64() > Some(0) || task["status"] != "In progress";
                if began { Ok(()) } else { Err(task) }
            })
            .await;
            let (status, said) =
                self.post(&format!("/v1/tasks/{id}/cancel"), &format!("{key}-c"), &json!({}), &mut died).await;
            assert!([202, 409].contains(&status), "{key}: {said}");
        }
        if self.role == "api" {
            // Its part is done; what it asks from now on, it asks for nobody.
            died.extend(self.spare());
        }
        let task = wait::until(&key, async || {
            died.extend(self.revive());
            let task = self.d.task(&id).await;
            if task["status"] == "In progress" { Err(task) } else { Ok(task) }
        })
        .await;
        assert!(life.may_end(task["state"].as_str().unwrap()), "{key}, {died:?}: {task}");
        died.extend(self.spare());
        if let Some(node) = task["result"]["uuid"].as_str() {
            let delete = json!({"kind": "node.delete", "node_id": node, "params": {}});
            let id = self.d.submit_task(&delete).await;
            assert_eq!(self.d.done(&id).await["state"], "completed");
        }
        assert!(died.len() <= 1, "{key}: {died:?}");
        died.pop()
    }

    /// What the checker says of all of them.
    async fn judge(&self) -> Vec<String> {
        let mut options = valence::config::Config::default().store_options();
        options.lease = Duration::from_secs(1);
        let store = self.d.redis.open(options).await;
        wait::within(Duration::from_secs(60), "nothing lies about", async || {
            let found = unrest(&store).await;
            if found.is_empty() { Ok(()) } else { Err((found, self.d.get("/v1/tasks?status=In%20progress").await)) }
        })
        .await;
        let mut tasks = BTreeMap::new();
        for id in &self.accepted {
            tasks.insert(id.clone(), self.d.task(id).await);
        }
        let changes = history::changes(&self.d.redis.url(), 1).await;
        let mut wrong = history::ends(&self.accepted, &changes, &tasks);
        // As many tasks as keys: none was made twice. Deletions, children and refreshes are of other kinds.
        let kinds: HashSet<&str> = tasks.values().filter_map(|t| t["kind"].as_str()).collect();
        for kind in kinds {
            let all = self.d.get(&format!("/v1/tasks?kind={kind}&limit=1000")).await["tasks"].as_array().unwrap().len();
            let of_keys = tasks.values().filter(|t| t["kind"] == kind).count();
            if all != of_keys {
                wrong.push(format!("I7 {all} tasks of {kind}, {of_keys} keys"));
            }
        }
        let (on_record, at_podms) = (self.d.recorded_nodes(&store).await, self.d.sim_nodes().await);
        if on_record != at_podms {
            wrong.push(format!("I6 on record {on_record:?}, at the Pod Managers {at_podms:?}"));
        }
        wrong
    }
}

async fn dies_at_each_call(role: &'static str, life: Life) {
    let (mut stage, mut runs, mut calls) = (Stage::start(role).await, 0, Vec::new());
    // A scheduler's passes go on as long as the task lives; so many of them have seen everything it does.
    let most = amount("CALLS", 200, 3);
    for side in [Side::Before, Side::After] {
        for n in 1..=most {
            let Some(call) = stage.run(life, n, side).await else { break };
            runs += 1;
            calls.push(call);
        }
    }
    let wrong = stage.judge().await;
    assert!(wrong.is_empty(), "{role}, {life:?}:\n{}", wrong.join("\n"));
    assert!(runs > 1, "{role}, {life:?}: it never died");
    println!("c10 {role}, {life:?}: died at {runs} calls, 0 violations");
    let file = format!("{}/c10-{role}-{life:?}.log", env!("CARGO_TARGET_TMPDIR"));
    std::fs::write(file, calls.join("\n")).unwrap();
}

macro_rules! lives {
    ($($test:ident: $role:literal, $life:ident;)+) => {
        $(
            #[tokio::test(flavor = "multi_thread")]
            #[ignore = "make chaos CAMPAIGN=c10"]
            async fn $test() {
                dies_at_each_call($role, Life::$life).await;
            }
        )+
    };
}

// A no-op has ended before a scheduler makes any call.
lives! {
    c10_a_worker_dies_at_each_call_of_a_no_op: "worker", Noop;
    c10_a_worker_dies_at_each_call_of_a_parked_compose: "worker", ParkedCompose;
    c10_a_worker_dies_at_each_call_of_a_cancel: "worker", Cancelled;
    c10_a_worker_dies_at_each_call_of_a_retry: "worker", Retried;
    c10_an_api_dies_at_each_call_of_a_no_op: "api", Noop;
    c10_an_api_dies_at_each_call_of_a_parked_compose: "api", ParkedCompose;
    c10_an_api_dies_at_each_call_of_a_cancel: "api", Cancelled;
    c10_an_api_dies_at_each_call_of_a_retry: "api", Retried;
    c10_a_scheduler_dies_at_each_call_of_a_parked_compose: "scheduler", ParkedCompose;
    c10_a_scheduler_dies_at_each_call_of_a_cancel: "scheduler", Cancelled;
    c10_a_scheduler_dies_at_each_call_of_a_retry: "scheduler", Retried;
}
