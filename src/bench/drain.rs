//! How fast and how cheaply queued tasks are drained, beside the floor: the same commands for the same tasks, pipelined, with no
//! logic and no fence.

use std::time::{Duration, Instant};

use crate::store::connect::Connection;
use anyhow::ensure;
use serde_json::json;

use super::BenchArgs;
use super::report::Report;
use super::rig::Rig;
use crate::config::Config;
use crate::ids::TaskId;
use crate::model::task::Definition;
use crate::model::topic::Lane;
use crate::store::StoreOptions;
use crate::store::tasks::NewTask;

const BATCH: usize = 500;
const LANE: &str = "compute:normal";

/// Drain rate and CPU per task.
///
/// # Errors
/// When a process fails.
pub async fn drain(args: &BenchArgs, report: &mut Report) -> anyhow::Result<()> {
    let (mut rates, mut floors) = (Vec::new(), Vec::new());
    let (mut redis_us, mut floor_us, mut worker_us, mut calls) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..args.runs {
        let (rate, cpu) = floor(args).await?;
        floors.push(rate);
        floor_us.push(cpu);
        let run = once(args).await?;
        rates.push(run.rate);
        redis_us.push(run.redis_us);
        worker_us.push(run.worker_us);
        calls.push(run.calls * 1000.0);
    }
    report.add("drain rate", "tasks/s", &rates, &floors);
    report.add("drain: Redis CPU per task", "µs", &redis_us, &floor_us);
    report.add("drain: worker CPU per task", "µs", &worker_us, &[]);
    report.add("drain: script calls per 1,000 tasks", "calls", &calls, &[]);
    Ok(())
}

/// What one drain measured: rate from 5 % to 100 %; CPU and script calls per task.
pub(super) struct Run {
    pub(super) rate: f64,
    pub(super) redis_us: f64,
    pub(super) worker_us: f64,
    pub(super) calls: f64,
}

async fn once(args: &BenchArgs) -> anyhow::Result<Run> {
    drained(Rig::start(args).await?, args, &[]).await
}

