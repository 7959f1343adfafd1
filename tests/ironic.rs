//! A node that is registered is in Ironic once, with all its interfaces, and Ironic can reach it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on should say so")]

mod support;

use reqwest::Method;
use serde_json::{Value, json};
use support::front::Front;
use support::ironic::Ironic;
use support::keystone::Guarded;
use support::podm::PASSWORD;
use support::saga::Plant;
use support::wait;
use valence::config::IronicConfig;
use valence::model::task::Definition;
use valence::sim::SimConfig;

async fn plant(ironic: IronicConfig) -> (Plant, Front) {
    let plant = Plant::with_ironic(SimConfig::default(), true, ironic).await;
    plant.register_all().await;
    let front = Front::over(&plant).await;
    (plant, front)
}

/// Composes a node of at least two interfaces and gives its id.
async fn node(front: &Front, plant: &Plant, name: &str) -> String {
    let asked = json!({"name": name, "podm_id": plant.lab.uuids[0], "properties": {"memory": {"type": "DDR4"}}});
    let (status, said) = front.ask(Method::POST, "/v1/nodes", Some(asked)).await;
    assert_eq!(status, 200, "{said}");
    said["uuid"].as_str().unwrap().to_owned()
}

async fn register(front: &Front, node: &str, body: Value) -> (u16, Value) {
    let (status, said) = front.ask(Method::POST, &format!("/v1/nodes/{node}/register"), Some(body)).await;
    (status.as_u16(), said)
}

/// Everything in Redis, as one text.
async fn stored(plant: &Plant) -> String {
    let mut all = String::new();
    for key in plant.redis.keys().await {
        let value: redis::Value = plant.redis.command(&["DUMP", &key]).await;
        if let redis::Value::BulkString(bytes) = value {
            all.push_str(&String::from_utf8_lossy(&bytes));
        }
    }
    all
}

#[tokio::test]
async fn a_registered_node_is_in_a_real_ironic_once_with_all_its_interfaces() {
    let ironic = Ironic::start().await;
    let (plant, front) = plant(ironic.config()).await;
    let id = node(&front, &plant, "metal-1").await;
    let body =
        json!({"extra": {"rack": "r1"}, "driver_info": {"redfish_auth_type": "basic", "agent_password": "canary-2"}});
    let (status, row) = register(&front, &id, body).await;
    assert_eq!((status, &row["managed_by"], &row["uuid"]), (200, &json!("ironic"), &json!(id)), "{row}");

    let (_, full) = front.get(&format!("/v1/nodes/{id}")).await;
    assert_eq!(full["managed_by"], "ironic");
    let nodes = ironic.nodes().await;
    assert_eq!(nodes.len(), 1, "{nodes:?}");
    let (there, info) = (&nodes[0], &nodes[0]["driver_info"]);
    assert_eq!((&there["uuid"], &there["name"], &there["driver"]), (&json!(id), &json!("metal-1"), &json!("redfish")));
    assert_eq!(there["extra"], json!({"rack": "r1"}));
    assert_eq!((&info["redfish_address"], &info["redfish_username"]), (&json!(plant.lab.url), &json!("admin")));
    assert_eq!(info["redfish_system_id"], full["computer_system"]["@odata.id"]);
    assert_eq!((&info["redfish_password"], &info["redfish_auth_type"]), (&json!("******"), &json!("basic")));
    let interfaces = full["metadata"]["network"].as_array().unwrap().iter();
    let mut macs: Vec<String> = interfaces.map(|i| i["mac"].as_str().unwrap().to_ascii_lowercase()).collect();
    macs.sort();
    assert!(macs.len() > 1, "{full}");
    assert_eq!(ironic.macs(&id).await, macs);

    // Again, after somebody took a port away: nothing is made twice, and what is missing comes back.
    let (_, ports) = ironic.ask(Method::GET, &format!("nodes/{id}/ports"), None).await;
    let one = ports["ports"][0]["uuid"].as_str().unwrap();
    assert_eq!(ironic.ask(Method::DELETE, &format!("ports/{one}"), None).await.0, 204);
    let (status, again) = register(&front, &id, json!({})).await;
    assert_eq!((status, &again["managed_by"]), (200, &json!("ironic")), "{again}");
    assert_eq!((ironic.nodes().await.len(), ironic.macs(&id).await), (1, macs));

    // Ironic's names are unique, Valence's are not.
    let other = node(&front, &plant, "metal-1").await;
    let (status, said) = register(&front, &other, json!({})).await;
    let detail = said["detail"].as_str().unwrap();
    assert_eq!((status, said["title"].as_str().unwrap()), (500, "An unknown exception occured"), "{said}");
    assert!(
        detail.starts_with("Unexpected error while registering node with Ironic: ")
            && detail.contains("already exists"),
        "{said}"
    );
    assert!(front.get(&format!("/v1/nodes/{other}")).await.1.get("managed_by").is_none());
    assert_eq!(ironic.nodes().await.len(), 1);
    let (status, said) = register(&front, &other, json!({"name": "metal-2", "driver": "fake-hardware"})).await;
    assert_eq!(status, 200, "{said}");
    assert_eq!(ironic.nodes().await.len(), 2);

    let text = stored(&plant).await;
    assert!(!text.contains(PASSWORD) && !text.contains("canary-2"), "a password is in Redis");
    let (_, tasks) = front.get("/v1/tasks?kind=node.register").await;
    assert!(!tasks.to_string().contains("canary"), "{tasks}");
}

