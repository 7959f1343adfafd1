//! What one request takes on an idle system: a read through the queue, and a task from POST to its end.

use std::time::Instant;

use anyhow::ensure;
use serde_json::{Value, json};

use super::BenchArgs;
use super::enqueue::client;
use super::report::{Report, median};
use super::rig::Rig;

/// Requests in a run.
const REQUESTS: usize = 300;

/// GET /v1/flavors (a sync task that reads records), beside a bare route that does one GET.
///
/// # Errors
/// When a process fails or a request is refused.
pub async fn read(args: &BenchArgs, report: &mut Report) -> anyhow::Result<()> {
    let mut rig = Rig::start(args).await?;
    let url = rig.api().await?;
    rig.spawn("valence-worker", &["--topic", "compute"])?;
    rig.until_workers(1).await?;
    let bare = rig.bare().await?;
    let (mut p50s, mut bare_p50s) = (Vec::new(), Vec::new());
    for _ in 0..args.runs {
        bare_p50s.push(timed(&format!("{bare}/get")).await?);
        p50s.push(timed(&format!("{url}/v1/flavors")).await?);
    }
    report.add("read through the queue, idle, p50", "ms", &p50s, &bare_p50s);
    Ok(())
}

async fn timed(url: &str) -> anyhow::Result<f64> {
    let client = client()?;
    let mut times = Vec::with_capacity(REQUESTS);
    for _ in 0..REQUESTS {
        let began = Instant::now();
        let answer = client.get(url).send().await?;
        ensure!(answer.status() == 200, "{url} answered {}", answer.status());
        answer.bytes().await?;
        times.push(began.elapsed().as_secs_f64() * 1e3);
    }
    Ok(median(&times))
}

/// POST a no-op with `respond-async`, then long-poll until it is completed.
///
/// # Errors
/// When a process fails or a request is refused.
pub async fn task(args: &BenchArgs, report: &mut Report) -> anyhow::Result<()> {
    let mut rig = Rig::start(args).await?;
    let url = rig.api().await?;
    rig.spawn("valence-worker", &["--topic", "compute"])?;
    rig.until_workers(1).await?;
    let client = client()?;
    let mut p50s = Vec::new();
    for _ in 0..args.runs {
        let mut times = Vec::with_capacity(REQUESTS);
        for _ in 0..REQUESTS {
            let began = Instant::now();
            let post = client.post(format!("{url}/v1/tasks")).header("prefer", "respond-async");
            let task: Value = post.json(&json!({ "kind": "noop" })).send().await?.error_for_status()?.json().await?;
            let id = task["id"].as_str().unwrap_or_default();
            let ended: Value =
                client.get(format!("{url}/v1/tasks/{id}?wait=10")).send().await?.error_for_status()?.json().await?;
            ensure!(ended["status"] == "Completed", "the task is {}", ended["status"]);
            times.push(began.elapsed().as_secs_f64() * 1e3);
        }
        p50s.push(median(&times));
    }
    report.add("async task, idle, POST to Completed by long-poll, p50", "ms", &p50s, &[]);
    Ok(())
}
