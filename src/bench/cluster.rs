//! Draining from the primaries of a Redis Cluster, three beside one: what a second and a third server bring, and what they cost.
//!
//! Of plain redis-server processes without replicas, which share the machine's processors with the workers: on two of them, three primaries
//! cannot be three times as fast.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};

use super::BenchArgs;
use super::drain::{Run, drained};
use super::report::Report;
use super::rig::Rig;
use crate::config::Config;
use crate::ids::Buckets;

/// As docs/operations.md recommends for a Cluster.
const BUCKETS: u16 = 16;
const SLOTS: u32 = 16_384;

/// Drain rate and CPU per task with three primaries, beside one.
///
/// # Errors
/// When a process fails.
pub async fn cluster(args: &BenchArgs, report: &mut Report) -> anyhow::Result<()> {
    let (mut one, mut three) = (Vec::new(), Vec::new());
    for _ in 0..args.runs {
        one.push(once(args, 1).await?);
        three.push(once(args, 3).await?);
    }
    let mut add = |what: &str, unit: &'static str, of: fn(&Run) -> f64| {
        let [one, three] = [&one, &three].map(|runs| runs.iter().map(of).collect::<Vec<f64>>());
        report.add(what, unit, &three, &one);
    };
    add("drain rate, 3 primaries beside 1", "tasks/s", |run| run.rate);
    add("drain, 3 primaries: Redis CPU per task", "µs", |run| run.redis_us);
    add("drain, 3 primaries: worker CPU per task", "µs", |run| run.worker_us);
    add("drain, 3 primaries: script calls per 1,000 tasks", "calls", |run| run.calls * 1000.0);
    Ok(())
}

async fn once(args: &BenchArgs, primaries: u32) -> anyhow::Result<Run> {
    let rig = start(args, primaries).await?;
    drained(rig, args, &["--buckets", &BUCKETS.to_string()]).await
}

/// A server of the Cluster, and where it and its bus listen.
struct Primary {
    child: Child,
    port: u16,
    bus: u16,
}

async fn start(args: &BenchArgs, primaries: u32) -> anyhow::Result<Rig> {
    let dir = std::env::temp_dir().join(format!("valence-bench-{}", crate::ids::new_record_id()));
    let all: Vec<Primary> =
        (0..primaries).map(|n| primary(args, &dir.join(n.to_string()))).collect::<Result<_, _>>()?;
    let (first, last) = (&all[0], primaries - 1);
    for (n, one) in (0..).zip(&all) {
        let range = [n * SLOTS / primaries, (n + 1) * SLOTS / primaries - 1].map(|slot| slot.to_string());
        ask(one, &["CLUSTER", "ADDSLOTSRANGE", &range[0], &range[1]]).await?;
        if n > 0 {
            let at = [first.port, first.bus].map(|port| port.to_string());
            ask(one, &["CLUSTER", "MEET", "127.0.0.1", &at[0], &at[1]]).await?;
        }
    }
    let whole = format!("cluster_known_nodes:{primaries}\r");
    let deadline = Instant::now() + Duration::from_secs(20);
    for one in &all {
        loop {
            let info = ask(one, &["CLUSTER", "INFO"]).await?;
            if info.contains("cluster_state:ok") && info.contains(&whole) {
                break;
            }
            ensure!(Instant::now() < deadline, "the Cluster of {} does not come up: {info}", last + 1);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    let hosts: Vec<String> = all.iter().map(|p| format!("127.0.0.1:{}", p.port)).collect();
    let options = crate::store::StoreOptions {
        buckets: Buckets::new(BUCKETS).context("so many buckets are possible")?,
        ..Config::default().store_options()
    };
    let url = format!("redis-cluster://{}", hosts.join(","));
    Rig::around(dir, all.into_iter().map(|p| p.child).collect(), url, options).await
}

fn primary(args: &BenchArgs, dir: &std::path::Path) -> anyhow::Result<Primary> {
    std::fs::create_dir_all(dir)?;
    let free = || Ok::<_, std::io::Error>(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port());
    let (port, bus) = (free()?, free()?);
    let aof = if args.fsync == "no" { ["no", "no"] } else { ["yes", &args.fsync] };
    let child = Command::new("redis-server")
        .current_dir(dir)
        .args(["--bind", "127.0.0.1", "--save", "", "--cluster-enabled", "yes", "--maxmemory-policy", "noeviction"])
        .args(["--port", &port.to_string(), "--cluster-port", &bus.to_string()])
        .args(["--appendonly", aof[0], "--appendfsync", aof[1]])
        .stdout(Stdio::null())
        .spawn()
        .context("redis-server must be installed")?;
    Ok(Primary { child, port, bus })
}

/// Asks one server, once it is there.
async fn ask(one: &Primary, words: &[&str]) -> anyhow::Result<String> {
    let client = redis::Client::open(("127.0.0.1", one.port))?;
    let deadline = Instant::now() + Duration::from_secs(10);
    let mut connection = loop {
        match client.get_multiplexed_async_connection().await {
            Ok(connection) => break connection,
            Err(error) => ensure!(Instant::now() < deadline, "redis-server does not answer: {error}"),
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    Ok(redis::cmd(words[0]).arg(&words[1..]).query_async(&mut connection).await?)
}
