//! What one caller may take: requests a second over all API processes, requests under way at once; and the audit log of what they changed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on should say so")]

mod support;

use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use support::api::{TestApi, five_keys, read};
use support::certs::tokens_file;
use support::redis::TestRedis;
use support::wait;
use valence::model::audit::{AuditEntry, AuditFilter};
use valence::shutdown::Shutdown;
use valence::store::Store;
use valence::store::rates::Taken;

/// A second API process over the same Redis, in this one.
async fn second(api: &TestApi) -> (String, Shutdown) {
    let store: Store = api.redis.store(&api.config).await;
    let shutdown = Shutdown::new();
    let listener = valence::api::bind(([127, 0, 0, 1], 0).into()).await.unwrap();
    let address = valence::api::spawn(api.config.clone(), store, &shutdown, listener).unwrap();
    (format!("http://{address}"), shutdown)
}

#[tokio::test]
async fn a_callers_requests_are_counted_over_all_processes_and_another_callers_apart() {
    let dir = tempfile::tempdir().unwrap();
    let file = tokens_file(dir.path(), &["reader", "operator"], &[]);
    let api = TestApi::start_with(|c| {
        c.api.tokens_file = Some(file);
        c.api.requests_per_second = 1;
        c.api.requests_burst = 20;
    })
    .await;
    let (other, shutdown) = second(&api).await;
    let ask = async |base: &str, token: &str| {
        api.client.get(format!("{base}/v1/tasks?limit=1")).bearer_auth(token).send().await.unwrap()
    };
    let (mut taken, mut refused) = (0, None);
    for n in 0..40 {
        let base = if n % 2 == 0 { api.url("") } else { other.clone() };
        let answer = ask(&base, "reader").await;
        match answer.status().as_u16() {
            200 => taken += 1,
            429 => refused = Some(answer),
            odd => panic!("{odd}"),
        }
    }
    // One a second comes while this runs.
    assert!((20..30).contains(&taken), "{taken} of 40 were let in where 20 are allowed at once");
    let answer = refused.unwrap();
    let wait: u64 = answer.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=2).contains(&wait), "{wait}");
    let (status, body) = read(answer).await;
    five_keys(status, &body);
    assert_eq!(ask(&other, "operator").await.status(), StatusCode::OK, "another caller has another bucket");
    wait::until("there are tokens again", async || ask(&other, "reader").await.status() == 200).await;
    shutdown.stop();
}

#[tokio::test]
async fn a_bucket_gives_what_it_has_and_says_when_there_is_more() {
    let redis = TestRedis::start().await;
    let store = redis.store(&valence::config::Config::default()).await;
    let take = async |want| store.take_tokens("a", 10, 5, want).await.unwrap();
    assert_eq!(take(3).await, Taken::Tokens(3));
    assert_eq!(take(3).await, Taken::Tokens(2));
    let Taken::Wait(wait) = take(1).await else { panic!("it was empty") };
    assert!(wait > Duration::ZERO && wait <= Duration::from_millis(100), "{wait:?}");
    tokio::time::sleep(wait).await;
    assert!(matches!(take(1).await, Taken::Tokens(1)));
    // It goes by itself, and holds no name.
    assert!(redis.keys().await.iter().all(|k| k == "vl:meta" || k.starts_with("vl:rate:")));
    let ttl: i64 =
        redis.command(&["PTTL", &redis.keys().await.into_iter().find(|k| k.contains("rate")).unwrap()]).await;
    assert!((1..=1500).contains(&ttl), "{ttl}");
}

#[tokio::test]
async fn waits_and_streams_of_one_caller_have_an_end_and_give_their_place_back() {
    let dir = tempfile::tempdir().unwrap();
    let file = tokens_file(dir.path(), &["operator", "admin"], &[]);
    let api = TestApi::start_with(|c| {
        c.api.tokens_file = Some(file);
        c.api.max_requests_under_way = 3;
    })
    .await;
    let send = async |method: Method, path: &str, token: &str| {
        api.request(method, path).bearer_auth(token).json(&json!({"kind": "noop"})).send().await.unwrap()
    };
    let (_, task) = read(send(Method::POST, "/v1/tasks", "operator").await).await;
    let path = format!("/v1/tasks/{}", task["id"].as_str().unwrap());
    let streams = [
        send(Method::GET, "/v1/events", "operator").await,
        send(Method::GET, &format!("{path}/events"), "operator").await,
    ];
    let waiting = {
        let request = api.request(Method::GET, &format!("{path}?wait=600")).bearer_auth("operator");
        tokio::spawn(async move { request.send().await })
    };
    let refused = wait::until("there is no place left", async || {
        let answer = send(Method::GET, "/v1/tasks", "operator").await;
        (answer.status() == StatusCode::TOO_MANY_REQUESTS).then_some(answer)
    })
    .await;
    assert_eq!(refused.headers()["retry-after"], "1");
    let (status, body) = read(refused).await;
    five_keys(status, &body);
    assert_eq!(send(Method::GET, "/v1/tasks", "admin").await.status(), StatusCode::OK);
    waiting.abort();
    drop(streams);
    wait::until("there are places again", async || send(Method::GET, "/v1/tasks", "operator").await.status() == 200)
        .await;
}

