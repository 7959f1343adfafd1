//! Choosing a Pod Manager for a node: pure rules on what is known.
//!
//! Filters say who cannot, each with a word for it; weights say who should rather, each a factor above 0 whose product is the score, so
//! that half as good in one respect is half as good. The best is taken when it has a free place; else the node waits unbound, and
//! [`called`] says who may come when places are free ([`pace`]: how soon that is). One rule, one file. Nothing here does I/O or looks at a clock: the same request,
//! candidates and time give the same decision and the same explanation. The store hands the candidates over and makes the reservation.

pub mod capacity;
mod filters;
mod pace;
mod request;
mod turns;
mod weights;

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};

use crate::model::placement::{Candidate, Choice, Chosen, Decision, Placement, Scene, Scored};
use capacity::Room;
pub use filters::REASONS;
use pace::Pace;
pub use request::Request;
pub use turns::{MOST, RANK, Turns, called};
use weights::{Field, WEIGHTS};

/// Scores that an explanation shows.
const SHOWN: usize = 5;

/// A candidate that no filter refuses.
struct Fit<'a> {
    at: usize,
    candidate: &'a Candidate,
    room: Room,
}

/// Chooses. Which of equals is taken depends on the request's `seed`, so that schedulers do not all take the same.
#[must_use]
pub fn decide(request: &Request, scene: &Scene) -> Decision {
    let candidates = &scene.candidates;
    let mut filtered = [0_u32; REASONS.len()];
    let mut fits = Vec::with_capacity(candidates.len());
    for (at, candidate) in candidates.iter().enumerate() {
        match filters::pass(request, candidate, scene.now_ms) {
            Ok(room) => fits.push(Fit { at, candidate, room }),
            Err(reason) => {
                let n = REASONS.iter().position(|r| *r == reason);
                if let Some(count) = n.and_then(|n| filtered.get_mut(n)) {
                    *count += 1;
                }
            }
        }
    }
    let field = Field::of(request, &fits, scene);
    let mut ranked: Vec<Ranked<'_>> = fits
        .iter()
        .zip(&field.paces)
        .map(|(fit, pace)| Ranked {
            score: score(request, fit, pace, &field),
            turn: turn(request.seed, &fit.candidate.site.uuid),
            fit,
            pace,
        })
        .collect();
    if ranked.len() > SHOWN {
        ranked.select_nth_unstable_by(SHOWN, Ranked::better);
        ranked.truncate(SHOWN);
    }
    ranked.sort_unstable_by(Ranked::better);
    let best = ranked.first();
    let shut = filtered.last().is_some_and(|n| *n > 0);
    let waits = match best {
        None => shut.then(|| "every Pod Manager that could take the node has an open circuit".to_owned()),
        Some(best) if best.pace.has_place() => None,
        Some(best) => Some(why_it_waits(best, &field)),
    };
    let choice = best.filter(|_| waits.is_none()).map(|best| chosen(best.fit));
    let placement = Placement {
        considered: count(candidates.len()),
        filtered: REASONS.iter().zip(filtered).filter(|(_, n)| *n > 0).map(|(r, n)| ((*r).to_owned(), n)).collect(),
        scores: ranked.iter().map(|r| scored(request, r, &field)).collect(),
        chosen: best.map(|best| {
            let site = &best.fit.candidate.site;
            Chosen { podm_id: site.uuid.clone(), name: site.name.clone() }
        }),
        waits,
        ..Placement::default()
    };
    Decision { choice, placement }
}

/// A fit with its score.
struct Ranked<'a> {
    score: f64,
    turn: u64,
    fit: &'a Fit<'a>,
    pace: &'a Pace,
}

impl Ranked<'_> {
    fn better(a: &Self, b: &Self) -> Ordering {
        b.score.total_cmp(&a.score).then(b.pace.has_place().cmp(&a.pace.has_place())).then(a.turn.cmp(&b.turn))
    }
}

fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

/// That all are busy, or that who has a free place would take longer.
fn why_it_waits(best: &Ranked<'_>, field: &Field) -> String {
    let all = field.paces.len();
    let free = field.paces.iter().filter(|pace| pace.has_place()).count();
    let first = &best.fit.candidate.site.name;
    if free == 0 {
        let who = if all == 1 { "one Pod Manager".to_owned() } else { format!("{all} Pod Managers") };
        format!("{who} could take the node, and each does as much at once as it may; first comes {first}")
    } else {
        format!(
            "a place at {first} is worth waiting for: {free} of {all} Pod Managers have one free now, and are slower or wanted less"
        )
    }
}

fn score(request: &Request, fit: &Fit<'_>, pace: &Pace, field: &Field) -> f64 {
    WEIGHTS.iter().map(|(_, weight)| weight(request, fit, pace, field)).product()
}

fn scored(request: &Request, ranked: &Ranked<'_>, field: &Field) -> Scored {
    let Ranked { score, fit, pace, .. } = *ranked;
    let short = |n: f64| (n * 1e6).round() / 1e6;
    let weights: BTreeMap<String, f64> =
        WEIGHTS.iter().map(|(name, weight)| ((*name).to_owned(), short(weight(request, fit, pace, field)))).collect();
    let site = &fit.candidate.site;
    Scored { podm_id: site.uuid.clone(), name: site.name.clone(), score: short(score), weights }
}

fn chosen(fit: &Fit<'_>) -> Choice {
    let Candidate { site, inventory, keys, .. } = fit.candidate;
    let (shape, most) = match &fit.room {
        Room::Unknown => (String::new(), None),
        Room::Shape { n, most, .. } => (keys.get(*n).cloned().unwrap_or_default(), Some(*most)),
    };
    let (inventory_ms, places) = (inventory.as_ref().map_or(0, |i| i.at_ms), fit.candidate.places());
    Choice { at: fit.at, podm_id: site.uuid.clone(), shape, most, inventory_ms, places }
}

/// Whose turn it is among equals.
fn turn(seed: u64, podm_id: &str) -> u64 {
    let mut hasher = std::hash::DefaultHasher::new();
    (seed, podm_id).hash(&mut hasher);
    hasher.finish()
}
