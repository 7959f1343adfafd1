//! What users of the simulator rely on, over real HTTP: each test is one promise of `docs/podm-sim.md`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on should say so")]

mod support;

// Clippy knows test functions as tests, but not the helpers beside them.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use support::wait::until;
use valence::shutdown::Shutdown;
use valence::sim::{self, RsdVersion, SimConfig, SimFlavour};

const NODES: &str = "/redfish/v1/Nodes";
const ALLOCATE: &str = "/redfish/v1/Nodes/Actions/Allocate";
const SESSIONS: &str = "/redfish/v1/SessionService/Sessions";

/// A simulator in this process, stopped at the end of its test.
struct Sim {
    urls: Vec<String>,
    http: Client,
    shutdown: Shutdown,
}

impl Drop for Sim {
    fn drop(&mut self) {
        self.shutdown.stop();
    }
}

impl Sim {
    async fn start(config: SimConfig) -> Self {
        Self::at(SimConfig { listen: "127.0.0.1:0".parse().unwrap(), ..config }).await
    }

    async fn at(config: SimConfig) -> Self {
        let shutdown = Shutdown::new();
        let running = sim::run(config, &shutdown).await.unwrap();
        // No connection is used twice, so that a cut one is seen by the request it was cut for.
        let http = Client::builder().pool_max_idle_per_host(0).no_proxy().build().unwrap();
        Self { urls: running.urls(), http, shutdown }
    }

    fn on(&self, podm: usize, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.urls[podm])).basic_auth("admin", Some("admin"))
    }

    async fn get(&self, path: &str) -> Response {
        self.on(0, Method::GET, path).send().await.unwrap()
    }

    async fn json(&self, path: &str) -> Value {
        self.get(path).await.json().await.unwrap()
    }

    async fn post(&self, path: &str, body: Value) -> Response {
        self.on(0, Method::POST, path).json(&body).send().await.unwrap()
    }

    /// Allocates a node and returns its path.
    async fn allocate(&self, body: Value) -> String {
        let answer = self.post(ALLOCATE, body).await;
        assert_eq!(answer.status(), StatusCode::CREATED);
        path_of(&answer)
    }

    async fn faults(&self, list: Value) -> StatusCode {
        self.on(0, Method::PUT, "/sim/faults").json(&list).send().await.unwrap().status()
    }

    /// How many nodes there are, asked on the control route.
    async fn count(&self) -> usize {
        self.json("/sim/nodes").await[0]["nodes"].as_array().unwrap().len()
    }

    async fn state(&self, node: &str) -> String {
        self.json(node).await["ComposedNodeState"].as_str().unwrap_or_default().to_owned()
    }

    async fn assembled(&self, body: Value) -> String {
        let node = self.allocate(body).await;
        let answer = self.on(0, Method::POST, &format!("{node}/Actions/ComposedNode.Assemble")).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::NO_CONTENT);
        until("the node is assembled", async || self.state(&node).await == "Assembled").await;
        node
    }
}

/// The path in an answer's `Location`, which is a full URL.
fn path_of(answer: &Response) -> String {
    let location = answer.headers()["location"].to_str().unwrap();
    reqwest::Url::parse(location).unwrap().path().to_owned()
}

