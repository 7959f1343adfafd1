//! How long a crowd of composes takes as it is placed, beside the least that any placement could take; simulated, without Redis.
//!
//! 1,000 Pod Managers of unlike speed (5 to 60 s a compose), width (1 to 8 at once) and capacity; 12,000 composes, three in ten of which
//! only large systems can hold, all asked for at once. What is simulated is what the scheduler does: who finds no place stands in line,
//! and is called by the same rule when composes have ended. The bound: the shortest time in which so many whole rounds fit, for all
//! composes at all Pod Managers and for the large ones at those that can hold them. No placement is shorter.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::BenchArgs;
use super::drain::count;
use super::placement::PODMS;
use super::report::Report;
use crate::model::inventory::{Inventory, Shape};
use crate::model::placement::{Candidate, Line, Reservation, Scene, Site};
use crate::model::podm::{PodmStatus, Policy};
use crate::placement::{RANK, Request, Turns, called, decide};

const COMPOSES: usize = 12_000;
/// When the inventories were read and all was asked for.
const AT_MS: u64 = 1;
/// Composes that end within so long are seen together, ms.
const TOGETHER_MS: u64 = 20;
/// Between two looks at who waits, when nothing ends, ms.
const LONGEST_MS: u64 = 1_000;

/// A simulated Pod Manager.
struct Plant {
    compose_ms: u64,
    at_once: u64,
    free: u64,
    large: bool,
}

/// A compose that runs: when it ends, where, which task, how long it takes.
type Running = Reverse<(u64, usize, usize, u64)>;

/// The ratio with speeds known, and with speeds learned from composes that take up to a fifth more or less.
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

/// What is simulated.
struct World {
    rng: StdRng,
    plants: Vec<Plant>,
    scene: Scene,
    /// Who waits, in the order of the scene's lines.
    waiting: Vec<VecDeque<usize>>,
    running: BinaryHeap<Running>,
    known: bool,
}

fn simulate(seed: u64, known: bool) -> f64 {
    let mut rng = StdRng::seed_from_u64(seed);
    let plants: Vec<Plant> = (0..PODMS)
        .map(|n| {
            let at_once = [1, 2, 4, 8][rng.random_range(0..4)];
            let (compose_ms, free) = (rng.random_range(5_000..=60_000), rng.random_range(8..=40));
            Plant { compose_ms, at_once, free, large: n % 5 < 2 }
        })
        .collect();
    let candidates: Vec<Candidate> = plants.iter().enumerate().map(|(n, p)| candidate(n, p, known)).collect();
    let lines = [false, true].map(|large| line(&request(large)));
    let scene = Scene { candidates, lines: lines.into(), now_ms: AT_MS };
    let waiting = vec![VecDeque::new(); 2];
    let mut world = World { rng, plants, scene, waiting, running: BinaryHeap::new(), known };
    let mut turns = Turns::default();
    for task in 0..COMPOSES {
        let large = usize::from(task % 10 < 3);
        // Nobody comes before those who wait for the same.
        if world.waiting.get(large).is_some_and(|line| !line.is_empty()) || !world.place(large, task) {
            world.wait(large, task);
        }
    }
    // The scheduler looks when composes have ended, and every so often besides.
    loop {
        world.call(&mut turns);
        let Some(Reverse((end, ..))) = world.running.peek() else { break };
        world.scene.now_ms = (end + TOGETHER_MS).min(world.scene.now_ms + LONGEST_MS);
        while world.running.peek().is_some_and(|Reverse((end, ..))| *end <= world.scene.now_ms) {
            if let Some(Reverse(ended)) = world.running.pop() {
                world.end(ended);
            }
        }
    }
    if world.waiting.iter().any(|line| !line.is_empty()) {
        return f64::INFINITY;
    }
    ms(world.scene.now_ms - AT_MS) / ms(bound(&world.plants))
}

impl World {
    /// Places a compose, when there is a place for it.
    fn place(&mut self, large: usize, task: usize) -> bool {
        let request = Request { seed: u64::try_from(task).unwrap_or(0), ..request(large == 1) };
        let Some(choice) = decide(&request, &self.scene).choice else { return false };
        let Some(plant) = self.plants.get(choice.at) else { return false };
        let uneven = if self.known { 100 } else { self.rng.random_range(80..=120) };
        let took = plant.compose_ms * uneven / 100;
        let begun_ms = self.scene.now_ms;
        if let Some(candidate) = self.scene.candidates.get_mut(choice.at) {
            let (task, until_ms) = (task.to_string(), u64::MAX);
            candidate.reservations.push(Reservation {
                task,
                shape: choice.shape,
                begun_ms,
                until_ms,
                done_ms: 0,
                own: true,
            });
        }
        self.running.push(Reverse((begun_ms + took, choice.at, task, took)));
        true
    }

    /// Calls those who may come; again while any of them was placed, since a call takes no more than so many at once.
    fn call(&mut self, turns: &mut Turns) {
        let mut placed = true;
        while placed {
            placed = false;
            for (name, many) in called(&mut self.scene, turns, |_| 0) {
                let large = usize::from(self.scene.lines.get(1).is_some_and(|line| line.name == name));
                let mut come = Vec::new();
                if let (Some(waiting), Some(line)) = (self.waiting.get_mut(large), self.scene.lines.get_mut(large)) {
                    let many = usize::try_from(many).unwrap_or(usize::MAX).min(waiting.len());
                    come.extend(waiting.drain(..many));
                    line.count = u64::try_from(waiting.len()).unwrap_or(0);
                }
                for task in come {
                    if self.place(large, task) {
                        placed = true;
                    } else {
                        self.wait(large, task);
                    }
                }
            }
        }
    }

    fn wait(&mut self, large: usize, task: usize) {
        if let (Some(waiting), Some(line)) = (self.waiting.get_mut(large), self.scene.lines.get_mut(large)) {
            waiting.push_back(task);
            line.count += 1;
        }
    }

    fn end(&mut self, (_, at, task, took): (u64, usize, usize, u64)) {
        let now = self.scene.now_ms;
        let Some(candidate) = self.scene.candidates.get_mut(at) else { return };
        let name = task.to_string();
        candidate.reservations.iter_mut().filter(|r| r.task == name).for_each(|r| r.done_ms = now);
        let before = candidate.compose_ms.unwrap_or(took);
        candidate.compose_ms = Some((before * 7 + took * 3) / 10);
    }
}

fn request(large: bool) -> Request {
    Request { cores: if large { 32.0 } else { 8.0 }, ..Request::default() }
}

fn line(request: &Request) -> Line {
    let wanted = serde_json::to_string(request).unwrap_or_default();
    Line { name: format!("{} cores", request.cores), wanted, cores: request.cores, first: RANK, ..Line::default() }
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