async fn lines(api: &TestApi, query: &str, token: &str) -> Vec<Value> {
    let (status, body) =
        read(api.request(Method::GET, &format!("/v1/audit?{query}")).bearer_auth(token).send().await.unwrap()).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    body["audit"].as_array().unwrap().clone()
}

#[tokio::test]
async fn every_change_is_in_the_audit_log_with_who_from_where_what_and_which_task() {
    let dir = tempfile::tempdir().unwrap();
    let file = tokens_file(dir.path(), &["reader", "operator", "admin"], &[]);
    let api = TestApi::start_with(|c| c.api.tokens_file = Some(file)).await;
    let send = async |method: Method, path: &str, token: &str, body: Value| {
        read(api.request(method, path).bearer_auth(token).json(&body).send().await.unwrap()).await
    };
    // A preview changes nothing, whatever its method.
    send(Method::POST, "/v1/placements", "operator", json!({"name": "n"})).await;
    let (_, task) = send(Method::POST, "/v1/tasks", "operator", json!({"kind": "noop"})).await;
    let id = task["id"].as_str().unwrap();
    send(Method::POST, &format!("/v1/tasks/{id}/cancel"), "operator", json!({})).await;
    send(Method::POST, "/v1/queues/compute/pause", "reader", json!({})).await;
    send(Method::POST, "/v1/tasks", "nobody", json!({"kind": "noop"})).await;
    send(Method::POST, "/v1/tasks", "operator", json!({"kind": "nope"})).await;
    send(Method::GET, "/v1/tasks", "operator", json!({})).await;
    let all = wait::until("the lines are written", async || {
        let all = lines(&api, "", "admin").await;
        if all.len() == 5 { Ok(all) } else { Err(all) }
    })
    .await;
    let brief = |line: &Value| {
        let text = |key: &str| line[key].as_str().unwrap_or("-").to_owned();
        [text("actor"), text("role"), text("from"), text("outcome"), text("action"), text("target")].join(" ")
    };
    let seen: Vec<String> = all.iter().rev().map(brief).collect();
    assert_eq!(
        seen,
        [
            "operator operator 127.0.0.1 done POST /v1/tasks /v1/tasks".to_owned(),
            format!("operator operator 127.0.0.1 done POST /v1/tasks/{{id}}/cancel /v1/tasks/{id}/cancel"),
            "reader reader 127.0.0.1 denied POST /v1/queues/{topic}/pause /v1/queues/compute/pause".to_owned(),
            "unknown - 127.0.0.1 denied POST /v1/tasks /v1/tasks".to_owned(),
            "operator operator 127.0.0.1 refused POST /v1/tasks /v1/tasks".to_owned(),
        ]
    );
    assert_eq!(all[4]["task_id"], id);
    assert!(
        all[4]["at"].as_str().unwrap().ends_with('Z') && all[4]["detail"].as_str().unwrap().starts_with("status 202")
    );
    for (query, count) in [
        ("outcome=denied", 2),
        ("actor=operator", 3),
        ("actor=operator&outcome=refused", 1),
        ("action=POST", 5),
        ("action=DELETE", 0),
        (&format!("task_id={id}")[..], 2),
        ("target=/v1/queues/compute/pause", 1),
        ("until=2020-01-01T00:00:00Z", 0),
        ("since=2020-01-01T00:00:00Z", 5),
        ("limit=2", 2),
    ] {
        assert_eq!(lines(&api, query, "admin").await.len(), count, "{query}");
    }
    // Page by page the same lines, each once.
    let (mut marker, mut paged) = (String::new(), Vec::new());
    loop {
        let url = format!("/v1/audit?limit=2{marker}");
        let (_, page) = read(api.request(Method::GET, &url).bearer_auth("admin").send().await.unwrap()).await;
        paged.extend(page["audit"].as_array().unwrap().clone());
        let Some(next) = page["marker"].as_str() else { break };
        marker = format!("&marker={next}");
    }
    assert_eq!(paged, all);
    for token in ["reader", "operator"] {
        let answer = api.request(Method::GET, "/v1/audit").bearer_auth(token).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    }
}

