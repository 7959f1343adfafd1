//! Who may come when places are free: of those who wait, so many as could be placed now.
//!
//! The more urgent come first; callers take turns, whoever came last at the longest ago first, so that nobody's first node stands behind
//! all of another's; of one caller those who want most come first, since those who fit anywhere would have the places that others need, and
//! lines that want the same take turns.

use std::cmp::Reverse;
use std::collections::HashMap;

use super::{Request, decide};
use crate::model::placement::{Line, Reservation, Scene};

/// Most of one line that are called at once: keeps a pass short.
pub const MOST: u64 = 200;
/// What a line's place says of its priority: the rest is when its first was accepted, ms.
pub const RANK: u64 = 100_000_000_000_000;

/// Which caller's turn was when, and which line's.
#[derive(Debug, Default)]
pub struct Turns {
    callers: HashMap<String, u64>,
    lines: HashMap<String, u64>,
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
        self.callers.retain(|caller, _| lines.iter().any(|line| line.caller == *caller));
        self.lines.retain(|name, _| lines.iter().any(|line| line.name == *name));
    }
}

/// How many may come of each line of the scene. `coming`: how many of a line have been called and have not been placed yet. Where a node
/// of a line could be nowhere any more, those who wait in it are called to be told.
pub fn called(scene: &mut Scene, turns: &mut Turns, coming: impl Fn(&str) -> u64) -> Vec<(String, u64)> {
    turns.forget(&scene.lines);
    let mut called: Vec<u64> = vec![0; scene.lines.len()];
    let mut open: Vec<(usize, Request)> = Vec::new();
    for (n, line) in scene.lines.iter().enumerate() {
        if let Ok(request) = serde_json::from_str(&line.wanted) {
            open.push((n, request));
        }
    }
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
        } else if decision.placement.waits.is_some() {
            *count -= 1;
            line.count += 1;
            is_over = true;
        }
        if is_over {
            open.swap_remove(at);
        }
    }
    for at in pretended {
        if let Some(candidate) = scene.candidates.get_mut(at) {
            candidate.reservations.pop();
        }
    }
    let mut result = Vec::new();
    for (line, count) in scene.lines.iter_mut().zip(called) {
        line.count += count;
        let count = count.saturating_sub(coming(&line.name));
        if count > 0 {
            result.push((line.name.clone(), count));
        }
    }
    result
}