#[tokio::test]
async fn a_node_lives_from_allocate_to_delete() {
    let sim = Sim::start(SimConfig::default()).await;
    let wanted = json!({
        "Name": "web", "Description": "front", "Processors": [{ "Model": "Intel", "TotalCores": "10" }],
        "Memory": [{ "CapacityMiB": "4000", "DimmDeviceType": "DDR4" }],
    });
    let node = sim.allocate(wanted).await;
    let body = sim.json(&node).await;
    assert_eq!((&body["Name"], &body["Description"]), (&json!("web"), &json!("front")));
    assert_eq!(body["ComposedNodeState"], "Allocated");
    assert_eq!(body["PowerState"], "Off");
    let system = body["Links"]["ComputerSystem"]["@odata.id"].as_str().unwrap().to_owned();
    assert_eq!(system, "/redfish/v1/Systems/System2", "the smallest system with DDR4 and ten cores");

    let reset = format!("{node}/Actions/ComposedNode.Reset");
    assert_eq!(sim.post(&reset, json!({ "ResetType": "On" })).await.status(), StatusCode::CONFLICT);
    let assemble = body["Actions"]["#ComposedNode.Assemble"]["target"].as_str().unwrap();
    let answer = sim.on(0, Method::POST, assemble).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::NO_CONTENT);
    assert_eq!(sim.state(&node).await, "Assembling");
    assert_eq!(sim.post(assemble, json!({})).await.status(), StatusCode::CONFLICT);
    until("the node is assembled", async || sim.state(&node).await == "Assembled").await;
    assert_eq!(sim.json(&system).await["PowerState"], "On");

    assert_eq!(sim.post(&reset, json!({ "ResetType": "ForceOff" })).await.status(), StatusCode::NO_CONTENT);
    assert_eq!(sim.json(&node).await["PowerState"], "Off");
    assert_eq!(sim.post(&reset, json!({ "ResetType": "Explode" })).await.status(), StatusCode::BAD_REQUEST);

    let boot = json!({ "Boot": { "BootSourceOverrideEnabled": "Once", "BootSourceOverrideTarget": "Pxe" } });
    let answer = sim.on(0, Method::PATCH, &node).json(&boot).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.json::<Value>().await.unwrap()["Boot"]["BootSourceOverrideTarget"], "Pxe");
    sim.post(&reset, json!({ "ResetType": "On" })).await;
    assert_eq!(sim.json(&node).await["Boot"]["BootSourceOverrideEnabled"], "Disabled", "once is used up by a boot");

    let gone = sim.on(0, Method::DELETE, &node).send().await.unwrap();
    assert_eq!(gone.status(), StatusCode::NO_CONTENT);
    assert_eq!(sim.get(&node).await.status(), StatusCode::NOT_FOUND);
    assert_eq!(sim.json(NODES).await["Members@odata.count"], 0);
}

