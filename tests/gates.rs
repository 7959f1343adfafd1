//! Circuit breakers, retry budgets, limits, drains and fair shares: the scripts, driven by hand.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on should say so")]

mod support;

use std::time::Duration;

use support::engine::Engine;
use support::wait;
use valence::ids::{Bucket, TaskId};
use valence::model::circuit::CircuitState;
use valence::model::podm::Policy;
use valence::store::claims::{Claimed, Outcome};
use valence::store::gates::{Entry, Gatekeeper};
use valence::store::tasks::{NewTask, Redrive};

const GATE: &str = "podm:p1:w=4";

fn gated(e: &Engine, gates: &str) -> NewTask {
    NewTask { gates: gates.into(), ..e.new_task("noop") }
}

async fn put(e: &Engine, n: usize, gates: &str) -> Vec<TaskId> {
    let mut ids = Vec::new();
    for _ in 0..n {
        ids.push(e.put(gated(e, gates)).await);
    }
    ids
}

async fn report(e: &Engine, good: u32, bad: u32, later: Option<Duration>) -> bool {
    Gatekeeper::new(&e.store).report("p1", good, bad, later, "answered 503").await.unwrap()
}

/// Opens the circuit.
async fn open(e: &Engine) {
    for _ in 0..4 {
        assert!(!report(e, 0, 1, None).await, "four failures are not enough");
    }
    assert!(report(e, 0, 1, None).await);
}

/// As if the time that the circuit stays open had passed, and with it the due time of whoever was to come then.
async fn let_it_pass(e: &Engine) {
    let until: u64 = e.server.command(&["HGET", "vl:{b00}:breaker:p1", "until"]).await;
    let _set: i64 = e.server.command(&["HSET", "vl:{b00}:breaker:p1", "until", "1"]).await;
    let due: Vec<String> = e.server.command(&["ZRANGEBYSCORE", "vl:{b00}:delayed", "-inf", &until.to_string()]).await;
    for id in due {
        let _set: i64 = e.server.command(&["ZADD", "vl:{b00}:delayed", "1", &id]).await;
    }
    e.promote().await;
}

async fn reason(e: &Engine, id: TaskId) -> (String, String) {
    let explained = e.store.explain(&e.task(id).await, true).await.unwrap();
    let first = explained.reasons.first().expect("a reason").clone();
    (first.code, first.message)
}

async fn due_in(e: &Engine, id: TaskId) -> Duration {
    let due = e.task(id).await.due_ms.expect("it is delayed");
    Duration::from_millis(due.saturating_sub(e.store.clock().now_ms()))
}

async fn complete(e: &Engine, claimed: Vec<Claimed>) {
    for one in claimed {
        e.settle(&one, Outcome::Completed).await;
    }
}

#[tokio::test]
async fn an_open_circuit_lets_tasks_wait_without_a_slot_or_an_attempt_and_reads_hear_of_it_at_once() {
    let e = Engine::start(1).await;
    open(&e).await;
    let ids = put(&e, 3, GATE).await;
    assert!(e.claim_n("w1", 10).await.is_empty());
    for id in &ids {
        assert_eq!(e.state(*id).await, "waiting");
        assert_eq!(e.task(*id).await.field("attempt"), None);
        let (code, message) = reason(&e, *id).await;
        assert_eq!(code, "circuit_open");
        assert!(message.contains("open until") && message.contains("answered 503"), "{message}");
    }
    assert!(due_in(&e, ids[0]).await <= Duration::from_secs(5), "the first comes when the circuit half-opens");
    assert!(due_in(&e, ids[1]).await > Duration::from_secs(20), "the others do not all come at once");
    let entered = e.store.gate_enter(Bucket(0), "podm:p1:r", "read", 8, Duration::from_secs(9)).await.unwrap();
    assert!(matches!(entered, Entry::Shut(time) if time <= Duration::from_secs(5)), "{entered:?}");
    let other = e.put(gated(&e, "podm:p2:w=4")).await;
    assert_eq!(e.claim("w1").await.id, other, "another Pod Manager's tasks go on");
}

