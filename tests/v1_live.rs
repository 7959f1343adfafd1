//! Racks and the raw proxy, as old clients use them, over HTTP against simulated Pod Managers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on should say so")]

mod support;

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use support::front::Front;
use support::saga::{Plant, accepted_ago};
use support::wait;
use valence::ids::TaskId;
use valence::model::kind::Kind;
use valence::model::topic::{Lane, Priority, Topic};
use valence::sim::SimConfig;
use valence::store::tasks::NewTask;

fn two() -> SimConfig {
    SimConfig { podms: 2, assemble_time: Duration::ZERO, ..SimConfig::default() }
}

async fn one() -> (Plant, Front) {
    let plant = Plant::start(SimConfig { podms: 1, ..two() }).await;
    let front = Front::over(&plant).await;
    (plant, front)
}

#[tokio::test]
async fn racks_of_all_pod_managers_are_listed_each_with_its_own_systems() {
    let plant = Plant::start(two()).await;
    let front = Front::over(&plant).await;
    let (status, racks) = front.get("/v1/racks").await;
    assert_eq!((status.as_u16(), racks.as_array().unwrap().len()), (200, 4), "{racks}");
    let systems: Vec<&Value> =
        racks.as_array().unwrap().iter().flat_map(|r| r["systems"].as_array().unwrap()).collect();
    let unlike: std::collections::HashSet<_> = systems.iter().map(|s| s.as_str().unwrap()).collect();
    assert_eq!((systems.len(), unlike.len()), (16, 16), "{racks}");
    assert!(racks[0].get("manufacturer").is_none(), "{racks}");
    // Asking twice gives the same, as it did not in the first Valence.
    assert_eq!(front.get("/v1/racks").await.1, racks);
    let podm = &plant.lab.uuids[1];
    let (_, some) = front.get(&format!("/v1/racks?podm_id={podm}&show_detail=yes&Id=Rack2")).await;
    assert_eq!((some.as_array().unwrap().len(), &some[0]["id"]), (1, &json!("Rack2")), "{some}");
    assert!(some[0].get("serial_number").is_some(), "{some}");
    let in_body = Some(json!({"podm_id": podm, "show_detail": true}));
    let (_, some) = front.ask(Method::GET, "/v1/racks", in_body).await;
    assert_eq!(some.as_array().unwrap().len(), 2, "{some}");
    let (_, drivers) = front.get("/v1/drivers").await;
    assert_eq!(drivers["drivers"][0]["name"], "redfishv1", "{drivers}");
    assert_eq!(front.get("/v1/racks/Nowhere").await.1, json!([]));
    let (_, found) = front.get(&format!("/v1/racks/Rack1?podm_id={podm}")).await;
    assert_eq!(found[0]["name"], "Rack1", "{found}");
    assert!(front.command(&["rack", "list", "--podm", podm]).await.contains("Rack2"));
    assert!(front.command(&["rack", "show", "Rack1", "--podm", podm]).await.contains("Rack1"));
    for (path, status) in [
        ("/v1/racks?colour=red", 400),
        ("/v1/racks?show_detail=perhaps", 400),
        ("/v1/systems?colour=red", 400),
        ("/v1/racks?podm_id=00000000-0000-4000-8000-00000000dead", 404),
    ] {
        assert_eq!(front.get(path).await.0.as_u16(), status, "{path}");
    }
}

#[tokio::test]
async fn a_node_is_allocated_assembled_reset_booted_and_deleted_by_the_raw_proxy() {
    let (plant, front) = one().await;
    let (status, nodes) = front.get("/Nodes?$top=1&podm_id=").await;
    assert_eq!(status.as_u16(), 404, "an empty podm_id names none: {nodes}");
    let (status, chassis) = front.get("/Chassis/").await;
    assert_eq!((status.as_u16(), &chassis["@odata.id"]), (200, &json!("/redfish/v1/Chassis")));
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let allocate = format!("{}/Nodes/Actions/Allocate", front.url);
    let answer = client.post(allocate).json(&json!({"Name": "old", "Description": ""})).send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 201);
    let place = answer.headers()["location"].to_str().unwrap().to_owned();
    assert!(place.starts_with(&plant.lab.url), "the Pod Manager's own Location: {place}");
    let node = format!("/Nodes/{}", place.rsplit('/').next().unwrap());
    let act = async |name: &str, body: Value| {
        front.ask(Method::POST, &format!("{node}/Actions/ComposedNode.{name}"), Some(body)).await
    };
    assert_eq!(act("Assemble", json!({})).await.0.as_u16(), 204);
    wait::until("it is assembled", async || match front.get(&node).await.1["ComposedNodeState"].as_str() {
        Some("Assembled") => Ok(()),
        other => Err(other.map(str::to_owned)),
    })
    .await;
    assert_eq!(act("Reset", json!({"ResetType": "ForceOff"})).await.0.as_u16(), 204);
    let (status, refusal) = act("Reset", json!({"ResetType": "Sideways"})).await;
    assert_eq!(status.as_u16(), 400, "the Pod Manager's refusal as it is: {refusal}");
    assert!(refusal["error"].is_object(), "{refusal}");
    let boot = json!({"Boot": {"BootSourceOverrideEnabled": "Once", "BootSourceOverrideTarget": "Pxe"}});
    assert!(front.ask(Method::PATCH, &node, Some(boot)).await.0.is_success());
    assert_eq!(front.ask(Method::DELETE, &node, None).await.0.as_u16(), 204);
    assert_eq!(front.get(&node).await.0.as_u16(), 404);
    assert!(plant.node_rows().await.is_empty(), "no bookkeeping");
    for (method, path, status) in [
        (Method::PUT, "/Nodes/1", 405),
        (Method::GET, "/nodes", 404),
        (Method::GET, "/Accounts", 404),
        (Method::GET, "/Nodes/a%2fb", 400),
    ] {
        assert_eq!(front.ask(method.clone(), path, None).await.0.as_u16(), status, "{method} {path}");
    }
}

