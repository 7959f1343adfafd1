//! How entries become claims: once, in order, and only as many as there are slots.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;
use valence::ids::{Bucket, TaskId};
use valence::model::topic::Lane;
use valence::store::claims::{Hold, Outcome, Settled, Source};
use valence::store::upkeep::{Reclaimed, all_lanes};

use super::support::engine::Engine;
use super::{pass_time, reclaim};

#[tokio::test]
async fn a_stale_worker_is_fenced_whatever_it_tries() {
    let e = Engine::start(1).await;
    let id = e.queued().await;
    let old = e.claim("w1").await;
    pass_time(450).await;
    assert_eq!(reclaim(&e).await.requeued, 1);
    let new = e.claim("w2").await;
    assert_eq!(e.settle(&old, Outcome::Completed).await, Settled::Fenced);
    assert_eq!(e.store.checkpoint(id, &old.token, &json!(1), true).await.unwrap(), Hold::Lost);
    assert_eq!(e.store.progress(id, &old.token, &Default::default()).await.unwrap(), Hold::Lost);
    assert_eq!(e.store.extend(Bucket(0), "w1", &[(id, old.token.clone())]).await.unwrap(), [Hold::Lost]);
    assert_eq!(e.state(id).await, "running");
    assert_eq!(e.settle(&new, Outcome::Completed).await, Settled::Ok);
    assert_eq!(e.settle(&old, Outcome::Failed).await, Settled::Fenced);
    assert_eq!(e.state(id).await, "completed");
    assert_eq!(e.store.counts().await.unwrap()["compute:fenced"], 3, "two settles and a checkpoint");
    e.assert_at_rest().await;
}

#[tokio::test]
async fn a_repeated_settle_with_the_same_token_is_recognised() {
    let e = Engine::start(1).await;
    for outcome in [Outcome::Completed, Outcome::Retry(Duration::from_secs(5)), Outcome::Park(Duration::from_secs(5))] {
        e.queued().await;
        let claimed = e.claim("w1").await;
        assert_eq!(e.settle(&claimed, outcome.clone()).await, Settled::Ok);
        assert_eq!(e.settle(&claimed, outcome).await, Settled::Already);
    }
}

#[tokio::test]
async fn a_lost_claim_reply_is_given_again_for_the_same_token() {
    let e = Engine::start(1).await;
    let id = e.queued().await;
    let lanes: Vec<Lane> = all_lanes().collect();
    let first = e.store.claim(Bucket(0), "w1", "tok", 5, &lanes, &Source::New).await.unwrap().claimed;
    let again = e.store.claim(Bucket(0), "w1", "tok", 5, &lanes, &Source::Own).await.unwrap().claimed;
    assert_eq!((first.len(), again.len(), again[0].id, again[0].claims), (1, 1, id, 1));
    let other = e.store.claim(Bucket(0), "w1", "other", 5, &lanes, &Source::Own).await.unwrap().claimed;
    assert!(other.is_empty(), "a running task is not claimed twice");
    assert_eq!(e.settle(&again[0], Outcome::Completed).await, Settled::Ok);
    e.assert_at_rest().await;
}

#[tokio::test]
async fn entries_of_a_dropped_blocking_read_are_claimed_from_the_own_pending_list() {
    let e = Engine::start(1).await;
    let id = e.queued().await;
    let lanes: Vec<Lane> = all_lanes().collect();
    e.claim_n("w1", 0).await;
    // Somebody reads for w1 and the reply is lost.
    let stream = "vl:{b00}:s:compute:normal";
    let mut con = e.store.redis().shared();
    let _made: Result<(), _> =
        redis::cmd("XGROUP").arg(&["CREATE", stream, "workers", "0", "MKSTREAM"]).query_async(&mut con).await;
    let _lost: redis::Value = redis::cmd("XREADGROUP")
        .arg(&["GROUP", "workers", "w1", "COUNT", "1", "STREAMS", stream, ">"])
        .query_async(&mut con)
        .await
        .unwrap();
    let found = e.store.claim(Bucket(0), "w1", "tok", 5, &lanes, &Source::Own).await.unwrap().claimed;
    assert_eq!(found[0].id, id);
    e.settle(&found[0], Outcome::Completed).await;
    e.assert_at_rest().await;
}