#[tokio::test]
async fn a_half_open_circuit_lets_one_in_whoever_asks_and_its_success_wakes_the_others() {
    let e = Engine::start(1).await;
    open(&e).await;
    put(&e, 6, GATE).await;
    assert!(e.claim_n("w1", 10).await.is_empty());
    let_it_pass(&e).await;
    assert_eq!(e.store.circuit("p1").await.unwrap().state, CircuitState::HalfOpen);
    put(&e, 4, GATE).await;
    let (a, b) = tokio::join!(e.claim_n("w1", 10), e.claim_n("w2", 10));
    assert_eq!(a.len() + b.len(), 1);
    let entered = e.store.gate_enter(Bucket(0), "podm:p1:r", "read", 8, Duration::from_secs(9)).await.unwrap();
    assert!(matches!(entered, Entry::Shut(_)), "{entered:?}");
    assert!(!report(&e, 1, 0, None).await);
    assert_eq!(e.store.circuit("p1").await.unwrap().state, CircuitState::Closed);
    let mut held: Vec<Claimed> = a.into_iter().chain(b).collect();
    let mut done = 0;
    while !held.is_empty() {
        done += held.len();
        complete(&e, held).await;
        held = e.claim_n("w1", 10).await;
        assert!(held.len() <= 4);
    }
    assert_eq!(done, 10, "nobody waits for a fallback");
    e.assert_at_rest().await;
}

#[tokio::test]
async fn a_failed_probe_opens_the_circuit_for_longer_and_the_next_in_line_tries_then() {
    let e = Engine::start(1).await;
    open(&e).await;
    let ids = put(&e, 2, GATE).await;
    assert!(e.claim_n("w1", 10).await.is_empty());
    let_it_pass(&e).await;
    let probe = e.claim("w1").await;
    assert!(report(&e, 0, 1, None).await);
    let rest = ids.into_iter().find(|id| *id != probe.id).unwrap();
    let due = due_in(&e, rest).await;
    assert!(due > Duration::from_secs(6) && due <= Duration::from_secs(11), "{due:?}");
    assert!(report(&e, 5, 0, None).await, "news of requests sent before does not close it");
}

#[tokio::test]
async fn a_probe_that_ends_without_news_leaves_its_place_to_the_next() {
    let e = Engine::start(1).await;
    open(&e).await;
    put(&e, 2, GATE).await;
    assert!(e.claim_n("w1", 10).await.is_empty());
    let_it_pass(&e).await;
    let probe = e.claim("w1").await;
    assert!(e.claim_n("w2", 10).await.is_empty());
    e.settle(&probe, Outcome::Completed).await;
    let next = e.claim("w2").await;
    assert_ne!(next.id, probe.id);
}

#[tokio::test]
async fn a_read_that_was_the_probe_and_ends_without_news_leaves_its_place_to_the_task_that_waits() {
    let e = Engine::start(1).await;
    open(&e).await;
    let _set: i64 = e.server.command(&["HSET", "vl:{b00}:breaker:p1", "until", "1"]).await;
    let minute = Duration::from_secs(60);
    assert_eq!(e.store.gate_enter(Bucket(0), "podm:p1:r", "read", 8, minute).await.unwrap(), Entry::In);
    let id = put(&e, 1, GATE).await[0];
    assert!(e.claim_n("w1", 10).await.is_empty());
    e.store.gate_leave(Bucket(0), "podm:p1:r", "read").await.unwrap();
    e.promote().await;
    assert_eq!(e.claim("w1").await.id, id, "it comes at once, not when the probe would have been over");
}

