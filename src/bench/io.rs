//! Work that waits for somebody else, 50 ms a task, with more and more worker processes: what all slots together can do at best is the
//! yardstick.

use std::time::{Duration, Instant};

use serde_json::json;

use super::BenchArgs;
use super::drain::{count, fill_with};
use super::report::Report;
use super::rig::Rig;
use crate::model::task::Definition;

/// What a task waits.
const WAIT: Duration = Duration::from_millis(50);
/// Tasks a slot.
const ROUNDS: usize = 60;
/// Worker processes.
const REPLICAS: [usize; 4] = [1, 2, 4, 8];

/// Tasks a second with 1, 2, 4 and 8 workers, beside slots / 50 ms.
///
/// # Errors
/// When a process fails.
pub async fn replicas(args: &BenchArgs, report: &mut Report) -> anyhow::Result<()> {
    let mut rates = vec![Vec::new(); REPLICAS.len()];
    for _ in 0..args.runs {
        for (replicas, rates) in REPLICAS.into_iter().zip(&mut rates) {
            rates.push(once(args, replicas).await?);
        }
    }
    for (replicas, rates) in REPLICAS.into_iter().zip(&rates) {
        let most = count(replicas * args.concurrency) / WAIT.as_secs_f64();
        let figure = format!("50 ms a task, {replicas} workers with {} slots", args.concurrency);
        report.add(&figure, "tasks/s", rates, &vec![most; rates.len()]);
    }
    Ok(())
}

/// The rate between a fifth and nine tenths of the tasks: workers do not start, or run dry, at one time.
async fn once(args: &BenchArgs, replicas: usize) -> anyhow::Result<f64> {
    let mut rig = Rig::start(args).await?;
    let tasks = replicas * args.concurrency * ROUNDS;
    let millis = u64::try_from(WAIT.as_millis())?;
    fill_with(&rig, tasks, &Definition::new("sleep", json!({ "ms": millis }))).await?;
    for _ in 0..replicas {
        rig.spawn("valence-worker", &["--topic", "compute", "--concurrency", &args.concurrency.to_string()])?;
    }
    rig.until_workers(replicas).await?;
    let limit = Duration::from_secs(120);
    rig.until("completed", tasks / 5, limit).await?;
    let (began, from) = (Instant::now(), rig.tasks_in("completed").await?);
    rig.until("completed", tasks * 9 / 10, limit).await?;
    Ok(count(rig.tasks_in("completed").await? - from) / began.elapsed().as_secs_f64())
}
