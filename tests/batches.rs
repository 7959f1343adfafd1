//! Calls that carry many tasks: what is done for all of them at once leaves all others alone.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on should say so")]

mod support;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::json;
use support::engine::Engine;
use support::redis::TestRedis;
use support::wait;
use valence::config::Config;
use valence::ids::{Bucket, TaskId};
use valence::model::topic::Topic;
use valence::podm::Pool;
use valence::shutdown::Shutdown;
use valence::store::claims::{Claimed, Outcome, Settled};

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

/// What a worker of 64 slots did with what was queued.
struct Drained {
    /// Calls of scripts for all of it.
    calls: u64,
    took: Duration,
    /// The bucket of each task, in the order in which they began.
    begun: Vec<Bucket>,
}

/// Lets a worker do what is queued in some buckets: `tasks` says kind, milliseconds and how many for each.
async fn drained(buckets: u16, tasks: impl Fn(Bucket) -> (&'static str, u32, usize)) -> Drained {
    let (server, mut config) = (TestRedis::start().await, Config::default());
    (config.buckets, config.worker.concurrency) = (buckets, 64);
    (config.worker.topics, config.enable_test_kinds) = (Topic::ALL.to_vec(), true);
    let e = Engine { store: server.open(config.store_options()).await, server };
    let mut ids = Vec::new();
    for bucket in e.store.options().buckets.iter() {
        let (kind, ms, count) = tasks(bucket);
        let mut queued: Vec<_> = (0..count).map(|_| e.task_in(kind, bucket)).collect();
        queued.iter_mut().filter(|_| ms > 0).for_each(|task| task.def.params = json!({ "ms": ms }));
        for some in queued.chunks(500) {
            e.store.enqueue_many(bucket, some).await.unwrap();
        }
        ids.extend(queued.iter().map(|t| t.id));
    }
    let (before, began) = (script_calls(&e.server).await, Instant::now());
    let (pool, shutdown) = (Pool::new(&config.redfish, None).unwrap(), Shutdown::new());
    valence::worker::run(&config, e.store.clone(), pool, &shutdown).await.unwrap();
    wait::until("all of it is done", async || {
        let done = e.store.counts().await.unwrap().get("compute:completed").copied().unwrap_or(0);
        if usize::try_from(done).unwrap() == ids.len() { Ok(()) } else { Err(done) }
    })
    .await;
    let (took, calls) = (began.elapsed(), script_calls(&e.server).await - before);
    shutdown.stop();
    shutdown.join(Duration::from_secs(10)).await.unwrap();
    let started =
        async |id: &TaskId| (e.task(*id).await.field("started").unwrap().parse::<u64>().unwrap(), id.bucket());
    let mut begun = Vec::new();
    for some in ids.chunks(200) {
        begun.extend(join_all(some.iter().map(started)).await);
    }
    begun.sort_unstable();
    Drained { calls, took, begun: begun.into_iter().map(|(_, bucket)| bucket).collect() }
}

/// Calls of scripts that the server has seen.
async fn script_calls(server: &TestRedis) -> u64 {
    let info: String = server.command(&["INFO", "commandstats"]).await;
    let calls = |line: &str| line.strip_prefix("cmdstat_evalsha:calls=")?.split(',').next()?.parse::<u64>().ok();
    info.lines().find_map(calls).unwrap_or(0)
}

/// The last place, in the order of beginning, of a task of the bucket.
fn last_of(begun: &[Bucket], bucket: u8) -> usize {
    begun.iter().rposition(|b| *b == Bucket(bucket)).unwrap()
}

#[tokio::test]
async fn sixteen_buckets_with_a_backlog_take_turns_at_a_good_part_of_the_slots_so_calls_are_few() {
    let Drained { calls, begun, .. } = drained(16, |_| ("noop", 0, 200)).await;
    // With a share of the slots for each it is more than a call a task.
    assert!(calls < 640, "{calls} calls for 3,200 tasks");
    let first_half: BTreeSet<Bucket> = begun[..1_600].iter().copied().collect();
    assert_eq!(first_half.len(), 16, "every bucket's first tasks began before others' last");
}

#[tokio::test]
async fn a_bucket_with_few_tasks_is_served_beside_fifteen_with_long_backlogs() {
    let Drained { begun, .. } = drained(16, |b| ("noop", 0, if b.0 == 15 { 40 } else { 300 })).await;
    assert!(last_of(&begun, 15) < begun.len() / 2, "its last began as number {}", last_of(&begun, 15));
}

#[tokio::test]
async fn a_bucket_with_slow_tasks_holds_up_no_other() {
    let Drained { begun, .. } = drained(16, |b| if b.0 == 0 { ("sleep", 50, 600) } else { ("noop", 0, 100) }).await;
    for other in 1..16 {
        assert!(last_of(&begun, other) < last_of(&begun, 0), "those of {other} wait for all that are slow");
    }
}

#[tokio::test]
async fn work_that_waits_uses_all_slots_in_sixteen_buckets_as_in_one() {
    let (one, sixteen) = (drained(1, |_| ("sleep", 50, 1_920)).await, drained(16, |_| ("sleep", 50, 120)).await);
    assert!(sixteen.took < one.took * 3 / 2, "{:?} beside {:?}", sixteen.took, one.took);
}