#[tokio::test]
async fn whoever_is_the_first_in_line_comes_when_the_circuit_half_opens_though_others_were_there_before_it() {
    let e = Engine::start(1).await;
    let older = put(&e, 1, GATE).await[0];
    wait::until("the next is accepted after it", async || e.store.clock().now_ms() > older.created_ms()).await;
    e.settle(&e.claim("w1").await, Outcome::Park(Duration::from_secs(3600))).await;
    open(&e).await;
    let younger = put(&e, 1, GATE).await[0];
    assert!(e.claim_n("w1", 10).await.is_empty());
    e.store.nudge(older).await.unwrap();
    assert!(e.claim_n("w1", 10).await.is_empty());
    e.store.cancel(younger).await.unwrap();
    assert!(due_in(&e, older).await <= Duration::from_secs(5));
    // And where nobody has told it so.
    let younger = put(&e, 1, GATE).await[0];
    e.store.nudge(older).await.unwrap();
    assert!(e.claim_n("w1", 10).await.is_empty());
    for id in [older, younger] {
        let _late: i64 = e.server.command(&["ZADD", "vl:{b00}:delayed", "1", &id.to_string()]).await;
        e.promote().await;
        assert!(e.claim_n("w1", 10).await.is_empty());
    }
    let _early: i64 = e.server.command(&["ZADD", "vl:{b00}:delayed", "1", &older.to_string()]).await;
    e.promote().await;
    assert!(e.claim_n("w1", 10).await.is_empty());
    assert!(due_in(&e, older).await <= Duration::from_secs(5), "the oldest tries it, however many stand behind");
}

#[tokio::test]
async fn what_a_pod_manager_asked_for_holds_though_an_answer_of_it_has_closed_its_circuit() {
    let e = Engine::start(1).await;
    open(&e).await;
    report(&e, 0, 1, Some(Duration::from_secs(40))).await;
    let _set: i64 = e.server.command(&["HSET", "vl:{b00}:breaker:p1", "until", "1"]).await;
    assert!(!report(&e, 1, 0, None).await, "an answer to what was sent before");
    let id = put(&e, 1, GATE).await[0];
    assert!(e.claim_n("w1", 1).await.is_empty());
    let due = due_in(&e, id).await;
    assert!(due > Duration::from_secs(30), "{due:?}");
}

#[tokio::test]
async fn failures_of_long_ago_are_neither_shown_nor_do_retries_take_turns_for_them() {
    let e = Engine::start(1).await;
    put(&e, 15, "podm:p1:w=100").await;
    let held = e.claim_n("w1", 50).await;
    report(&e, 0, 1, None).await;
    assert_eq!(e.store.circuit("p1").await.unwrap().failures, 1);
    let long_ago = (e.store.clock().now_ms() - 121_000).to_string();
    let _set: i64 = e.server.command(&["HSET", "vl:{b00}:breaker:p1", "since", &long_ago]).await;
    assert_eq!(e.store.circuit("p1").await.unwrap().failures, 0);
    report(&e, 1, 0, None).await;
    for one in &held {
        e.settle(one, Outcome::Retry(Duration::ZERO)).await;
    }
    assert_eq!(e.claim_n("w1", 50).await.len(), 15, "there is nothing to be spared");
}

#[tokio::test]
async fn a_place_that_has_lapsed_is_not_kept_where_nobody_is_let_in() {
    let e = Engine::start(1).await;
    let enter = async || e.store.gate_enter(Bucket(0), "podm:p1:r", "read", 8, Duration::from_secs(60)).await.unwrap();
    assert_eq!(enter().await, Entry::In);
    open(&e).await;
    assert_eq!(enter().await, Entry::In, "it has its place");
    let _lapsed: i64 = e.server.command(&["ZADD", "vl:{b00}:gate:podm:p1:r", "1", "sync:read"]).await;
    assert!(matches!(enter().await, Entry::Shut(_)));
}

