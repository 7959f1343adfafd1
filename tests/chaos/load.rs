//! Clients that post no-ops and never repeat a post: what they were told is accepted, nobody makes good afterwards.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::history::{self, Changes};
use super::support::deployment::Deployment;
use super::support::wait;

const POSTERS: usize = 8;
/// Between two posts of one client.
const PACE: Duration = Duration::from_millis(10);
/// A failover takes seconds, and then a lease before what a lost answer left behind is taken up.
const AFTER: Duration = Duration::from_secs(60);

pub struct Load {
    posters: Vec<JoinHandle<Told>>,
    accepted: Arc<AtomicUsize>,
    over: Arc<AtomicBool>,
}

/// What posters were told.
#[derive(Default)]
pub struct Told {
    accepted: Vec<(Instant, String)>,
    wrong: Vec<String>,
}

/// What became of it.
pub struct Outcome {
    pub accepted: usize,
    pub lost: usize,
    /// The longest that nothing was accepted.
    pub dark: Duration,
    pub wrong: Vec<String>,
}

impl Load {
    /// Begins to post, to each API in turn.
    pub fn start(d: &Deployment) -> Self {
        let (accepted, over) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let one = |n: usize| {
            let url = format!("{}/v1/tasks", d.apis[n % d.apis.len()]);
            tokio::spawn(post(d.http.clone(), url, accepted.clone(), over.clone()))
        };
        Self { posters: (0..POSTERS).map(one).collect(), accepted, over }
    }

    /// Waits until so many more are accepted.
    pub async fn until_more(&self, count: usize) {
        let until = self.accepted.load(Ordering::Relaxed) + count;
        wait::within(AFTER, "posts are accepted", async || {
            let now = self.accepted.load(Ordering::Relaxed);
            if now >= until { Ok(()) } else { Err(now) }
        })
        .await;
    }

    /// Ends it. Each accepted task is looked for; those that stand have to end, once. `changes`: the state changes there were.
    pub async fn outcome(self, d: &Deployment, changes: impl AsyncFnOnce() -> Changes) -> Outcome {
        self.over.store(true, Ordering::Relaxed);
        let mut told = Told::default();
        for poster in self.posters {
            let one = poster.await.unwrap();
            told.accepted.extend(one.accepted);
            told.wrong.extend(one.wrong);
        }
        told.accepted.sort();
        let dark = told.accepted.windows(2).map(|pair| pair[1].0 - pair[0].0).max().unwrap_or_default();
        let looks = futures_util::stream::iter(told.accepted.iter().map(|(_, id)| ended(d, id))).buffer_unordered(8);
        let tasks: BTreeMap<String, Value> = looks.filter_map(std::future::ready).collect().await;
        let stand: HashSet<String> = tasks.keys().cloned().collect();
        told.wrong.extend(history::ends(&stand, &changes().await, &tasks));
        let accepted = told.accepted.len();
        Outcome { accepted, lost: accepted - stand.len(), dark, wrong: told.wrong }
    }
}

async fn post(http: reqwest::Client, url: String, accepted: Arc<AtomicUsize>, over: Arc<AtomicBool>) -> Told {
    let mut told = Told::default();
    while !over.load(Ordering::Relaxed) {
        let task = json!({"kind": "noop", "params": {}});
        let answer = http.post(&url).json(&task).timeout(Duration::from_secs(5)).send().await;
        tokio::time::sleep(PACE).await;
        let Ok(answer) = answer else { continue };
        let status = answer.status().as_u16();
        let Ok(task) = answer.json::<Value>().await else { continue };
        match (status, task["id"].as_str()) {
            (202, Some(id)) => {
                told.accepted.push((Instant::now(), id.to_owned()));
                accepted.fetch_add(1, Ordering::Relaxed);
            }
            (503, _) => tokio::time::sleep(PACE).await,
            _ => told.wrong.push(format!("a post was answered {status} {task}")),
        }
    }
    told
}

/// The task once it has ended, or as it is when it does not; none when it is not there.
async fn ended(d: &Deployment, id: &String) -> Option<(String, Value)> {
    let deadline = Instant::now() + AFTER;
    loop {
        let mut last = Value::Null;
        if let Ok(answer) = d.http.get(format!("{}/v1/tasks/{id}?wait=5", d.apis[0])).send().await {
            if answer.status().as_u16() == 404 {
                return None;
            }
            last = answer.json().await.unwrap_or_default();
            if last["status"].as_str().is_some_and(|s| s != "In progress") {
                return Some((id.clone(), last));
            }
        }
        if Instant::now() > deadline {
            return Some((id.clone(), last));
        }
        tokio::time::sleep(PACE).await;
    }
}
