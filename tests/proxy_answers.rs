//! What the raw proxy passes on and what it answers itself: a Pod Manager that is away, and answers too large to be passed on.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on should say so")]

mod support;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use support::front::Front;
use support::saga::Plant;
use valence::sim::SimConfig;

const LIMIT: &str = "16777216";

async fn one() -> (Plant, Front) {
    let plant = Plant::start(SimConfig::default()).await;
    let front = Front::over(&plant).await;
    (plant, front)
}

/// Requests that the Pod Manager got for a path.
async fn asked_for(plant: &Plant, path: &str) -> Vec<Value> {
    let log = plant.lab.log().await;
    log.as_array().unwrap().iter().filter(|e| e["path"] == path).cloned().collect()
}

/// That nothing was counted against the Pod Manager.
async fn is_well(front: &Front, plant: &Plant) {
    let state = front.ok(Method::GET, &format!("/v1/pod_managers/{}/state", plant.lab.uuids[0]), None).await;
    assert_eq!((&state["circuit"]["state"], &state["circuit"]["failures"]), (&json!("closed"), &json!(0)), "{state}");
}

#[tokio::test]
async fn a_read_whose_answer_is_too_large_is_one_error_that_says_so_and_no_failure_of_the_pod_manager() {
    let (plant, front) = one().await;
    // The first is too large as it comes, the second when it is written as JSON.
    for (n, bytes) in [(1, 17_000_000), (2, 16_777_216)] {
        let fault = json!([{"method": "GET", "path_prefix": "/redfish/v1/Chassis/", "body_bytes": bytes}]);
        plant.lab.faults(fault).await;
        for m in 1..=6 {
            let detail = front.refused(Method::GET, &format!("/Chassis/Big{n}{m}"), None, 502, "Bad Gateway").await;
            assert!(detail.contains("larger than") || detail.contains("too large"), "{detail}");
            assert!(detail.contains(LIMIT), "{detail}");
            assert_eq!(asked_for(&plant, &format!("/redfish/v1/Chassis/Big{n}{m}")).await.len(), 1);
        }
    }
    is_well(&front, &plant).await;
    plant.lab.faults(json!([])).await;
    front.ok(Method::GET, "/Chassis", None).await;
}

#[tokio::test]
async fn a_change_whose_answer_is_too_large_is_sent_once_and_the_error_says_that_it_was() {
    let (plant, front) = one().await;
    for (n, bytes) in [(1, 17_000_000), (2, 16_777_216)] {
        let fault =
            json!([{"method": "POST", "path_prefix": "/redfish/v1/Nodes/Actions", "body_bytes": bytes, "status": 200}]);
        plant.lab.faults(fault).await;
        let detail = front
            .refused(Method::POST, "/Nodes/Actions/Allocate", Some(json!({"Name": "n"})), 502, "Bad Gateway")
            .await;
        assert!(detail.contains(LIMIT) && detail.contains("was sent"), "{detail}");
        assert_eq!(asked_for(&plant, "/redfish/v1/Nodes/Actions/Allocate").await.len(), n);
    }
    let tasks = front.ok(Method::GET, "/v1/tasks?kind=proxy.write", None).await;
    assert!(tasks["tasks"].as_array().unwrap().iter().all(|t| t["attempt"].as_u64() <= Some(1)), "{tasks}");
    is_well(&front, &plant).await;
}

#[tokio::test]
async fn an_answer_just_below_the_limit_is_passed_on_whole() {
    let (plant, front) = one().await;
    plant
        .lab
        .faults(
            json!([{"method": "GET", "path_prefix": "/redfish/v1/Chassis/", "body_bytes": 16_000_000, "status": 200}]),
        )
        .await;
    let answer = front.request(Method::GET, "/Chassis/Large").send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.bytes().await.unwrap().len(), 16_000_000);
}

#[tokio::test]
async fn the_query_is_passed_on_without_what_is_ours() {
    let (plant, front) = one().await;
    let path = format!("/Chassis?$expand=.&podm_id={}&x=%20y", plant.lab.uuids[0]);
    front.ok(Method::GET, &path, None).await;
    let asked = asked_for(&plant, "/redfish/v1/Chassis").await;
    assert_eq!(asked.last().unwrap()["query"], "$expand=.&x=%20y", "{asked:?}");
}

#[tokio::test]
async fn a_pod_manager_that_is_away_is_an_error_of_ours_in_five_keys() {
    let plant = Plant::bare(SimConfig::default(), true).await;
    let front = Front::over(&plant).await;
    plant.done(plant.submit_def(plant.registration(0, "away", "http://127.0.0.1:9")).await).await;
    front.refused(Method::GET, "/Systems", None, 503, "Connection Error").await;
    front.refused(Method::DELETE, "/Nodes/1", None, 503, "Connection Error").await;
    let (plant, front) = one().await;
    plant.lab.faults(json!([{"cut": "within"}])).await;
    front.refused(Method::GET, "/Systems", None, 504, "Gateway Timeout").await;
}