#[tokio::test]
async fn a_cancelled_head_of_the_line_leaves_the_next_to_try_when_the_circuit_half_opens() {
    let e = Engine::start(1).await;
    open(&e).await;
    let ids = put(&e, 2, GATE).await;
    assert!(e.claim_n("w1", 10).await.is_empty());
    e.store.cancel(ids[0]).await.unwrap();
    assert!(due_in(&e, ids[1]).await <= Duration::from_secs(5));
}

#[tokio::test]
async fn a_pod_manager_that_mostly_answers_keeps_its_circuit_closed() {
    let e = Engine::start(1).await;
    for _ in 0..20 {
        assert!(!report(&e, 2, 1, None).await);
    }
    assert!(!report(&e, 1, 0, None).await);
    assert_eq!(e.store.circuit("p1").await.unwrap().state, CircuitState::Closed);
}

#[tokio::test]
async fn a_busy_pod_manager_that_falls_silent_opens_its_circuit_at_the_fifth_failure_in_a_row() {
    let e = Engine::start(1).await;
    assert!(!report(&e, 1_000, 1, None).await, "answers told with the first failure came before it");
    assert!(!report(&e, 1_000, 4, None).await, "an answer ends the row");
    assert!(report(&e, 0, 1, None).await);
}

#[tokio::test]
async fn a_pod_manager_that_falls_silent_lets_one_in_at_a_time_until_it_answers() {
    let e = Engine::start(1).await;
    Gatekeeper::new(&e.store).silent("p1").await.unwrap();
    let ids = put(&e, 6, GATE).await;
    let mut held = e.claim_n("w1", 10).await;
    assert_eq!(held.len(), 1);
    let waits = ids.iter().copied().find(|id| *id != held[0].id).unwrap();
    let (code, why) = reason(&e, waits).await;
    assert_eq!(code, "gate_full");
    assert!(why.contains("answered nothing for a while: one at a time"), "{why}");
    assert!(!report(&e, 1, 0, None).await, "its circuit was never open");
    held.extend(e.claim_n("w1", 10).await);
    assert_eq!(held.len(), 4, "its answer wakes as many as there is room for");
    while !held.is_empty() {
        complete(&e, held).await;
        held = e.claim_n("w1", 10).await;
    }
    e.assert_at_rest().await;
}

#[tokio::test]
async fn what_a_pod_manager_asks_for_is_honoured_by_every_worker_and_every_read() {
    let e = Engine::start(1).await;
    report(&e, 0, 1, Some(Duration::from_secs(40))).await;
    let id = put(&e, 1, GATE).await[0];
    assert!(e.claim_n("w1", 1).await.is_empty());
    assert!(e.claim_n("w2", 1).await.is_empty());
    let due = due_in(&e, id).await;
    assert!(due > Duration::from_secs(38), "not before it said: {due:?}");
    let entered = e.store.gate_enter(Bucket(0), "podm:p1:r", "read", 8, Duration::from_secs(9)).await.unwrap();
    assert!(matches!(entered, Entry::Shut(time) if time > Duration::from_secs(30)), "{entered:?}");
    report(&e, 0, 1, Some(Duration::from_secs(100_000))).await;
    let until = e.store.circuit("p1").await.unwrap().until.unwrap();
    let at = valence::model::v1time::parse_ms(&until).unwrap();
    assert!(at <= e.store.clock().now_ms() + 601_000, "nobody is parked for ever: {until}");
}

