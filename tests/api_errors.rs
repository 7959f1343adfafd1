//! What a client may not do: each gets a clear 4xx in five keys, and nothing is left in Redis.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on should say so")]

mod support;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use support::api::{TestApi, five_keys, read};
use support::worker::FakeWorker;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use valence::model::topic::Topic;

const JSON: &str = "application/json";

/// Sends, expects the status in five keys, and that Redis holds what it held before.
async fn refused(
    api: &TestApi,
    method: Method,
    path: &str,
    kind: Option<&str>,
    body: impl Into<reqwest::Body>,
    want: u16,
) {
    let before = api.redis.keys().await;
    let mut request = api.request(method.clone(), path).body(body);
    if let Some(kind) = kind {
        request = request.header("Content-Type", kind);
    }
    let response = request.send().await.unwrap();
    assert_eq!(response.headers()["access-control-allow-origin"], "*");
    let request_id = response.headers()["x-request-id"].to_str().unwrap().to_owned();
    let (status, body) = read(response).await;
    assert_eq!(status.as_u16(), want, "{method} {path}: {body}");
    assert_eq!(five_keys(status, &body)["request_id"], json!(request_id));
    assert_eq!(api.redis.keys().await, before, "{method} {path} left something behind");
}

#[tokio::test]
async fn a_bad_task_is_400_and_leaves_nothing_behind() {
    let api = TestApi::start().await;
    let deep = format!(r#"{{"kind":"noop","params":{{"payload":{}{}}}}}"#, "[".repeat(500), "]".repeat(500));
    let long = format!(r#"{{"kind":"noop","labels":{{"{}":"v"}}}}"#, "x".repeat(65));
    for bad in [
        "",
        "{",
        "null",
        "[]",
        "5",
        r#""x""#,
        "{}",
        "{\"kind\":NaN}",
        "{} {}",
        &deep,
        &long,
        r#"{"kind":5}"#,
        r#"{"kind":"nope"}"#,
        r#"{"kind":"node.list"}"#,
        r#"{"kind":"echo"}"#,
        r#"{"kind":"noop","colour":"red"}"#,
        r#"{"kind":"noop","kind":"sleep"}"#,
        r#"{"kind":"noop","params":{"colour":1}}"#,
        r#"{"kind":"noop","params":[1]}"#,
        r#"{"kind":"podm.create","params":{"name":"p","url":"https://h","authentication":[["basic",["u","canary"]]]}}"#,
        r#"{"kind":"podm.create","podm_id":"p","params":{"name":"p","url":"https://h","authentication":[]}}"#,
        r#"{"kind":"sleep","params":{"ms":-1}}"#,
        r#"{"kind":"noop","params":{"payload":1e400}}"#,
        r#"{"kind":"noop","params":{"payload":"\u0000"}}"#,
        r#"{"kind":"noop","params":{"payload":"\ud800"}}"#,
        r#"{"kind":"noop","delay_s":-1}"#,
        r#"{"kind":"noop","delay_s":1e300}"#,
        r#"{"kind":"noop","delay_s":"1"}"#,
        r#"{"kind":"noop","delay_s":1,"run_at":"2026-01-01T00:00:00Z"}"#,
        r#"{"kind":"noop","run_at":"tomorrow"}"#,
        r#"{"kind":"noop","run_at":"9999-01-01T00:00:00Z"}"#,
        r#"{"kind":"noop","max_attempts":0}"#,
        r#"{"kind":"noop","max_attempts":101}"#,
        r#"{"kind":"noop","max_attempts":99999999999}"#,
        r#"{"kind":"noop","timeout_s":0}"#,
        r#"{"kind":"noop","timeout_s":18446744073709551615}"#,
        r#"{"kind":"noop","priority":"urgent"}"#,
        r#"{"kind":"noop","labels":{"a:b":"c"}}"#,
        r#"{"kind":"noop","labels":{"a":1}}"#,
        r#"{"kind":"noop","podm_id":"a}b"}"#,
        r#"{"kind":"noop","podm_id":"a\nb"}"#,
        r#"{"kind":"noop","node_id":""}"#,
        r#"{"kind":"node.delete"}"#,
        r#"{"kind":"node.compose","params":{"name":"n"}}"#,
        r#"{"kind":"node.compose","podm_id":"p","node_id":"n","params":{"name":"n"}}"#,
        r#"{"kind":"node.action","node_id":"n","params":{"Reset":{"Type":"On"},"attach":{"resource_id":"x"}}}"#,
    ] {
        refused(&api, Method::POST, "/v1/tasks", Some(JSON), bad.to_owned(), 400).await;
    }
    for unknown in [
        r#"{"kind":"node.delete","node_id":"nope"}"#,
        r#"{"kind":"node.compose","podm_id":"nope","params":{"name":"n"}}"#,
    ] {
        refused(&api, Method::POST, "/v1/tasks", Some(JSON), unknown.to_owned(), 404).await;
    }
    let big = json!({"kind": "noop", "params": {"payload": "x".repeat(300 * 1024)}});
    refused(&api, Method::POST, "/v1/tasks", Some(JSON), big.to_string(), 413).await;
}

#[tokio::test]
async fn a_body_counts_as_json_only_when_it_says_so_and_only_up_to_the_limit() {
    let api = TestApi::start().await;
    let noop = r#"{"kind":"noop"}"#;
    refused(&api, Method::POST, "/v1/tasks", None, noop, 400).await;
    refused(&api, Method::POST, "/v1/tasks", Some("text/plain"), noop, 400).await;
    refused(&api, Method::POST, "/v1/flavors", Some("text/plain"), "{}", 400).await;
    let (status, _) = api.post("/v1/tasks/batch", &json!({"tasks": []})).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    let many: Vec<Value> = (0..1001).map(|_| json!({"kind": "noop"})).collect();
    refused(&api, Method::POST, "/v1/tasks/batch", Some(JSON), json!({"tasks": many}).to_string(), 400).await;

    refused(&api, Method::POST, "/v1/tasks", Some(JSON), vec![b' '; 2 << 20], 413).await;
    let parts = (0..32).map(|_| Ok::<_, std::io::Error>(vec![b' '; 64 << 10]));
    let chunked = reqwest::Body::wrap_stream(futures_util::stream::iter(parts));
    refused(&api, Method::POST, "/v1/tasks", Some(JSON), chunked, 413).await;
    let packed = api.request(Method::POST, "/v1/tasks").header("Content-Encoding", "gzip").body(noop);
    assert_eq!(packed.send().await.unwrap().status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let patch =
        api.request(Method::POST, "/v1/tasks").header("Content-Type", "application/merge-patch+json; charset=utf-8");
    assert_eq!(patch.body(noop).send().await.unwrap().status(), StatusCode::ACCEPTED);
}

#[tokio::test]
async fn bad_queries_and_unknown_ids_are_told() {
    let api = TestApi::start().await;
    for query in [
        "limit=0",
        "limit=1001",
        "limit=x",
        "limit=-1",
        "marker=x",
        "state=odd",
        "status=odd",
        "topic=odd",
        "label=x",
        "created_after=yesterday",
        "colour=red",
        "kind=a&kind=b",
    ] {
        refused(&api, Method::GET, &format!("/v1/tasks?{query}"), None, "", 400).await;
    }
    refused(&api, Method::GET, "/v1/nodes?colour=red", None, "", 400).await;
    let unknown = valence::ids::TaskId::mint(1_700_000_000_000, valence::ids::Bucket(0));
    let foreign = valence::ids::TaskId::mint(1_700_000_000_000, valence::ids::Bucket(200));
    for id in [unknown.to_string(), foreign.to_string(), "x".into(), unknown.to_string().to_uppercase()] {
        refused(&api, Method::GET, &format!("/v1/tasks/{id}"), None, "", 404).await;
        refused(&api, Method::GET, &format!("/v1/tasks/{id}/explain"), None, "", 404).await;
        refused(&api, Method::GET, &format!("/v1/tasks/{id}/events"), None, "", 404).await;
        refused(&api, Method::POST, &format!("/v1/tasks/{id}/cancel"), None, "", 404).await;
        refused(&api, Method::POST, &format!("/v1/tasks/{id}/retry"), None, "", 404).await;
        refused(&api, Method::DELETE, &format!("/v1/tasks/{id}"), None, "", 404).await;
    }
    refused(&api, Method::GET, &format!("/v1/tasks/{unknown}?wait=601"), None, "", 400).await;
    for path in ["/v1/nope", "/nope", "//v1/tasks", "/v1//tasks", "/v1/tasks/a/b/c"] {
        refused(&api, Method::GET, path, None, "", 404).await;
    }
    for path in
        ["/v1/tasks/%2e%2e", "/v1/tasks/..", "/console/..%2fetc", "/console/%2e%2e/etc", "/console/..", "/v1/tasks/%00"]
    {
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        let answer = api.raw(request.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 404"), "{path}: {answer}");
    }
    refused(&api, Method::PUT, "/v1/flavors", Some(JSON), "{}", 405).await;
    refused(&api, Method::PATCH, "/v1/nodes/x", Some(JSON), "{}", 405).await;
    refused(&api, Method::GET, "/Systems/1", None, "", 400).await;
}

#[tokio::test]
async fn v1_bodies_are_checked_before_what_they_name_is_looked_up() {
    let api = TestApi::start().await;
    let podm = |auth: Value| json!({"name": "p", "url": "http://h", "authentication": auth}).to_string();
    let basic = json!([{"type": "basic", "auth_items": {"username": "u", "password": "p"}}]);
    let mut extra: Value = serde_json::from_str(&podm(basic.clone())).unwrap();
    extra["status"] = json!("Online");
    for (path, body, want) in [
        ("/v1/flavors", json!({"properties": {}}).to_string(), 400),
        ("/v1/flavors", json!({"name": "f", "properties": {}, "uuid": "x"}).to_string(), 400),
        ("/v1/flavors", json!({"name": "f", "properties": {"memory": {"capacity_mib": 10}}}).to_string(), 400),
        ("/v1/pod_managers", json!({"name": "p", "url": "u"}).to_string(), 400),
        ("/v1/pod_managers", podm(json!([])), 400),
        ("/v1/pod_managers", podm(json!({"username": "u"})), 400),
        ("/v1/pod_managers", podm(json!([{"type": "token", "auth_items": {"username": "u", "password": "p"}}])), 400),
        ("/v1/pod_managers", extra.to_string(), 400),
        ("/v1/nodes", json!({"podm_id": "nope"}).to_string(), 400),
        ("/v1/nodes", json!({"name": "n", "podm_id": 5}).to_string(), 400),
        ("/v1/nodes", json!({"name": "n", "flavor_id": "f", "properties": {}}).to_string(), 400),
        ("/v1/nodes", json!({"name": "n", "podm_id": "nope"}).to_string(), 404),
        ("/v1/nodes", json!({"name": "n", "flavor_id": "nope"}).to_string(), 404),
        ("/v1/nodes/manage", json!({"node_id": "1"}).to_string(), 400),
        ("/v1/nodes/manage", json!({"node_index": "1"}).to_string(), 400),
        ("/v1/nodes/manage", json!({"node_index": "1", "podm_id": "nope"}).to_string(), 404),
        ("/v1/nodes/nope/action", json!({"Reset": {"Type": "Explode"}}).to_string(), 400),
        ("/v1/nodes/nope/action", json!({}).to_string(), 400),
        ("/v1/nodes/nope/action", json!({"Reset": {"Type": "On"}}).to_string(), 404),
    ] {
        refused(&api, Method::POST, path, Some(JSON), body, want).await;
    }
    for path in ["/v1/nodes/nope", "/v1/flavors/nope", "/v1/pod_managers/nope", "/v1/pod_managers/a%7Db"] {
        refused(&api, Method::DELETE, path, None, "", 404).await;
    }
    for (path, body, want) in [
        ("/v1/flavors/nope", r#"{"name":"f"}"#, 404),
        ("/v1/flavors/nope", r#"{"name":5}"#, 400),
        ("/v1/flavors/nope", r#"{"uuid":"x"}"#, 404),
        ("/v1/flavors/nope", "", 400),
        ("/v1/pod_managers/nope", r#"{"name":"f","uuid":"x","url":"y","status":"Online"}"#, 404),
        ("/v1/pod_managers/nope", r#"{"name":["f"]}"#, 400),
    ] {
        refused(&api, Method::PATCH, path, Some(JSON), body, want).await;
    }
    refused(&api, Method::GET, "/v1/systems?podm_id=nope", None, "", 404).await;
    refused(&api, Method::GET, "/v1/systems", Some(JSON), r#"{"podm_id":"nope"}"#, 404).await;
}

#[tokio::test]
async fn an_ended_task_is_not_cancelled_and_a_key_is_not_used_twice() {
    let api = TestApi::start().await;
    let worker = FakeWorker::start(&api.store).await;
    let (_, task) = api.post("/v1/tasks", &json!({"kind": "noop"})).await;
    worker.complete(Topic::Compute, Value::Null).await;
    let path = format!("/v1/tasks/{}", task["id"].as_str().unwrap());
    refused(&api, Method::POST, &format!("{path}/cancel"), None, "", 409).await;
    refused(&api, Method::POST, &format!("{path}/retry"), None, "", 409).await;
    let send = async |key: &str, body: &str| {
        let request =
            api.request(Method::POST, "/v1/tasks").header("Idempotency-Key", key).header("Content-Type", JSON);
        read(request.body(body.to_owned()).send().await.unwrap()).await
    };
    assert_eq!(send("k", r#"{"kind":"noop"}"#).await.0, StatusCode::ACCEPTED);
    let before = api.redis.keys().await;
    let (status, body) = send("k", r#"{"kind":"noop","priority":"low"}"#).await;
    assert_eq!(five_keys(status, &body)["status"], 422);
    for key in ["", "two words", &"x".repeat(256), "ümlaut"] {
        let (status, body) = send(key, r#"{"kind":"noop"}"#).await;
        assert_eq!(five_keys(status, &body)["status"], 400, "{key}");
    }
    assert_eq!(send("b", r#"{"kind":"nope"}"#).await.0, StatusCode::BAD_REQUEST);
    assert_eq!(api.redis.keys().await, before);
}

#[tokio::test]
async fn a_token_opens_what_its_role_may_do_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("tokens.json");
    let entry = |name: &str| {
        let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, name.as_bytes());
        let hex: String = hash.as_ref().iter().map(|b| format!("{b:02x}")).collect();
        json!({"name": name, "role": name, "sha256": hex})
    };
    let tokens = json!({"tokens": [entry("reader"), entry("operator"), entry("admin")]});
    std::fs::write(&file, tokens.to_string()).unwrap();
    let api = TestApi::start_with(|c| c.api.tokens_file = Some(file.clone())).await;
    let send = async |token: &str, method: Method, path: &str| {
        let request = api.request(method, path).json(&json!({"kind": "noop"}));
        let request = if token.is_empty() { request } else { request.bearer_auth(token) };
        read(request.send().await.unwrap()).await
    };
    for (token, method, path, want) in [
        ("", Method::GET, "/healthz", 200),
        ("", Method::GET, "/v1/tasks", 401),
        ("wrong", Method::GET, "/v1/tasks", 401),
        ("", Method::GET, "/v1/nope", 404),
        ("reader", Method::GET, "/v1/tasks", 200),
        ("reader", Method::POST, "/v1/tasks", 403),
        ("operator", Method::POST, "/v1/tasks", 202),
        ("operator", Method::POST, "/v1/queues/compute/pause", 403),
        ("operator", Method::POST, "/v1/pod_managers", 403),
        ("operator", Method::POST, "/v1/schedules", 403),
        ("admin", Method::POST, "/v1/queues/compute/pause", 200),
    ] {
        let (status, body) = send(token, method, path).await;
        assert_eq!(status.as_u16(), want, "{token} {path}: {body}");
        if want >= 400 {
            five_keys(status, &body);
        }
    }
}

#[tokio::test]
async fn no_way_through_the_tasks_api_leads_an_operator_to_an_administrators_work() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("tokens.json");
    let entry = |name: &str| {
        let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, name.as_bytes());
        let hex: String = hash.as_ref().iter().map(|b| format!("{b:02x}")).collect();
        json!({"name": name, "role": name, "sha256": hex})
    };
    std::fs::write(&file, json!({"tokens": [entry("operator"), entry("admin")]}).to_string()).unwrap();
    let api = TestApi::start_with(|c| c.api.tokens_file = Some(file.clone())).await;
    let send = async |token: &str, path: &str, body: &Value| {
        read(api.request(Method::POST, path).json(body).bearer_auth(token).send().await.unwrap()).await
    };
    let auth = json!([{"type": "basic", "auth_items": {"username": "u", "password": "p"}}]);
    let create =
        json!({"kind": "podm.create", "params": {"name": "p", "url": "https://h.example", "authentication": auth}});
    let before = api.redis.keys().await;
    for task in [
        create.clone(),
        json!({"kind": "podm.update", "podm_id": "p", "params": {"name": "q"}}),
        json!({"kind": "podm.delete", "podm_id": "p"}),
    ] {
        let (status, body) = send("operator", "/v1/tasks", &task).await;
        assert_eq!(five_keys(status, &body)["status"], 403, "{body}");
        let (_, batch) = send("operator", "/v1/tasks/batch", &json!({"tasks": [task]})).await;
        assert_eq!(batch["tasks"][0]["error"]["status"], 403, "{batch}");
    }
    assert_eq!(api.redis.keys().await, before);
    let (status, task) = send("admin", "/v1/tasks", &create).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{task}");
    let path = format!("/v1/tasks/{}", task["id"].as_str().unwrap());
    assert_eq!(send("operator", &format!("{path}/cancel"), &json!({})).await.0, StatusCode::FORBIDDEN);
    assert_eq!(send("admin", &format!("{path}/cancel"), &json!({})).await.0, StatusCode::ACCEPTED);
    assert_eq!(send("operator", &format!("{path}/retry"), &json!({})).await.0, StatusCode::FORBIDDEN);
    let forget =
        async |token: &str| api.request(Method::DELETE, &path).bearer_auth(token).send().await.unwrap().status();
    assert_eq!(forget("operator").await, StatusCode::FORBIDDEN);
    let order = json!({"filter": {"kind": "podm.create"}});
    assert_eq!(send("operator", "/v1/dead-letters/redrive", &order).await.0, StatusCode::FORBIDDEN);
    assert_eq!(send("operator", "/v1/dead-letters/redrive", &json!({"filter": {}})).await.0, StatusCode::OK);
}

#[tokio::test]
async fn a_password_in_a_url_is_refused_and_stored_nowhere() {
    let api = TestApi::start().await;
    let auth = json!([{"type": "basic", "auth_items": {"username": "u", "password": "p"}}]);
    for url in ["http://u:canary@h", "https://h/?key=canary", "ftp://h", "h", "http://h/../x"] {
        let params = json!({"name": "p", "url": url, "authentication": auth});
        refused(&api, Method::POST, "/v1/pod_managers", Some(JSON), params.to_string(), 400).await;
        let task = json!({"kind": "podm.create", "params": params});
        refused(&api, Method::POST, "/v1/tasks", Some(JSON), task.to_string(), 400).await;
        let (_, batch) = api.post("/v1/tasks/batch", &json!({"tasks": [task]})).await;
        assert_eq!(batch["tasks"][0]["error"]["status"], 400, "{batch}");
        assert!(!batch.to_string().contains("canary"));
    }
}

#[tokio::test]
async fn a_redrive_and_a_schedule_say_what_they_want() {
    let api = TestApi::start().await;
    for body in ["", "{}", "[]", r#"{"dry_run":true}"#, r#"{"filter":null}"#] {
        refused(&api, Method::POST, "/v1/dead-letters/redrive", Some(JSON), body, 400).await;
    }
    refused(&api, Method::POST, "/v1/dead-letters/redrive", Some("text/plain"), r#"{"filter":{"kind":"noop"}}"#, 400)
        .await;
    for task in [json!({"kind": "node.delete"}), json!({"kind": "podm.probe"})] {
        let body = json!({"name": "s", "every_s": 60, "task": task});
        refused(&api, Method::POST, "/v1/schedules", Some(JSON), body.to_string(), 400).await;
    }
    refused(&api, Method::POST, "/v1/nodes", Some(JSON), r#"{"name":"n","podm_id":null}"#, 400).await;
    refused(&api, Method::POST, "/v1/nodes/manage", Some(JSON), r#"{"node_index":"","podm_id":"p"}"#, 400).await;
}

#[tokio::test]
async fn half_sent_headers_and_connections_too_many_are_cut_off() {
    let change = |c: &mut valence::config::Config| {
        c.api.header_timeout = jiff::SignedDuration::from_millis(200);
        c.api.max_connections = 2;
    };
    let api = TestApi::start_with(change).await;
    let began = std::time::Instant::now();
    api.raw(b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: ").await;
    assert!(began.elapsed() < std::time::Duration::from_secs(5), "{:?}", began.elapsed());

    let hold = async || {
        let mut stream = tokio::net::TcpStream::connect(api.address).await.unwrap();
        stream.write_all(b"GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        let mut first = [0; 12];
        stream.read_exact(&mut first).await.unwrap();
        assert_eq!(&first, b"HTTP/1.1 200");
        stream
    };
    let _both = (hold().await, hold().await);
    let answer = api.raw(b"").await;
    assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("Retry-After"), "{answer}");
    let body = answer.split_once("\r\n\r\n").unwrap().1;
    let length = answer.lines().find_map(|l| l.strip_prefix("Content-Length: ")).unwrap();
    assert_eq!(length.parse(), Ok(body.len()));
    assert_eq!(serde_json::from_str::<Value>(body).unwrap()["status"], 503);
}

#[tokio::test]
async fn a_connection_may_be_idle_between_requests_longer_than_a_header_may_take() {
    let header = std::time::Duration::from_millis(200);
    let change = |c: &mut valence::config::Config| c.api.header_timeout = jiff::SignedDuration::from_millis(200);
    let api = TestApi::start_with(change).await;
    let mut stream = tokio::net::TcpStream::connect(api.address).await.unwrap();
    for _ in 0..2 {
        stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        let mut first = [0; 12];
        stream.read_exact(&mut first).await.unwrap();
        assert_eq!(&first, b"HTTP/1.1 200");
        let answered = std::time::Instant::now();
        // The rest of the answer, and then nothing: neither a byte nor the end.
        let mut rest = [0; 4096];
        while let Ok(read) = tokio::time::timeout(header * 6, stream.read(&mut rest)).await {
            assert_ne!(read.unwrap(), 0, "closed after {:?}", answered.elapsed());
        }
    }
    stream.write_all(b"GET /healthz HT").await.unwrap();
    let began = std::time::Instant::now();
    // A reset is an end like any other.
    let _end = stream.read_to_end(&mut Vec::new()).await;
    assert!(began.elapsed() < header * 25, "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_preflight_hears_what_it_asks_for_and_any_path_has_options() {
    let api = TestApi::start().await;
    let request = api
        .request(Method::OPTIONS, "/v1/flavors")
        .header("Origin", "https://ui")
        .header("Access-Control-Request-Headers", "content-type, prefer");
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()["access-control-allow-origin"], "https://ui");
    assert_eq!(response.headers()["access-control-allow-headers"], "content-type, prefer");
    assert_eq!(response.headers()["vary"], "Origin");
    assert!(response.headers()["allow"].to_str().unwrap().contains("POST"));
    assert_eq!(api.request(Method::OPTIONS, "/nope").send().await.unwrap().status(), StatusCode::OK);
}
