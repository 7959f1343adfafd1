//! What a task comes to: completed, later again, out of time.

use std::time::Duration;

use serde_json::json;
use valence::ids::{Bucket, TaskId};
use valence::model::problem::Problem;
use valence::store::claims::{Mode, Outcome, Settled};
use valence::store::record::Body;
use valence::store::tasks::Enqueued;

use super::support::engine::Engine;
use super::{SOON, pass_time, reclaim};

#[tokio::test]
async fn a_task_goes_from_queued_to_completed_and_leaves_nothing_behind_but_itself() {
    for buckets in [1, 16] {
        let e = Engine::start(buckets).await;
        let id = e.queued().await;
        assert_eq!(e.state(id).await, "queued");
        let claimed = e.claim("w1").await;
        assert_eq!((claimed.id, claimed.attempt, claimed.claims), (id, 1, 1));
        assert_eq!(e.state(id).await, "running");
        let body = Body { result: json!({"answer": 42}), error: None };
        assert_eq!(e.settle_with(&claimed, Outcome::Completed, Some(body)).await, Settled::Ok);
        let task = e.task(id).await.into_task();
        assert_eq!(task.state.as_str(), "completed");
        assert_eq!(task.result["answer"], 42);
        assert_eq!(task.worker.as_deref(), Some("w1"));
        let states: Vec<_> = task.history.iter().map(|h| h.state.as_str()).collect();
        assert_eq!(states, ["queued", "running", "completed"]);
        e.assert_at_rest().await;
    }
}

#[tokio::test]
async fn a_second_enqueue_of_the_same_id_makes_nothing_new() {
    let e = Engine::start(1).await;
    let task = e.new_task("noop");
    e.put(task.clone()).await;
    assert_eq!(e.store.enqueue(task).await.unwrap(), Enqueued::Exists);
    assert_eq!(e.claim_n("w1", 10).await.len(), 1);
}

#[tokio::test]
async fn a_retry_comes_back_after_its_delay_and_counts_an_attempt() {
    let e = Engine::start(1).await;
    let id = e.queued().await;
    let error = Body { error: Some(Problem::unavailable("busy").into()), ..Body::default() };
    e.settle_with(&e.claim("w1").await, Outcome::Retry(Duration::from_millis(60)), Some(error)).await;
    assert_eq!(e.state(id).await, "retrying");
    e.promote().await;
    assert_eq!(e.state(id).await, "retrying", "not before it is due");
    pass_time(70).await;
    e.promote().await;
    let again = e.claim("w1").await;
    assert_eq!(again.attempt, 2);
    let task = e.task(id).await.into_task();
    assert_eq!(task.error.unwrap().problem.detail, "busy");
    let states: Vec<_> = task.history.iter().map(|h| h.state.as_str()).collect();
    assert_eq!(states, ["queued", "running", "retrying", "queued", "running"]);
    e.settle(&again, Outcome::Completed).await;
    e.assert_at_rest().await;
}

#[tokio::test]
async fn a_park_and_a_release_count_no_attempt() {
    let e = Engine::start(1).await;
    let id = e.queued().await;
    e.settle(&e.claim("w1").await, Outcome::Park(SOON)).await;
    assert_eq!(e.state(id).await, "parked");
    pass_time(5).await;
    e.promote().await;
    let second = e.claim("w1").await;
    assert_eq!(second.attempt, 1);
    e.settle(&second, Outcome::Release).await;
    assert_eq!(e.state(id).await, "queued");
    let third = e.claim("w2").await;
    assert_eq!((third.attempt, third.claims), (1, 3));
    e.settle(&third, Outcome::Completed).await;
    e.assert_at_rest().await;
}

#[tokio::test]
async fn a_scheduled_task_waits_for_its_time() {
    let e = Engine::start(1).await;
    let mut task = e.new_task("noop");
    task.delay_ms = Some(60);
    let id = e.put(task).await;
    assert_eq!(e.state(id).await, "scheduled");
    assert!(e.claim_n("w1", 1).await.is_empty());
    pass_time(70).await;
    e.promote().await;
    e.settle(&e.claim("w1").await, Outcome::Completed).await;
    e.assert_at_rest().await;
}

