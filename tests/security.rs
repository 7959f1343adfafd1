//! Attacks on the API: each ends in a clear refusal, in the one shape of errors, and leaves nothing behind; nobody is led to speak to somebody
//! else, and no secret is told. Limits of callers stand in limits.rs, certificates in tls.rs and trust.rs, generated requests in fuzz.rs.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on should say so")]

mod support;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use support::api::{TestApi, five_keys, read};
use support::certs::tokens_file;
use support::front::Front;
use support::podm::PASSWORD;
use support::saga::Plant;
use support::wait;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use valence::config::{Config, RedfishConfig};
use valence::model::topic::Topic;
use valence::podm::Pool;
use valence::shutdown::Shutdown;
use valence::sim::SimConfig;

/// The status of an answer, and that its body, if any, has the five keys.
fn status(answer: &str) -> u16 {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((answer, ""));
    let status = head.split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap_or(0);
    // Who is turned away at the door is given no id of its own.
    let nobody = body.contains("00000000-0000-0000-0000-000000000000");
    if let (true, false, Ok(body)) = (status >= 400, nobody, serde_json::from_str::<Value>(body)) {
        five_keys(StatusCode::from_u16(status).unwrap(), &body);
    }
    status
}

// ---- slow and large

#[tokio::test(flavor = "multi_thread")]
async fn two_thousand_half_sent_headers_neither_stop_others_nor_stay() {
    let api = TestApi::start_with(|c| {
        c.api.header_timeout = jiff::SignedDuration::from_secs(2);
        c.api.max_connections_per_address = 4000;
    })
    .await;
    let mut slow = Vec::new();
    for _ in 0..2000 {
        let mut stream = TcpStream::connect(api.address).await.unwrap();
        stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: ").await.unwrap();
        slow.push(stream);
    }
    let began = Instant::now();
    assert_eq!(api.get("/healthz").await.0, StatusCode::OK);
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    let ended = futures_util::future::join_all(slow.iter_mut().map(|stream| async {
        let mut rest = Vec::new();
        tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut rest)).await.is_ok()
    }))
    .await;
    assert!(ended.iter().all(|ended| *ended), "{} stay", ended.iter().filter(|e| !**e).count());
}

