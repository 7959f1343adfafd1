//! Where nodes should be spread: the fewer nodes a Pod Manager, or each of its racks, has already, the better.

use super::Field;
use crate::model::placement::Spread;
use crate::placement::capacity::counts;
use crate::placement::pace::{Pace, ms};
use crate::placement::{Fit, Request};

/// One node more among five is worth waiting twice as long.
const EXPONENT: i32 = 4;

pub(super) fn weigh(request: &Request, fit: &Fit<'_>, _: &Pace, field: &Field) -> f64 {
    let Some(spread) = request.hints.spread else { return 1.0 };
    let candidate = fit.candidate;
    let (nodes, racks, at_ms) = candidate.inventory.as_ref().map_or((0, 0, 0), |i| (i.nodes, i.racks, i.at_ms));
    let coming = candidate.reservations.iter().filter(|r| counts(r, at_ms, field.now_ms)).count();
    let there = f64::from(nodes) + ms(u64::try_from(coming).unwrap_or(u64::MAX));
    let each = match spread {
        Spread::Podm => there,
        Spread::Rack => there / f64::from(racks.max(1)),
    };
    (1.0 + each).powi(-EXPONENT)
}