#[tokio::test]
async fn a_handler_past_its_last_step_completes_in_spite_of_a_cancel() {
    let e = Engine::start(1).await;
    let id = e.queued().await;
    let claimed = e.claim("w1").await;
    e.store.cancel(id).await.unwrap();
    assert_eq!(e.settle(&claimed, Outcome::Completed).await, Settled::Ok);
    assert_eq!(e.state(id).await, "completed");
    e.assert_at_rest().await;
}

#[tokio::test]
async fn an_overdue_task_fails_as_timeout_or_is_undone_first() {
    let e = Engine::start(1).await;
    let mut task = e.new_task("noop");
    task.def.timeout_s = 0;
    let id = e.put(task.clone()).await;
    pass_time(5).await;
    assert!(e.claim_n("w1", 1).await.is_empty());
    let error = e.task(id).await.into_task().error.unwrap();
    assert_eq!((error.problem.code.as_str(), error.problem.status), ("Timeout", 504));

    task.id = TaskId::mint(e.store.clock().now_ms(), Bucket(0));
    task.def.timeout_s = 1;
    let id = e.put(task).await;
    let claimed = e.claim("w1").await;
    e.store.checkpoint(id, &claimed.token, &json!("allocated"), false).await.unwrap();
    pass_time(1005).await;
    reclaim(&e).await;
    let undo = e.claim("w2").await;
    assert_eq!(undo.mode, Mode::Timeout);
    e.settle(&undo, Outcome::Failed).await;
    e.assert_at_rest().await;
}

#[tokio::test]
async fn a_child_that_ends_wakes_its_parked_parent_and_one_that_ends_too_early_is_not_missed() {
    let e = Engine::start(1).await;
    let id = e.queued().await;
    e.settle(&e.claim("w1").await, Outcome::Park(Duration::from_secs(60))).await;
    e.store.nudge(id).await.unwrap();
    let again = e.claim("w1").await;
    // The child ends while the parent is still on its way to park.
    e.store.nudge(id).await.unwrap();
    e.settle(&again, Outcome::Park(Duration::from_secs(60))).await;
    let third = e.claim("w1").await;
    e.settle(&third, Outcome::Completed).await;
    e.assert_at_rest().await;
}

#[tokio::test]
async fn a_schedule_fires_once_per_nominal_time_however_many_schedulers_look() {
    let e = Engine::start(1).await;
    let schedule = json!({"id": "s1", "name": "s", "every_s": 60, "time_zone": "UTC", "jitter_s": 0, "enabled": true,
        "task": {"kind": "noop"}, "created_at": "", "updated_at": ""});
    let writer = valence::store::records::Writer { task: e.queued().await, claims: 0 };
    e.claim_n("w1", 1).await;
    e.store.put_record(valence::store::records::Collection::Schedule, "s1", &schedule, writer).await.unwrap();
    let now = e.store.clock().now_ms();
    let pass = |at: u64| valence::upkeep::schedules::pass(&e.store, at);
    assert_eq!(pass(now).await.unwrap(), 0, "the first look only finds the next time");
    let due = now + 61_000;
    let (a, b, c) = tokio::join!(pass(due), pass(due), pass(due));
    assert_eq!(a.unwrap() + b.unwrap() + c.unwrap(), 1);
    // Ten minutes without a scheduler come down to one firing.
    assert_eq!(pass(due + 600_000).await.unwrap(), 1);
    assert_eq!(pass(due + 600_000).await.unwrap(), 0);
}

#[tokio::test]
async fn a_task_that_ended_well_shows_no_error_of_an_earlier_attempt() {
    let e = Engine::start(1).await;
    let id = e.queued().await;
    let error = Body { error: Some(Problem::unavailable("busy").into()), ..Body::default() };
    e.settle_with(&e.claim("w1").await, Outcome::Retry(SOON), Some(error)).await;
    pass_time(5).await;
    e.promote().await;
    e.settle(&e.claim("w1").await, Outcome::Completed).await;
    assert!(e.task(id).await.into_task().error.is_none());
}

#[tokio::test]
async fn an_id_that_was_booked_long_ago_does_not_begin_its_time_in_the_past() {
    let e = Engine::start(1).await;
    let mut task = e.new_task("noop");
    task.id = TaskId::mint(e.store.clock().now_ms() - 2 * 3_600_000, Bucket(0));
    e.put(task).await;
    e.settle(&e.claim("w1").await, Outcome::Completed).await;
    e.assert_at_rest().await;
}
