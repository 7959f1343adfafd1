//! Placement among 1,000 Pod Managers of mixed capacities, written as records and inventories into a private Redis; no hardware.
//!
//! Measured: decisions a second of one process, choice and reservation together, beside the choice alone; what two processes with 64
//! placers each promise beyond what there is, when more is asked for than there is; and the makespan ([`super::makespan`]).

use std::collections::HashMap;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use serde_json::json;

use super::BenchArgs;
use super::drain::count;
use super::makespan;
use super::report::Report;
use super::rig::Rig;
use crate::config::Config;
use crate::ids::{Bucket, TaskId, new_record_id};
use crate::model::inventory::{Inventory, Shape};
use crate::model::placement::{Hints, Line, Reservation, shape_key};
use crate::model::podm::{Podm, PodmStatus, Policy};
use crate::placement::{Request, decide};
use crate::store::Store;
use crate::store::connect::Redis;
use crate::store::records::{Collection, Writer};

/// Pod Managers.
pub(super) const PODMS: usize = 1_000;
/// Placers of a process.
const PLACERS: usize = 64;
/// Decisions in a run of the rate: fewer than there are places, since nothing ends meanwhile.
const DECISIONS: usize = 2_000;
/// Nodes in line, for the rate of choices while so many wait.
const IN_LINE: u64 = 8_000;
/// How long a compose of the bench is said to have taken.
const TOOK: Duration = Duration::from_secs(1);
/// Longest that a reservation of the bench lasts.
const LASTS: Duration = Duration::from_secs(3600);

/// The scenario.
///
/// # Errors
/// When a process fails.
pub async fn placement(args: &BenchArgs, report: &mut Report) -> anyhow::Result<()> {
    let (mut rates, mut alone, mut crowded) = (Vec::new(), Vec::new(), Vec::new());
    let (mut beyond, mut used) = (Vec::new(), Vec::new());
    for _ in 0..args.runs {
        let rig = Rig::start(args).await?;
        register(&rig.store).await?;
        alone.push(choices(&rig.store, 0).await?);
        crowded.push(choices(&rig.store, IN_LINE).await?);
        rates.push(rate(&rig.store).await?);
        let rig = Rig::start(args).await?;
        register(&rig.store).await?;
        let (too_many, share) = contend(&rig).await?;
        beyond.push(too_many);
        used.push(share);
    }
    report.add("placement: decisions with reservation, 1,000 Pod Managers, one process", "1/s", &rates, &alone);
    report.add("placement: choices alone while 8,000 nodes wait in line", "1/s", &crowded, &[]);
    report.add("placement: promised beyond what there is, 2 × 64 placers", "nodes", &beyond, &[]);
    report.add("placement: share of what there is that was promised", "", &used, &[]);
    makespan::makespan(args, report);
    Ok(())
}

/// The n-th Pod Manager's hardware: small, middle and large systems, few and many.
pub(super) fn inventory(n: usize, podm_id: &str, at_ms: u64) -> Inventory {
    let shape = |cores: u32, free: usize| Shape {
        cores,
        memory_mib: u64::from(cores) * 4096,
        model: None,
        total: 32,
        free: u32::try_from(free).unwrap_or(0),
    };
    let shapes = match n % 4 {
        0 => vec![shape(8, 2 + n % 7)],
        1 => vec![shape(8, 4 + n % 5), shape(16, 1 + n % 3)],
        2 => vec![shape(16, 3 + n % 11)],
        _ => vec![shape(8, n % 2), shape(32, 1 + n % 13)],
    };
    Inventory { podm_id: podm_id.to_owned(), at_ms, racks: 2, shapes, ..Inventory::default() }
}

async fn register(store: &Store) -> anyhow::Result<()> {
    let now = store.clock().now_ms();
    for n in 0..PODMS {
        let uuid = new_record_id();
        let podm = Podm {
            status: PodmStatus::Online,
            policy: Policy { max_changes: Some([1, 2, 4, 8][n % 4]), ..Policy::default() },
            ..Podm::new(&uuid, &format!("podm-{n}"), &format!("https://podm-{n}.example"), "redfishv1")
        };
        let writer = Writer { task: TaskId::mint(now, Bucket(0)), claims: 1 };
        ensure!(store.put_record(Collection::Podm, &uuid, &podm, writer).await?, "record not written");
        store.put_inventory(&inventory(n, &uuid, now)).await?;
    }
    Ok(())
}

/// A request for a small or, one time in three, a larger system.
fn request(turn: usize) -> anyhow::Result<Request> {
    let cores = if turn.is_multiple_of(3) { "16" } else { "8" };
    let wanted = serde_json::from_value(json!({"processor": {"total_cores": cores}}))?;
    let request = Request::new(&wanted, Hints::default()).map_err(anyhow::Error::msg)?;
    Ok(Request { seed: u64::try_from(turn)?, ..request })
}

