//! Who should rather: one rule a file, each a factor above 0. 1 changes nothing; half as much is half as good.

mod affinity;
mod answers;
mod fit;
mod knowledge;
mod load;
mod operator;
mod spread;

use super::capacity::Room;
use super::pace::{self, Pace};
use super::{Fit, Request};
use crate::model::placement::Scene;

/// A rule.
pub(super) type Weight = fn(&Request, &Fit<'_>, &Pace, &Field) -> f64;

/// Every rule, by the name that explanations give it.
pub(super) const WEIGHTS: [(&str, Weight); 7] = [
    ("load", load::weigh),
    ("fit", fit::weigh),
    ("spread", spread::weigh),
    ("affinity", affinity::weigh),
    ("operator", operator::weigh),
    ("knowledge", knowledge::weigh),
    ("answers", answers::weigh),
];

/// How long a compose is taken to take before any has ended, ms.
const UNKNOWN_MS: f64 = 60_000.0;

/// What the candidates have in common: what each is measured by.
pub(super) struct Field {
    /// When the decision is made, ms since 1970.
    now_ms: u64,
    /// How long a compose takes there on average, ms.
    compose_ms: f64,
    /// The smallest system that fits anywhere.
    smallest: f64,
    /// How soon each fit would have the node there.
    pub(super) paces: Vec<Pace>,
    /// In how many ms all that wait could be there; 0 when nobody waits.
    over_ms: f64,
}

impl Field {
    pub(super) fn of(request: &Request, fits: &[Fit<'_>], scene: &Scene) -> Self {
        let (mut sum, mut known, mut smallest) = (0.0, 0.0, f64::MAX);
        for fit in fits {
            if let Some(ms) = fit.candidate.compose_ms {
                sum += pace::ms(ms);
                known += 1.0;
            }
            if let Room::Shape { size, .. } = fit.room {
                smallest = smallest.min(size);
            }
        }
        let compose_ms = if known > 0.0 { sum / known } else { UNKNOWN_MS };
        let paces: Vec<Pace> = fits.iter().map(|fit| Pace::of(fit, compose_ms, scene.now_ms)).collect();
        // Those who ask for less may go elsewhere.
        let rivals = scene.lines.iter().filter(|l| l.cores >= request.cores && l.memory_mib >= request.memory_mib);
        let waiting: u64 = rivals.map(|line| line.count).sum();
        let sure = || fits.iter().zip(&paces).filter(|(fit, _)| knowledge::is_sure(fit)).map(|(_, pace)| pace);
        let over_ms = if waiting == 0 { 0.0 } else { pace::all_there_in(waiting + 1, sure) };
        Self { now_ms: scene.now_ms, compose_ms, smallest, paces, over_ms }
    }
}