#[tokio::test]
async fn retries_of_one_pod_manager_take_turns_within_its_budget_whatever_workers_there_are() {
    let e = Engine::start(1).await;
    put(&e, 30, "podm:p1:w=100").await;
    let held = e.claim_n("w1", 50).await;
    assert_eq!(held.len(), 30, "first attempts are no retries");
    report(&e, 0, 1, None).await;
    for one in &held {
        e.settle(one, Outcome::Retry(Duration::ZERO)).await;
    }
    let (a, b) = tokio::join!(e.claim_n("w1", 50), e.claim_n("w2", 50));
    let went = a.len() + b.len();
    assert!((10..=12).contains(&went), "{went} went at once");
    let mut turns = Vec::new();
    for one in &held {
        if e.state(one.id).await == "waiting" {
            assert_eq!(reason(&e, one.id).await.0, "retry_budget");
            turns.push(e.task(one.id).await.due_ms.unwrap());
        }
    }
    turns.sort_unstable();
    assert_eq!(turns.len(), 30 - went);
    assert!(turns.windows(2).all(|w| w[1] - w[0] >= 499), "each has a turn of its own: {turns:?}");
    complete(&e, a).await;
    complete(&e, b).await;
    let _moved: i64 = e.server.command(&["ZADD", "vl:{b00}:delayed", "1", &held[29].id.to_string()]).await;
    e.promote().await;
    assert!(e.claim_n("w1", 5).await.is_empty(), "a turn is not to be had earlier");
}

#[tokio::test]
async fn a_new_limit_counts_at_once_for_who_waits() {
    let e = Engine::start(1).await;
    put(&e, 6, GATE).await;
    let policy = |n| Policy { max_changes: Some(n), ..Policy::default() };
    e.store.set_limits("p1", &policy(1)).await.unwrap();
    let first = e.claim_n("w1", 10).await;
    assert_eq!(first.len(), 1);
    e.store.set_limits("p1", &policy(3)).await.unwrap();
    let more = e.claim_n("w1", 10).await;
    assert_eq!(more.len(), 2);
    e.store.set_limits("p1", &policy(1)).await.unwrap();
    complete(&e, more).await;
    assert!(e.claim_n("w1", 10).await.is_empty());
    e.store.set_limits("p1", &Policy::default()).await.unwrap();
    assert_eq!(e.claim_n("w1", 10).await.len(), 3, "the default again");
}

#[tokio::test]
async fn a_drained_pod_manager_begins_nothing_but_what_gives_back_and_ends_what_has_begun() {
    let e = Engine::start(1).await;
    let begun = put(&e, 1, GATE).await[0];
    e.settle(&e.claim("w1").await, Outcome::Park(Duration::ZERO)).await;
    let new = put(&e, 2, GATE).await;
    let removal = e.put(gated(&e, "podm:p1:w=4 out")).await;
    e.store.set_limits("p1", &Policy { draining: true, ..Policy::default() }).await.unwrap();
    let went: Vec<TaskId> = e.claim_n("w1", 10).await.iter().map(|c| c.id).collect();
    assert_eq!(went, [begun, removal]);
    for id in &new {
        assert_eq!(e.state(*id).await, "waiting");
        assert_eq!(reason(&e, *id).await.0, "draining");
    }
    e.store.set_limits("p1", &Policy::default()).await.unwrap();
    let went: Vec<TaskId> = e.claim_n("w1", 10).await.iter().map(|c| c.id).collect();
    assert_eq!(went, new, "in the order of acceptance");
}

#[tokio::test]
async fn a_redriven_task_is_new_work_for_a_drained_pod_manager() {
    let e = Engine::start(1).await;
    let id = put(&e, 1, GATE).await[0];
    e.settle(&e.claim("w1").await, Outcome::Failed).await;
    e.store.set_limits("p1", &Policy { draining: true, ..Policy::default() }).await.unwrap();
    assert_eq!(e.store.redrive(id).await.unwrap(), Redrive::Queued);
    assert!(e.claim_n("w1", 10).await.is_empty());
    assert_eq!(reason(&e, id).await.0, "draining");
    e.store.set_limits("p1", &Policy::default()).await.unwrap();
    assert_eq!(e.claim("w1").await.id, id);
}

