//! What compose.yaml and deploy/ promise: that they are valid, that executables know what they are told, that probes and signals are
//! answered, and that a rolling restart of everything is not noticed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on should say so")]

mod support;

use std::collections::BTreeSet;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::{Value, json};
use support::deployment::{Deployment, Shape, free_port};
use support::python;
use support::redis::TestRedis;
use support::tty::Tty;
use support::up::Up;
use support::wait::{self, until};
use tokio::net::{TcpListener, TcpStream};
use valence::ids::Bucket;
use valence::model::topic::Lane;
use valence::store::keys;

const DAEMONS: [&str; 3] =
    [env!("CARGO_BIN_EXE_valence-api"), env!("CARGO_BIN_EXE_valence-worker"), env!("CARGO_BIN_EXE_valence-scheduler")];

/// Every variable that a daemon names in its help.
fn known_variables() -> String {
    let mut known = BTreeSet::new();
    for daemon in DAEMONS {
        let help = Command::new(daemon).arg("--help").output().unwrap();
        let help = String::from_utf8(help.stdout).unwrap();
        let names = help.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').filter(|w| w.starts_with("VALENCE_"));
        known.extend(names.map(str::to_owned));
    }
    assert!(known.len() > 10, "{known:?}");
    known.into_iter().collect::<Vec<_>>().join(",")
}

#[test]
fn manifests_units_and_compose_file_say_only_what_there_is() {
    let root = env!("CARGO_MANIFEST_DIR");
    let script = format!("{root}/tests/deployment/check.py");
    let checked = python::of("deployment").args([&script, root, &known_variables()]).output().unwrap();
    let said = String::from_utf8_lossy(&checked.stdout);
    assert!(checked.status.success(), "{said}{}", String::from_utf8_lossy(&checked.stderr));
}

#[test]
fn the_compose_file_is_read_by_docker_compose() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/compose.yaml");
    let read = Command::new("docker-compose").args(["-f", file, "--profile", "topics", "config", "--quiet"]).output();
    let read = read.expect("docker-compose is installed (make setup-test)");
    assert!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
}

#[test]
fn the_units_of_systemd_hold_no_mistake() {
    let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/systemd");
    for unit in std::fs::read_dir(dir).unwrap() {
        let unit = unit.unwrap().path();
        let said = Command::new("systemd-analyze").arg("verify").arg(&unit).output();
        let said = said.expect("systemd-analyze is installed (make setup-test)");
        let text = String::from_utf8_lossy(&said.stderr).into_owned();
        // The executable is not installed here; nothing else may be amiss.
        let amiss: Vec<&str> = text.lines().filter(|l| !l.contains("is not executable")).collect();
        assert!(amiss.is_empty(), "{}: {amiss:?}", unit.display());
    }
}

/// KEDA reads these streams: the names that the manifests spell must be the ones that workers read.
#[test]
fn the_streams_that_are_scaled_by_are_those_that_workers_read() {
    let text = include_str!("../deploy/kubernetes/workers/compute.yaml");
    for priority in ["high", "normal", "low"] {
        let lane = Lane::parse(&format!("compute:{priority}")).unwrap();
        let named = format!("stream: \"{}\"", keys::stream(Bucket(0), lane));
        assert_eq!(text.matches(&named).count(), 2, "lag and pending of {named}");
    }
    assert_eq!(text.matches(&format!("consumerGroup: {}", keys::GROUP)).count(), 6);
}

#[tokio::test]
async fn every_daemon_answers_its_probes_where_its_variable_says() {
    let redis = TestRedis::start().await;
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    for (daemon, variable) in
        DAEMONS.into_iter().zip(["VALENCE_API_LISTEN", "VALENCE_WORKER_LISTEN", "VALENCE_SCHEDULER_LISTEN"])
    {
        let at = format!("127.0.0.1:{}", free_port());
        let mut child = Command::new(daemon)
            .env(variable, &at)
            .env("VALENCE_REDIS_URL", redis.url())
            .env("VALENCE_WORKER_TOPICS", "compute")
            .env("VALENCE_LOG", "error")
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        for path in ["/healthz", "/readyz", "/metrics"] {
            let url = format!("http://{at}{path}");
            until(&url, async || http.get(&url).send().await.and_then(|r| r.error_for_status())).await;
        }
        support::deployment::signal(child.id(), "-TERM");
        let code = until("it ends after SIGTERM", async || child.try_wait().unwrap()).await.code();
        assert_eq!(code, Some(0), "{daemon}");
    }
}

/// What stands before several API processes: passes a connection on to the first one that takes it.
async fn proxy(apis: Vec<String>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let turn = Arc::new(AtomicUsize::new(0));
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let (apis, first) = (apis.clone(), turn.fetch_add(1, Ordering::Relaxed));
            tokio::spawn(async move {
                for n in 0..apis.len() {
                    let api = apis[(first + n) % apis.len()].trim_start_matches("http://").to_owned();
                    if let Ok(mut server) = TcpStream::connect(api).await {
                        let _closed = tokio::io::copy_bidirectional(&mut client, &mut server).await;
                        return;
                    }
                }
            });
        }
    });
    url
}

