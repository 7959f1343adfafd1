//! Long operations that are waited for: none takes a slot, none takes memory of its worker.

use std::time::{Duration, Instant};

use serde_json::json;

use super::BenchArgs;
use super::drain::{count, fill_with};
use super::report::Report;
use super::rig::Rig;
use crate::model::task::Definition;

/// How many.
const TASKS: usize = 20_000;

/// Parks 20,000 tasks for longer than the run lasts; then what the worker takes, what is left running, and how long one more task takes.
///
/// # Errors
/// When a process fails.
pub async fn parked(args: &BenchArgs, report: &mut Report) -> anyhow::Result<()> {
    let (mut memory, mut running, mut one_more) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..args.runs {
        let mut rig = Rig::start(args).await?;
        rig.spawn("valence-worker", &["--topic", "compute", "--concurrency", &args.concurrency.to_string()])?;
        rig.until_workers(1).await?;
        let waits = Definition::new("sleep", json!({ "steps": 2, "park_ms": 600_000, "ms": 0 }));
        fill_with(&rig, TASKS, &waits).await?;
        rig.until("parked", TASKS, Duration::from_secs(120)).await?;
        memory.push(rig.worker_memory()?);
        running.push(count(rig.tasks_in("running").await?));
        let began = Instant::now();
        fill_with(&rig, 1, &Definition::new("noop", json!({}))).await?;
        rig.until("completed", 1, Duration::from_secs(30)).await?;
        one_more.push(began.elapsed().as_secs_f64() * 1e3);
    }
    report.add("20,000 parked: memory of the one worker", "MiB", &memory, &[]);
    report.add("20,000 parked: slots they hold", "", &running, &[]);
    report.add("20,000 parked: one more task, enqueue to end (looked at every 5 ms)", "ms", &one_more, &[]);
    Ok(())
}