#[tokio::test]
async fn a_place_that_comes_free_while_draining_goes_to_the_removal_behind_those_kept_out() {
    let e = Engine::start(1).await;
    put(&e, 1, "podm:p1:w=1").await;
    let held = e.claim("w1").await;
    let kept = put(&e, 3, "podm:p1:w=1").await;
    let last = kept[2].created_ms();
    wait::until("the removal is accepted after them", async || e.store.clock().now_ms() > last).await;
    let removal = e.put(gated(&e, "podm:p1:w=1 out")).await;
    assert!(e.claim_n("w1", 10).await.is_empty());
    e.store.set_limits("p1", &Policy { draining: true, ..Policy::default() }).await.unwrap();
    e.settle(&held, Outcome::Completed).await;
    let next = wait::until("the removal's turn", async || e.claim_n("w1", 1).await.pop()).await;
    assert_eq!(next.id, removal);
    e.settle(&next, Outcome::Completed).await;
    for id in kept {
        e.store.cancel(id).await.unwrap();
    }
    e.assert_at_rest().await;
}

#[tokio::test]
async fn whoever_has_its_turn_and_must_wait_elsewhere_lets_the_next_have_it() {
    let e = Engine::start(1).await;
    put(&e, 1, "node:n1=1").await;
    e.claim("w1").await;
    put(&e, 1, "podm:p1:w=1").await;
    let held = e.claim("w1").await;
    let first = put(&e, 1, "podm:p1:w=1 node:n1=1").await[0];
    wait::until("the next is accepted after it", async || e.store.clock().now_ms() > first.created_ms()).await;
    let next = put(&e, 1, "podm:p1:w=1").await[0];
    assert!(e.claim_n("w1", 10).await.is_empty());
    e.settle(&held, Outcome::Completed).await;
    let went: Vec<TaskId> = e.claim_n("w1", 10).await.iter().map(|c| c.id).collect();
    assert_eq!(went, [next], "the place is not left free while the first waits for its node");
    assert_eq!(e.state(first).await, "waiting");
}

async fn of(e: &Engine, caller: &str, n: usize, lane: &str, gates: &str) -> Vec<TaskId> {
    let mut tasks = Vec::new();
    for _ in 0..n {
        let mut task = gated(e, gates);
        task.lane = valence::model::topic::Lane::parse(lane).unwrap();
        task.def.priority = task.lane.priority;
        task.def.caller = (!caller.is_empty()).then(|| caller.to_owned());
        tasks.push(task);
    }
    for some in tasks.chunks(500) {
        e.store.enqueue_many(Bucket(0), some).await.unwrap();
    }
    tasks.into_iter().map(|t| t.id).collect()
}

/// How many tasks were claimed before one of these was.
async fn before(e: &Engine, ids: &[TaskId]) -> usize {
    let mut count = 0;
    loop {
        let got = e.claim_n("w1", 50).await;
        assert!(!got.is_empty(), "it was not claimed at all");
        if let Some(at) = got.iter().position(|c| ids.contains(&c.id)) {
            return count + at;
        }
        count += got.len();
        complete(e, got).await;
    }
}

#[tokio::test]
async fn thousands_of_tasks_of_one_caller_stand_before_anothers_first_only_with_their_share() {
    let e = Engine::start(1).await;
    let flood = of(&e, "terraform", 5_000, "compute:normal", "").await;
    let other = of(&e, "operator", 1, "compute:normal", "").await;
    let (code, message) = {
        let explained = e.store.explain(&e.task(flood[4_999]).await, true).await.unwrap();
        let second = explained.reasons.get(1).unwrap().clone();
        (second.code, second.message)
    };
    assert_eq!(code, "over_share", "{message}");
    let urgent = of(&e, "terraform", 1, "compute:high", "").await;
    assert_eq!(before(&e, &urgent).await, 0, "its own urgent task does not stand behind its others");
    let stood_before = before(&e, &other).await;
    assert!(stood_before <= 200, "{stood_before} of 5,000 stood before it");
    while let Some(one) = { e.claim_n("w1", 500).await.into_iter().next() } {
        e.settle(&one, Outcome::Completed).await;
    }
}

