//! Workers that die or fall silent, and dead letters.

use serde_json::json;
use valence::model::problem::Problem;
use valence::store::claims::{Hold, Mode, Outcome};
use valence::store::record::Body;
use valence::store::tasks::Redrive;
use valence::store::upkeep::Reclaimed;

use super::support::engine::Engine;
use super::{pass_time, reclaim};

#[tokio::test]
async fn a_dead_workers_task_resumes_from_its_checkpoint_and_its_crash_is_counted() {
    let e = Engine::start(1).await;
    let id = e.queued().await;
    let claimed = e.claim("w1").await;
    assert_eq!(e.store.checkpoint(id, &claimed.token, &json!({"step": 3}), false).await.unwrap(), Hold::Held);
    assert_eq!(reclaim(&e).await, Reclaimed::default(), "not before the lease is over");
    pass_time(450).await;
    assert_eq!(reclaim(&e).await.requeued, 1);
    let again = e.claim("w2").await;
    assert_eq!((again.checkpoint.clone(), again.attempt, again.crashes), (Some(json!({"step": 3})), 1, 1));
    e.settle(&again, Outcome::Completed).await;
    assert_eq!(e.task(id).await.into_task().crashes, 1);
    e.assert_at_rest().await;
}

#[tokio::test]
async fn a_request_left_outstanding_keeps_the_next_attempt_in_quarantine() {
    let e = Engine::start(1).await;
    let id = e.queued().await;
    let claimed = e.claim("w1").await;
    e.store.checkpoint(id, &claimed.token, &json!("allocating"), true).await.unwrap();
    pass_time(450).await;
    assert_eq!(reclaim(&e).await.quarantined, 1);
    e.promote().await;
    assert_eq!(e.state(id).await, "retrying");
    pass_time(950).await;
    e.promote().await;
    e.settle(&e.claim("w2").await, Outcome::Completed).await;
    e.assert_at_rest().await;
}

#[tokio::test]
async fn the_third_crash_within_an_hour_makes_a_dead_letter() {
    let e = Engine::start(1).await;
    let id = e.queued().await;
    for _ in 0..2 {
        e.claim("w1").await;
        pass_time(420).await;
        assert_eq!(reclaim(&e).await.requeued, 1);
    }
    e.claim("w1").await;
    pass_time(420).await;
    assert_eq!(reclaim(&e).await.dead, 1);
    let task = e.task(id).await.into_task();
    assert_eq!((task.state.as_str(), task.crashes), ("failed", 3));
    assert_eq!(task.error.unwrap().problem.code, "Crashed");
    e.assert_at_rest().await;
}

#[tokio::test]
async fn silence_of_a_worker_that_is_there_counts_no_crash() {
    let e = Engine::start(1).await;
    let id = e.queued().await;
    e.claim("w1").await;
    pass_time(420).await;
    let presence = json!({"id": "w1", "topics": ["compute"], "slots": 1, "busy": 1, "sync_slots": 1, "version": "0",
        "host": "h", "started_at": "", "draining": false});
    e.store.announce(&serde_json::from_value(presence).unwrap()).await.unwrap();
    assert_eq!(reclaim(&e).await.requeued, 1);
    assert_eq!(e.task(id).await.into_task().crashes, 0);
}

#[tokio::test]
async fn a_redriven_dead_letter_has_all_its_attempts_again_and_keeps_its_history() {
    let e = Engine::start(1).await;
    let id = e.queued().await;
    assert_eq!(e.store.redrive(id).await.unwrap(), Redrive::Refused(valence::model::state::State::Queued));
    let error = Body { error: Some(Problem::internal("broken").into()), ..Body::default() };
    e.settle_with(&e.claim("w1").await, Outcome::Failed, Some(error)).await;
    assert_eq!(e.store.redrive(id).await.unwrap(), Redrive::Queued);
    let again = e.claim("w1").await;
    assert_eq!(again.attempt, 1);
    e.settle(&again, Outcome::Completed).await;
    let task = e.task(id).await.into_task();
    assert!(task.error.is_none());
    let states: Vec<_> = task.history.iter().map(|h| h.state.as_str()).collect();
    assert_eq!(states, ["queued", "running", "failed", "queued", "running", "completed"]);
    assert_eq!(task.history[2].detail.as_deref(), Some("broken"));
    e.assert_at_rest().await;
}

#[tokio::test]
async fn a_third_crash_after_a_checkpoint_is_undone_before_it_ends() {
    let e = Engine::start(1).await;
    let id = e.queued().await;
    for n in 0..3 {
        let claimed = e.claim("w1").await;
        e.store.checkpoint(id, &claimed.token, &json!(n), false).await.unwrap();
        pass_time(420).await;
        reclaim(&e).await;
    }
    let undo = e.claim("w2").await;
    assert_eq!(undo.mode, Mode::Fail);
    e.settle(&undo, Outcome::Failed).await;
    assert_eq!(e.task(id).await.into_task().error.unwrap().problem.code, "Crashed");
    e.assert_at_rest().await;
}