/// A client that repeats what was cut off, with its Idempotency-Key, until it has its answer: what a proxy's health checks and retries
/// do for it elsewhere.
async fn one_task(http: &reqwest::Client, url: &str, n: usize) -> (String, Duration) {
    let began = Instant::now();
    let body = json!({"kind": "sleep", "params": {"ms": 20, "steps": 1}});
    let id = until("the task is accepted", async || {
        let sent = http.post(format!("{url}/v1/tasks")).header("idempotency-key", format!("rolling-{n}")).json(&body);
        let answer = sent.send().await.map_err(|e| e.to_string())?;
        let status = answer.status().as_u16();
        let task: Value = answer.json().await.map_err(|e| e.to_string())?;
        if matches!(status, 200 | 202) {
            Ok(task["id"].as_str().unwrap().to_owned())
        } else {
            Err(format!("{status} {task}"))
        }
    })
    .await;
    let task = until("the task has ended", async || {
        let answer = http.get(format!("{url}/v1/tasks/{id}?wait=5")).send().await.map_err(|e| e.to_string())?;
        let task: Value = answer.json().await.map_err(|e| e.to_string())?;
        if task["status"] == "Completed" { Ok(task) } else { Err(task.to_string()) }
    })
    .await;
    assert_eq!(task["crashes"], 0, "{task}");
    (id, began.elapsed())
}

#[tokio::test]
async fn a_rolling_restart_of_everything_under_load_fails_and_loses_no_task() {
    let mut d = Deployment::start(Shape { apis: 2, flags: &["--grace", "5s"], ..Shape::default() }).await;
    let url = proxy(d.apis.clone()).await;
    let (stop, next) = (AtomicBool::new(false), AtomicUsize::new(0));
    let client = async || {
        // Without kept connections, each request may meet another API process.
        let http = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0).build().unwrap();
        let mut took = Vec::new();
        while !stop.load(Ordering::Relaxed) {
            took.push(one_task(&http, &url, next.fetch_add(1, Ordering::Relaxed)).await);
        }
        took
    };
    let restarts = async {
        restart_everything(&mut d, &next).await;
        stop.store(true, Ordering::Relaxed);
    };
    let (took, ()) = tokio::join!(join_all([client(), client(), client(), client()]), restarts);
    let took: Vec<(String, Duration)> = took.into_iter().flatten().collect();
    let ids: BTreeSet<&str> = took.iter().map(|(id, _)| id.as_str()).collect();
    assert_eq!(ids.len(), took.len(), "every request has a task of its own");
    assert_eq!(d.total("compute", "completed").await, i64::try_from(ids.len()).unwrap(), "each was done once");
    assert_eq!(d.get("/v1/tasks?state=failed").await["tasks"], json!([]));
    let mut times: Vec<Duration> = took.iter().map(|(_, t)| *t).collect();
    times.sort();
    let p99 = times[times.len() * 99 / 100];
    eprintln!("{} tasks over the restarts, p50 {:?}, p99 {p99:?}", times.len(), times[times.len() / 2]);
    assert!(p99 < Duration::from_secs(8), "p99 {p99:?}: longer than one drain and a bit");
}

async fn restart_everything(d: &mut Deployment, next: &AtomicUsize) {
    let some_more = async || {
        let from = next.load(Ordering::Relaxed);
        until("work goes on", async || next.load(Ordering::Relaxed) >= from + 20).await;
    };
    some_more().await;
    // 1 → 4 → 2 workers.
    for _ in 0..3 {
        d.worker();
    }
    d.until_workers(4).await;
    some_more().await;
    let workers = d.of_role("worker");
    for gone in &workers[..2] {
        end(d, *gone).await;
    }
    some_more().await;
    let scheduler = d.of_role("scheduler")[0];
    d.add("scheduler", &["--listen", "127.0.0.1:0"]);
    end(d, scheduler).await;
    for api in d.of_role("api") {
        end(d, api).await;
        d.restart(api);
        let at = d.apis[d.of_role("api").iter().position(|i| *i == api).unwrap()].clone();
        until("the new API is ready", async || {
            d.http.get(format!("{at}/readyz")).send().await.and_then(|r| r.error_for_status())
        })
        .await;
        some_more().await;
    }
}

/// SIGTERM, and a clean end.
async fn end(d: &mut Deployment, index: usize) {
    d.signal(index, "-TERM");
    assert_eq!(d.exit_code(index, Duration::from_secs(10)).await, Some(0));
}

/// `make scale` asked once for a socket that `valence up` had moved, and its Ctrl-C was a second signal to workers that had just begun to drain.
#[test]
fn make_scale_adds_workers_to_what_runs_here_and_ctrl_c_drains_them() {
    let dir = tempfile::tempdir().unwrap();
    let up = Up::start(dir.path());
    let workers = || {
        let seen: Value = serde_json::from_str(&up.says(&["worker", "list", "--json"])).unwrap();
        seen["workers"].as_array().unwrap().len()
    };
    let before = workers();
    let mut make = Command::new("setsid");
    // It is built already.
    make.args(["--ctty", "make", "scale", "CARGO=true", "WORKERS=4"]).arg(format!("DATA={}", dir.path().display()));
    make.current_dir(env!("CARGO_MANIFEST_DIR")).env("VALENCE_LOG", "warn");
    let mut terminal = Tty::of(120, 30, make);
    wait::blocking("they are there", || if workers() == before + 4 { Ok(()) } else { Err(terminal.shown()) });
    for n in 0..6 {
        up.says(&["node", "compose", "--name", &format!("n{n}")]);
    }
    terminal.types("\x03");
    terminal.until("they have drained", |shown| shown.contains("4 workers have drained and stopped"));
    terminal.end();
    assert_eq!(workers(), before, "those that stopped are not seen any more");
    wait::blocking("all nodes are composed", || {
        let nodes = up.node_uuids().len();
        if nodes == 6 { Ok(()) } else { Err((nodes, up.says(&["task", "list", "--kind", "node.compose"]))) }
    });
    let tasks: Value = serde_json::from_str(&up.says(&["task", "list", "--kind", "node.compose", "--json"])).unwrap();
    assert!(tasks["tasks"].as_array().unwrap().iter().all(|t| t["crashes"] == 0), "{tasks}");
}
