//! What a task that waits for a child may rely on: it hears of its end, however the child ended.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on should say so")]

mod support;

use std::time::Duration;

use support::engine::Engine;
use support::wait;
use valence::ids::{Bucket, TaskId};
use valence::store::claims::Outcome;
use valence::store::upkeep::Reclaimed;

/// A parent parked for an hour, and its child in another bucket.
async fn parent_and_child(e: &Engine, timeout_s: u64) -> (TaskId, TaskId) {
    let parent = e.put(e.task_in("noop", Bucket(0))).await;
    e.settle(&e.claim("w1").await, Outcome::Park(Duration::from_secs(3600))).await;
    let mut child = e.task_in("noop", Bucket(1));
    child.def.parent_id = Some(parent);
    child.def.timeout_s = timeout_s;
    (parent, e.put(child).await)
}

async fn assert_told(e: &Engine, parent: TaskId, child: TaskId) {
    assert!(e.task(child).await.state.is_terminal());
    assert_eq!(e.state(parent).await, "parked");
    e.promote().await;
    // And what is left of the child in its stream.
    let woken = e.claim_n("w1", 2).await;
    assert_eq!(woken.iter().map(|claimed| claimed.id).collect::<Vec<_>>(), [parent]);
    e.settle(&woken[0], Outcome::Completed).await;
    e.assert_at_rest().await;
}

#[tokio::test]
async fn a_parent_is_told_by_the_next_promote_when_its_child_ends_without_a_worker() {
    let e = Engine::start(2).await;
    let (parent, child) = parent_and_child(&e, 60).await;
    e.store.cancel(child).await.unwrap();
    assert_told(&e, parent, child).await;

    let (parent, child) = parent_and_child(&e, 0).await;
    wait::until("its time is over", async || {
        assert!(e.claim_n("w1", 1).await.is_empty());
        e.task(child).await.state.is_terminal()
    })
    .await;
    assert_told(&e, parent, child).await;

    let (parent, child) = parent_and_child(&e, 0).await;
    wait::until("its time is over", async || {
        valence::upkeep::repair::whole_pass(&e.store, false).await.unwrap();
        e.task(child).await.state.is_terminal()
    })
    .await;
    assert_told(&e, parent, child).await;

    let (parent, child) = parent_and_child(&e, 60).await;
    for _ in 0..3 {
        e.claim("gone").await;
        wait::until("its lease is over", async || {
            e.store.reclaim(Bucket(1), 100).await.unwrap() != Reclaimed::default()
        })
        .await;
    }
    assert_told(&e, parent, child).await;
}

#[tokio::test]
async fn a_child_that_its_worker_ends_leaves_the_telling_to_it() {
    let e = Engine::start(2).await;
    for outcome in [Outcome::Completed, Outcome::Failed] {
        let (parent, _) = parent_and_child(&e, 60).await;
        e.settle(&e.claim("w1").await, outcome).await;
        e.promote().await;
        assert_eq!(e.state(parent).await, "parked", "it would be woken twice");
        e.store.cancel(parent).await.unwrap();
    }
    e.assert_at_rest().await;
}