#[tokio::test]
async fn thousands_of_tasks_of_one_pod_manager_stand_before_anothers_first_only_with_their_share() {
    let e = Engine::start(1).await;
    of(&e, "", 3_000, "compute:normal", "podm:p1:w=100000").await;
    let other = of(&e, "", 1, "compute:normal", "podm:p2:w=4").await;
    let stood_before = before(&e, &other).await;
    assert!(stood_before <= 200, "{stood_before} of 3,000 stood before it");
}

#[tokio::test]
async fn a_share_is_counted_exactly_and_forgotten_when_nothing_is_queued() {
    let e = Engine::start(1).await;
    let ids = of(&e, "a", 250, "compute:normal", GATE).await;
    let count: i64 = e.server.command(&["HGET", "vl:{b00}:share", "compute|p:p1"]).await;
    assert_eq!(count, 250);
    e.store.cancel(ids[0]).await.unwrap();
    loop {
        let got = e.claim_n("w1", 100).await;
        if got.is_empty() {
            break;
        }
        complete(&e, got).await;
    }
    let left: i64 = e.server.command(&["EXISTS", "vl:{b00}:share"]).await;
    assert_eq!(left, 0);
    e.assert_at_rest().await;
}

#[tokio::test]
async fn a_nodes_tasks_keep_their_order_when_some_of_them_are_over_a_share() {
    let e = Engine::start(1).await;
    of(&e, "a", 199, "compute:normal", "").await;
    let first = of(&e, "b", 1, "compute:normal", "node:n1=1").await;
    let second = of(&e, "a", 1, "compute:normal", "node:n1=1").await;
    let third = of(&e, "a", 1, "compute:normal", "node:n1=1").await;
    assert_eq!(e.task(third[0]).await.lane.to_string(), "compute:low");
    let fourth = of(&e, "b", 1, "compute:normal", "node:n1=1").await;
    let mut order = Vec::new();
    loop {
        let got = e.claim_n("w1", 100).await;
        if got.is_empty() {
            break;
        }
        order.extend(
            got.iter().map(|c| c.id).filter(|id| [&first, &second, &third, &fourth].iter().any(|v| v[0] == *id)),
        );
        complete(&e, got).await;
    }
    assert_eq!(order, [first[0], second[0], third[0], fourth[0]]);
    e.assert_at_rest().await;
}

#[tokio::test]
async fn a_full_gate_names_its_holders() {
    let e = Engine::start(1).await;
    let ids = put(&e, 2, "podm:p1:w=1").await;
    let held = e.claim("w1").await;
    assert!(e.claim_n("w1", 5).await.is_empty());
    let (code, message) = reason(&e, ids[1]).await;
    assert_eq!(code, "gate_full");
    assert!(message.contains("the gate for changes of Pod Manager p1"), "{message}");
    let explained = e.store.explain(&e.task(ids[1]).await, true).await.unwrap();
    assert_eq!(explained.holders, [held.id.to_string()]);
}

#[tokio::test]
async fn every_other_reason_is_told_as_it_is() {
    let e = Engine::start(1).await;
    let told = async |id: TaskId, served: bool| {
        let explained = e.store.explain(&e.task(id).await, served).await.unwrap();
        explained.reasons.first().unwrap().clone()
    };
    let second = e.put(gated(&e, "")).await;
    let queued = e.put(gated(&e, "")).await;
    assert_eq!(told(queued, true).await.code, "queued_behind");
    assert!(told(queued, true).await.message.contains("1 entries"), "{:?}", told(queued, true).await);
    assert_eq!(told(queued, false).await.code, "no_worker");
    e.store.pause(valence::model::topic::Topic::Compute, true).await.unwrap();
    assert_eq!(told(queued, true).await.code, "paused");
    e.store.pause(valence::model::topic::Topic::Compute, false).await.unwrap();
    let held = e.claim("w1").await;
    assert_eq!((held.id, told(second, true).await.code.as_str()), (second, "running"));
    e.settle(&held, Outcome::Park(Duration::from_secs(30))).await;
    assert_eq!(told(second, true).await.code, "parked");
    let held = e.claim("w1").await;
    e.settle(&held, Outcome::Retry(Duration::from_secs(30))).await;
    let reason = told(queued, true).await;
    assert!(reason.code == "retry" && reason.message.contains("because"), "{reason:?}");
    let later = NewTask { delay_ms: Some(60_000), ..gated(&e, "") };
    assert_eq!(told(e.put(later).await, true).await.code, "scheduled");
    let placed = NewTask { ..e.new_task("node.place") };
    let placed = e.put(placed).await;
    let held = e.claim("w1").await;
    e.settle(&held, Outcome::Retry(Duration::from_secs(30))).await;
    let reason = told(placed, true).await;
    assert!(reason.code == "no_capacity" && reason.message.contains("because"), "{reason:?}");
}

