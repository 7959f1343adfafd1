//! Choosing a Pod Manager for a node: pure rules on what is known.
//!
//! Filters say who cannot, each with a word for it; weights say who should rather, each a factor above 0 whose product is the score, so
//! that half as good in one respect is half as good. One rule, one file. Nothing here does I/O or looks at a clock: the same request,
//! candidates and time give the same decision and the same explanation. The store hands the candidates over and makes the reservation.

pub mod capacity;
mod filters;
mod request;
mod weights;

use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};

use crate::model::placement::{Candidate, Choice, Chosen, Decision, Placement, Scored};
use capacity::Room;
pub use filters::REASONS;
pub use request::Request;
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
pub fn decide(request: &Request, candidates: &[Candidate], now_ms: u64) -> Decision {
    let mut filtered = [0_u32; REASONS.len()];
    let mut fits = Vec::with_capacity(candidates.len());
    for (at, candidate) in candidates.iter().enumerate() {
        match filters::pass(request, candidate, now_ms) {
            Ok(room) => fits.push(Fit { at, candidate, room }),
            Err(reason) => {
                let n = REASONS.iter().position(|r| *r == reason);
                if let Some(count) = n.and_then(|n| filtered.get_mut(n)) {
                    *count += 1;
                }
            }
        }
    }
    let field = Field::of(&fits, now_ms);
    let mut ranked: Vec<(f64, u64, usize)> = fits
        .iter()
        .enumerate()
        .map(|(n, fit)| (score(request, fit, &field), turn(request.seed, &fit.candidate.site.uuid), n))
        .collect();
    let better = |a: &(f64, u64, usize), b: &(f64, u64, usize)| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1));
    if ranked.len() > SHOWN {
        ranked.select_nth_unstable_by(SHOWN, better);
        ranked.truncate(SHOWN);
    }
    ranked.sort_unstable_by(better);
    let best: Vec<(f64, &Fit<'_>)> = ranked.iter().filter_map(|(score, _, n)| Some((*score, fits.get(*n)?))).collect();
    let scores = best.iter().map(|(score, fit)| scored(request, fit, &field, *score)).collect();
    let choice = best.first().map(|(_, fit)| chosen(fit));
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let placement = Placement {
        considered: count(candidates.len()),
        filtered: REASONS.iter().zip(filtered).filter(|(_, n)| *n > 0).map(|(r, n)| ((*r).to_owned(), n)).collect(),
        scores,
        chosen: best.first().map(|(_, fit)| {
            let site = &fit.candidate.site;
            Chosen { podm_id: site.uuid.clone(), name: site.name.clone() }
        }),
        tried: Vec::new(),
    };
    Decision { choice, placement }
}

fn score(request: &Request, fit: &Fit<'_>, field: &Field) -> f64 {
    WEIGHTS.iter().map(|(_, weight)| weight(request, fit, field)).product()
}

fn scored(request: &Request, fit: &Fit<'_>, field: &Field, score: f64) -> Scored {
    let short = |n: f64| (n * 1e6).round() / 1e6;
    let weights: BTreeMap<String, f64> =
        WEIGHTS.iter().map(|(name, weight)| ((*name).to_owned(), short(weight(request, fit, field)))).collect();
    let site = &fit.candidate.site;
    Scored { podm_id: site.uuid.clone(), name: site.name.clone(), score: short(score), weights }
}

fn chosen(fit: &Fit<'_>) -> Choice {
    let Candidate { site, inventory, keys, .. } = fit.candidate;
    let (shape, most) = match &fit.room {
        Room::Unknown => (String::new(), None),
        Room::Shape { n, most, .. } => (keys.get(*n).cloned().unwrap_or_default(), Some(*most)),
    };
    let inventory_ms = inventory.as_ref().map_or(0, |i| i.at_ms);
    Choice { at: fit.at, podm_id: site.uuid.clone(), shape, most, inventory_ms }
}

/// Whose turn it is among equals.
fn turn(seed: u64, podm_id: &str) -> u64 {
    let mut hasher = std::hash::DefaultHasher::new();
    (seed, podm_id).hash(&mut hasher);
    hasher.finish()
}
