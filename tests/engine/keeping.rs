//! What Redis keeps, loses, and has no room for.

use std::time::Duration;

use serde_json::json;
use valence::ids::Bucket;
use valence::store::claims::{Hold, Outcome, Settled};
use valence::store::record::Body;
use valence::store::tasks::{Cancel, Enqueued, Forget, Redrive};

use super::support::engine::{Engine, options};
use super::support::process::free_port;
use super::support::redis::TestRedis;
use super::{SOON, pass_time};

#[tokio::test]
async fn the_engine_runs_on_a_cluster_node_where_a_key_of_another_slot_is_an_error() {
    // Without a port of its own its bus would be at 10000.
    let bus = free_port().to_string();
    let server = TestRedis::start_with(&["--cluster-enabled", "yes", "--cluster-port", &bus]).await;
    let client = redis::Client::open(server.url()).unwrap();
    let mut con = client.get_multiplexed_async_connection().await.unwrap();
    let () = redis::cmd("CLUSTER").arg("ADDSLOTSRANGE").arg(0).arg(16383).query_async(&mut con).await.unwrap();
    let e = Engine::on(server, 16).await;
    let mut task = e.new_task("noop");
    task.gates = "node:n=1 podm:p:w=1".into();
    let id = loop {
        // The cluster needs a moment to call itself ok.
        if let Ok(Enqueued::New | Enqueued::Exists) = e.store.enqueue(task.clone()).await {
            break task.id;
        }
    };
    let claimed = e.claim("w1").await;
    e.store.extend(id.bucket(), "w1", &[(id, claimed.token.clone())]).await.unwrap();
    e.store.checkpoint(id, &claimed.token, &json!({"step": 1}), false).await.unwrap();
    e.settle(&claimed, Outcome::Retry(SOON)).await;
    pass_time(5).await;
    e.promote().await;
    let claimed = e.claim("w2").await;
    assert_eq!(claimed.checkpoint, Some(json!({"step": 1})));
    assert_eq!(e.store.cancel(id).await.unwrap(), Cancel::Cancelling);
    assert_eq!(e.settle(&claimed, Outcome::Cancelled).await, Settled::Ok);
    assert_eq!(e.store.redrive(id).await.unwrap(), Redrive::Queued);
    e.settle(&e.claim("w3").await, Outcome::Completed).await;
    e.assert_at_rest().await;
    assert_eq!(e.store.forget(id.bucket(), &[id], None).await.unwrap(), [Forget::Gone]);
}

#[tokio::test]
async fn repair_ends_an_overdue_task_that_nobody_claims() {
    let e = Engine::start(1).await;
    let mut task = e.new_task("noop");
    task.def.timeout_s = 0;
    let id = e.put(task).await;
    pass_time(5).await;
    valence::upkeep::repair::whole_pass(&e.store, false).await.unwrap();
    assert_eq!(e.state(id).await, "failed");
}

#[tokio::test]
async fn a_forgotten_task_with_an_idempotency_key_does_not_come_back() {
    let e = Engine::start(1).await;
    let mut task = e.new_task("noop");
    task.idempotent = true;
    let id = e.put(task.clone()).await;
    assert_eq!(e.store.forget(Bucket(0), &[id], None).await.unwrap(), [Forget::Kept]);
    e.settle(&e.claim("w1").await, Outcome::Completed).await;
    assert_eq!(e.store.forget(Bucket(0), &[id], None).await.unwrap(), [Forget::Gone]);
    assert!(e.store.task(id).await.unwrap().is_none());
    assert_eq!(e.store.enqueue(task).await.unwrap(), Enqueued::Exists);
    assert!(e.claim_n("w1", 1).await.is_empty());
}

#[tokio::test]
async fn repair_finds_nothing_to_do_in_a_healthy_deployment() {
    let e = Engine::start(1).await;
    for _ in 0..3 {
        e.queued().await;
    }
    e.settle(&e.claim("w1").await, Outcome::Park(Duration::from_secs(60))).await;
    e.claim("w1").await;
    let found = valence::upkeep::repair::whole_pass(&e.store, false).await.unwrap();
    assert_eq!(found, Vec::<String>::new());
}

#[tokio::test]
async fn a_full_redis_refuses_new_work_and_lets_running_work_end() {
    let e = Engine::start(1).await;
    let id = e.queued().await;
    let claimed = e.claim("w1").await;
    let waiting = e.queued().await;
    let mut con = e.store.redis().shared();
    let () = redis::cmd("CONFIG").arg(&["SET", "maxmemory", "1"]).query_async(&mut con).await.unwrap();
    let refused = e.store.enqueue(e.new_task("noop")).await.unwrap_err();
    assert!(matches!(refused, valence::store::StoreError::Full), "{refused}");
    assert_eq!(e.store.checkpoint(id, &claimed.token, &json!(1), false).await.unwrap(), Hold::Held);
    let body = Body { result: json!("x".repeat(1000)), error: None };
    assert_eq!(e.settle_with(&claimed, Outcome::Completed, Some(body)).await, Settled::Ok);
    let next = e.claim("w1").await;
    assert_eq!(next.id, waiting);
    assert_eq!(e.settle(&next, Outcome::Completed).await, Settled::Ok);
    e.assert_at_rest().await;
}

