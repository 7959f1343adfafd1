//! What a task costs Redis while ever more of them are queued: enqueue, and claim with settle, beside the same with none queued.

use anyhow::ensure;
use serde_json::json;

use super::BenchArgs;
use super::drain::{count, fill, used};
use super::report::Report;
use super::rig::Rig;
use crate::ids::{Bucket, new_token};
use crate::model::topic::Lane;
use crate::store::claims::{Outcome, Settlement, Source};
use crate::store::record::Body;

/// Most that are queued, and with `--full`.
const MOST: usize = 200_000;
const MOST_FULL: usize = 2_000_000;
/// Tasks that are measured at each depth.
const SAMPLE: usize = 10_000;

/// CPU of Redis per task at none, a quarter, half and all of the depth; then the memory of a queued task.
///
/// # Errors
/// When Redis fails.
pub async fn depth(args: &BenchArgs, report: &mut Report) -> anyhow::Result<()> {
    let most = if args.full { MOST_FULL } else { MOST };
    let depths = [0, most / 4, most / 2, most];
    let (mut puts, mut takes) = (vec![Vec::new(); depths.len()], vec![Vec::new(); depths.len()]);
    let mut bytes = Vec::new();
    for _ in 0..args.runs {
        let rig = Rig::start(args).await?;
        let empty = used(&rig).await?;
        let mut queued = 0;
        for (n, depth) in depths.into_iter().enumerate() {
            fill(&rig, depth - queued).await?;
            queued = depth;
            if n == depths.len() - 1 {
                bytes.push((used(&rig).await? - empty) / count(queued));
            }
            let before = rig.cpu()?;
            fill(&rig, SAMPLE).await?;
            puts[n].push(rig.cpu()?.since(before).redis * 1e6 / count(SAMPLE));
            let before = rig.cpu()?;
            take(&rig, SAMPLE).await?;
            takes[n].push(rig.cpu()?.since(before).redis * 1e6 / count(SAMPLE));
        }
    }
    for (n, depth) in depths.into_iter().enumerate() {
        report.add(&format!("depth {depth}: Redis CPU per enqueue"), "µs", &puts[n], &puts[0]);
    }
    for (n, depth) in depths.into_iter().enumerate() {
        report.add(&format!("depth {depth}: Redis CPU per claim and settle"), "µs", &takes[n], &takes[0]);
    }
    report.add(&format!("depth {most}: Redis memory per queued task, 200-byte payload"), "B", &bytes, &[]);
    Ok(())
}

/// Claims and settles so many tasks, 64 a call.
async fn take(rig: &Rig, tasks: usize) -> anyhow::Result<()> {
    let lanes: Vec<Lane> =
        ["compute:high", "compute:normal", "compute:low"].iter().filter_map(|l| Lane::parse(l)).collect();
    let mut done = 0;
    while done < tasks {
        let (token, most) = (new_token(), (tasks - done).min(64));
        let reply = rig.store.claim(Bucket(0), "bench", &token, most, &lanes, &Source::New).await?;
        ensure!(!reply.claimed.is_empty(), "nothing to claim after {done} of {tasks}");
        done += reply.claimed.len();
        let settles = reply.claimed.into_iter().map(|claimed| {
            let body = Some(Body { result: json!("x".repeat(187)), error: None });
            let (outcome, detail) = (Outcome::Completed, String::new());
            rig.store.settle(Settlement { id: claimed.id, token: claimed.token, outcome, ending: None, body, detail })
        });
        for settled in futures_util::future::join_all(settles).await {
            settled?;
        }
    }
    Ok(())
}
