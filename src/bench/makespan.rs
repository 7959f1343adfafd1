//! How long a crowd of composes takes as it is placed, beside the least that any placement could take; simulated, without Redis.
//!
//! 1,000 Pod Managers of unlike speed (5 to 60 s a compose), width (1 to 8 at once) and capacity; 12,000 composes, three in ten of which
//! only large systems can hold. The bound: the shortest time in which so many whole rounds fit, for all composes at all Pod Managers and
//! for the large ones at those that can hold them. No placement is shorter.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::BenchArgs;
use super::drain::count;
use super::placement::PODMS;
use super::report::Report;
use crate::model::inventory::{Inventory, Shape};
use crate::model::placement::{Candidate, Reservation, Site};
use crate::model::podm::{PodmStatus, Policy};
use crate::placement::{Request, decide};

const COMPOSES: usize = 12_000;
/// When the inventories were read.
const AT_MS: u64 = 1;

/// A simulated Pod Manager.
struct Plant {
    compose_ms: u64,
    at_once: u64,
    free: u64,
    large: bool,
    /// When each of its places is free again.
    places: BinaryHeap<Reverse<u64>>,
}

/// The ratio with speeds known, all composes placed at once; and with speeds learned from composes that take up to a fifth more or less,
/// placed as earlier ones end.
pub(super) fn makespan(args: &BenchArgs, report: &mut Report) {
    let (mut known, mut learned) = (Vec::new(), Vec::new());
    for run in 0..args.runs {
        let seed = u64::try_from(run).unwrap_or(0);
        known.push(simulate(seed, true));
        learned.push(simulate(seed, false));
    }
    report.add("placement: makespan, speeds known, beside the bound", "×", &known, &[]);
    report.add("placement: makespan, speeds learned and uneven, beside the bound", "×", &learned, &[]);
}

fn simulate(seed: u64, known: bool) -> f64 {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut plants: Vec<Plant> = (0..PODMS)
        .map(|n| {
            let at_once = [1, 2, 4, 8][rng.random_range(0..4)];
            let places = (0..at_once).map(|_| Reverse(0)).collect();
            let (compose_ms, free) = (rng.random_range(5_000..=60_000), rng.random_range(8..=40));
            Plant { compose_ms, at_once, free, large: n % 5 < 2, places }
        })
        .collect();
    let mut candidates: Vec<Candidate> = plants.iter().enumerate().map(|(n, p)| candidate(n, p, known)).collect();
    let slots: u64 = plants.iter().map(|p| p.at_once).sum();
    let together = if known { COMPOSES } else { usize::try_from(slots).unwrap_or(COMPOSES) * 3 / 2 };
    let (mut now, mut last) = (0, 0);
    // What ends when, and where.
    let mut running: BinaryHeap<Reverse<(u64, usize, usize, u64)>> = BinaryHeap::new();
    for task in 0..COMPOSES {
        if running.len() >= together
            && let Some(Reverse((end, at, ended, took))) = running.pop()
        {
            now = end;
            if let Some(candidate) = candidates.get_mut(at) {
                let name = ended.to_string();
                candidate.reservations.iter_mut().filter(|r| r.task == name).for_each(|r| r.done_ms = now.max(1));
                let before = candidate.compose_ms.unwrap_or(took);
                candidate.compose_ms = Some((before * 7 + took * 3) / 10);
            }
        }
        let large = task % 10 < 3;
        let request = Request {
            cores: if large { 32.0 } else { 8.0 },
            seed: u64::try_from(task).unwrap_or(0),
            ..Request::default()
        };
        let Some(choice) = decide(&request, &candidates, AT_MS + now).choice else { return f64::INFINITY };
        let (Some(candidate), Some(plant)) = (candidates.get_mut(choice.at), plants.get_mut(choice.at)) else {
            continue;
        };
        candidate.reservations.push(Reservation {
            task: task.to_string(),
            shape: choice.shape,
            until_ms: u64::MAX,
            done_ms: 0,
        });
        let took = if known { plant.compose_ms } else { plant.compose_ms * rng.random_range(80..=120) / 100 };
        let begins = plant.places.pop().map_or(now, |Reverse(free)| free.max(now));
        let end = begins + took;
        plant.places.push(Reverse(end));
        running.push(Reverse((end, choice.at, task, took)));
        last = last.max(end);
    }
    ms(last) / ms(bound(&plants))
}

fn candidate(n: usize, plant: &Plant, known: bool) -> Candidate {
    let free = u32::try_from(plant.free).unwrap_or(0);
    let cores = if plant.large { 32 } else { 8 };
    let shape = Shape { cores, memory_mib: 4096 * u64::from(cores), model: None, total: free, free };
    let site = Site {
        uuid: format!("podm-{n}"),
        name: format!("podm-{n}"),
        driver: "redfishv1".into(),
        status: PodmStatus::Online,
        policy: Policy { max_changes: u32::try_from(plant.at_once).ok(), ..Policy::default() },
    };
    let inventory = Inventory { podm_id: site.uuid.clone(), at_ms: AT_MS, shapes: vec![shape], ..Inventory::default() };
    let compose_ms = known.then_some(plant.compose_ms);
    Candidate { site, compose_ms, ..Candidate::default() }.with_inventory(Some(inventory))
}

/// The least time that all of it can take, ms.
fn bound(plants: &[Plant]) -> u64 {
    let least = |large_only: bool, wanted: u64| {
        let fits = |time: u64| {
            let of = |p: &Plant| (time / p.compose_ms * p.at_once).min(p.free);
            plants.iter().filter(|p| p.large || !large_only).map(of).sum::<u64>() >= wanted
        };
        let (mut low, mut high) = (0, 10_000_000);
        while low + 1 < high {
            let middle = u64::midpoint(low, high);
            if fits(middle) { high = middle } else { low = middle }
        }
        high
    };
    let all = u64::try_from(COMPOSES).unwrap_or(0);
    least(false, all).max(least(true, all * 3 / 10))
}

fn ms(n: u64) -> f64 {
    count(usize::try_from(n).unwrap_or(usize::MAX))
}