#[tokio::test]
async fn a_request_that_fits_nothing_is_a_conflict_and_a_wrong_one_is_refused() {
    let sim = Sim::start(SimConfig::default()).await;
    let conflict = sim.post(ALLOCATE, json!({ "Memory": [{ "CapacityMiB": 99_000_000 }] })).await;
    assert_eq!(conflict.status(), StatusCode::CONFLICT);
    let body: Value = conflict.json().await.unwrap();
    assert!(body["error"]["code"].is_string() && body["error"]["message"].is_string());
    assert!(body["error"]["@Message.ExtendedInfo"][0]["MessageId"].is_string());

    let wrong = [
        json!({ "Colour": "red" }),
        json!({ "Memory": {} }),
        json!({ "Memory": [{ "CapacityMiB": "much" }] }),
        json!({ "Processors": [{ "TotalCores": -1 }] }),
        json!({ "Processors": [{ "Resource": { "@odata.id": "/redfish/v1/Systems/System99" } }] }),
        json!([]),
    ];
    for body in wrong {
        assert_eq!(sim.post(ALLOCATE, body.clone()).await.status(), StatusCode::BAD_REQUEST, "{body}");
    }
    let garbage = sim.on(0, Method::POST, ALLOCATE).body("{").send().await.unwrap();
    assert_eq!(garbage.status(), StatusCode::BAD_REQUEST);
    assert_eq!(sim.get("/redfish/v1/Nope").await.status(), StatusCode::NOT_FOUND);
    let refused = sim.on(0, Method::DELETE, NODES).send().await.unwrap();
    assert_eq!(refused.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert!(refused.headers().contains_key("allow"));
    assert_eq!(sim.count().await, 0);
}

#[tokio::test]
async fn a_request_may_name_the_hardware_it_wants() {
    let sim = Sim::start(SimConfig::default()).await;
    let pinned =
        json!({ "Processors": [{ "Resource": { "@odata.id": "/redfish/v1/Systems/System7/Processors/CPU1" } }] });
    sim.allocate(pinned.clone()).await;
    assert_eq!(sim.post(ALLOCATE, pinned).await.status(), StatusCode::CONFLICT, "it is taken");
    sim.allocate(json!({ "Memory": [{ "Chassis": { "@odata.id": "/redfish/v1/Chassis/Drawer2" } }] })).await;
    let nodes = sim.json("/sim/nodes").await;
    assert_eq!(nodes[0]["nodes"][0]["system"], "System7");
    assert_eq!(nodes[0]["nodes"][1]["system"], "System5", "the smallest in the drawer");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_at_once_never_get_one_system_twice() {
    let sim = Sim::start(SimConfig::default()).await;
    let posts = (0..20).map(|_| sim.post(ALLOCATE, json!({})));
    let answers = futures_util::future::join_all(posts).await;
    let made = answers.iter().filter(|a| a.status() == StatusCode::CREATED).count();
    let refused = answers.iter().filter(|a| a.status() == StatusCode::CONFLICT).count();
    assert_eq!((made, refused), (8, 12));
    let nodes = sim.json("/sim/nodes").await;
    assert_eq!(nodes[0]["max_nodes_per_system_ever"], 1);
    let systems: BTreeSet<&str> =
        nodes[0]["nodes"].as_array().unwrap().iter().map(|n| n["system"].as_str().unwrap()).collect();
    assert_eq!(systems.len(), 8);
}

#[tokio::test]
async fn a_cut_before_does_nothing_and_a_cut_after_acts() {
    let sim = Sim::start(SimConfig::default()).await;
    let cut = |when: &str| json!([{ "method": "POST", "path_prefix": ALLOCATE, "cut": when, "count": 1 }]);
    assert_eq!(sim.faults(cut("before")).await, StatusCode::OK);
    assert!(sim.on(0, Method::POST, ALLOCATE).json(&json!({})).send().await.is_err());
    assert_eq!(sim.count().await, 0);
    sim.faults(cut("after")).await;
    assert!(sim.on(0, Method::POST, ALLOCATE).json(&json!({})).send().await.is_err());
    assert_eq!(sim.count().await, 1);
    let log = sim.json("/sim/log").await;
    assert_eq!((&log[0]["status"], &log[1]["status"]), (&Value::Null, &Value::Null));
    sim.allocate(json!({})).await;
}

#[tokio::test]
async fn a_hung_request_is_never_answered_and_acts_only_when_told() {
    let sim = Sim::start(SimConfig::default()).await;
    let short = Duration::from_millis(100);
    sim.faults(json!([{ "method": "POST", "hang": true, "count": 1 }])).await;
    let error = sim.on(0, Method::POST, ALLOCATE).json(&json!({})).timeout(short).send().await.unwrap_err();
    assert!(error.is_timeout());
    assert_eq!(sim.count().await, 0);
    sim.faults(json!([{ "method": "POST", "hang": true, "cut": "after", "count": 1 }])).await;
    let error = sim.on(0, Method::POST, ALLOCATE).json(&json!({})).timeout(short).send().await.unwrap_err();
    assert!(error.is_timeout());
    assert_eq!(sim.count().await, 1);
}

#[tokio::test]
async fn what_was_accepted_is_done_when_the_client_has_left() {
    let sim = Sim::start(SimConfig::default()).await;
    sim.faults(json!([{ "method": "POST", "latency_ms": 300, "count": 1 }])).await;
    let left = sim.on(0, Method::POST, ALLOCATE).json(&json!({})).timeout(Duration::from_millis(50)).send().await;
    assert!(left.unwrap_err().is_timeout());
    until("the node is there", async || sim.count().await == 1).await;
}

#[tokio::test]
async fn an_assembly_can_be_made_to_fail() {
    let sim = Sim::start(SimConfig { assemble_time: Duration::ZERO, ..SimConfig::default() }).await;
    sim.faults(json!([{ "method": "POST", "path_prefix": "/redfish/v1/Nodes/1/", "assembly_fails": true }])).await;
    let node = sim.allocate(json!({})).await;
    assert_eq!(
        sim.post(&format!("{node}/Actions/ComposedNode.Assemble"), json!({})).await.status(),
        StatusCode::NO_CONTENT
    );
    assert_eq!(sim.state(&node).await, "Failed");
    let reset = sim.post(&format!("{node}/Actions/ComposedNode.Reset"), json!({ "ResetType": "On" })).await;
    assert_eq!(reset.status(), StatusCode::NO_CONTENT, "a failed node can be reset");
}

/// A Pod Manager with one system and task monitors.
async fn monitored(assemble_time: Duration, monitor_keep: Duration) -> Sim {
    let config = SimConfig { task_monitors: true, systems: 1, assemble_time, monitor_keep, ..SimConfig::default() };
    Sim::start(config).await
}

const NEVER: Duration = Duration::from_secs(3600);
const SOON: Duration = Duration::from_millis(1);

#[tokio::test]
async fn a_long_operation_answers_through_its_monitor() {
    let sim = monitored(NEVER, NEVER).await;
    let accepted = sim.post(ALLOCATE, json!({})).await;
    assert_eq!(accepted.status(), StatusCode::ACCEPTED);
    assert!(accepted.headers().contains_key("retry-after"));
    let monitor = path_of(&accepted);
    let task: Value = accepted.json().await.unwrap();
    assert_eq!((&task["TaskState"], &task["TaskMonitor"]), (&json!("Running"), &json!(monitor)));
    assert_eq!(sim.get(&monitor).await.status(), StatusCode::ACCEPTED);

    let sim = monitored(SOON, NEVER).await;
    for final_status in [StatusCode::CREATED, StatusCode::CONFLICT] {
        let accepted = sim.post(ALLOCATE, json!({})).await;
        assert_eq!(accepted.status(), StatusCode::ACCEPTED);
        let monitor = path_of(&accepted);
        until("the operation is over", async || sim.get(&monitor).await.status() != StatusCode::ACCEPTED).await;
        let done = sim.get(&monitor).await;
        assert_eq!(done.status(), final_status);
        if final_status == StatusCode::CREATED {
            assert_eq!(sim.get(&path_of(&done)).await.status(), StatusCode::OK);
        }
    }

    let sim = monitored(SOON, SOON).await;
    for state in ["Completed", "Exception"] {
        let accepted = sim.post(ALLOCATE, json!({})).await;
        let monitor = path_of(&accepted);
        let task: Value = accepted.json().await.unwrap();
        until("the monitor is gone", async || sim.get(&monitor).await.status() == StatusCode::NOT_FOUND).await;
        assert_eq!(sim.json(task["@odata.id"].as_str().unwrap()).await["TaskState"], state);
    }
}

#[tokio::test]
async fn a_change_slower_than_the_limit_answers_202() {
    let config = SimConfig { slow: Some(Duration::from_millis(50)), ..SimConfig::default() };
    let sim = Sim::start(config).await;
    sim.faults(json!([{ "method": "DELETE", "latency_ms": 100 }])).await;
    let node = sim.allocate(json!({})).await;
    let accepted = sim.on(0, Method::DELETE, &node).send().await.unwrap();
    assert_eq!(accepted.status(), StatusCode::ACCEPTED);
    let monitor = path_of(&accepted);
    until("the node is deleted", async || sim.get(&monitor).await.status() == StatusCode::NO_CONTENT).await;
    assert_eq!(sim.count().await, 0);
}

#[tokio::test]
async fn sessions_are_limited_and_end_at_log_out() {
    let sim = Sim::start(SimConfig { max_sessions: 2, ..SimConfig::default() }).await;
    let log_in = |password: &str| {
        let body = json!({ "UserName": "admin", "Password": password });
        sim.http.post(format!("{}{SESSIONS}", sim.urls[0])).json(&body).send()
    };
    let session = log_in("admin").await.unwrap();
    assert_eq!(session.status(), StatusCode::CREATED);
    let token = session.headers()["x-auth-token"].to_str().unwrap().to_owned();
    let location = path_of(&session);
    let with_token = |method: Method, path: &str| {
        sim.http.request(method, format!("{}{path}", sim.urls[0])).header("X-Auth-Token", &token).send()
    };
    assert_eq!(with_token(Method::GET, NODES).await.unwrap().status(), StatusCode::OK);
    assert_eq!(log_in("wrong").await.unwrap().status(), StatusCode::UNAUTHORIZED);
    assert_eq!(log_in("admin").await.unwrap().status(), StatusCode::CREATED);
    let full = log_in("admin").await.unwrap();
    assert_eq!(full.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(with_token(Method::DELETE, &location).await.unwrap().status(), StatusCode::NO_CONTENT);
    assert_eq!(with_token(Method::GET, NODES).await.unwrap().status(), StatusCode::UNAUTHORIZED);
    assert_eq!(log_in("admin").await.unwrap().status(), StatusCode::CREATED);
    let log = sim.json("/sim/log").await;
    assert_eq!(log[0]["body"]["Password"], "***");
}

#[tokio::test]
async fn only_versions_and_root_are_open() {
    let sim = Sim::start(SimConfig::default()).await;
    for (path, status) in [("/redfish", 200), ("/redfish/v1", 200), ("/redfish/v1/", 200), (NODES, 401)] {
        let answer = sim.http.get(format!("{}{path}", sim.urls[0])).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), status, "{path}");
        assert_eq!(answer.headers()["odata-version"], "4.0");
    }
    let head = sim.on(0, Method::HEAD, "/redfish/v1/Systems/System1/").send().await.unwrap();
    assert_eq!(head.status(), StatusCode::OK);
    assert!(head.headers().contains_key("etag"));
}

#[tokio::test]
async fn etags_follow_the_content_and_guard_changes() {
    let sim = Sim::start(SimConfig::default()).await;
    let node = sim.assembled(json!({})).await;
    let first = sim.get(&node).await;
    let tag = first.headers()["etag"].to_str().unwrap().to_owned();
    assert_eq!(first.json::<Value>().await.unwrap()["@odata.etag"], tag);
    let unchanged = sim.on(0, Method::GET, &node).header("If-None-Match", &tag).send().await.unwrap();
    assert_eq!(unchanged.status(), StatusCode::NOT_MODIFIED);
    let patch = |target: &str| {
        let body = json!({ "Boot": { "BootSourceOverrideTarget": target } });
        sim.on(0, Method::PATCH, &node).header("If-Match", &tag).json(&body).send()
    };
    assert_eq!(patch("Pxe").await.unwrap().status(), StatusCode::OK);
    assert_eq!(patch("Hdd").await.unwrap().status(), StatusCode::PRECONDITION_FAILED);
    assert_eq!(sim.json(&node).await["Boot"]["BootSourceOverrideTarget"], "Pxe");
    assert_ne!(sim.get(&node).await.headers()["etag"].to_str().unwrap(), tag);
}

#[tokio::test]
async fn every_link_leads_somewhere() {
    for rsd_version in [RsdVersion::V1_2, RsdVersion::V2_4] {
        let sim = Sim::start(SimConfig { rsd_version, ..SimConfig::default() }).await;
        sim.assembled(json!({ "EthernetInterfaces": [{ "VLANs": [{ "VLANId": "100", "Tagged": true }] }] })).await;
        sim.post(
            "/redfish/v1/EventService/Subscriptions",
            json!({ "Destination": "http://127.0.0.1:1/", "Context": "" }),
        )
        .await;
        let mut seen = BTreeSet::new();
        let mut todo = vec!["/redfish/v1/".to_owned()];
        while let Some(path) = todo.pop() {
            if !seen.insert(path.clone()) {
                continue;
            }
            let answer = sim.get(&path).await;
            assert_eq!(answer.status(), StatusCode::OK, "{path}");
            let body: Value = answer.json().await.unwrap();
            assert_eq!(body["@odata.id"].as_str(), Some(path.as_str()));
            collect_links(&body, &mut todo);
        }
        assert!(seen.len() > 150, "only {} resources were found", seen.len());
        assert!(seen.contains(NODES) && seen.contains("/redfish/v1/Systems/System1/EthernetInterfaces/LAN1/VLANs/100"));
    }
}

fn collect_links(value: &Value, links: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            if let Some(Value::String(path)) = map.get("@odata.id") {
                links.extend((!path.contains('#')).then(|| path.clone()));
            }
            map.values().for_each(|v| collect_links(v, links));
        }
        Value::Array(list) => list.iter().for_each(|v| collect_links(v, links)),
        _ => {}
    }
}

