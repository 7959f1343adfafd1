//! Cancels and undos.

use std::time::Duration;

use serde_json::json;
use valence::ids::Bucket;
use valence::model::problem::Problem;
use valence::store::claims::{Hold, Mode, Outcome, Settled};
use valence::store::record::Body;
use valence::store::tasks::Cancel;

use super::support::engine::Engine;
use super::{SOON, pass_time, reclaim};

#[tokio::test]
async fn a_queued_task_is_cancelled_at_once_and_its_entry_is_dropped_later() {
    let e = Engine::start(1).await;
    let id = e.queued().await;
    assert_eq!(e.store.cancel(id).await.unwrap(), Cancel::Cancelled);
    assert_eq!(e.state(id).await, "cancelled");
    assert!(e.claim_n("w1", 5).await.is_empty());
    assert_eq!(e.store.cancel(id).await.unwrap(), Cancel::Ended);
    e.assert_at_rest().await;
}

#[tokio::test]
async fn a_running_task_is_asked_to_stop_and_ends_cancelled() {
    let e = Engine::start(1).await;
    let id = e.queued().await;
    let claimed = e.claim("w1").await;
    assert_eq!(e.store.cancel(id).await.unwrap(), Cancel::Cancelling);
    assert_eq!(e.store.cancel(id).await.unwrap(), Cancel::Cancelling);
    assert_eq!(e.state(id).await, "cancelling");
    let held = e.store.extend(Bucket(0), "w1", &[(id, claimed.token.clone())]).await.unwrap();
    assert_eq!(held, [Hold::Stop]);
    assert_eq!(e.store.checkpoint(id, &claimed.token, &json!(1), false).await.unwrap(), Hold::Stop);
    assert_eq!(e.settle(&claimed, Outcome::Cancelled).await, Settled::Ok);
    let states: Vec<_> = e.task(id).await.into_task().history.iter().map(|h| h.state.as_str().to_owned()).collect();
    assert_eq!(states, ["queued", "running", "cancelling", "cancelled"]);
    e.assert_at_rest().await;
}

#[tokio::test]
async fn a_cancel_survives_the_death_of_the_worker_and_its_undo_is_claimed_by_another() {
    let e = Engine::start(1).await;
    let id = e.queued().await;
    let claimed = e.claim("w1").await;
    e.store.checkpoint(id, &claimed.token, &json!("allocated"), false).await.unwrap();
    e.store.cancel(id).await.unwrap();
    pass_time(420).await;
    assert_eq!(reclaim(&e).await.requeued, 1);
    assert_eq!(e.state(id).await, "cancelling");
    let undo = e.claim("w2").await;
    assert_eq!(undo.mode, Mode::Cancel);
    e.settle(&undo, Outcome::Cancelled).await;
    e.assert_at_rest().await;
}

#[tokio::test]
async fn a_parked_task_with_a_checkpoint_is_undone_at_once_but_not_while_a_request_may_be_running() {
    let e = Engine::start(1).await;
    for (outstanding, at_once) in [(false, true), (true, false)] {
        let id = e.queued().await;
        let claimed = e.claim("w1").await;
        e.store.checkpoint(id, &claimed.token, &json!("x"), outstanding).await.unwrap();
        e.settle(&claimed, Outcome::Park(Duration::from_secs(60))).await;
        assert_eq!(e.store.cancel(id).await.unwrap(), Cancel::Cancelling);
        assert_eq!(!e.claim_n("w2", 1).await.is_empty(), at_once, "outstanding: {outstanding}");
    }
}

#[tokio::test]
async fn an_unfinished_undo_keeps_the_end_it_leads_to() {
    let e = Engine::start(1).await;
    let id = e.queued().await;
    let error = Body { error: Some(Problem::conflict("nothing fits").into()), ..Body::default() };
    let first = e.claim("w1").await;
    e.settle_ending(&first, Outcome::Retry(SOON), Mode::Fail, Some(error)).await;
    pass_time(5).await;
    e.promote().await;
    let undo = e.claim("w1").await;
    assert_eq!(undo.mode, Mode::Fail);
    e.settle(&undo, Outcome::Failed).await;
    assert_eq!(e.task(id).await.into_task().error.unwrap().problem.detail, "nothing fits");
    e.assert_at_rest().await;
}

#[tokio::test]
async fn an_undo_that_goes_on_later_gives_its_claim_up_and_comes_back() {
    let e = Engine::start(1).await;
    for outcome in
        [Outcome::Retry(Duration::from_millis(30)), Outcome::Park(Duration::from_millis(30)), Outcome::Release]
    {
        let id = e.queued().await;
        let old = e.claim("w1").await;
        e.store.checkpoint(id, &old.token, &json!("allocated"), false).await.unwrap();
        e.store.cancel(id).await.unwrap();
        assert_eq!(e.settle(&old, outcome.clone()).await, Settled::Ok);
        assert_eq!(e.settle(&old, outcome).await, Settled::Already);
        assert_eq!(e.store.checkpoint(id, &old.token, &json!("late"), false).await.unwrap(), Hold::Lost);
        assert_eq!(valence::upkeep::repair::whole_pass(&e.store, true).await.unwrap(), Vec::<String>::new());
        pass_time(40).await;
        e.promote().await;
        let undo = e.claim("w2").await;
        assert_eq!((undo.id, undo.mode, undo.checkpoint.clone()), (id, Mode::Cancel, Some(json!("allocated"))));
        assert_eq!(e.settle(&old, Outcome::Completed).await, Settled::Already);
        assert_eq!(e.settle(&undo, Outcome::Cancelled).await, Settled::Ok);
    }
    e.assert_at_rest().await;
}

#[tokio::test]
async fn an_undo_keeps_its_pauses_after_the_deadline() {
    let e = Engine::start(1).await;
    let mut task = e.new_task("noop");
    task.def.timeout_s = 1;
    let id = e.put(task).await;
    let claimed = e.claim("w1").await;
    e.store.checkpoint(id, &claimed.token, &json!("allocated"), false).await.unwrap();
    pass_time(1005).await;
    e.settle_ending(&claimed, Outcome::Retry(Duration::from_secs(60)), Mode::Timeout, None).await;
    e.promote().await;
    assert_eq!(e.state(id).await, "retrying", "not due at once, again and again");
}