#[tokio::test]
async fn retention_removes_only_what_ended_long_enough_ago() {
    let e = Engine::start(1).await;
    let old = e.queued().await;
    e.settle(&e.claim("w1").await, Outcome::Completed).await;
    let dead = e.queued().await;
    e.settle(&e.claim("w1").await, Outcome::Failed).await;
    pass_time(60).await;
    let young = e.queued().await;
    e.settle(&e.claim("w1").await, Outcome::Completed).await;
    let age = Duration::from_millis(50);
    assert_eq!(valence::upkeep::retention::pass(&e.store, Bucket(0), false, age).await.unwrap(), 1);
    assert!(e.store.task(old).await.unwrap().is_none());
    assert!(e.store.task(young).await.unwrap().is_some());
    assert!(e.store.task(dead).await.unwrap().is_some(), "dead letters are kept longer");
    assert_eq!(valence::upkeep::retention::pass(&e.store, Bucket(0), true, age).await.unwrap(), 1);
}

#[tokio::test]
async fn a_list_is_newest_first_pages_through_everything_once_and_filters() {
    let e = Engine::start(16).await;
    let mut ids = Vec::new();
    for n in 0..150 {
        let mut task = e.new_task(if n % 10 == 0 { "sleep" } else { "noop" });
        task.def.labels.insert("n".into(), (n % 3).to_string());
        ids.push(e.put(task).await);
    }
    for claimed in e.claim_n("w1", 40).await {
        e.settle(&claimed, Outcome::Completed).await;
    }
    ids.sort_unstable_by(|a, b| b.cmp(a));
    let filter = valence::store::listing::Filter::default();
    let (mut seen, mut marker) = (Vec::new(), None);
    loop {
        let page = e.store.list(&filter, 7, marker).await.unwrap();
        seen.extend(page.tasks.iter().map(|t| t.id));
        marker = page.marker;
        if marker.is_none() {
            break;
        }
    }
    assert_eq!(seen, ids);
    let filter = valence::store::listing::Filter { kind: Some("sleep".into()), ..Default::default() };
    assert_eq!(e.store.list(&filter, 1000, None).await.unwrap().tasks.len(), 15);
    let state = Some(valence::model::state::State::Completed);
    let filter = valence::store::listing::Filter { state, ..Default::default() };
    assert_eq!(e.store.list(&filter, 1000, None).await.unwrap().tasks.len(), 40);
}

#[tokio::test]
async fn a_late_writer_cannot_bring_a_deleted_or_newer_record_back() {
    use valence::store::records::{Collection, Writer};
    let e = Engine::start(1).await;
    let first = Writer { task: e.queued().await, claims: 1 };
    let second = Writer { claims: 2, ..first };
    let put = |row: i32, by: Writer| {
        let store = e.store.clone();
        async move { store.update_record(Collection::Node, "n1", &json!({ "row": row }), by).await.unwrap() }
    };
    assert!(put(2, second).await);
    assert!(!put(1, first).await, "an earlier claim of the same task");
    assert!(e.store.delete_record(Collection::Node, "n1", second).await.unwrap());
    let later = Writer { task: e.queued().await, claims: 1 };
    assert!(!put(3, later).await, "deleted is deleted");
    assert_eq!(e.store.record::<serde_json::Value>(Collection::Node, "n1").await.unwrap(), None);
    assert!(e.store.records::<serde_json::Value>(Collection::Node).await.unwrap().is_empty());
}

#[tokio::test]
async fn an_emptied_redis_takes_new_work_at_once() {
    let e = Engine::start(1).await;
    e.queued().await;
    e.claim("w1").await;
    let () = redis::cmd("FLUSHALL").query_async(&mut e.store.redis().shared()).await.unwrap();
    let id = e.queued().await;
    let claimed = e.claim("w1").await;
    assert_eq!(claimed.id, id);
    e.settle(&claimed, Outcome::Completed).await;
    e.assert_at_rest().await;
}

#[tokio::test]
async fn a_deployment_started_with_other_buckets_refuses_to_start() {
    let e = Engine::start(1).await;
    e.store.agree_on_meta().await.unwrap();
    let other = e.server.open(options(16)).await;
    let error = other.agree_on_meta().await.unwrap_err().to_string();
    assert!(error.contains("buckets 1") && error.contains("16"), "{error}");
}

#[tokio::test]
async fn records_are_written_while_redis_is_full() {
    use valence::store::records::{Collection, Writer};
    let e = Engine::start(1).await;
    let writer = Writer { task: e.queued().await, claims: 1 };
    let mut con = e.store.redis().shared();
    let () = redis::cmd("CONFIG").arg(&["SET", "maxmemory", "1"]).query_async(&mut con).await.unwrap();
    assert!(e.store.put_record(Collection::Node, "n1", &json!({ "a": 1 }), writer).await.unwrap());
    assert_eq!(e.store.records::<serde_json::Value>(Collection::Node).await.unwrap().len(), 1);
}
