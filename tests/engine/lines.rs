//! Tasks that wait for a node or for a Pod Manager's gate.

use std::time::Duration;

use serde_json::json;
use valence::ids::Bucket;
use valence::model::topic::Lane;
use valence::store::claims::{Mode, Outcome};

use super::support::engine::Engine;
use super::{pass_time, reclaim};

#[tokio::test]
async fn tasks_of_a_node_run_one_at_a_time_in_the_order_of_acceptance_whatever_their_priority() {
    let e = Engine::start(1).await;
    let mut ids = Vec::new();
    for lane in ["compute:low", "compute:normal", "compute:high"] {
        let mut task = e.new_task("noop");
        task.lane = Lane::parse(lane).unwrap();
        task.gates = "node:n1=1".into();
        ids.push(e.put(task).await);
    }
    for expected in &ids {
        let claimed = loop {
            let mut got = e.claim_n("w1", 5).await;
            assert!(got.len() <= 1, "one at a time");
            if let Some(one) = got.pop() {
                break one;
            }
        };
        assert_eq!(claimed.id, *expected);
        e.settle(&claimed, Outcome::Completed).await;
    }
    e.assert_at_rest().await;
}

#[tokio::test]
async fn a_retrying_task_keeps_its_node_and_a_cancelled_one_gives_its_place_up() {
    let e = Engine::start(1).await;
    let with_gate = || {
        let mut task = e.new_task("noop");
        task.gates = "node:n1=1".into();
        task
    };
    let first = e.put(with_gate()).await;
    let second = e.put(with_gate()).await;
    let third = e.put(with_gate()).await;
    e.settle(&e.claim("w1").await, Outcome::Retry(Duration::from_millis(30))).await;
    assert!(e.claim_n("w1", 5).await.is_empty());
    assert_eq!(e.state(second).await, "waiting");
    e.store.cancel(second).await.unwrap();
    assert_eq!(e.state(first).await, "retrying");
    pass_time(40).await;
    e.promote().await;
    e.settle(&e.claim("w1").await, Outcome::Completed).await;
    let last = e.claim("w1").await;
    assert_eq!(last.id, third);
    e.settle(&last, Outcome::Completed).await;
    e.assert_at_rest().await;
}

#[tokio::test]
async fn a_full_podm_gate_lets_tasks_wait_without_a_slot_and_wakes_them_one_by_one() {
    let e = Engine::start(1).await;
    for _ in 0..5 {
        let mut task = e.new_task("noop");
        task.gates = "podm:p1:w=2".into();
        e.put(task).await;
    }
    let mut held = e.claim_n("w1", 10).await;
    assert_eq!(held.len(), 2);
    let mut done = 0;
    while let Some(claimed) = held.pop() {
        e.settle(&claimed, Outcome::Completed).await;
        done += 1;
        held.extend(e.claim_n("w1", 10).await);
        assert!(held.len() <= 2);
    }
    assert_eq!(done, 5);
    e.assert_at_rest().await;
}

#[tokio::test]
async fn a_place_in_a_podm_gate_lapses_with_the_lease_of_its_dead_holder() {
    let e = Engine::start(1).await;
    for _ in 0..2 {
        let mut task = e.new_task("noop");
        task.gates = "podm:p1:w=1".into();
        e.put(task).await;
    }
    e.claim("w1").await;
    assert!(e.claim_n("w2", 5).await.is_empty());
    pass_time(450).await;
    assert_eq!(reclaim(&e).await.requeued, 1);
    assert_eq!(e.claim_n("w2", 5).await.len(), 1);
}

#[tokio::test]
async fn an_overdue_task_at_a_full_gate_waits_like_any_other() {
    let e = Engine::start(1).await;
    let overdue = e.put(e.gated(1)).await;
    let claimed = e.claim("w1").await;
    e.store.checkpoint(overdue, &claimed.token, &json!("x"), false).await.unwrap();
    e.settle(&claimed, Outcome::Release).await;
    let mut other = e.gated(3600);
    other.lane = Lane::parse("compute:high").unwrap();
    e.put(other).await;
    let holder = e.claim("w1").await;
    pass_time(1005).await;
    e.store.extend(Bucket(0), "w1", &[(holder.id, holder.token.clone())]).await.unwrap();
    assert!(e.claim_n("w2", 5).await.is_empty());
    e.promote().await;
    assert_eq!(e.state(overdue).await, "waiting");
    e.settle(&holder, Outcome::Completed).await;
    let undo = e.claim("w2").await;
    assert_eq!((undo.id, undo.mode), (overdue, Mode::Timeout));
    e.settle(&undo, Outcome::Failed).await;
    e.assert_at_rest().await;
}

#[tokio::test]
async fn a_task_whose_time_ran_out_in_line_says_what_it_stood_in_line_for() {
    let e = Engine::start(1).await;
    e.put(e.gated(3600)).await;
    let holder = e.claim("w1").await;
    let late = e.put(e.gated(1)).await;
    assert!(e.claim_n("w2", 5).await.is_empty());
    let words = "the gate for changes of Pod Manager p1";
    let explained = e.store.explain(&e.task(late).await, true).await.unwrap();
    assert!(explained.summary.contains(words), "{explained:?}");
    pass_time(1005).await;
    e.promote().await;
    assert!(e.claim_n("w2", 5).await.is_empty());
    let error = e.task(late).await.body.error.unwrap();
    let detail = error.problem.detail;
    assert!(detail.contains("timeout") && detail.ends_with(&format!("{words} is full")), "{detail}");
    assert_eq!(error.podm_id.as_deref(), Some("p1"), "so that its name can be told");
    e.settle(&holder, Outcome::Completed).await;
    e.assert_at_rest().await;
}

#[tokio::test]
async fn a_woken_task_that_ends_before_it_runs_passes_the_place_on() {
    let e = Engine::start(1).await;
    let mut ids = Vec::new();
    for _ in 0..3 {
        let mut task = e.new_task("noop");
        task.gates = "podm:p1:w=1".into();
        ids.push(e.put(task).await);
    }
    let first = e.claim_n("w1", 5).await.pop().unwrap();
    e.settle(&first, Outcome::Completed).await;
    assert_eq!(e.state(ids[1]).await, "queued", "woken");
    e.store.cancel(ids[1]).await.unwrap();
    assert_eq!(e.state(ids[2]).await, "queued", "the place is passed on, not lost");
}

#[tokio::test]
async fn all_waiters_are_woken_when_places_lapse_together() {
    let e = Engine::start(1).await;
    for _ in 0..5 {
        let mut task = e.new_task("noop");
        task.gates = "podm:p1:w=2".into();
        e.put(task).await;
    }
    assert_eq!(e.claim_n("w1", 5).await.len(), 2);
    pass_time(450).await;
    assert_eq!(reclaim(&e).await.requeued, 2);
    // As many as there are places, and nobody waits while one is free.
    let held = e.claim_n("w2", 5).await;
    assert_eq!(held.len(), 2);
}
