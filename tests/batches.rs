//! Calls that carry many tasks: what is done for all of them at once leaves all others alone.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on should say so")]

mod support;

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::future::join_all;
use support::engine::Engine;
use support::wait;
use valence::ids::Bucket;
use valence::store::claims::{Claimed, Outcome, Settled};
use valence::store::tasks::Enqueued;

/// Ids of the tasks that have an entry in the stream.
async fn entries(e: &Engine) -> BTreeSet<String> {
    let entries: Vec<(String, Vec<String>)> =
        e.server.command(&["XRANGE", "vl:{b00}:s:compute:normal", "-", "+"]).await;
    entries.into_iter().map(|(_, fields)| fields[1].clone()).collect()
}

async fn complete(e: &Engine, claimed: &[Claimed]) {
    for settled in join_all(claimed.iter().map(|c| e.settle(c, Outcome::Completed))).await {
        assert_eq!(settled, Settled::Ok);
    }
}

#[tokio::test]
async fn tasks_that_end_together_take_their_entries_along_and_nobody_elses() {
    let e = Engine::start(1).await;
    let tasks: Vec<_> = (0..100).map(|_| e.task_in("noop", Bucket(0))).collect();
    e.store.enqueue_many(Bucket(0), &tasks).await.unwrap();
    let mut left: BTreeSet<String> = tasks.iter().map(|t| t.id.to_string()).collect();
    let first = e.claim_n("w1", 20).await;
    let second = e.claim_n("w2", 20).await;
    let third = e.claim_n("w1", 20).await;
    // In the middle of the stream; at its head but for one; at its head with others behind; and all there is.
    let (kept, ended) = first.split_first().unwrap();
    let alone = std::slice::from_ref(kept);
    for group in [&second[..], ended, alone, &third[..]] {
        complete(&e, group).await;
        for claimed in group {
            left.remove(&claimed.id.to_string());
        }
        assert_eq!(entries(&e).await, left);
    }
    let rest = e.claim_n("w2", 100).await;
    assert_eq!(rest.len(), 40, "what was not claimed yet is all there");
    complete(&e, &rest).await;
    e.assert_at_rest().await;
}

#[tokio::test]
async fn of_tasks_made_in_one_call_each_is_made_once_whichever_of_them_are_there_already() {
    use Enqueued::{Exists, New};
    let e = Engine::start(1).await;
    let tasks: Vec<_> = (0..4).map(|_| e.task_in("noop", Bucket(0))).collect();
    let [a, b, c, d] = &tasks[..] else { unreachable!() };
    let mut idempotent = e.task_in("noop", Bucket(0));
    idempotent.idempotent = true;
    for (call, answers) in [
        (vec![a.clone(), a.clone()], vec![New, Exists]),
        (vec![b.clone(), a.clone(), c.clone()], vec![New, Exists, New]),
        (vec![d.clone(), idempotent.clone()], vec![New, New]),
        (vec![idempotent.clone(), d.clone()], vec![Exists, Exists]),
    ] {
        assert_eq!(e.store.enqueue_many(Bucket(0), &call).await.unwrap(), answers);
    }
    assert_eq!(entries(&e).await.len(), 5);
    let claimed = e.claim_n("w1", 10).await;
    assert_eq!(claimed.len(), 5);
    complete(&e, &claimed).await;
    e.assert_at_rest().await;
}

#[tokio::test]
async fn claims_are_counted_through_parks_retries_and_redrives() {
    let e = Engine::start(1).await;
    let id = e.queued().await;
    assert_eq!(e.task(id).await.claims(), 0);
    let ends = [
        (Outcome::Park(Duration::from_millis(1)), (1, 1)),
        (Outcome::Retry(Duration::from_millis(1)), (1, 2)),
        (Outcome::Release, (2, 3)),
        (Outcome::Failed, (2, 4)),
    ];
    for (outcome, (attempt, claims)) in ends {
        let claimed = e.claim("w1").await;
        assert_eq!((claimed.attempt, claimed.claims), (attempt, claims), "before {outcome:?}");
        assert_eq!(e.task(id).await.claims(), claims);
        let then = if outcome == Outcome::Failed { "failed" } else { "queued" };
        e.settle(&claimed, outcome).await;
        wait::until("it is due again, or has ended", async || {
            e.promote().await;
            e.state(id).await == then
        })
        .await;
    }
    e.store.redrive(id).await.unwrap();
    let claimed = e.claim("w1").await;
    assert_eq!((claimed.attempt, claimed.claims), (1, 5));
}
