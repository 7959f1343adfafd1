//! Who may come when places are free: of those who wait, so many as could be placed now.
//!
//! The more urgent come first; callers take turns, whoever came last at the longest ago first, so that nobody's first node stands behind
//! all of another's; of one caller those who want most come first, since those who fit anywhere would have the places that others need, and
//! lines that want the same take turns.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};

use super::{Request, decide, filters};
use crate::model::placement::{Line, Reservation, Scene};

/// Most of one line that are called at once: keeps a pass short.
pub const MOST: u64 = 200;
/// Most lines that could have a place and are looked at in one pass; where there are more, in turn.
const SERVED: usize = 256;
/// Most lines that could have none now and are looked at all the same: a node of theirs may have nowhere to go any more.
const TOLD: usize = 64;
/// What a line's place says of its priority: the rest is when its first was accepted, ms.
pub const RANK: u64 = 100_000_000_000_000;

/// Which caller's turn was when, and which line's.
#[derive(Debug, Default)]
pub struct Turns {
    callers: HashMap<String, u64>,
    lines: HashMap<String, u64>,
    /// When each line was looked at.
    looked: HashMap<String, u64>,
    now: u64,
}

impl Turns {
    fn take(&mut self, line: &Line) {
        self.now += 1;
        self.callers.insert(line.caller.clone(), self.now);
        self.lines.insert(line.name.clone(), self.now);
    }

    /// When the caller's turn was, and when the line's.
    fn of(&self, line: &Line) -> (u64, u64) {
        let at = |turns: &HashMap<String, u64>, who: &str| turns.get(who).copied().unwrap_or(0);
        (at(&self.callers, &line.caller), at(&self.lines, &line.name))
    }

    /// Forgets who does not wait any more.
    fn forget(&mut self, lines: &[Line]) {
        let callers: HashSet<&str> = lines.iter().map(|line| line.caller.as_str()).collect();
        let names: HashSet<&str> = lines.iter().map(|line| line.name.as_str()).collect();
        self.callers.retain(|caller, _| callers.contains(caller.as_str()));
        self.lines.retain(|name, _| names.contains(name.as_str()));
        self.looked.retain(|name, _| names.contains(name.as_str()));
    }

    /// Of some lines, those that were looked at longest ago; they are looked at now.
    fn longest_ago(&mut self, lines: &[Line], mut some: Vec<usize>, most: usize) -> Vec<usize> {
        if some.len() > most {
            let looked = |name: &str| self.looked.get(name).copied().unwrap_or(0);
            some.sort_by_key(|n| lines.get(*n).map(|line| (looked(&line.name), line.first)));
            some.truncate(most);
        }
        self.now += 1;
        for line in some.iter().filter_map(|n| lines.get(*n)) {
            self.looked.insert(line.name.clone(), self.now);
        }
        some
    }
}

/// How many may come of each line of the scene. `coming`: how many of a line have been called and have not been placed yet. Where a node
/// of a line could be nowhere any more, those who wait in it are called to be told.
pub fn called(scene: &mut Scene, turns: &mut Turns, coming: impl Fn(&str) -> u64) -> Vec<(String, u64)> {
    turns.forget(&scene.lines);
    // Who is on the way has a place before those who are still in line.
    let coming: Vec<u64> = scene.lines.iter().map(|line| coming(&line.name)).collect();
    scene.lines.iter_mut().zip(&coming).for_each(|(line, coming)| line.count += coming);
    let mut called: Vec<u64> = vec![0; scene.lines.len()];
    let mut free: Vec<usize> = (0..scene.candidates.len()).filter(|at| has_place(scene, *at)).collect();
    let (mut open, told) = looked_at(scene, turns, &free);
    let mut pretended = Vec::new();
    loop {
        let order = |(n, _): &(usize, Request)| {
            let line = scene.lines.get(*n)?;
            let (caller, own) = turns.of(line);
            // Never negative, so its bits are in its order.
            let most = Reverse(line.cores.to_bits());
            Some((line.first / RANK, caller, most, own, line.first))
        };
        let Some(at) = (0..open.len()).min_by_key(|at| open.get(*at).and_then(order)) else { break };
        let Some((n, request)) = open.get(at) else { break };
        let decision = decide(request, scene);
        let (Some(line), Some(count)) = (scene.lines.get_mut(*n), called.get_mut(*n)) else { break };
        *count += 1;
        line.count = line.count.saturating_sub(1);
        let mut is_over = line.count == 0 || *count >= MOST;
        if let Some(choice) = decision.choice {
            turns.take(line);
            if let Some(candidate) = scene.candidates.get_mut(choice.at) {
                let (begun_ms, until_ms) = (scene.now_ms, u64::MAX);
                let pretend =
                    Reservation { task: String::new(), shape: choice.shape, begun_ms, until_ms, done_ms: 0, own: true };
                candidate.reservations.push(pretend);
                pretended.push(choice.at);
            }
            free.retain(|at| *at != choice.at || has_place(scene, *at));
        } else if decision.placement.waits.is_some() {
            *count -= 1;
            line.count += 1;
            is_over = true;
        }
        if is_over {
            open.swap_remove(at);
        }
        if free.is_empty() {
            open.retain(|(n, _)| told.contains(n));
        }
    }
    for at in pretended {
        if let Some(candidate) = scene.candidates.get_mut(at) {
            candidate.reservations.pop();
        }
    }
    let mut result = Vec::new();
    for ((line, count), coming) in scene.lines.iter_mut().zip(called).zip(coming) {
        line.count = (line.count + count).saturating_sub(coming);
        let count = count.saturating_sub(coming);
        if count > 0 {
            result.push((line.name.clone(), count));
        }
    }
    result
}

/// The lines that a pass looks at, with what is wanted: those that could have one of the free places, and some that could have none, which
/// are named again.
fn looked_at(scene: &Scene, turns: &mut Turns, free: &[usize]) -> (Vec<(usize, Request)>, Vec<usize>) {
    let mut requests: HashMap<usize, Request> = HashMap::new();
    let (mut served, mut told) = (Vec::new(), Vec::new());
    for (n, line) in scene.lines.iter().enumerate() {
        let Ok(request) = serde_json::from_str(&line.wanted) else { continue };
        let mut free = free.iter().filter_map(|at| scene.candidates.get(*at));
        let is_served = free.any(|candidate| filters::pass(&request, candidate, scene.now_ms).is_ok());
        if is_served {
            served.push(n)
        } else {
            told.push(n)
        }
        requests.insert(n, request);
    }
    let served = turns.longest_ago(&scene.lines, served, SERVED);
    let told = turns.longest_ago(&scene.lines, told, TOLD);
    let open = told.iter().chain(&served).filter_map(|n| Some((*n, requests.remove(n)?))).collect();
    (open, told)
}

fn has_place(scene: &Scene, at: usize) -> bool {
    scene.candidates.get(at).is_some_and(|candidate| candidate.has_place(scene.now_ms))
}
