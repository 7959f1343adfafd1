//! An emptied Redis, with whole processes: configured Pod Managers come back, hardware of ours is adopted, nothing is deleted.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on should say so")]

mod support;

use std::time::Duration;

use serde_json::json;
use support::deployment::{Deployment, Shape};
use support::wait;
use valence::config::Config;
use valence::model::audit::AuditFilter;
use valence::model::podm::Podm;
use valence::store::records::Collection;

#[tokio::test]
async fn an_emptied_redis_costs_no_node() {
    let d = Deployment::start(Shape { podms: 2, schedulers: 2, ..Shape::default() }).await;
    for podm in d.podm_ids().await {
        for name in ["a", "b"] {
            let task = json!({"kind": "node.compose", "podm_id": podm, "params": {"name": name}});
            let id = d.submit_task(&task).await;
            assert_eq!(d.done(&id).await["state"], "completed");
        }
    }
    let before = d.sim_nodes().await;
    assert_eq!(before.len(), 4);
    let old: Vec<Podm> = d.redis.open(Config::default().store_options()).await.records(Collection::Podm).await.unwrap();

    let _: String = d.redis.command(&["FLUSHALL"]).await;
    let store = d.redis.open(Config::default().store_options()).await;
    wait::until("the configured Pod Managers are registered again", async || {
        let podms: Vec<Podm> = store.records(Collection::Podm).await.unwrap();
        let new = podms.iter().filter(|p| !old.iter().any(|o| o.uuid == p.uuid)).count();
        if new == 2 { Ok(()) } else { Err(podms) }
    })
    .await;
    // Each Pod Manager is registered, read, and read again ten seconds later.
    wait::within(Duration::from_secs(90), "the nodes are adopted", async || {
        let recorded = d.recorded_nodes(&store).await;
        if recorded == before { Ok(()) } else { Err(recorded) }
    })
    .await;
    assert_eq!(d.sim_nodes().await, before, "none was deleted");
    let adopted = store.audits(&AuditFilter::default(), 100, None).await.unwrap().entries;
    assert_eq!(adopted.iter().filter(|(_, entry)| entry.action == "node.adopt").count(), 4, "{adopted:?}");
    let id = d.submit("noop", json!({})).await;
    assert_eq!(d.done(&id).await["state"], "completed", "new work flows");
}
