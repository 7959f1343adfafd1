//! How long it takes to read what many Pod Managers have: all of it, then again when nothing has changed; and an urgent refresh meanwhile.

use std::time::{Duration, Instant};

use anyhow::ensure;
use serde_json::json;

use super::BenchArgs;
use super::fleet::Fleet;
use super::report::Report;
use super::rig::Rig;
use crate::ids::TaskId;
use crate::model::task::Definition;
use crate::model::topic::Priority;
use crate::store::Store;

/// Pod Managers.
const PODMS: usize = 100;
/// Computer systems of each.
const SYSTEMS: usize = 100;
/// Most time for one sweep.
const LIMIT: Duration = Duration::from_secs(600);

/// 10,000 systems behind 100 simulated Pod Managers, each of whose answers takes 5 ms.
///
/// # Errors
/// When a process fails, or a refresh does not end well.
pub async fn sweep(args: &BenchArgs, report: &mut Report) -> anyhow::Result<()> {
    let (mut cold, mut warm, mut urgent) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..args.runs {
        let mut rig = Rig::start(args).await?;
        let systems = SYSTEMS.to_string();
        let fleet = Fleet::start(&mut rig, PODMS, &["--systems", &systems, "--latency", "5ms"]).await?;
        let flags = fleet.flags();
        let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
        rig.spawn("valence-worker", &[&["--topic", "scheduler"], &flags[..]].concat())?;
        rig.until_workers(1).await?;
        let (all, one) = timed(&rig.store, &fleet.ids).await?;
        cold.push(all);
        urgent.push(one);
        warm.push(timed(&rig.store, &fleet.ids).await?.0);
    }
    report.add("inventory: 10,000 systems behind 100 Pod Managers, read whole", "s", &cold, &[]);
    report.add("inventory: the same again, nothing changed", "s", &warm, &[]);
    report.add("inventory: urgent refresh of 100 systems during the first", "s", &urgent, &[]);
    Ok(())
}

/// Seconds of a sweep of all, as the scheduler makes it, and of an urgent refresh of the last in line, asked for in the middle of it.
async fn timed(store: &Store, ids: &[String]) -> anyhow::Result<(f64, f64)> {
    let submit = async |id: &String, priority, params| {
        let mut def = Definition::new("inventory.refresh", params);
        (def.podm_id, def.priority) = (Some(id.clone()), priority);
        store.submit(def, None, None).await
    };
    let began = Instant::now();
    let mut tasks = Vec::with_capacity(ids.len());
    for id in ids {
        tasks.push(submit(id, Priority::Low, json!({"sweep": {"grace_s": 600}})).await?.id);
    }
    let some = tasks.len() / 8;
    until_ended(store, &tasks[..some]).await?;
    let asked = Instant::now();
    if let Some(last) = ids.last() {
        let task = submit(last, Priority::High, json!({})).await?.id;
        until_ended(store, &[task]).await?;
    }
    let urgent = asked.elapsed().as_secs_f64();
    until_ended(store, &tasks).await?;
    let all = began.elapsed().as_secs_f64();
    let found = store.inventories(ids).await?;
    let systems: u32 = found.iter().flatten().map(|i| i.systems).sum();
    ensure!(u32::try_from(PODMS * SYSTEMS) == Ok(systems), "{systems} systems were read");
    Ok((all, urgent))
}

async fn until_ended(store: &Store, tasks: &[TaskId]) -> anyhow::Result<()> {
    let deadline = Instant::now() + LIMIT;
    for id in tasks {
        loop {
            match store.task(*id).await? {
                Some(task) if task.state.is_terminal() => break,
                _ => ensure!(Instant::now() < deadline, "the refresh {id} does not end"),
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    Ok(())
}