#[tokio::test]
async fn a_recorded_tree_is_served_as_it_is_and_nothing_beside_it() {
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("index.json"), r#"{"secret": true}"#).unwrap();
    let tree = outside.path().join("tree");
    std::fs::create_dir_all(tree.join("Systems/1")).unwrap();
    let recorded = "{ \"Id\" : 1,\n  \"Odd\": [ ] }\n";
    std::fs::write(tree.join("Systems/1/index.json"), recorded).unwrap();
    let sim = Sim::start(SimConfig { tree: Some(tree), ..SimConfig::default() }).await;
    for path in ["/redfish/v1/Systems/1", "/redfish/v1/Systems/1/"] {
        assert_eq!(sim.get(path).await.text().await.unwrap(), recorded);
    }
    assert_eq!(sim.json("/redfish/v1/").await["Systems"]["@odata.id"], "/redfish/v1/Systems");
    assert_eq!(sim.get("/redfish/v1/Nodes").await.status(), StatusCode::NOT_FOUND);
    assert_eq!(sim.post("/redfish/v1/Systems/1", json!({})).await.status(), StatusCode::METHOD_NOT_ALLOWED);
    let log_in = sim.post(SESSIONS, json!({ "UserName": "admin", "Password": "admin" })).await;
    assert_eq!(log_in.status(), StatusCode::CREATED);
    // Written by hand: a client library would tidy these paths up.
    for path in ["/redfish/v1/..", "/redfish/v1/../index.json", "/redfish/v1/%2e%2e", "/redfish/v1/Systems/../.."] {
        let (url, line) = (sim.urls[0].clone(), format!("GET {path} HTTP/1.1"));
        let answer = tokio::task::spawn_blocking(move || raw(&url, &line)).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 404"), "{path}: {answer}");
        assert!(!answer.contains("secret"));
    }
}