/// Choices a second, without Redis, while so many wait in line.
async fn choices(store: &Store, waiting: u64) -> anyhow::Result<f64> {
    store.read_candidates(Instant::now()).await?;
    let lines = vec![Line { cores: 8.0, count: waiting, ..Line::default() }];
    store.with_scene(|scene| scene.lines = lines);
    let began = Instant::now();
    for turn in 0..DECISIONS / 2 {
        let request = request(turn)?;
        let decision = store.with_scene(|scene| decide(&request, scene));
        ensure!(decision.choice.is_some(), "nothing chosen: {:?}", decision.placement);
    }
    let rate = count(DECISIONS / 2) / began.elapsed().as_secs_f64();
    store.with_scene(|scene| scene.lines.clear());
    Ok(rate)
}

/// Decisions with their reservations a second.
async fn rate(store: &Store) -> anyhow::Result<f64> {
    let began = Instant::now();
    let placed = place_all(store, DECISIONS, false).await?;
    ensure!(placed == DECISIONS, "only {placed} of {DECISIONS} were placed");
    Ok(count(placed) / began.elapsed().as_secs_f64())
}

/// Places so many nodes by as many placers as there are; how many had room. With `end`, each is there at once: its place is free again, its
/// hardware is not.
async fn place_all(store: &Store, wanted: usize, end: bool) -> anyhow::Result<usize> {
    let (turns, placed) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let placers = (0..PLACERS).map(|_| {
        let (store, turns, placed) = (store.clone(), turns.clone(), placed.clone());
        tokio::spawn(async move {
            loop {
                let turn = turns.fetch_add(1, Ordering::Relaxed);
                if turn >= wanted {
                    return anyhow::Ok(());
                }
                let request = request(turn)?;
                let task = TaskId::mint(store.clock().now_ms(), Bucket(0));
                let mut decision = store.place(task, LASTS, |scene| decide(&request, scene)).await?;
                while end && decision.placement.waits.is_some() {
                    let _freed_or_not = tokio::time::timeout(Duration::from_millis(20), store.place_freed()).await;
                    decision = store.place(task, LASTS, |scene| decide(&request, scene)).await?;
                }
                if let Some(choice) = decision.choice {
                    placed.fetch_add(1, Ordering::Relaxed);
                    if end {
                        store.reservation_done(&choice.podm_id, task, TOOK).await?;
                    }
                }
            }
        })
    });
    for placer in placers.collect::<Vec<_>>() {
        placer.await??;
    }
    Ok(placed.load(Ordering::Relaxed))
}

/// What the other process does: places in a Redis until it has asked as often as there are systems.
///
/// # Errors
/// When Redis fails.
pub async fn placer(redis: &str) -> anyhow::Result<()> {
    let connected = Redis::connect(redis, Duration::from_secs(30)).await?;
    let store = Store::open(connected, Config::default().store_options()).await?;
    let wanted = demand();
    place_all(&store, wanted, true).await?;
    Ok(())
}

/// Requests of each of two processes: together half as many again as there are systems.
fn demand() -> usize {
    let free: u32 = (0..PODMS).flat_map(|n| inventory(n, "", 0).shapes).map(|s| s.free).sum();
    usize::try_from(free).unwrap_or(0) * 3 / 4
}

/// Two processes ask for more than there is: what is promised beyond it, and the share that is promised.
async fn contend(rig: &Rig) -> anyhow::Result<(f64, f64)> {
    let other = std::process::Command::new(std::env::current_exe()?)
        .args(["--placers", &rig.url()])
        .stdout(Stdio::null())
        .spawn()
        .context("the other process")?;
    let here = place_all(&rig.store, demand(), true).await;
    let other = tokio::task::spawn_blocking(move || other.wait_with_output()).await??;
    here?;
    ensure!(other.status.success(), "the other process failed");
    rig.store.read_candidates(Instant::now()).await?;
    Ok(rig.store.with_candidates(|candidates| {
        let (mut beyond, mut promised, mut free) = (0, 0, 0);
        for candidate in candidates.iter() {
            let mut by_shape: HashMap<&str, u32> = HashMap::new();
            for Reservation { shape, .. } in &candidate.reservations {
                *by_shape.entry(shape).or_default() += 1;
            }
            for shape in candidate.inventory.iter().flat_map(|i| &i.shapes) {
                let reserved = by_shape.get(shape_key(shape).as_str()).copied().unwrap_or(0);
                beyond += reserved.saturating_sub(shape.free);
                promised += reserved;
                free += shape.free;
            }
        }
        (f64::from(beyond), f64::from(promised) / f64::from(free))
    }))
}
