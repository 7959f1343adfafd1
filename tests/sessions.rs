//! Sessions at Pod Managers: one per process, used, renewed, logged out; Basic auth where there are none.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on should say so")]

mod support;

use std::time::Duration;

use jiff::SignedDuration;
use serde_json::{Value, json};
use support::podm::{Lab, PASSWORD};
use support::wait;
use valence::config::{AuthMode, RedfishConfig};
use valence::podm::{Cause, Pool};
use valence::shutdown::Shutdown;
use valence::sim::SimConfig;

const SESSIONS: &str = "/redfish/v1/SessionService/Sessions";

fn pool(lab: &Lab, change: impl FnOnce(&mut RedfishConfig)) -> Pool {
    let mut config = RedfishConfig { allow_cidrs: vec!["127.0.0.0/8".parse().unwrap()], ..RedfishConfig::default() };
    change(&mut config);
    Pool::new(&config, Some(lab.key.clone())).unwrap()
}

async fn count(lab: &Lab, method: &str) -> usize {
    let log = lab.log().await;
    let entries = log.as_array().or_else(|| log["entries"].as_array()).unwrap().clone();
    entries.iter().filter(|e| e["method"] == method && e["path"].as_str().unwrap().starts_with(SESSIONS)).count()
}

async fn open(lab: &Lab) -> usize {
    let url = format!("{}{SESSIONS}", lab.url);
    let got = reqwest::Client::new().get(url).basic_auth("admin", Some(PASSWORD)).send().await.unwrap();
    got.json::<Value>().await.unwrap()["Members"].as_array().unwrap().len()
}

#[tokio::test]
async fn first_requests_that_come_together_share_one_login_and_later_ones_use_it() {
    let lab = Lab::start(SimConfig { latency: Duration::from_millis(20), ..SimConfig::default() }).await;
    let calls = (0..10).map(|_| async { lab.driver().probe().await.unwrap() });
    futures_util::future::join_all(calls).await;
    lab.driver().nodes().await.unwrap();
    assert_eq!((count(&lab, "POST").await, open(&lab).await), (1, 1));
}

#[tokio::test]
async fn a_session_that_has_ended_is_renewed_and_the_change_is_made_once() {
    let lab = Lab::start(SimConfig { session_timeout: Duration::from_millis(60), ..SimConfig::default() }).await;
    lab.driver().probe().await.unwrap();
    wait::until("the session has ended", async || open(&lab).await == 0).await;
    let wanted = valence::podm::Wanted {
        name: "n".into(),
        description: String::new(),
        requirements: Default::default(),
        parts: Vec::new(),
    };
    lab.driver().allocate(&wanted).await.unwrap();
    assert!(count(&lab, "POST").await >= 2);
    assert_eq!(lab.nodes().await.len(), 1);
}

#[tokio::test]
async fn an_unused_session_is_logged_out_and_the_drain_logs_out_the_rest() {
    for idle in ["100ms", "1h"] {
        let lab = Lab::start(SimConfig::default()).await;
        let pool = pool(&lab, |c| c.session_idle = idle.parse::<SignedDuration>().unwrap());
        let shutdown = Shutdown::new();
        pool.keep(&shutdown);
        pool.connect(&lab.record(), None).unwrap().probe().await.unwrap();
        if idle == "1h" {
            assert_eq!(open(&lab).await, 1);
            shutdown.stop();
            shutdown.join(Duration::from_secs(5)).await.unwrap();
            assert_eq!(open(&lab).await, 0);
        } else {
            wait::until("it is logged out", async || open(&lab).await == 0).await;
            shutdown.stop();
        }
        assert_eq!(count(&lab, "DELETE").await, 1, "{idle}");
    }
}

#[tokio::test]
async fn changed_and_deleted_credentials_end_the_session_at_once() {
    let lab = Lab::start(SimConfig::default()).await;
    let pool = pool(&lab, |_| {});
    let shutdown = Shutdown::new();
    pool.keep(&shutdown);
    // The password is sealed anew each time, so these are other credentials.
    for _ in 0..3 {
        pool.connect(&lab.record(), None).unwrap().probe().await.unwrap();
    }
    wait::until("only the last session stands", async || open(&lab).await == 1).await;
    pool.forget(&lab.uuids[0]);
    wait::until("none stands", async || open(&lab).await == 0).await;
    shutdown.stop();
}

#[tokio::test]
async fn where_there_is_no_session_basic_auth_does_and_it_is_remembered() {
    for status in [400, 404, 405, 501, 503, 507, 204] {
        let lab = Lab::start(SimConfig::default()).await;
        lab.faults(json!([{"path_prefix": SESSIONS, "status": status}])).await;
        for _ in 0..3 {
            lab.driver_of_same_record().probe().await.unwrap();
        }
        assert_eq!(count(&lab, "POST").await, 1, "{status}");
    }
    let full = Lab::start(SimConfig { max_sessions: 0, ..SimConfig::default() }).await;
    full.driver().probe().await.unwrap();
}