/// Sends a request line as it is, with credentials, and returns the whole answer.
fn raw(url: &str, line: &str) -> String {
    let addr = url.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(addr).unwrap();
    write!(stream, "{line}\r\nHost: {addr}\r\nAuthorization: Basic YWRtaW46YWRtaW4=\r\nConnection: close\r\n\r\n")
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[tokio::test]
async fn fault_switches_count_down_and_the_first_match_wins() {
    let sim = Sim::start(SimConfig { podms: 2, ..SimConfig::default() }).await;
    let list = json!([
        { "podm": 0, "path_prefix": NODES, "status": 503, "retry_after_s": 7, "count": 2 },
        { "podm": 0, "path_prefix": NODES, "method": "get", "body": "not json" },
        { "podm": 1, "path_prefix": "/redfish/v1/Systems", "body_bytes": 3_000_000 },
        { "podm": 1, "path_prefix": "/redfish/v1/Chassis", "cut": "within" },
    ]);
    assert_eq!(sim.faults(list).await, StatusCode::OK);
    for _ in 0..2 {
        let refused = sim.get(NODES).await;
        assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(refused.headers()["retry-after"], "7");
    }
    let lie = sim.get(NODES).await;
    assert_eq!(lie.status(), StatusCode::OK);
    assert_eq!(lie.text().await.unwrap(), "not json");
    assert_eq!(sim.json("/sim/faults").await[0]["count"], 0);
    assert_eq!(sim.on(1, Method::GET, NODES).send().await.unwrap().status(), StatusCode::OK);
    let huge = sim.on(1, Method::GET, "/redfish/v1/Systems").send().await.unwrap();
    assert_eq!(huge.bytes().await.unwrap().len(), 3_000_000);
    let torn = sim.on(1, Method::GET, "/redfish/v1/Chassis").send().await.unwrap();
    assert!(torn.bytes().await.is_err(), "the body ends too early");
    for wrong in [json!([{ "statuss": 500 }]), json!({}), json!([{ "status": 42 }]), json!([{ "cut": "maybe" }])] {
        assert_eq!(sim.faults(wrong).await, StatusCode::BAD_REQUEST);
    }
    assert_eq!(sim.json("/sim/faults").await.as_array().unwrap().len(), 4, "a refused list changes nothing");
}

#[tokio::test]
async fn the_log_lists_requests_in_order() {
    let sim = Sim::start(SimConfig::default()).await;
    sim.get("/redfish/v1/Systems?x=1").await;
    sim.post(ALLOCATE, json!({ "Name": "logged" })).await;
    sim.http.get(format!("{}{NODES}", sim.urls[0])).send().await.unwrap();
    let log = sim.json("/sim/log").await;
    let of = |n: usize| (log[n]["method"].as_str().unwrap(), log[n]["path"].as_str().unwrap(), &log[n]["status"]);
    assert_eq!(of(0), ("GET", "/redfish/v1/Systems", &json!(200)));
    assert_eq!(of(1), ("POST", ALLOCATE, &json!(201)));
    assert_eq!(of(2), ("GET", NODES, &json!(401)));
    assert_eq!(log[0]["query"], "x=1");
    assert_eq!((&log[1]["auth_user"], &log[2]["auth_user"]), (&json!("admin"), &Value::Null));
    assert_eq!(log[1]["body"]["Name"], "logged");
    assert_eq!(sim.json("/sim/log?since=2").await.as_array().unwrap().len(), 1);
    assert_eq!(sim.on(0, Method::DELETE, "/sim/log").send().await.unwrap().status(), StatusCode::NO_CONTENT);
    assert_eq!(sim.json("/sim/log").await, json!([]));
}

#[tokio::test]
async fn many_podms_differ_and_stop_at_once_even_with_a_hung_client() {
    let sim = Sim::start(SimConfig { podms: 100, ..SimConfig::default() }).await;
    let mut uuids = BTreeSet::new();
    for podm in [0, 1, 99] {
        let root: Value = sim.on(podm, Method::GET, "/redfish/v1/").send().await.unwrap().json().await.unwrap();
        uuids.insert(root["UUID"].to_string());
    }
    assert_eq!(uuids.len(), 3);
    sim.faults(json!([{ "hang": true }])).await;
    let hung = tokio::spawn(sim.on(5, Method::GET, NODES).send());
    until("the request has come", async || !sim.json("/sim/log?since=3").await.as_array().unwrap().is_empty()).await;
    sim.shutdown.stop();
    sim.shutdown.join(Duration::from_secs(5)).await.unwrap();
    assert!(hung.await.unwrap().is_err());
}

#[tokio::test]
async fn each_has_an_address_of_its_own_is_unlike_the_others_and_the_last_never_answer() {
    let port = std::net::TcpListener::bind("127.3.0.1:0").unwrap().local_addr().unwrap().port();
    let listen = std::net::SocketAddr::from(([127, 3, 0, 1], port));
    let config = SimConfig { listen, podms: 8, addresses: true, mixed: true, black_holes: 2, ..SimConfig::default() };
    let sim = Sim::at(SimConfig { systems: 16, ..config }).await;
    let mut sizes = BTreeSet::new();
    for podm in 0..6_u8 {
        let url = format!("http://127.3.0.{}:{port}/redfish/v1/Systems", podm + 1);
        let asked = reqwest::Client::new().get(url).basic_auth("admin", Some("admin"));
        let systems: Value = asked.send().await.unwrap().json().await.unwrap();
        let size = systems["Members"].as_array().unwrap().len();
        assert!((4..=28).contains(&size), "a quarter to one and three quarters of 16: {size}");
        sizes.insert(size);
    }
    assert!(sizes.len() > 1, "{sizes:?}");
    let hung = tokio::spawn(sim.on(7, Method::GET, "/redfish/v1/").send());
    let counts = until("the black hole has got the request", async || {
        let counts = sim.json("/sim/counts").await;
        (counts[7]["open"] == 1).then_some(counts)
    })
    .await;
    assert_eq!(counts[7], json!({ "requests": 1, "open": 1, "most_open": 1 }));
    assert_eq!(counts[0], json!({ "requests": 1, "open": 0, "most_open": 1 }));
    assert!(!hung.is_finished(), "nobody answers it");
    hung.abort();
    until("whoever leaves is counted no more", async || sim.json("/sim/counts").await[7]["open"] == 0).await;
}

/// The binary, killed without mercy at the end.
struct Binary {
    child: Child,
    url: String,
}

impl Drop for Binary {
    fn drop(&mut self) {
        let _gone_already = self.child.kill();
        let _gone_already = self.child.wait();
    }
}

impl Binary {
    fn start(data: &std::path::Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_podm-sim"))
            .args(["--listen", "127.0.0.1:0", "--no-auth", "--assemble-time", "1ms", "--data-dir"])
            .arg(data)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let url = line.trim().strip_prefix("ready: ").unwrap().to_owned();
        Self { child, url }
    }
}

#[tokio::test]
async fn nodes_survive_a_kill() {
    let data = tempfile::tempdir().unwrap();
    let http = Client::builder().pool_max_idle_per_host(0).no_proxy().build().unwrap();
    let first = Binary::start(data.path());
    for name in ["one", "two", "three"] {
        let body = json!({ "Name": name });
        let made = http.post(format!("{}{ALLOCATE}", first.url)).json(&body).send().await.unwrap();
        assert_eq!(made.status(), StatusCode::CREATED);
    }
    let assemble = format!("{}{NODES}/2/Actions/ComposedNode.Assemble", first.url);
    assert_eq!(http.post(assemble).send().await.unwrap().status(), StatusCode::NO_CONTENT);
    let delete = http.delete(format!("{}{NODES}/3", first.url)).send().await.unwrap();
    assert_eq!(delete.status(), StatusCode::NO_CONTENT);
    drop(first);

    let second = Binary::start(data.path());
    let nodes =
        async || -> Value { http.get(format!("{}/sim/nodes", second.url)).send().await.unwrap().json().await.unwrap() };
    until("the assembly has gone on", async || nodes().await[0]["nodes"][1]["state"] == "Assembled").await;
    let nodes = nodes().await;
    assert_eq!(nodes[0]["nodes"].as_array().unwrap().len(), 2);
    assert_eq!((&nodes[0]["nodes"][0]["name"], &nodes[0]["nodes"][0]["state"]), (&json!("one"), &json!("Allocated")));
    let next = http.post(format!("{}{ALLOCATE}", second.url)).json(&json!({})).send().await.unwrap();
    assert_eq!(path_of(&next), format!("{NODES}/4"), "numbers are not used twice");
}

#[tokio::test]
async fn an_expether_manager_joins_devices_and_machines_by_groups() {
    let sim = Sim::start(SimConfig { flavour: SimFlavour::Eem, systems: 4, ..SimConfig::default() }).await;
    let put = |path: String, group: Value| sim.on(0, Method::PUT, &path).json(&json!({ "group_id": group })).send();
    let ids = async |query: &str| -> Vec<String> {
        let listed = sim.json(query).await;
        listed["devices"].as_array().unwrap().iter().map(|d| d["id"].as_str().unwrap().to_owned()).collect()
    };
    assert!(sim.json("/api_version").await["api_version"].is_string());
    let (machines, all) = (ids("/devices?status=eesv").await, ids("/devices?status=eeio").await);
    assert_eq!((machines.len(), all.len()), (4, 8));
    let picked = put(format!("/devices/{}/group_id", machines[0]), Value::Null).await.unwrap();
    let group = picked.json::<Value>().await.unwrap()["group_id"].as_str().unwrap().to_owned();
    put(format!("/devices/{}/group_id", all[0]), json!(group)).await.unwrap();
    assert_eq!(ids(&format!("/devices?status=eeio&group_id={group}")).await, [all[0].clone()]);
    assert_eq!(sim.json("/sim/nodes").await[0]["nodes"][0]["devices"], json!([all[0]]));
    put(format!("/devices/{}/group_id", all[0]), json!("4000")).await.unwrap();
    assert_eq!(sim.json("/sim/nodes").await[0]["stolen"], 1);
    sim.on(0, Method::DELETE, &format!("/devices/{}/group_id", all[0])).send().await.unwrap();
    assert_eq!(sim.json(&format!("/devices/{}", all[0])).await["device"]["group_id"], "4093");
    for bad in [json!("0"), json!("4093"), json!(17)] {
        assert_eq!(put(format!("/devices/{}/group_id", all[0]), bad).await.unwrap().status(), StatusCode::BAD_REQUEST);
    }
    let detail = sim.json("/devices/detail?status=eeio").await;
    for (field, values) in [("type", ["10g", "40g"]), ("notification_status0", ["down", "up"])] {
        let text = |d: &Value| d[field].as_str().or_else(|| d[field][0].as_str()).unwrap().to_owned();
        let seen: BTreeSet<String> = detail["devices"].as_array().unwrap().iter().map(text).collect();
        assert_eq!(seen.into_iter().collect::<Vec<_>>(), values);
    }
    let missing = sim.get("/devices/0x0").await;
    assert_eq!(missing.status(), StatusCode::NOT_FOUND);
    assert_eq!(missing.json::<Value>().await.unwrap()["code"], "40400");
    let stranger = sim.http.get(format!("{}/api_version", sim.urls[0])).send().await.unwrap();
    assert_eq!(stranger.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(stranger.json::<Value>().await.unwrap()["code"], "40100");
}