/// Fills the queue, and drains it with workers that have more flags.
pub(super) async fn drained(mut rig: Rig, args: &BenchArgs, flags: &[&str]) -> anyhow::Result<Run> {
    fill(&rig, args.tasks).await?;
    let concurrency = args.concurrency.to_string();
    let flags = [&["--topic", "compute", "--concurrency", &concurrency], flags].concat();
    let before = rig.cpu()?;
    for _ in 0..args.workers {
        rig.spawn("valence-worker", &flags)?;
    }
    let (start_at, deadline) = (args.tasks / 20, Instant::now() + Duration::from_secs(120));
    let mut began = None;
    loop {
        let n = rig.tasks_in("completed").await?;
        if n >= start_at && began.is_none() {
            began = Some((Instant::now(), n));
        }
        if n >= args.tasks {
            break;
        }
        ensure!(Instant::now() < deadline, "not drained in time: {n} of {}", args.tasks);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let (at, from) = began.unwrap_or((Instant::now(), 0));
    let rate = count(args.tasks - from) / at.elapsed().as_secs_f64();
    let cpu = rig.cpu()?.since(before);
    let per_task = 1e6 / count(args.tasks);
    let calls = rig.calls("evalsha").await? / count(args.tasks);
    Ok(Run { rate, redis_us: cpu.redis * per_task, worker_us: cpu.workers * per_task, calls })
}

/// Bytes that Redis uses.
pub(super) async fn used(rig: &Rig) -> anyhow::Result<f64> {
    let text: String = redis::cmd("INFO").arg("memory").query_async(&mut rig.store.redis().shared()).await?;
    let line = text.lines().find_map(|l| l.strip_prefix("used_memory:"));
    Ok(line.and_then(|n| n.trim().parse().ok()).unwrap_or(f64::NAN))
}

/// Memory of a queued task. The events stream is at its cap, as it is soon: it is no part of what a task takes.
///
/// # Errors
/// When Redis fails.
pub async fn memory(args: &BenchArgs, report: &mut Report) -> anyhow::Result<()> {
    let options = StoreOptions { events_kept: 10, ..Config::default().store_options() };
    let rig = Rig::with(args, options).await?;
    fill(&rig, 1000).await?;
    let before = used(&rig).await?;
    fill(&rig, args.tasks).await?;
    let per_task = (used(&rig).await? - before) / count(args.tasks);
    report.add("Redis memory per queued task, 200-byte payload", "B", &[per_task], &[]);
    Ok(())
}

/// Enqueues no-ops with a payload of 200 bytes.
pub(super) async fn fill(rig: &Rig, tasks: usize) -> anyhow::Result<()> {
    fill_with(rig, tasks, &Definition::new("noop", json!({ "payload": "x".repeat(187) }))).await
}

/// Enqueues so many tasks of one definition, in all buckets alike.
pub(super) async fn fill_with(rig: &Rig, tasks: usize, def: &Definition) -> anyhow::Result<()> {
    let Some(lane) = Lane::parse(LANE) else { anyhow::bail!("no such lane") };
    let buckets = rig.store.options().buckets;
    let shares = usize::from(buckets.count());
    for (n, bucket) in buckets.iter().enumerate() {
        let mut left = tasks / shares + usize::from(n < tasks % shares);
        while left > 0 {
            let one = |_| NewTask {
                id: TaskId::mint(rig.store.clock().now_ms(), bucket),
                lane,
                def: def.clone(),
                delay_ms: None,
                gates: String::new(),
                idempotent: false,
            };
            let some: Vec<NewTask> = (0..left.min(BATCH)).map(one).collect();
            rig.store.enqueue_many(bucket, &some).await?;
            left -= some.len();
        }
    }
    Ok(())
}

/// The floor: what Redis can do at best for the same tasks. Rate, and CPU of Redis per task in µs.
async fn floor(args: &BenchArgs) -> anyhow::Result<(f64, f64)> {
    let rig = Rig::start(args).await?;
    fill(&rig, args.tasks).await?;
    let mut con = rig.store.redis().shared();
    let stream = format!("vl:{{b00}}:s:{LANE}");
    let _made: redis::Value =
        redis::cmd("XGROUP").arg(&["CREATE", &stream, "workers", "0"]).query_async(&mut con).await?;
    let before = rig.cpu()?;
    let began = Instant::now();
    let mut done = 0;
    while done < args.tasks {
        done += floor_batch(&mut con, &stream, args.concurrency.min(100)).await?;
    }
    let rate = count(done) / began.elapsed().as_secs_f64();
    Ok((rate, rig.cpu()?.since(before).redis * 1e6 / count(done)))
}

async fn floor_batch(con: &mut Connection, stream: &str, size: usize) -> anyhow::Result<usize> {
    let reply: redis::streams::StreamReadReply = redis::cmd("XREADGROUP")
        .arg(&["GROUP", "workers", "floor", "COUNT", &size.to_string(), "STREAMS", stream, ">"])
        .query_async(con)
        .await?;
    let entries: Vec<(String, String)> =
        reply.keys.into_iter().flat_map(|k| k.ids).map(|e| (e.get::<String>("t").unwrap_or_default(), e.id)).collect();
    let ids: Vec<&str> = entries.iter().map(|(id, _)| id.as_str()).collect();
    let (mut claim, mut settle) = (redis::pipe(), redis::pipe());
    for id in &ids {
        let key = format!("vl:{{b00}}:t:{id}");
        claim.hgetall(&key).get(format!("{key}:d"));
        let run: [(&str, &str); 6] = [
            ("state", "running"),
            ("token", "0123456789abcdef0123456789abcdef0123"),
            ("worker", "bench-01234567"),
            ("started", "1700000000000"),
            ("attempt", "1"),
            ("claims", "1"),
        ];
        claim.hset_multiple(&key, &run).ignore();
        settle.hgetall(&key);
        settle.hset_multiple(&key, &[("state", "completed"), ("finished", "1700000000000")]).ignore();
        settle.set(format!("{key}:r"), format!("{{\"result\":\"{}\"}}", "x".repeat(187))).ignore();
    }
    event(&mut claim, &ids, "running 1");
    settle.xack(stream, "workers", &entries.iter().map(|(_, e)| e.as_str()).collect::<Vec<_>>()).ignore();
    settle.xdel(stream, &entries.iter().map(|(_, e)| e.as_str()).collect::<Vec<_>>()).ignore();
    settle.zrem("vl:{b00}:live", &ids).ignore();
    settle.cmd("ZADD").arg("vl:{b00}:done");
    for id in &ids {
        settle.arg(1_700_000_000_000_u64).arg(id);
    }
    settle.ignore();
    event(&mut settle, &ids, "completed 1");
    let _claimed: Vec<redis::Value> = claim.query_async(con).await?;
    let _settled: Vec<redis::Value> = settle.query_async(con).await?;
    Ok(entries.len())
}

fn event(pipe: &mut redis::Pipeline, ids: &[&str], what: &str) {
    pipe.cmd("XADD").arg(&["vl:{b00}:events", "MAXLEN", "~", "10000", "*"]);
    for id in ids {
        pipe.arg(id).arg(what);
    }
    pipe.ignore();
    pipe.cmd("HINCRBY").arg(&["vl:{b00}:count", "compute:running", "1"]).ignore();
    pipe.cmd("HINCRBY").arg(&["vl:{b00}:count", "compute:queued", "-1"]).ignore();
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
pub(super) fn count(n: usize) -> f64 {
    n as f64
}
