//! Clients: they post, repeat with the same key what was refused or cut off, cancel, wait; and note what they were told.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::Rng;
use rand::rngs::StdRng;
use serde_json::{Value, json};
use tokio::sync::Mutex;

/// What clients did, as they saw it.
#[derive(Default)]
pub struct Log {
    pub accepted: HashSet<String>,
    /// Each accepted post: its key, and the task it was answered.
    pub posts: Vec<(String, String)>,
    /// Ended tasks that a waiting client was answered.
    pub told: Vec<Value>,
    pub wrong: Vec<String>,
}

#[derive(Clone)]
pub struct Client {
    pub http: reqwest::Client,
    pub apis: Vec<String>,
    pub podms: Vec<String>,
    pub log: Arc<Mutex<Log>>,
    /// How many no-ops go into one batch.
    pub batch: usize,
}

impl Client {
    fn any(&self, rng: &mut StdRng) -> &str {
        &self.apis[rng.random_range(0..self.apis.len())]
    }

    /// Posts until it is accepted, as a client with an Idempotency-Key may; the answer.
    async fn post(&self, rng: &mut StdRng, path: &str, key: &str, body: &Value) -> Value {
        loop {
            let post = self.http.post(format!("{}{path}", self.any(rng))).header("idempotency-key", key).json(body);
            if let Ok(answer) = post.send().await {
                let status = answer.status().as_u16();
                let answer: Result<Value, _> = answer.json().await;
                match (status, answer) {
                    (200..=299, Ok(answer)) => return answer,
                    // Not taken, or cut off in the middle of the answer: again.
                    (503, _) | (_, Err(_)) => {}
                    (status, Ok(answer)) => {
                        self.log.lock().await.wrong.push(format!("{body} was answered {status} {answer}"));
                        return Value::Null;
                    }
                }
            }
            tokio::time::sleep(Duration::from_millis(rng.random_range(10..60))).await;
        }
    }

    async fn note(&self, key: &str, id: &str) {
        let mut log = self.log.lock().await;
        log.posts.push((key.to_owned(), id.to_owned()));
        log.accepted.insert(id.to_owned());
    }

    pub async fn submit(&self, rng: &mut StdRng, key: &str, task: &Value) -> String {
        let answer = self.post(rng, "/v1/tasks", key, task).await;
        let id = answer["id"].as_str().unwrap_or_default().to_owned();
        if !id.is_empty() {
            self.note(key, &id).await;
        }
        id
    }

    /// The same post five times at once, to whichever API.
    async fn submit_five(&self, rng: &mut StdRng, key: &str, task: &Value) {
        let mut rngs: Vec<StdRng> = (0..5).map(|_| rand::SeedableRng::seed_from_u64(rng.random())).collect();
        futures_util::future::join_all(rngs.iter_mut().map(|rng| self.submit(rng, key, task))).await;
    }

    /// Many no-ops in one request, until each of them is accepted.
    async fn submit_batch(&self, rng: &mut StdRng, key: &str, count: usize) {
        let tasks: Vec<Value> = (0..count).map(|n| json!({"kind": "noop", "params": {"payload": {"n": n}}})).collect();
        let mut open = true;
        while open {
            let answer = self.post(rng, "/v1/tasks/batch", key, &json!({"tasks": tasks})).await;
            open = false;
            for (n, item) in answer["tasks"].as_array().into_iter().flatten().enumerate() {
                match item["id"].as_str() {
                    Some(id) => self.note(&format!("{key}/{n}"), id).await,
                    None => open = true,
                }
            }
        }
    }

    async fn cancel(&self, rng: &mut StdRng, id: &str) {
        // Refused or not heard: a cancel is only a wish.
        let _heard = self.http.post(format!("{}/v1/tasks/{id}/cancel", self.any(rng))).send().await;
    }

    /// Waits until a task has ended, and notes what it was told.
    async fn ended(&self, rng: &mut StdRng, id: &str) -> Value {
        let deadline = Instant::now() + Duration::from_secs(90);
        while Instant::now() < deadline {
            let seen = self.http.get(format!("{}/v1/tasks/{id}?wait=2", self.any(rng))).send().await;
            if let Ok(answer) = seen
                && let Ok(task) = answer.json::<Value>().await
                && task["status"].as_str().is_some_and(|s| s != "In progress")
            {
                self.log.lock().await.told.push(task.clone());
                return task;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Value::Null
    }

    /// The n-th piece of work; how many tasks it made.
    pub async fn work(&self, rng: &mut StdRng, n: usize) -> usize {
        let key = format!("k{n}");
        match rng.random_range(0..100) {
            0..45 if self.batch > 1 => {
                self.submit_batch(rng, &key, self.batch).await;
                return self.batch;
            }
            0..45 => {
                self.submit(rng, &key, &json!({"kind": "noop", "params": {"payload": {"n": n}}})).await;
            }
            45..50 => {
                self.submit_five(rng, &key, &json!({"kind": "noop", "params": {"payload": {"n": n}}})).await;
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
            _ => return self.compose(rng, &key, n).await,
        }
        1
    }

    async fn compose(&self, rng: &mut StdRng, key: &str, n: usize) -> usize {
        let podm = &self.podms[n % self.podms.len()];
        let task = json!({"kind": "node.compose", "podm_id": podm, "params": {"name": format!("n{n}")}});
        let id = self.submit(rng, key, &task).await;
        if rng.random_bool(0.2) {
            tokio::time::sleep(Duration::from_millis(rng.random_range(0..400))).await;
            self.cancel(rng, &id).await;
        }
        let ended = self.ended(rng, &id).await;
        let Some(node) = ended["result"]["uuid"].as_str() else { return 1 };
        let mut made = 1;
        // Several at once for one node, of different priority: they take turns.
        for turn in 0..rng.random_range(0..4) {
            let reset = ["ForceOff", "On"][turn % 2];
            let params = json!({"Reset": {"Type": reset}});
            let priority = ["low", "normal", "high"][turn % 3];
            let task = json!({"kind": "node.action", "node_id": node, "params": params, "priority": priority});
            self.submit(rng, &format!("{key}-turn{turn}"), &task).await;
            made += 1;
        }
        if rng.random_bool(0.9) {
            let task = json!({"kind": "node.delete", "node_id": node, "params": {}});
            let id = self.submit(rng, &format!("{key}-delete"), &task).await;
            self.ended(rng, &id).await;
            made += 1;
        }
        made
    }
}
