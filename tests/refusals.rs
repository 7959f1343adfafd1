//! A refusal that its client was told is on record, and asks nobody for a look.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on should say so")]

mod support;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use support::front::Front;
use support::saga::Plant;
use valence::sim::SimConfig;

/// What the doctor says; that Redis keeps nothing here is wrong, too.
async fn doctor(front: &Front) -> String {
    use clap::Parser as _;
    let cli = valence::ctl::cli::Cli::parse_from(["valence", "--api-url", &front.url, "doctor"]);
    let mut bytes = Vec::new();
    let _wrong = valence::ctl::run(cli, &mut bytes, false).await;
    String::from_utf8(bytes).unwrap()
}

#[tokio::test]
async fn a_refusal_that_its_client_was_told_is_on_record_and_nobody_else_is_asked_to_look_at_it() {
    let plant = Plant::start(SimConfig::default()).await;
    let front = Front::over(&plant).await;
    let refused =
        || valence::observe::metrics::get().work.refused.with_label_values(&["compute", "node.compose"]).get();
    let before = refused();
    let refuse = async |status: u16| {
        let fault = json!([{"method": "POST", "path_prefix": "/redfish/v1/Nodes/Actions", "status": status}]);
        plant.lab.faults(fault).await;
        let body = Some(json!({"name": "n", "podm_id": plant.lab.uuids[0]}));
        let (told, said) = front.ask(Method::POST, "/v1/nodes", body).await;
        assert_eq!(told.as_u16(), status, "{said}");
    };
    let look = "have failed for good";
    refuse(409).await;
    let letters = front.ok(Method::GET, "/v1/dead-letters", None).await;
    assert_eq!(letters["dead_letters"][0]["error"]["answered"], true, "{letters}");
    let said = doctor(&front).await;
    assert!(!said.contains(look) && said.contains("the newest 1 dead letters are refusals"), "{said}");
    assert_eq!(refused(), before + 1);

    refuse(500).await;
    let letters = front.ok(Method::GET, "/v1/dead-letters", None).await;
    assert_eq!(letters["dead_letters"][0]["error"]["answered"], Value::Null, "{letters}");
    let said = doctor(&front).await;
    assert!(said.contains(&format!("1 tasks {look}")), "{said}");
    assert_eq!(refused(), before + 1);

    // Whoever did not wait has not been told, and a redrive has no client.
    plant.lab.faults(json!([{"method": "POST", "path_prefix": "/redfish/v1/Nodes/Actions", "status": 409}])).await;
    let id = letters["dead_letters"][1]["id"].as_str().unwrap();
    let path = format!("/v1/tasks/{id}/retry");
    let (status, _) = front.ask(Method::POST, &path, None).await;
    assert_eq!(status, StatusCode::ACCEPTED);
    let again = plant.done(id.parse().unwrap()).await.body.error.unwrap();
    assert_eq!((again.problem.status, again.answered), (409, false));
}