#[tokio::test]
async fn refused_credentials_are_refused_at_the_login() {
    for status in [401, 403] {
        let lab = Lab::start(SimConfig::default()).await;
        lab.faults(json!([{"path_prefix": SESSIONS, "status": status}])).await;
        let error = lab.driver().probe().await.unwrap_err();
        assert_eq!(error.status(), Some(status));
    }
}

#[tokio::test]
async fn the_setting_decides() {
    let lab = Lab::start(SimConfig::default()).await;
    let basic = pool(&lab, |c| c.auth = AuthMode::Basic);
    basic.connect(&lab.record(), None).unwrap().probe().await.unwrap();
    assert_eq!(count(&lab, "POST").await, 0);
    lab.faults(json!([{"path_prefix": SESSIONS, "status": 404}])).await;
    let only = pool(&lab, |c| c.auth = AuthMode::Session);
    let error = only.connect(&lab.record(), None).unwrap().probe().await.unwrap_err();
    assert!(matches!(error.cause, Cause::Credentials(_)), "{error}");
}

/// What was logged, to be searched.
#[derive(Clone, Default)]
struct Lines(std::sync::Arc<std::sync::Mutex<Vec<u8>>>);

impl std::io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn neither_token_nor_password_is_logged_at_trace_or_stands_in_an_error() {
    let lines = Lines::default();
    let made = lines.clone();
    tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(move || made.clone())
        .init();
    let token = "canary-token-0123456789";
    // A Pod Manager that hands this token out, and repeats what it was sent in its refusals.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let routes = warp::Filter::boxed(warp::Filter::map(
        warp::Filter::and(warp::Filter::and(warp::method(), warp::path::full()), warp::header::headers_cloned()),
        move |method: warp::http::Method, path: warp::path::FullPath, headers: warp::http::HeaderMap| {
            let answer = warp::http::Response::builder().header("content-type", "application/json");
            let root = json!({"Links": {"Sessions": {"@odata.id": SESSIONS}}, "Nodes": {"@odata.id": "/n"}});
            match (method.as_str(), path.as_str()) {
                ("POST", _) => {
                    let answer = answer.status(201).header("X-Auth-Token", token).header("Location", "/s/1");
                    answer.body("{}".to_owned()).unwrap()
                }
                (_, "/redfish/v1/") => answer.body(root.to_string()).unwrap(),
                _ => {
                    let sent = headers.get("x-auth-token").map(|t| t.to_str().unwrap().to_owned());
                    let said = json!({"error": {"message": format!("bad {sent:?}"), "code": sent}});
                    answer.status(400).body(said.to_string()).unwrap()
                }
            }
        },
    ));
    tokio::spawn(warp::serve(routes).incoming(listener).run());
    let lab = Lab::start(SimConfig::default()).await;
    let mut record = lab.record();
    record.url = url;
    let error = lab.pool.connect(&record, None).unwrap().probe().await.unwrap_err();
    let said = format!("{error} {error:?} {:?}", error.problem());
    assert!(said.contains("bad") && said.contains("***"), "the token was sent, and is masked: {said}");
    let logged = String::from_utf8_lossy(&lines.0.lock().unwrap()).into_owned();
    assert!(logged.len() > 500, "trace is on: {logged}");
    for canary in [token, PASSWORD] {
        assert!(!said.contains(canary) && !logged.contains(canary), "{canary}");
    }
}

#[tokio::test]
async fn all_processes_together_open_only_so_many_sessions_and_the_others_use_basic_auth() {
    let lab = Lab::start(SimConfig { max_sessions: 100, ..SimConfig::default() }).await;
    let server = support::redis::TestRedis::start().await;
    let store = server.open(support::engine::options(1)).await;
    let record = lab.record();
    let pools: Vec<Pool> = (0..12)
        .map(|_| {
            let pool = pool(&lab, |_| {});
            pool.report_to(valence::store::gates::Gatekeeper::new(&store));
            pool
        })
        .collect();
    for pool in &pools {
        pool.connect(&record, None).unwrap().probe().await.unwrap();
    }
    assert_eq!(open(&lab).await, 8);
    let shutdown = Shutdown::new();
    pools[0].keep(&shutdown);
    shutdown.stop();
    shutdown.join(Duration::from_secs(10)).await.unwrap();
    wait::until("one is logged out", async || open(&lab).await == 7).await;
    let late = pool(&lab, |_| {});
    late.report_to(valence::store::gates::Gatekeeper::new(&store));
    late.connect(&record, None).unwrap().probe().await.unwrap();
    assert_eq!(open(&lab).await, 8, "its place went to the next");
}
