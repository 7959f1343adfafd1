//! A crowd of nodes asked for at once, many more than Pod Managers let begin: what its end, its waiting and its schedulers cost.
//!
//! 1,000 simulated Pod Managers that let in 1, 2, 4 or 8 changes at once and are unlike in what they have; an API, workers, and two
//! schedulers. Every node must be there in the end, and none twice.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use serde_json::{Value, json};

use super::BenchArgs;
use super::bulkhead::nodes;
use super::drain::count;
use super::enqueue::client;
use super::fleet::Fleet;
use super::report::Report;
use super::rig::{Cpu, Rig};
use crate::ids::{Bucket, TaskId};
use crate::model::podm::{Podm, Policy};
use crate::model::state::State;
use crate::store::records::{Collection, Writer};

/// What Pod Managers let begin at once, in turn.
const WIDTHS: [u32; 4] = [1, 2, 4, 8];
/// Systems of a Pod Manager on average.
const SYSTEMS: usize = 16;
/// Nodes asked for in one request.
const TOGETHER: usize = 1_000;
/// Whose memory is looked at.
const PROGRAMS: [&str; 4] = ["valence-scheduler", "valence-worker", "valence-api", "redis-server"];
/// Longest that a run may take.
const LONGEST: Duration = Duration::from_secs(900);

/// What one run found.
struct Found {
    seconds: f64,
    cpu: Cpu,
    /// Most memory of each sort of process, in their order, MiB.
    memory: [f64; PROGRAMS.len()],
    /// Most that waited in line at once.
    waiting: f64,
    /// How often the scheduler took up a node, on average.
    claims: f64,
    not_there: f64,
}

/// The scenario.
///
/// # Errors
/// When a process fails, or a request is refused.
pub async fn crowd(args: &BenchArgs, report: &mut Report) -> anyhow::Result<()> {
    ensure!(args.tasks <= args.podms * SYSTEMS * 3 / 4, "--tasks {} is more than there is for sure", args.tasks);
    let mut found = Vec::new();
    for _ in 0..args.runs {
        found.push(one(args).await?);
    }
    let mut add = |figure: &str, unit, what: &dyn Fn(&Found) -> f64| {
        report.add(&format!("crowd: {figure}"), unit, &found.iter().map(what).collect::<Vec<f64>>(), &[]);
    };
    add("until all nodes are there", "s", &|f| f.seconds);
    add("most that waited in line", "nodes", &|f| f.waiting);
    add("claims of a node.place", "", &|f| f.claims);
    add("nodes that are not there", "nodes", &|f| f.not_there);
    let a_node = |seconds: f64| 1e3 * seconds / count(args.tasks);
    add("CPU of both schedulers, a node", "ms", &|f| a_node(f.cpu.schedulers));
    add("CPU of the workers, a node", "ms", &|f| a_node(f.cpu.workers));
    add("CPU of Redis, a node", "ms", &|f| a_node(f.cpu.redis));
    for (n, program) in PROGRAMS.iter().enumerate() {
        add(&format!("most memory of all {program}"), "MiB", &|f| f.memory.get(n).copied().unwrap_or(f64::NAN));
    }
    report.broken.extend(found.iter().filter(|f| f.not_there > 0.0).map(|f| format!("{} nodes lost", f.not_there)));
    Ok(())
}

async fn one(args: &BenchArgs) -> anyhow::Result<Found> {
    let mut rig = Rig::start(args).await?;
    let systems = SYSTEMS.to_string();
    let sim = ["--systems", &systems, "--mixed", "--latency", "5ms", "--assemble-time", "3s"];
    let fleet = Fleet::start(&mut rig, args.podms, &sim).await?;
    for (n, id) in fleet.ids.iter().enumerate() {
        let policy = Policy { max_changes: WIDTHS.get(n % WIDTHS.len()).copied(), ..Policy::default() };
        rig.store.set_limits(id, &policy).await?;
        let row: Podm = rig.store.record(Collection::Podm, id).await?.context("no such Pod Manager")?;
        let writer = Writer { task: TaskId::mint(rig.store.clock().now_ms(), Bucket(0)), claims: 1 };
        rig.store.overwrite_record(Collection::Podm, id, &Podm { policy, ..row }, writer).await?;
    }
    let flags = fleet.flags();
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let (slots, url) = (args.concurrency.to_string(), rig.api().await?);
    for _ in 0..args.workers {
        rig.spawn("valence-worker", &[&["--concurrency", &slots], &flags[..]].concat())?;
    }
    for _ in 0..2 {
        rig.spawn("valence-scheduler", &flags)?;
    }
    rig.until_workers(args.workers).await?;
    while rig.store.inventories(&fleet.ids).await?.iter().any(Option::is_none) {
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let before = rig.cpu()?;
    let began = Instant::now();
    let ids = ask(&url, args.tasks).await?;
    let (mut memory, mut waiting) = ([0.0_f64; PROGRAMS.len()], 0.0_f64);
    let mut left = ids.clone();
    while !left.is_empty() && began.elapsed() < LONGEST {
        tokio::time::sleep(Duration::from_secs(1)).await;
        memory.iter_mut().zip(PROGRAMS).for_each(|(most, program)| *most = most.max(rig.memory(program)));
        rig.store.read_candidates(Instant::now()).await?;
        let in_line: u64 = rig.store.with_scene(|scene| scene.lines.iter().map(|line| line.count).sum());
        waiting = waiting.max(count(usize::try_from(in_line)?));
        while let Some(id) = left.last()
            && rig.store.task(*id).await?.is_none_or(|task| task.state.is_terminal())
        {
            left.pop();
        }
    }
    let seconds = began.elapsed().as_secs_f64();
    let cpu = rig.cpu()?.since(before);
    let (mut claims, mut completed) = (0.0, 0);
    for id in &ids {
        let task = rig.store.task(*id).await?.with_context(|| format!("the task {id} is gone"))?;
        claims += task.field("claims").and_then(|n| n.parse::<f64>().ok()).unwrap_or(1.0);
        completed += usize::from(task.state == State::Completed);
        if task.state != State::Completed {
            tracing::warn!(%id, state = ?task.state, error = ?task.body.error, "not completed");
        }
    }
    let not_there = count(ids.len() - completed.min(nodes(&fleet.look("nodes").await?)?));
    Ok(Found { seconds, cpu, memory, waiting, claims: claims / count(ids.len()), not_there })
}

/// Asks for so many nodes, wherever, with three wishes in turn.
async fn ask(url: &str, nodes: usize) -> anyhow::Result<Vec<TaskId>> {
    let (client, mut ids) = (client()?, Vec::with_capacity(nodes));
    while ids.len() < nodes {
        let some = TOGETHER.min(nodes - ids.len());
        let wish = |n: usize| json!({ "name": "n", "properties": { "processor": { "total_cores": (n % 3 + 1).to_string() } } });
        let tasks: Vec<Value> = (0..some).map(|n| json!({ "kind": "node.place", "params": wish(n) })).collect();
        let sent = client.post(format!("{url}/v1/tasks/batch")).json(&json!({ "tasks": tasks })).send();
        let said: Value = sent.await?.error_for_status()?.json().await?;
        for task in said["tasks"].as_array().context("no list of tasks")? {
            ids.push(task["id"].as_str().with_context(|| format!("refused: {task}"))?.parse()?);
        }
    }
    Ok(ids)
}