#[tokio::test]
async fn keystone_is_asked_for_a_token_and_its_catalog_says_where_ironic_is() {
    let guarded = Guarded::start().await;
    let (plant, front) = plant(guarded.config("right")).await;
    let id = node(&front, &plant, "n").await;
    let said = front.command(&["node", "register", &id, "--body", r#"{"extra": {}}"#, "--wait"]).await;
    assert_eq!(said.lines().last().unwrap(), format!("node {id} is registered with Ironic"));
    let state = guarded.state.lock().unwrap();
    assert_eq!(state.nodes[&id]["driver_info"]["redfish_password"], PASSWORD);
    let wanted = json!({"auth": {
        "identity": {"methods": ["password"], "password": {"user":
            {"name": "valence", "domain": {"id": "default"}, "password": "right"}}},
        "scope": {"project": {"name": "service", "domain": {"id": "default"}}}}});
    assert_eq!(state.log_ins, [wanted]);
}

#[tokio::test]
async fn a_keystone_that_refuses_is_401_and_its_words_hold_no_password() {
    let guarded = Guarded::start().await;
    let (plant, front) = plant(guarded.config("canary-wrong")).await;
    let id = node(&front, &plant, "n").await;
    let (status, said) = register(&front, &id, json!({})).await;
    assert_eq!((status, said["title"].as_str().unwrap()), (401, "Authorization Error"), "{said}");
    assert!(!said.to_string().contains("canary"), "{said}");
    assert!(guarded.state.lock().unwrap().changes.is_empty());
}

#[tokio::test]
async fn a_node_whose_making_was_not_seen_is_found_and_not_made_again() {
    let guarded = Guarded::start().await;
    let (plant, front) = plant(guarded.config("right")).await;
    let id = node(&front, &plant, "n").await;
    guarded.state.lock().unwrap().lose_next_node = true;
    let (status, row) = register(&front, &id, json!({})).await;
    assert_eq!((status, &row["managed_by"]), (200, &json!("ironic")), "{row}");
    let state = guarded.state.lock().unwrap();
    assert_eq!(state.changes.iter().filter(|c| *c == "POST nodes").count(), 1, "{:?}", state.changes);
    assert!(!state.ports.is_empty());
}

#[tokio::test]
async fn what_a_failed_registration_made_is_taken_back_and_what_was_there_stays() {
    let guarded = Guarded::start().await;
    let (plant, front) = plant(guarded.config("right")).await;
    let id = node(&front, &plant, "n").await;
    guarded.state.lock().unwrap().refuse_ports = Some("no ports today".into());
    let (status, said) = register(&front, &id, json!({})).await;
    assert_eq!(status, 500, "{said}");
    assert!(said["detail"].as_str().unwrap().contains("no ports today"), "{said}");
    assert!(guarded.state.lock().unwrap().nodes.is_empty());
    assert!(plant.node_rows().await[0].managed_by.is_none());

    guarded.state.lock().unwrap().refuse_ports = None;
    assert_eq!(register(&front, &id, json!({})).await.0, 200);
    guarded.state.lock().unwrap().ports.clear();
    guarded.state.lock().unwrap().refuse_ports = Some("no ports today".into());
    assert_eq!(register(&front, &id, json!({})).await.0, 500);
    assert_eq!(guarded.state.lock().unwrap().nodes.len(), 1, "the node of the first registration is gone");
    assert_eq!(plant.node_rows().await[0].managed_by.as_deref(), Some("ironic"));
}

#[tokio::test]
async fn a_registration_that_dies_after_any_step_is_carried_on_with() {
    let guarded = Guarded::start().await;
    let plant = Plant::with_ironic(SimConfig::default(), false, guarded.config("right")).await;
    let created = plant.submit_def(plant.registration(0, "lab-0", &plant.lab.urls[0])).await;
    plant.drive(created, &[]).await;
    let composed = plant
        .submit(
            "node.compose",
            json!({"name": "n", "properties": {"memory": {"type": "DDR4"}}}),
            Some(&plant.lab.uuids[0]),
            None,
        )
        .await;
    plant.drive(composed, &[]).await;
    let id = plant.node_rows().await[0].uuid.clone();
    let mut def = Definition::new("node.register", json!({}));
    def.node_id = Some(id.clone());
    let task = plant.submit_def(def).await;
    let changes = || guarded.state.lock().unwrap().changes.len();
    let mut seen = 0;
    // Each attempt dies as soon as one more change has arrived.
    while !plant.store.task(task).await.unwrap().unwrap().state.is_terminal() {
        let died = wait::until("one more change", async || if changes() > seen { Ok(()) } else { Err(changes()) });
        plant.attempt_until(died, false).await;
        seen = changes();
    }
    let state = guarded.state.lock().unwrap();
    assert_eq!(state.nodes.len(), 1);
    let mut macs: Vec<&str> = state.ports.values().map(|p| p["address"].as_str().unwrap()).collect();
    let all = macs.len();
    macs.sort_unstable();
    macs.dedup();
    assert_eq!((macs.len(), state.changes.len()), (all, 1 + all), "{:?}", state.changes);
}

#[tokio::test]
async fn without_an_ironic_registering_says_so_and_bad_requests_are_refused_before() {
    let (plant, front) = plant(IronicConfig::default()).await;
    let id = node(&front, &plant, "n").await;
    let (status, said) = register(&front, &id, json!({})).await;
    assert_eq!((status, said["title"].as_str().unwrap()), (500, "An unknown exception occured"), "{said}");
    assert!(said["detail"].as_str().unwrap().starts_with("Failed to load ironic driver"), "{said}");
    let (status, said) = register(&front, "00000000-0000-0000-0000-00000000dead", json!({})).await;
    assert_eq!((status, said["title"].as_str().unwrap()), (404, "Resource could not be found"), "{said}");
    for body in [json!([]), json!("x"), json!({"driver_info": 5})] {
        assert_eq!(register(&front, &id, body).await.0, 400);
    }
}