#[tokio::test]
async fn a_worker_never_claims_more_than_its_free_slots_and_the_rest_goes_back_uncounted() {
    let e = Engine::start(1).await;
    for lane in ["compute:high", "compute:normal", "compute:low"] {
        let mut task = e.new_task("noop");
        task.lane = Lane::parse(lane).unwrap();
        e.put(task).await;
    }
    let lanes: Vec<Lane> = all_lanes().collect();
    let mut connection = e.store.redis().blocking().await.unwrap();
    let error = e.store.wait_for_entries(&mut connection, Bucket(0), "w1", &lanes).await.unwrap_err();
    assert!(error.to_string().contains("refused"), "no group yet: {error}");
    assert_eq!(e.claim_n("w1", 0).await.len(), 0);
    for lane in &lanes {
        let key = format!("vl:{{b00}}:s:{lane}");
        let mut con = e.store.redis().shared();
        let _made: Result<(), _> =
            redis::cmd("XGROUP").arg(&["CREATE", &key, "workers", "0", "MKSTREAM"]).query_async(&mut con).await;
    }
    let given = e.store.wait_for_entries(&mut connection, Bucket(0), "w1", &lanes).await.unwrap();
    assert_eq!(given.len(), 3, "COUNT is per stream");
    let one = e.store.claim(Bucket(0), "w1", "tok", 1, &lanes, &Source::Given(given)).await.unwrap().claimed;
    assert_eq!(one.len(), 1);
    assert_eq!(one[0].lane.to_string(), "compute:high");
    let rest = e.claim_n("w2", 10).await;
    assert_eq!(rest.len(), 2);
    assert!(rest.iter().all(|c| c.attempt == 1 && c.claims == 1), "going back was not counted");
    for claimed in one.iter().chain(&rest) {
        e.settle(claimed, Outcome::Completed).await;
    }
    e.assert_at_rest().await;
}

#[tokio::test]
async fn higher_priorities_are_claimed_first() {
    let e = Engine::start(1).await;
    for lane in ["compute:low", "compute:normal", "compute:high", "compute:low"] {
        let mut task = e.new_task("noop");
        task.lane = Lane::parse(lane).unwrap();
        e.put(task).await;
    }
    let order: Vec<String> = e.claim_n("w1", 4).await.iter().map(|c| c.lane.to_string()).collect();
    assert_eq!(order, ["compute:high", "compute:normal", "compute:low", "compute:low"]);
}

#[tokio::test]
async fn an_extended_claim_is_not_reclaimed() {
    let e = Engine::start(1).await;
    let id = e.queued().await;
    let claimed = e.claim("w1").await;
    for _ in 0..3 {
        pass_time(250).await;
        let held = e.store.extend(Bucket(0), "w1", &[(id, claimed.token.clone())]).await.unwrap();
        assert_eq!(held, [Hold::Held]);
        assert_eq!(reclaim(&e).await, Reclaimed::default());
    }
    e.settle(&claimed, Outcome::Completed).await;
    e.assert_at_rest().await;
}

#[tokio::test]
async fn a_paused_topic_hands_out_nothing_and_loses_nothing() {
    let e = Engine::start(1).await;
    e.store.pause(valence::model::topic::Topic::Compute, true).await.unwrap();
    let id = e.queued().await;
    let lanes: Vec<Lane> = all_lanes().collect();
    let reply = e.store.claim(Bucket(0), "w1", "t", 5, &lanes, &Source::New).await.unwrap();
    assert!(reply.claimed.is_empty());
    assert_eq!(reply.paused.len(), 1);
    e.store.pause(valence::model::topic::Topic::Compute, false).await.unwrap();
    let claimed = e.claim("w1").await;
    assert_eq!((claimed.id, claimed.attempt), (id, 1));
    e.settle(&claimed, Outcome::Completed).await;
    e.assert_at_rest().await;
}

#[tokio::test]
async fn a_group_made_anew_strands_no_running_task() {
    let e = Engine::start(1).await;
    let id = e.queued().await;
    let claimed = e.claim("w1").await;
    let mut con = e.store.redis().shared();
    let stream = "vl:{b00}:s:compute:normal";
    let _n: u32 = redis::cmd("XGROUP").arg(&["DESTROY", stream, "workers"]).query_async(&mut con).await.unwrap();
    // Another worker makes the group at 0 and is given the running task's entry: it must not touch it.
    assert!(e.claim_n("w2", 5).await.is_empty());
    let held = e.store.extend(Bucket(0), "w1", &[(id, claimed.token.clone())]).await.unwrap();
    assert_eq!(held, [Hold::Held]);
    assert_eq!(e.settle(&claimed, Outcome::Completed).await, Settled::Ok);
    e.assert_at_rest().await;
}

