//! Placements are counted by what became of them. Metrics are a process's: this test has one of its own.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on should say so")]

mod support;

use serde_json::json;
use support::placing::{count_hardware, place, places, quick, set_policy};
use support::saga::Plant;
use valence::model::podm::Policy;
use valence::observe::metrics;

#[tokio::test(flavor = "multi_thread")]
async fn every_placement_is_counted_by_what_became_of_it() {
    let plant = Plant::start(quick(2)).await;
    count_hardware(&plant, 0, 2).await;
    set_policy(&plant, 1, Policy { cordoned: true, ..Policy::default() }).await;
    assert_eq!(["placed", "refused", "full", "cordoned", "waits"].map(places), [0; 5]);
    let timed = || metrics::get().placement.duration.with_label_values::<&str>(&[]).get_sample_count();
    let before = timed();
    assert_eq!(place(&plant).await.state.as_str(), "completed");
    assert_eq!((places("placed"), timed() - before), (1, 1));

    // Nothing is free: each reason counts once.
    count_hardware(&plant, 0, 0).await;
    assert_eq!(place(&plant).await.state.as_str(), "failed");
    assert_eq!(["placed", "refused", "full", "cordoned"].map(places), [1, 0, 1, 1]);

    // One that is chosen and refuses.
    count_hardware(&plant, 0, 5).await;
    plant
        .lab
        .faults(json!([{"podm": 0, "method": "POST", "path_prefix": "/redfish/v1/Nodes/Actions", "status": 409}]))
        .await;
    assert_eq!(place(&plant).await.state.as_str(), "failed");
    assert_eq!(["placed", "refused"].map(places), [1, 1]);

    // One that waits for a place counts as waiting once, and then as placed.
    plant
        .lab
        .faults(json!([{"podm": 0, "method": "POST", "path_prefix": "/redfish/v1/Nodes/Actions", "latency_ms": 700}]))
        .await;
    count_hardware(&plant, 0, 5).await;
    set_policy(&plant, 0, Policy { max_changes: Some(1), ..Policy::default() }).await;
    let ids = [(); 2].map(|()| plant.submit("node.place", json!({"name": "n"}), None, None));
    for id in futures_util::future::join_all(ids).await {
        assert_eq!(plant.done(id).await.state.as_str(), "completed");
    }
    assert_eq!(["placed", "waits"].map(places), [3, 1]);
}