#[tokio::test]
async fn strangers_cannot_fill_the_audit_log() {
    let dir = tempfile::tempdir().unwrap();
    let file = tokens_file(dir.path(), &["admin"], &[]);
    let api = TestApi::start_with(|c| c.api.tokens_file = Some(file)).await;
    for _ in 0..300 {
        let answer = api.request(Method::POST, "/v1/tasks").bearer_auth("stranger").send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    api.request(Method::POST, "/v1/tasks").bearer_auth("stranger").send().await.unwrap();
    let told = wait::until("how many were not told", async || {
        let all = lines(&api, "outcome=denied&limit=1000", "admin").await;
        let told = all.iter().any(|l| l["detail"].as_str().unwrap().contains("are not told"));
        told.then_some(all.len())
    })
    .await;
    assert!((50..150).contains(&told), "{told} lines");
}

#[tokio::test]
async fn a_redis_that_is_full_or_away_fails_no_request_by_its_audit_log_and_is_caught_up_with() {
    let mut api = TestApi::start().await;
    let cancelled = async |api: &TestApi| {
        let (_, task) = api.post("/v1/tasks", &json!({"kind": "noop", "delay_s": 1000})).await;
        format!("/v1/tasks/{}/cancel", task["id"].as_str().unwrap())
    };
    let (first, second) = (cancelled(&api).await, cancelled(&api).await);
    let _set: String = api.redis.command(&["CONFIG", "SET", "maxmemory", "1"]).await;
    assert_eq!(api.post(&first, &json!({})).await.0, StatusCode::ACCEPTED, "a change that is possible in a full Redis");
    assert_eq!(api.post("/v1/tasks", &json!({"kind": "noop"})).await.0, StatusCode::SERVICE_UNAVAILABLE);
    wait::until("both stand in the log of the full Redis", async || {
        let seen = api.store.audits(&AuditFilter::default(), 10, None).await.unwrap().entries;
        let outcomes: Vec<_> = seen.iter().map(|(_, e)| e.outcome.clone()).collect();
        if outcomes[..2] == ["failed", "done"] { Ok(()) } else { Err(outcomes) }
    })
    .await;
    let _set: String = api.redis.command(&["CONFIG", "SET", "maxmemory", "0"]).await;
    let _kept: String = api.redis.command(&["CONFIG", "SET", "appendonly", "yes"]).await;
    api.redis.kill();
    assert_eq!(api.post(&second, &json!({})).await.0, StatusCode::SERVICE_UNAVAILABLE);
    api.redis.restart().await;
    wait::until("the change that failed is told once Redis is back", async || {
        let seen = api.store.audits(&AuditFilter::default(), 10, None).await?.entries;
        let told = seen.iter().any(|(_, e)| e.outcome == "failed" && e.target == second);
        if told { Ok(()) } else { Err(valence::store::StoreError::Stopping) }
    })
    .await;
}

#[tokio::test]
async fn the_audit_log_keeps_the_newest_lines_and_no_more() {
    let redis = TestRedis::start().await;
    let store = redis.store(&valence::config::Config::default()).await;
    let line = |n: usize| AuditEntry {
        at_ms: 1,
        actor: "a".into(),
        target: n.to_string(),
        outcome: "done".into(),
        ..AuditEntry::default()
    };
    for chunk in 0..60 {
        let batch: Vec<_> = (chunk * 1000..(chunk + 1) * 1000).map(line).collect();
        store.audit_all(&batch).await.unwrap();
    }
    let length: usize = redis.command(&["XLEN", "vl:audit"]).await;
    assert!((50_000..50_500).contains(&length), "{length}");
    // A look that finds nothing is bounded, and says where to go on.
    let none = AuditFilter { actor: Some("nobody".into()), ..AuditFilter::default() };
    let page = store.audits(&none, 10, None).await.unwrap();
    assert!(page.entries.is_empty() && page.marker.is_some());
    let page = store.audits(&AuditFilter::default(), 3, None).await.unwrap();
    let newest: Vec<_> = page.entries.iter().map(|(_, e)| e.target.as_str()).collect();
    assert_eq!(newest, ["59999", "59998", "59997"]);
}
