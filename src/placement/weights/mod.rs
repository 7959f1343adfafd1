//! Who should rather: one rule a file, each a factor above 0. 1 changes nothing; half as much is half as good.

mod affinity;
mod fit;
mod knowledge;
mod load;
mod operator;
mod spread;

use super::capacity::Room;
use super::{Fit, Request};

/// A rule.
pub(super) type Weight = fn(&Request, &Fit<'_>, &Field) -> f64;

/// Every rule, by the name that explanations give it.
pub(super) const WEIGHTS: [(&str, Weight); 6] = [
    ("load", load::weigh),
    ("fit", fit::weigh),
    ("spread", spread::weigh),
    ("affinity", affinity::weigh),
    ("operator", operator::weigh),
    ("knowledge", knowledge::weigh),
];

/// What the candidates have in common: what each is measured by.
pub(super) struct Field {
    /// When the decision is made, ms since 1970.
    now_ms: u64,
    /// How long a compose takes at most of them, ms.
    compose_ms: f64,
    /// The smallest system that fits anywhere.
    smallest: f64,
}

impl Field {
    pub(super) fn of(fits: &[Fit<'_>], now_ms: u64) -> Self {
        let (mut sum, mut known, mut smallest) = (0.0, 0.0, f64::MAX);
        for fit in fits {
            if let Some(ms) = fit.candidate.compose_ms {
                sum += load::ms(ms);
                known += 1.0;
            }
            if let Room::Shape { size, .. } = fit.room {
                smallest = smallest.min(size);
            }
        }
        Self { now_ms, compose_ms: if known > 0.0 { sum / known } else { 1.0 }, smallest }
    }
}