#[tokio::test]
async fn a_proxied_change_whose_answer_was_not_seen_is_not_sent_again() {
    let (plant, front) = one().await;
    plant.lab.faults(json!([{"method": "POST", "path_prefix": "/redfish/v1/Nodes", "cut": "after", "count": 1}])).await;
    let (status, body) = front.ask(Method::POST, "/Nodes/Actions/Allocate", Some(json!({"Name": "lost"}))).await;
    assert_eq!(status.as_u16(), 504, "{body}");
    assert!(body["detail"].as_str().unwrap().contains("unknown"), "{body}");
    assert_eq!((plant.lab.posts().await, plant.lab.nodes().await.len()), (1, 1));
}

#[tokio::test]
async fn with_several_pod_managers_a_proxied_request_must_name_one() {
    let plant = Plant::start(two()).await;
    let front = Front::over(&plant).await;
    assert_eq!(front.get("/Nodes").await.0.as_u16(), 400);
    let named = format!("/Nodes?podm_id={}", plant.lab.uuids[1]);
    assert_eq!(front.get(&named).await.0.as_u16(), 200);
}

#[tokio::test]
async fn a_body_that_is_passed_on_is_stored_sealed_and_shown_nowhere() {
    let (plant, front) = one().await;
    let body = json!({"Name": "n", "Description": "a-canary-in-a-body"});
    assert_eq!(front.ask(Method::POST, "/Nodes/Actions/Allocate", Some(body)).await.0.as_u16(), 201);
    assert_eq!(plant.lab.nodes().await[0]["description"], "a-canary-in-a-body", "it arrives as it was sent");
    let (_, tasks) = front.get("/v1/tasks?kind=proxy.write").await;
    assert_eq!(tasks["tasks"][0]["params"]["body"], "***", "{tasks}");
    let mut seen = 0;
    for key in plant.redis.keys().await {
        let value: redis::Value = plant.redis.command(&["DUMP", &key]).await;
        let redis::Value::BulkString(bytes) = value else { continue };
        seen += 1;
        assert!(!String::from_utf8_lossy(&bytes).contains("a-canary"), "{key}");
    }
    assert!(seen > 3);
}

#[tokio::test]
async fn a_proxied_body_that_is_not_said_to_be_json_is_refused_and_nothing_is_sent() {
    let (plant, front) = one().await;
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let asked = client.post(format!("{}/Nodes/Actions/Allocate", front.url)).body(r#"{"Name": "n"}"#);
    let answer = asked.header("content-type", "text/plain").send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 415);
    let said: Value = answer.json().await.unwrap();
    assert_eq!(said.as_object().unwrap().len(), 5, "{said}");
    assert_eq!((plant.lab.posts().await, plant.lab.nodes().await.len()), (0, 0));
}