#[tokio::test]
async fn a_stream_deleted_under_a_running_task_gets_its_entry_back_and_a_dead_ones_task_is_repaired() {
    let e = Engine::start(1).await;
    let alive = e.queued().await;
    let claimed = e.claim("w1").await;
    let dead = e.queued().await;
    e.claim("w2").await;
    let waiting = e.queued().await;
    let mut con = e.store.redis().shared();
    let _n: u32 = redis::cmd("DEL").arg("vl:{b00}:s:compute:normal").query_async(&mut con).await.unwrap();
    let held = e.store.extend(Bucket(0), "w1", &[(alive, claimed.token.clone())]).await.unwrap();
    assert_eq!(held, [Hold::Held]);
    let found = valence::upkeep::repair::whole_pass(&e.store, false).await.unwrap();
    assert_eq!(found.len(), 2, "{found:?}");
    assert_eq!(e.settle(&claimed, Outcome::Completed).await, Settled::Ok);
    let rest = e.claim_n("w3", 5).await;
    let ids: Vec<_> = rest.iter().map(|c| c.id).collect();
    assert!(ids.contains(&dead) && ids.contains(&waiting));
    for c in &rest {
        e.settle(c, Outcome::Completed).await;
    }
    e.assert_at_rest().await;
}

/// What has ended is cut off its stream's head at one go. These tasks' entries were made anew behind one that nobody has read.
#[tokio::test]
async fn tasks_that_end_together_take_no_entry_with_them_that_is_not_theirs() {
    let e = Engine::start(1).await;
    for _ in 0..20 {
        e.queued().await;
    }
    let claimed = e.claim_n("w1", 20).await;
    let mut con = e.store.redis().shared();
    let _n: u32 = redis::cmd("DEL").arg("vl:{b00}:s:compute:normal").query_async(&mut con).await.unwrap();
    let unread = e.queued().await;
    let running: Vec<_> = claimed.iter().map(|c| (c.id, c.token.clone())).collect();
    e.store.extend(Bucket(0), "w1", &running).await.unwrap();
    let settled = join_all(claimed.iter().map(|c| e.settle(c, Outcome::Completed))).await;
    assert_eq!(settled, [Settled::Ok; 20]);
    let last = e.claim("w2").await;
    assert_eq!(last.id, unread);
    e.settle(&last, Outcome::Completed).await;
    e.assert_at_rest().await;
}

#[tokio::test]
async fn a_consumer_with_entries_pending_is_never_deleted() {
    let e = Engine::start(1).await;
    e.queued().await;
    let held = e.claim("gone-worker").await;
    assert_eq!(e.store.drop_idle_consumers(Bucket(0)).await.unwrap(), 0);
    e.settle(&held, Outcome::Completed).await;
    assert!(e.store.drop_idle_consumers(Bucket(0)).await.unwrap() >= 1);
}

#[tokio::test]
async fn five_thousand_tasks_of_one_batch_are_claimed_and_listed_without_a_gap() {
    let e = Engine::start(1).await;
    let now = e.store.clock().now_ms();
    for _ in 0..10 {
        let some: Vec<_> = (0..500)
            .map(|_| valence::store::tasks::NewTask { id: TaskId::mint(now, Bucket(0)), ..e.new_task("noop") })
            .collect();
        e.store.enqueue_many(Bucket(0), &some).await.unwrap();
    }
    let claimed = e.claim_n("w1", 5000).await;
    assert_eq!(claimed.len(), 500, "one call takes so many and no more");
    for c in claimed.iter().take(300) {
        e.settle(c, if c.id.created_ms() % 2 == 0 { Outcome::Completed } else { Outcome::Failed }).await;
    }
    let filter = valence::store::listing::Filter::default();
    let (mut seen, mut marker) = (std::collections::HashSet::new(), None);
    loop {
        let page = e.store.list(&filter, 100, marker).await.unwrap();
        seen.extend(page.tasks.iter().map(|t| t.id));
        marker = page.marker;
        if marker.is_none() {
            break;
        }
    }
    assert_eq!(seen.len(), 5000);
}
