//! The task engine's promises, script by script, on a real Redis.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on should say so")]

mod support;

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};
use support::engine::Engine;
use support::process::free_port;
use support::redis::TestRedis;
use valence::ids::{Bucket, TaskId};
use valence::model::audit::AuditFilter;
use valence::model::problem::Problem;
use valence::model::topic::{Lane, Topic};
use valence::shutdown::Shutdown;
use valence::store::claims::{Hold, Mode, Outcome, Settled, Source};
use valence::store::events::{Hub, Position};
use valence::store::listing::Filter;
use valence::store::record::Body;
use valence::store::records::{Collection, Writer};
use valence::store::tasks::{Cancel, Enqueued, Forget, Redrive};
use valence::store::upkeep::{Reclaimed, all_lanes};

const SOON: Duration = Duration::from_millis(1);

/// Waits for a time to pass in Redis: the engine knows no other clock, and nothing else can be waited for.
async fn pass_time(ms: u64) {
    tokio::time::sleep(Duration::from_millis(ms)).await;
}

async fn reclaim(e: &Engine) -> Reclaimed {
    let mut sum = Reclaimed::default();
    for bucket in e.store.options().buckets.iter() {
        let r = e.store.reclaim(bucket, 100).await.unwrap();
        sum.requeued += r.requeued;
        sum.quarantined += r.quarantined;
        sum.dead += r.dead;
    }
    sum
}

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
async fn a_second_enqueue_of_the_same_id_makes_nothing_new() {
    let e = Engine::start(1).await;
    let task = e.new_task("noop");
    e.put(task.clone()).await;
    assert_eq!(e.store.enqueue(task).await.unwrap(), Enqueued::Exists);
    assert_eq!(e.claim_n("w1", 10).await.len(), 1);
}

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
async fn a_consumer_with_entries_pending_is_never_deleted() {
    let e = Engine::start(1).await;
    e.queued().await;
    let held = e.claim("gone-worker").await;
    assert_eq!(e.store.drop_idle_consumers(Bucket(0)).await.unwrap(), 0);
    e.settle(&held, Outcome::Completed).await;
    assert!(e.store.drop_idle_consumers(Bucket(0)).await.unwrap() >= 1);
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
    let other = e.server.open(support::engine::options(16)).await;
    let error = other.agree_on_meta().await.unwrap_err().to_string();
    assert!(error.contains("buckets 1") && error.contains("16"), "{error}");
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
    pass_time(1005).await;
    e.promote().await;
    assert!(e.claim_n("w2", 5).await.is_empty());
    let task = e.store.task(late).await.unwrap().unwrap();
    let detail = task.body.error.unwrap().problem.detail;
    assert!(detail.contains("timeout") && detail.contains("gate podm:p1:w"), "{detail}");
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

#[tokio::test]
async fn what_somebody_else_put_under_a_task_s_name_holds_up_no_other_task() {
    let e = Engine::start(1).await;
    let (kept, lost, odd, half) = (e.queued().await, e.queued().await, e.queued().await, e.queued().await);
    let claimed = e.claim_n("w1", 4).await;
    let key = |id: TaskId| format!("vl:{{b00}}:t:{id}");
    let () = e.server.command(&["DEL", &key(lost)]).await;
    let () = e.server.command(&["DEL", &key(odd)]).await;
    let () = e.server.command(&["SET", &key(odd), "nonsense"]).await;
    let () = e.server.command(&["HDEL", &key(half), "lane"]).await;
    let held: Vec<_> = claimed.iter().map(|c| (c.id, c.token.clone())).collect();
    let holds = e.store.extend(Bucket(0), "w1", &held).await.unwrap();
    let of = |id: TaskId| holds[claimed.iter().position(|c| c.id == id).unwrap()];
    assert_eq!([kept, lost, odd, half].map(of), [Hold::Held, Hold::Lost, Hold::Lost, Hold::Lost]);
    let repaired = e.store.repair(Bucket(0), 0, 100, false).await.unwrap();
    assert_eq!(repaired.found.len(), 3, "{repaired:?}");
    for gone in [lost, odd, half] {
        let left: Vec<String> = e.server.command(&["KEYS", &format!("{}*", key(gone))]).await;
        assert_eq!(left, Vec::<String>::new(), "what is left of a task that nobody can carry out any more");
    }
    pass_time(500).await;
    assert_eq!(reclaim(&e).await.requeued, 1);
    let again = e.claim("w2").await;
    assert_eq!((again.id, e.settle(&again, Outcome::Completed).await), (kept, Settled::Ok));
    let left: (u32, u32) = (
        e.server.command(&["ZCARD", "vl:{b00}:live"]).await,
        e.server.command(&["XLEN", "vl:{b00}:s:compute:normal"]).await,
    );
    assert_eq!(left, (0, 0));
}

#[tokio::test]
async fn a_task_that_cannot_be_read_does_not_hide_the_others_from_lists() {
    let e = Engine::start(1).await;
    let (first, bare, odd, last) = (e.queued().await, e.queued().await, e.queued().await, e.queued().await);
    let key = |id: TaskId| format!("vl:{{b00}}:t:{id}");
    let () = e.server.command(&["DEL", &format!("{}:d", key(bare))]).await;
    let () = e.server.command(&["DEL", &key(odd)]).await;
    let () = e.server.command(&["SET", &key(odd), "nonsense"]).await;
    let page = e.store.list(&Filter::default(), 10, None).await.unwrap();
    assert_eq!(page.tasks.iter().map(|t| t.id).collect::<Vec<_>>(), [last, first]);
    assert_eq!(page.marker, None);
}

#[tokio::test]
async fn entries_that_somebody_else_put_into_the_streams_are_dropped_and_cost_no_other_entry_its_turn() {
    let e = Engine::start(1).await;
    let add = async |stream: &str, fields: [&[u8]; 2]| {
        let mut cmd = redis::cmd("XADD");
        cmd.arg(format!("vl:{{b00}}:s:{stream}")).arg("*").arg(fields[0]).arg(fields[1]);
        let _entry: String = cmd.query_async(&mut e.store.redis().shared()).await.unwrap();
    };
    let foreign: [[&[u8]; 2]; 4] = [[b"\xff", b"\xff"], [b"t", b"\xff"], [b"x", b"1"], [b"t", b"nobody"]];
    for fields in foreign {
        add("compute:normal", fields).await;
        add("compute:sync", fields).await;
    }
    let id = e.queued().await;
    let lanes: Vec<Lane> = all_lanes().collect();
    let mut blocking = e.store.redis().blocking().await.unwrap();
    // The group is made by the first claim, which finds nothing of this consumer.
    e.store.claim(Bucket(0), "w1", "token", 1, &lanes, &Source::Own).await.unwrap();
    let mut turns = 0;
    while e.state(id).await != "running" {
        turns += 1;
        assert!(turns <= 5, "one entry a read");
        let given = e.store.wait_for_entries(&mut blocking, Bucket(0), "w1", &lanes).await.unwrap();
        e.store.claim(Bucket(0), "w1", "token", 1, &lanes, &Source::Given(given)).await.unwrap();
    }
    let topics = [Topic::Compute];
    let mut reads = Vec::new();
    while reads.len() < foreign.len() {
        let from = (e.store.redis(), &mut blocking);
        reads.extend(e.store.take_sync(from, Bucket(0), "w1", &topics, 10).await.unwrap());
    }
    assert!(reads.iter().all(|read| read.task.is_none()));
    assert_eq!(e.store.expire_sync(Bucket(0), Topic::Compute, Duration::ZERO).await.unwrap(), 4);
}

#[tokio::test]
async fn a_record_that_cannot_be_read_takes_no_other_with_it() {
    let e = Engine::start(1).await;
    let writer = Writer { task: e.new_task("noop").id, claims: 1 };
    assert!(e.store.put_record(Collection::Flavor, "good", &json!({"name": "good"}), writer).await.unwrap());
    let () = e.server.command(&["SADD", "vl:flavors", "odd", "broken", "bytes", "missing"]).await;
    let () = e.server.command(&["SET", "vl:flavor:odd", "nonsense"]).await;
    let () = e.server.command(&["HSET", "vl:flavor:broken", "row", "{bad"]).await;
    let mut bytes = redis::cmd("HSET");
    bytes.arg("vl:flavor:bytes").arg("row").arg(&b"\xff"[..]);
    let () = bytes.query_async(&mut e.store.redis().shared()).await.unwrap();
    let rows: Vec<Value> = e.store.records(Collection::Flavor).await.unwrap();
    assert_eq!(rows, [json!({"name": "good"})]);
    let raw = e.store.raw_rows(Collection::Flavor).await.unwrap();
    assert_eq!(raw.len(), 2, "what can be read: {raw:?}");
}

#[tokio::test]
async fn what_is_no_text_or_of_another_shape_holds_up_nobody_who_works_waits_or_looks() {
    let e = Engine::start(1).await;
    let put = async |words: &[&[u8]]| {
        let mut cmd = redis::Cmd::new();
        cmd.arg(words);
        let _done: redis::Value = cmd.query_async(&mut e.store.redis().shared()).await.unwrap();
    };
    let shutdown = Shutdown::new();
    let hub = Hub::start(&e.store, &shutdown);
    let mut changes = hub.changes();
    while tokio::time::timeout(Duration::from_millis(50), changes.changed()).await.is_err() {
        e.queued().await;
    }
    put(&[b"XADD", b"vl:{b00}:events", b"*", b"\xff", b"\xff"]).await;
    put(&[b"SADD", b"vl:{b00}:paused", b"\xff"]).await;
    put(&[b"XADD", b"vl:audit", b"*", b"\xff", b"\xff"]).await;
    put(&[b"SET", b"vl:worker:odd", b"nonsense"]).await;
    put(&[b"ZADD", b"vl:workers", b"9000000000000", b"odd"]).await;
    put(&[b"HSET", b"vl:inventory:p1", b"summary", b"{bad", b"drift", b"{bad"]).await;
    let task = e.new_task("noop");
    let watch = hub.watch(task.id);
    let heard = watch.notify().notified();
    let id = e.put(task).await;
    tokio::time::timeout(Duration::from_secs(20), heard).await.expect("whoever waits for a task hears of it");
    assert!(e.claim_n("w1", 1000).await.iter().any(|claimed| claimed.id == id));
    let events = e.store.events(Bucket(0), Position::default(), 1000).await.unwrap().events;
    let states: Vec<_> = events.iter().filter(|event| event.id == id).map(|event| event.state.as_str()).collect();
    assert_eq!(states, ["queued", "running"]);
    assert_eq!(e.store.workers().await.unwrap(), []);
    assert!(e.store.audits(&AuditFilter::default(), 10, None).await.unwrap().entries.is_empty());
    let podm = ["p1".to_owned()];
    assert_eq!(e.store.inventories(&podm).await.unwrap(), [None]);
    assert_eq!(e.store.drifts(&podm).await.unwrap(), [[]]);
    shutdown.stop();
}