/// What a client waits for, as v1's do.
const WAITED_FOR: &str = "podm:p1:w=4 within:30000";

async fn body(e: &Engine, id: TaskId) -> (u16, String, Option<u64>) {
    let problem = e.task(id).await.body.error.expect("an error").problem;
    (problem.status, problem.detail, problem.retry_after_s)
}

#[tokio::test]
async fn what_a_client_waits_for_is_refused_at_once_where_nobody_is_let_in_soon_and_waits_where_it_may_pass() {
    let e = Engine::start(1).await;
    open(&e).await;
    let soon = put(&e, 2, WAITED_FOR).await;
    assert!(e.claim_n("w1", 10).await.is_empty());
    for id in &soon {
        assert_eq!(e.state(*id).await, "waiting", "five seconds may pass");
        assert!(due_in(&e, *id).await <= Duration::from_secs(30), "none waits past its client's patience");
    }
    report(&e, 0, 1, Some(Duration::from_secs(50))).await;
    let (now, other) = (put(&e, 1, WAITED_FOR).await[0], put(&e, 1, GATE).await[0]);
    assert!(e.claim_n("w1", 10).await.is_empty());
    assert_eq!((e.state(now).await, e.state(other).await), ("failed".into(), "waiting".into()));
    let (status, detail, after) = body(&e, now).await;
    assert_eq!((status, detail.as_str()), (503, "Pod Manager p1 is not asked now: answered 503"));
    assert!(after.is_some_and(|s| (30..=50).contains(&s)), "{after:?}");
    // Redriven, nobody waits for its end any more.
    assert_eq!(e.store.redrive(now).await.unwrap(), Redrive::Queued);
    assert!(e.claim_n("w1", 10).await.is_empty());
    assert_eq!(e.state(now).await, "waiting");
}

#[tokio::test]
async fn what_has_begun_for_a_client_waits_for_its_pod_manager_as_any_other() {
    let e = Engine::start(1).await;
    let id = put(&e, 1, WAITED_FOR).await[0];
    let claimed = e.claim("w1").await;
    let step = serde_json::json!({ "asked": true });
    e.store.checkpoint(id, &claimed.token, &step, false).await.unwrap();
    e.settle(&claimed, Outcome::Retry(Duration::ZERO)).await;
    report(&e, 0, 1, Some(Duration::from_secs(50))).await;
    assert!(e.claim_n("w1", 10).await.is_empty());
    assert_eq!(e.state(id).await, "waiting");
    // One whose step came to nothing has begun nothing.
    let e = Engine::start(1).await;
    let id = put(&e, 1, WAITED_FOR).await[0];
    let claimed = e.claim("w1").await;
    e.store.checkpoint(id, &claimed.token, &step, true).await.unwrap();
    e.store.checkpoint(id, &claimed.token, &serde_json::Value::Null, false).await.unwrap();
    e.settle(&claimed, Outcome::Retry(Duration::ZERO)).await;
    report(&e, 0, 1, Some(Duration::from_secs(50))).await;
    assert!(e.claim_n("w1", 10).await.is_empty());
    assert_eq!(e.state(id).await, "failed");
}