#[tokio::test]
async fn the_openstack_client_lists_creates_shows_and_deletes_pod_managers() {
    let plant = Plant::bare(two(), true).await;
    let front = Front::over(&plant).await;
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    // `make setup-test` puts requests there, beside Ironic.
    let mut client = std::process::Command::new(root.join("target/venv/ironic/bin/python"));
    client.arg(root.join("tests/support/valenceclient.py")).args([&front.url, &plant.lab.url, support::podm::PASSWORD]);
    let ended = tokio::task::spawn_blocking(move || client.output().expect("make setup-test")).await.unwrap();
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    let steps: Value = serde_json::from_slice(&ended.stdout).unwrap();
    let (made, id) = (&steps["made"], steps["made"][0].as_str().unwrap());
    let row = [&made[1], &made[2], &made[3], &made[4]];
    assert_eq!(row, [&json!("p"), &json!(plant.lab.url), &json!("redfishv1"), &json!("Online")]);
    for form in ["", " with {}"] {
        assert_eq!(steps[format!("list{form}")], json!([made]), "{form}");
        assert_eq!(&steps[format!("show{form}")], made, "{form}");
    }
    assert_eq!((&steps["renamed"][0], &steps["renamed"][1]), (&json!(id), &json!("q")));
    assert_eq!((&steps["empty"], &steps["left"]), (&json!([]), &json!([])));
    assert_eq!((&steps["deleted"], &steps["deleted without {}"]), (&json!("DELETED"), &json!("DELETED")));
    assert_eq!(steps["again"], "400 duplicated name or url !");
    assert!(steps["incomplete"].as_str().unwrap().starts_with("400 "), "{steps}");
    assert_eq!(steps["gone"], format!("404 Pod Manager {id} not found in database."));
    assert!(steps["nobody"].as_str().unwrap().starts_with("404 Pod Manager "), "{steps}");
}

/// A compose at the first Pod Manager whose client has waited so long already.
async fn compose_waited_for(plant: &Plant, ago: Duration) -> TaskId {
    let podm = &plant.lab.uuids[0];
    let mut def = valence::model::task::Definition::new("node.compose", json!({"name": "n"}));
    (def.podm_id, def.node_id) = (Some(podm.clone()), Some(valence::ids::new_record_id()));
    def.podm_errors_final = true;
    let id = accepted_ago(&plant.store, ago, podm);
    let lane = Lane { topic: Topic::Compute, priority: Priority::Normal };
    let gates = Kind::find("node.compose").unwrap().gates_of(&def);
    let task = NewTask { id, lane, def, delay_ms: None, gates, idempotent: false };
    plant.store.enqueue(task).await.unwrap();
    id
}

/// A request may take a minute, a client waits for half of one: the first one to a Pod Manager that falls silent is no exception.
#[tokio::test]
async fn a_change_at_a_silent_pod_manager_ends_with_its_client_s_patience_and_not_with_the_request() {
    let plant = Plant::patient(SimConfig { podms: 1, ..two() }, Duration::from_secs(600)).await;
    plant.register_all().await;
    plant.lab.faults(json!([{"hang": true}])).await;
    let task = plant.done(compose_waited_for(&plant, Duration::from_secs(31)).await).await;
    let error = task.body.error.clone().unwrap();
    assert_eq!((task.state.as_str(), error.problem.status), ("failed", 504), "{error:?}");
    assert!(error.problem.detail.contains("Pod Manager lab-0"), "{error:?}");
    assert_eq!(task.field("attempt"), Some("1"), "{:?}", task.history());
}

#[tokio::test]
async fn a_change_at_a_dead_pod_manager_is_refused_in_the_time_of_a_read_and_nothing_is_left_of_it() {
    let plant = Plant::bare(SimConfig { podms: 1, ..two() }, true).await;
    let front = Front::over(&plant).await;
    // Nobody listens there.
    plant.register(0, "dead", "http://127.0.0.1:1").await;
    let podm = plant.lab.uuids[0].clone();
    let wanted = json!({"name": "n", "podm_id": podm});
    // One that was accepted as long ago as a client waits is tried once.
    let id = compose_waited_for(&plant, Duration::from_secs(31)).await;
    let task = plant.done(id).await;
    let error = task.body.error.clone().unwrap();
    assert_eq!((task.state.as_str(), error.problem.status), ("failed", 503), "{error:?}");
    assert!(error.problem.detail.contains("Pod Manager dead"), "{error:?}");
    assert_eq!(task.field("attempt"), Some("1"), "{:?}", task.history());
    // Once it is known that nobody is let in, at once.
    let gates = valence::store::gates::Gatekeeper::new(&plant.store);
    gates.report(&podm, 0, 1, Some(Duration::from_secs(500)), "cannot be reached").await.unwrap();
    let answer = front.request(Method::POST, "/v1/nodes").json(&wanted).send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 503);
    let after: u64 = answer.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((400..=500).contains(&after), "{after}");
    let body: Value = answer.json().await.unwrap();
    assert_eq!(body["detail"], "Pod Manager dead is not asked now: cannot be reached", "people know it by its name");
    assert_eq!(front.get("/v1/nodes").await.1, json!([]));
    // Whoever does not wait has a task that does.
    let asked = front.request(Method::POST, "/v1/nodes").header("Prefer", "respond-async").json(&wanted);
    let task: Value = asked.send().await.unwrap().json().await.unwrap();
    let id: TaskId = task["id"].as_str().unwrap().parse().unwrap();
    wait::until("it waits", async || {
        let task = plant.store.task(id).await.unwrap().unwrap();
        if task.state.as_str() == "waiting" { Ok(()) } else { Err(task.state) }
    })
    .await;
}