#[tokio::test]
async fn one_address_cannot_take_every_connection() {
    let api = TestApi::start_with(|c| c.api.max_connections_per_address = 3).await;
    let mut held = Vec::new();
    for _ in 0..3 {
        let mut stream = TcpStream::connect(api.address).await.unwrap();
        stream.write_all(b"GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        stream.read_exact(&mut [0; 12]).await.unwrap();
        held.push(stream);
    }
    assert_eq!(status(&api.raw(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").await), 503);
    held.pop();
    wait::until("a place is free again", async || {
        status(&api.raw(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await) == 200
    })
    .await;
}

#[tokio::test]
async fn a_body_that_comes_a_byte_at_a_time_is_given_up_and_a_large_one_is_not_read_to_its_end() {
    let api = TestApi::start().await;
    let head = "POST /v1/tasks HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n";
    let mut stream = TcpStream::connect(api.address).await.unwrap();
    stream.write_all(format!("{head}Content-Length: 1000\r\n\r\n").as_bytes()).await.unwrap();
    let began = Instant::now();
    let mut answer = Vec::new();
    while answer.is_empty() {
        let mut part = [0; 1024];
        tokio::select! {
            read = stream.read(&mut part) => answer.extend_from_slice(&part[..read.unwrap()]),
            () = tokio::time::sleep(Duration::from_millis(500)) => stream.write_all(b" ").await.unwrap(),
        }
        assert!(began.elapsed() < Duration::from_secs(20), "it is still read");
    }
    assert_eq!(status(&String::from_utf8_lossy(&answer)), 408);
    // Chunks without end: refused at the limit.
    let mut stream = TcpStream::connect(api.address).await.unwrap();
    stream.write_all(format!("{head}Transfer-Encoding: chunked\r\n\r\n").as_bytes()).await.unwrap();
    let chunk = [format!("{:x}\r\n", 65536).into_bytes(), vec![b' '; 65536], b"\r\n".to_vec()].concat();
    let mut sent = 0;
    while sent < 128 && stream.write_all(&chunk).await.is_ok() {
        sent += 1;
    }
    assert!(sent < 128, "eight megabytes were taken");
    assert_eq!(api.redis.keys().await.iter().filter(|k| k.contains(":t:")).count(), 0);
}

// ---- bodies and framing

#[tokio::test]
async fn json_that_means_two_things_or_nothing_is_refused_wherever_json_is_taken() {
    let api = TestApi::start().await;
    let before = api.redis.keys().await;
    let deep = format!(r#"{{"name":"f","properties":{}{}}}"#, "[".repeat(5000), "]".repeat(5000));
    let objects = format!("{}1{}", r#"{"a":"#.repeat(5000), "}".repeat(5000));
    let bad: Vec<Vec<u8>> = vec![
        br#"{"name":"a","name":"b"}"#.to_vec(),
        br#"{"name":"a","properties":{"x":1,"x":2}}"#.to_vec(),
        br#"{"name":1e400}"#.to_vec(),
        br#"{"name":-1e400}"#.to_vec(),
        br#"{"name":NaN}"#.to_vec(),
        br#"{"name":Infinity}"#.to_vec(),
        br#"{"name":"\ud800"}"#.to_vec(),
        br#"{"name":"\udc00\ud800"}"#.to_vec(),
        br#"{"name":"\u0000"}"#.to_vec(),
        br#"{"\u0000":"x"}"#.to_vec(),
        b"{\"name\":\"\xff\xfe\"}".to_vec(),
        b"{\"name\":\"\x01\"}".to_vec(),
        br#"{"name":"a"}{"name":"b"}"#.to_vec(),
        br#"{"name":"a",}"#.to_vec(),
        br#"{'name':'a'}"#.to_vec(),
        br#"{"name":"a"/*x*/}"#.to_vec(),
        b"\xef\xbb\xbf{\"name\":\"a\"}".to_vec(),
        deep.into_bytes(),
        objects.into_bytes(),
        format!(r#"{{"name":"{}"}}"#, "x".repeat(900_000)).into_bytes(),
    ];
    for (method, path) in [
        (Method::POST, "/v1/flavors"),
        (Method::POST, "/v1/nodes"),
        (Method::POST, "/v1/tasks"),
        (Method::POST, "/v1/tasks/batch"),
        (Method::POST, "/v1/schedules"),
        (Method::POST, "/v1/pod_managers"),
        (Method::PATCH, "/v1/pod_managers/x"),
        (Method::POST, "/v1/dead-letters/redrive"),
    ] {
        for body in &bad {
            let shown = String::from_utf8_lossy(&body[..body.len().min(60)]).into_owned();
            let request = api.request(method.clone(), path).header("Content-Type", "application/json");
            let (code, answer) = read(request.body(body.clone()).send().await.unwrap()).await;
            assert_eq!(code, StatusCode::BAD_REQUEST, "{method} {path} {shown}: {answer}");
            five_keys(code, &answer);
        }
    }
    let huge = format!(r#"{{"name":"{}"}}"#, "x".repeat(10_000_000));
    let request = api.request(Method::POST, "/v1/flavors").header("Content-Type", "application/json");
    // The server may close before it has read all: then there is no answer to see.
    if let Ok(answer) = request.body(huge).send().await {
        assert_eq!(answer.status(), StatusCode::PAYLOAD_TOO_LARGE);
    }
    assert_eq!(api.redis.keys().await, before);
}

#[tokio::test]
async fn a_request_that_two_servers_could_read_differently_is_refused() {
    let api = TestApi::start().await;
    let body = r#"{"kind":"noop"}"#;
    for head in [
        "Content-Length: 15\r\nContent-Length: 16",
        "Content-Length: 15, 16",
        "Content-Length: +15",
        "Content-Length: 0x0f",
        "Content-Length: -1",
        "Transfer-Encoding: chunked, identity",
        "Transfer-Encoding : chunked",
        "X-A: b\r\n folded: c\r\nContent-Length: 15",
        "X-Nul: a\0b\r\nContent-Length: 15",
    ] {
        let request = format!(
            "POST /v1/tasks HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n{head}\r\n\r\n{body}"
        );
        let answer = api.raw(request.as_bytes()).await;
        assert!((400..500).contains(&status(&answer)), "{head}: {answer}");
    }
    let many: String = (0..200).map(|n| format!("X-{n}: y\r\n")).collect();
    let long = format!("X: {}\r\n", "y".repeat(200_000));
    for head in [many, long] {
        let answer = api.raw(format!("GET /healthz HTTP/1.1\r\nHost: x\r\n{head}\r\n").as_bytes()).await;
        assert!((400..500).contains(&status(&answer)) || answer.is_empty(), "{answer}");
    }
    assert_eq!(api.redis.keys().await.iter().filter(|k| k.contains(":t:")).count(), 0);
}

#[tokio::test]
async fn nothing_a_client_sends_becomes_a_header_of_an_answer() {
    let api = TestApi::start().await;
    for path in
        ["/v1/tasks/a%0d%0aX-Evil:%20yes", "/v1/flavors/%0d%0aSet-Cookie:x=y", "/v1/tasks?marker=%0d%0aX-Evil:y"]
    {
        let answer = api.raw(format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").as_bytes()).await;
        let head = answer.split("\r\n\r\n").next().unwrap().to_lowercase();
        assert!(!head.contains("\r\nx-evil") && !head.contains("\r\nset-cookie"), "{path}: {answer}");
        assert!((400..500).contains(&status(&answer)), "{path}: {answer}");
    }
    let request = api
        .request(Method::POST, "/v1/tasks")
        .header("Prefer", "wait=1; respond-async; X")
        .json(&json!({"kind": "noop"}));
    let answer = request.header("Host", "evil\"><script>").send().await.unwrap();
    assert!(!format!("{:?}", answer.headers()).contains("script"));
}

#[tokio::test]
async fn every_answer_carries_the_headers_that_tell_browsers_to_keep_their_hands_off() {
    let api = TestApi::start().await;
    for (method, path) in
        [(Method::GET, "/healthz"), (Method::GET, "/nope"), (Method::POST, "/v1/tasks"), (Method::PUT, "/v1/tasks")]
    {
        let answer = api.request(method.clone(), path).send().await.unwrap();
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            ("referrer-policy", "no-referrer"),
            ("cache-control", "no-store"),
            ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
        ] {
            assert_eq!(answer.headers()[name], value, "{method} {path}");
        }
        assert!(!answer.headers().contains_key("strict-transport-security"), "without TLS it would be a lie");
    }
}

// ---- who is who

#[tokio::test]
async fn no_form_of_a_request_gets_past_the_question_who_asks() {
    let dir = tempfile::tempdir().unwrap();
    let file = tokens_file(dir.path(), &["reader", "operator"], &[]);
    let api = TestApi::start_with(|c| c.api.tokens_file = Some(file)).await;
    let before = api.redis.keys().await;
    let ask = async |line: &str, headers: &str| {
        let request = format!("{line} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n{headers}\r\n");
        let answer = api.raw(request.as_bytes()).await;
        (status(&answer), answer)
    };
    for headers in [
        "",
        "Authorization: \r\n",
        "Authorization: Bearer\r\n",
        "Authorization: Bearer \r\n",
        "Authorization: Bearer wrong\r\n",
        "Authorization: Bearer READER\r\n",
        "Authorization: Bearer reader,operator\r\n",
        "Authorization: reader\r\n",
        "Authorization: Basic cmVhZGVyOnJlYWRlcg==\r\n",
        "Authorization: Token reader\r\n",
        "Authorization: Bearer reader\r\nAuthorization: Bearer reader\r\n",
        "Authorization: Bearer wrong\r\nAuthorization: Bearer reader\r\n",
        "X-Authorization: Bearer reader\r\n",
        "Cookie: token=reader\r\n",
        "X-Forwarded-For: 127.0.0.1\r\nX-Original-URL: /healthz\r\n",
        "Authorization: Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIn0.\r\n",
    ] {
        for line in [
            "GET /v1/tasks",
            "GET /v1/tasks/",
            "HEAD /v1/tasks",
            "GET /v1/tasks?access_token=reader",
            "POST /v1/tasks",
            "DELETE /v1/nodes/x",
        ] {
            let (code, answer) = ask(line, headers).await;
            assert_eq!(code, 401, "{line} {headers}: {answer}");
            assert!(answer.to_lowercase().contains("www-authenticate: bearer"), "{answer}");
        }
    }
    // The scheme's case does not matter; a role does, whatever the method is said to be.
    let reader = "Authorization: bEaReR reader\r\n";
    assert_eq!(ask("GET /v1/tasks", reader).await.0, 200);
    for line in ["POST /v1/tasks", "POST /v1/tasks/", "DELETE /v1/nodes/x", "PATCH /v1/flavors/x", "GET /v1/audit"] {
        let overrides = format!("{reader}X-HTTP-Method-Override: GET\r\nX-HTTP-Method: GET\r\n");
        assert_eq!(ask(line, &overrides).await.0, 403, "{line}");
    }
    assert_eq!(ask("GET /v1/tasks?_method=POST", reader).await.0, 400);
    // Other spellings of a path are other paths, and what is nowhere is nowhere for everybody.
    for line in [
        "GET //v1/tasks",
        "GET /v1//tasks",
        "GET /V1/tasks",
        "GET /v1/TASKS",
        "GET /v1/tasks//",
        "GET /v1/%74asks",
        "GET /v1/../v1/tasks",
        "GET /v1/%2e%2e/healthz",
        "GET /healthz/../v1/tasks",
        "GET /healthz/%2e%2e/v1/tasks",
        "GET /healthz;/v1/tasks",
        "GET /v1/tasks.",
        "GET /v1/tasks%00",
        "GET /v1/tasks%20",
    ] {
        let (code, answer) = ask(line, "").await;
        assert!(matches!(code, 401 | 404), "{line}: {answer}");
    }
    // OPTIONS tells which methods there are, and does nothing; odd methods do not exist.
    assert_eq!(ask("OPTIONS /v1/tasks", "").await.0, 200);
    for line in ["TRACE /v1/tasks", "CONNECT /v1/tasks", "PUT /v1/tasks", "get /v1/tasks", "EVIL /v1/tasks"] {
        assert!((400..500).contains(&ask(line, reader).await.0), "{line}");
    }
    assert_eq!(api.redis.keys().await, before);
}

#[tokio::test]
async fn what_is_not_there_and_what_never_was_look_the_same() {
    let api = TestApi::start().await;
    let (_, task) = api.post("/v1/tasks", &json!({"kind": "noop", "delay_s": 1000})).await;
    let id = task["id"].as_str().unwrap();
    let path = format!("/v1/tasks/{id}");
    let (status, _) = read(api.request(Method::POST, &format!("{path}/cancel")).send().await.unwrap()).await;
    assert_eq!(status, StatusCode::ACCEPTED);
    assert_eq!(api.delete(&path).await.0, StatusCode::NO_CONTENT);
    let never = valence::ids::TaskId::mint(1_700_000_000_000, valence::ids::Bucket(0)).to_string();
    let shape = async |id: &str| {
        let (status, mut body) = api.get(&format!("/v1/tasks/{id}")).await;
        body["request_id"] = Value::Null;
        (status, body.to_string().replace(id, "ID"))
    };
    assert_eq!(shape(id).await, shape(&never).await);
    // Ids of one millisecond cannot be guessed from each other.
    let tail = |id: &str| id.split('-').skip(2).collect::<String>();
    let ids: Vec<_> =
        (0..100).map(|_| valence::ids::TaskId::mint(1_700_000_000_000, valence::ids::Bucket(0)).to_string()).collect();
    let unlike: std::collections::HashSet<_> = ids.iter().map(|id| tail(id)).collect();
    assert_eq!(unlike.len(), 100);
}

#[tokio::test]
async fn an_idempotency_key_is_its_callers_own_and_of_a_form() {
    let dir = tempfile::tempdir().unwrap();
    let file = tokens_file(dir.path(), &["operator", "admin"], &[]);
    let api = TestApi::start_with(|c| c.api.tokens_file = Some(file)).await;
    let send = async |token: &str, key: &[u8]| {
        let key = reqwest::header::HeaderValue::from_bytes(key).unwrap();
        let request = api.request(Method::POST, "/v1/tasks").bearer_auth(token).header("Idempotency-Key", key);
        read(request.json(&json!({"kind": "noop"})).send().await.unwrap()).await
    };
    let (_, first) = send("operator", b"k").await;
    assert_eq!(send("operator", b"k").await.1["id"], first["id"]);
    let (status, other) = send("admin", b"k").await;
    assert_eq!(status, StatusCode::ACCEPTED);
    assert_ne!(other["id"], first["id"], "another caller's key is another key");
    for bad in [&b"a b"[..], b"a\tb", &[0xff, 0xfe], &vec![b'x'; 10_000], b""] {
        let (status, body) = send("operator", bad).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{body}");
        five_keys(status, &body);
    }
    // What would be another key in Redis is only text there.
    for key in ["}:t:x", "{b01}", "vl:{b00}:t:x", "../x"] {
        assert_eq!(send("operator", key.as_bytes()).await.0, StatusCode::ACCEPTED);
    }
    let odd: Vec<_> = api.redis.keys().await.into_iter().filter(|k| k.contains("..") || k.contains("}:t:x")).collect();
    assert_eq!(odd, Vec::<String>::new());
}

#[tokio::test]
async fn lists_have_an_end_and_strange_paths_make_no_labels() {
    let api = TestApi::start().await;
    for path in [
        "/v1/tasks?limit=1001",
        "/v1/tasks?limit=18446744073709551616",
        "/v1/audit?limit=1001",
        "/v1/dead-letters?limit=0",
        "/v1/audit?marker=x",
        "/v1/audit?marker=1-99999999999999999999",
    ] {
        assert_eq!(api.get(path).await.0, StatusCode::BAD_REQUEST, "{path}");
    }
    let many: Vec<Value> = (0..1000).map(|_| json!({"kind": "noop"})).collect();
    api.post("/v1/tasks/batch", &json!({"tasks": many})).await;
    api.post("/v1/tasks", &json!({"kind": "noop"})).await;
    let (_, page) = api.get("/v1/tasks?limit=1000").await;
    assert_eq!(page["tasks"].as_array().unwrap().len(), 1000);
    assert!(page["marker"].is_string());
    for n in 0..50 {
        api.get(&format!("/v1/strange-{n}")).await;
        api.get(&format!("/v1/tasks/strange-{n}")).await;
        api.request(Method::from_bytes(format!("M{n}").as_bytes()).unwrap(), "/v1/tasks").send().await.unwrap();
    }
    let metrics = api.request(Method::GET, "/metrics").send().await.unwrap().text().await.unwrap();
    assert!(!metrics.contains("strange-") && !metrics.contains("M49"), "{metrics}");
}

// ---- whom one is led to speak to

/// A server that must not hear anything.
struct Canary {
    port: u16,
    heard: Arc<AtomicUsize>,
}

impl Canary {
    async fn start() -> Self {
        let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let heard = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&heard);
        tokio::spawn(async move {
            while listener.accept().await.is_ok() {
                count.fetch_add(1, Ordering::SeqCst);
            }
        });
        Self { port, heard }
    }

    fn heard(&self) -> usize {
        self.heard.load(Ordering::SeqCst)
    }
}

fn registration(url: &str) -> Value {
    json!({"name": format!("p {url}"), "url": url,
        "authentication": [{"type": "basic", "auth_items": {"username": "admin", "password": PASSWORD}}]})
}

#[tokio::test]
async fn a_pod_managers_url_leads_neither_to_this_machine_nor_to_a_metadata_service() {
    let canary = Canary::start().await;
    let plant = Plant::bare(SimConfig::default(), false).await;
    // A worker that may speak to no network without TLS and not to loopback at all.
    let config = Config {
        worker: valence::config::WorkerConfig { topics: Topic::ALL.to_vec(), ..Default::default() },
        ..Config::default()
    };
    let strict = Pool::new(&RedfishConfig::default(), Some(Arc::clone(&plant.lab.key))).unwrap();
    let shutdown = Shutdown::new();
    valence::worker::run(&config, plant.store.clone(), strict, &shutdown).await.unwrap();
    let front = Front::over(&plant).await;
    let port = canary.port;
    for host in [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0x7f.0.0.1",
        "0177.0.0.1",
        "017700000001",
        "127.0.0.1.",
        "0.0.0.0",
        "0",
        "localhost",
        "LOCALHOST",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[64:ff9b::7f00:1]",
        "169.254.169.254",
        "0xa9fea9fe",
        "2852039166",
        "[fd00:ec2::254]",
        "[fe80::1]",
        "100.100.100.200",
        "255.255.255.255",
        "224.0.0.1",
        "①②⑦.⓪.⓪.①",
    ] {
        for scheme in ["http", "https"] {
            let url = format!("{scheme}://{host}:{port}");
            let (status, body) = front.ask(Method::POST, "/v1/pod_managers", Some(registration(&url))).await;
            // A name that the system does not know is no address at all: then nothing can be reached, and the row says so.
            let unknown = status == 200 && body["status"] == "Offline" && host.ends_with('.');
            assert!(status == 400 || unknown, "{url}: {status} {body}");
        }
    }
    for url in [
        "file:///etc/passwd".to_owned(),
        format!("gopher://127.0.0.1:{port}/"),
        format!("ftp://10.0.0.1:{port}/"),
        format!("https://user@127.0.0.1:{port}/"),
        format!("https://10.0.0.1@127.0.0.1:{port}/"),
        format!("https://127.0.0.1:{port}\\@10.0.0.1/"),
        format!("https://127.0.0.1:{port}#@10.0.0.1/"),
        format!("//127.0.0.1:{port}/"),
        format!("https:127.0.0.1:{port}"),
        format!("http://10.0.0.1:{port}"),
        "https://".into(),
        "https://h h/".into(),
        "https://h\u{0}/".into(),
    ] {
        let (status, body) = front.ask(Method::POST, "/v1/pod_managers", Some(registration(&url))).await;
        assert_eq!(status, 400, "{url}: {body}");
    }
    assert_eq!(canary.heard(), 0);
    shutdown.stop();
}

/// A Pod Manager that leads elsewhere in every way it can: `Location`, links, task monitors, redirects.
async fn evil(elsewhere: String, redirect: bool) -> (String, Arc<Mutex<Vec<String>>>) {
    use warp::Filter;
    let asked = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&asked);
    let answer = warp::method().and(warp::path::full()).and(warp::header::headers_cloned()).map(
        move |method: warp::http::Method, path: warp::path::FullPath, _: warp::http::HeaderMap| {
            seen.lock().unwrap().push(format!("{method} {}", path.as_str()));
            let there = |rest: &str| format!("{elsewhere}{rest}");
            let answer = warp::http::Response::builder().header("content-type", "application/json");
            if redirect {
                return answer.status(302).header("Location", there(path.as_str())).body(String::new()).unwrap();
            }
            match (method.as_str(), path.as_str().trim_end_matches('/')) {
                ("POST", p) if p.ends_with("/Sessions") => {
                    let answer = answer.status(201).header("X-Auth-Token", "a-session-canary");
                    answer.header("Location", there("/redfish/v1/SessionService/Sessions/1")).body("{}".into()).unwrap()
                }
                ("POST", _) => answer.status(202).header("Location", there("/redfish/v1/TaskService/1")).body("{}".into()).unwrap(),
                (_, "/redfish/v1") => {
                    let body = json!({
                        "Links": {"Sessions": {"@odata.id": "/redfish/v1/Sessions"}},
                        "Nodes": {"@odata.id": "/redfish/v1/Nodes"}, "Systems": {"@odata.id": there("/redfish/v1/Systems")},
                        "Chassis": {"@odata.id": there("/redfish/v1/Chassis")},
                    });
                    answer.body(body.to_string()).unwrap()
                }
                _ => {
                    let body = json!({
                        "Members": [{"@odata.id": there("/redfish/v1/Nodes/1")}], "Members@odata.nextLink": there("/redfish/v1/next"),
                        "Actions": {"#ComposedNodeCollection.Allocate": {"target": "/redfish/v1/Nodes/Actions/Allocate"}},
                    });
                    answer.body(body.to_string()).unwrap()
                }
            }
        },
    );
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(warp::serve(answer).incoming(listener).run());
    (url, asked)
}

#[tokio::test]
async fn a_pod_manager_cannot_send_us_elsewhere_by_redirect_location_link_or_task_monitor() {
    let canary = Canary::start().await;
    let elsewhere = format!("http://127.0.0.1:{}", canary.port);
    let plant = Plant::bare(SimConfig::default(), true).await;
    let front = Front::over(&plant).await;
    for redirect in [true, false] {
        let (url, asked) = evil(elsewhere.clone(), redirect).await;
        let (status, row) = front.ask(Method::POST, "/v1/pod_managers", Some(registration(&url))).await;
        assert_eq!(status, 200, "{row}");
        let id = row["uuid"].as_str().unwrap().to_owned();
        for path in ["systems", "racks", "nodes", "storages"] {
            front.get(&format!("/v1/{path}?podm_id={id}")).await;
        }
        // What became of the node cannot be found out there, so the undo goes on for long: it is not waited for.
        let compose = json!({"kind": "node.compose", "podm_id": id, "params": {"name": "n"}});
        let (status, task) = front.ask(Method::POST, "/v1/tasks", Some(compose)).await;
        assert_eq!(status, 202, "{task}");
        let task = format!("/v1/tasks/{}", task["id"].as_str().unwrap());
        wait::until("the compose was tried", async || {
            let seen = front.get(&task).await.1;
            if seen["error"].is_object() { Ok(()) } else { Err(seen) }
        })
        .await;
        for method in [Method::GET, Method::POST] {
            let body = (method == Method::POST).then(|| json!({"Name": "x"}));
            front.ask(method, &format!("/Nodes/1?podm_id={id}"), body).await;
        }
        let asked = asked.lock().unwrap().clone();
        assert!(asked.iter().any(|a| a.starts_with("GET /redfish/v1")), "it was asked: {asked:?}");
        assert!(redirect || asked.iter().any(|a| a.contains("Allocate")), "it was led on: {asked:?}");
        plant.lab.pool.forget(&id);
        assert_eq!(
            front.ask(Method::DELETE, &format!("/v1/pod_managers/{id}?force=true"), None).await.0.as_u16() / 100,
            2
        );
    }
    assert_eq!(canary.heard(), 0, "somebody else was asked");
}

// ---- secrets

/// What was logged, to be searched.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

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
async fn a_password_stands_in_no_answer_log_metric_or_key_of_redis_and_no_line_is_forged() {
    let lines = Lines::default();
    let made = lines.clone();
    tracing_subscriber::fmt().json().with_max_level(tracing::Level::TRACE).with_writer(move || made.clone()).init();
    let (token, wrong) = ("admin", "a-wrong-token-canary");
    let dir = tempfile::tempdir().unwrap();
    let plant = Plant::bare(SimConfig::default(), true).await;
    let mut config = Config { secret_key_file: Some(plant.lab.key_file()), ..Config::default() };
    config.api.tokens_file = Some(tokens_file(dir.path(), &[token], &[]));
    let front = Front::with(&plant, config).await;
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let mut said = String::new();
    let mut ask = async |method: Method, path: &str, body: Value, token: &str| {
        let request = client.request(method, format!("{}{path}", front.url)).bearer_auth(token).json(&body);
        let answer = request.send().await.unwrap();
        let head = format!("{:?}", answer.headers());
        let text = answer.text().await.unwrap();
        said.push_str(&head);
        said.push_str(&text);
        serde_json::from_str::<Value>(&text).unwrap_or(Value::Null)
    };
    let url = plant.lab.url.clone();
    ask(Method::GET, "/v1/tasks", json!({}), wrong).await;
    let row = ask(Method::POST, "/v1/pod_managers", registration(&url), token).await;
    assert_eq!(row["status"], "Online", "{row}");
    let id = row["uuid"].as_str().unwrap().to_owned();
    ask(Method::POST, "/v1/pod_managers", registration(&url), token).await;
    let mut odd = registration(&url);
    odd["authentication"][0]["type"] = json!("token");
    ask(Method::POST, "/v1/pod_managers", odd, token).await;
    let changed = registration(&url)["authentication"].clone();
    ask(Method::PATCH, &format!("/v1/pod_managers/{id}"), json!({"authentication": changed}), token).await;
    ask(
        Method::POST,
        "/v1/tasks",
        json!({"kind": "podm.update", "podm_id": id, "params": {"authentication": changed}}),
        token,
    )
    .await;
    for path in [
        "/v1/pod_managers",
        "/v1/tasks?limit=1000",
        "/v1/systems",
        "/v1/nodes",
        "/v1/audit",
        "/metrics",
        "/v1/tasks/a%0a%7B%22forged%22:true%7D",
    ] {
        ask(Method::GET, path, json!({}), token).await;
    }
    ask(Method::DELETE, "/v1/nodes/a%0d%0aforged-line", json!({}), token).await;
    let mut dump = String::new();
    for key in plant.redis.all_keys().await {
        dump.push_str(&key);
        if let redis::Value::BulkString(bytes) = plant.redis.command(&["DUMP", &key]).await {
            dump.push_str(&String::from_utf8_lossy(&bytes));
        }
    }
    dump.push_str(&valence::observe::metrics::get().page());
    let logged = String::from_utf8_lossy(&lines.0.lock().unwrap()).into_owned();
    assert!(logged.len() > 5_000 && dump.len() > 5_000 && said.len() > 5_000);
    for canary in [PASSWORD, wrong] {
        assert!(!said.contains(canary), "an answer tells {canary}");
        assert!(!dump.contains(canary), "Redis or a metric holds {canary}");
        let line = logged.lines().find(|l| l.contains(canary));
        assert_eq!(line, None, "a log line tells {canary}");
    }
    let broken: Vec<_> = logged.lines().filter(|l| serde_json::from_str::<Value>(l).is_err()).collect();
    assert_eq!(broken, Vec::<&str>::new(), "a line of the log is not one of ours");
}
