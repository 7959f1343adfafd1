//! How gladly the operator wants a Pod Manager taken: twice the weight, twice as good.

use super::Field;
use crate::placement::pace::Pace;
use crate::placement::{Fit, Request};

/// What an operator may at most say: no weight is so small that the Pod Manager is never taken, nor so large that it is always.
const BOUNDS: (f64, f64) = (0.001, 1_000.0);

pub(super) fn weigh(_: &Request, fit: &Fit<'_>, _: &Pace, _: &Field) -> f64 {
    let given = fit.candidate.site.policy.weight.filter(|w| w.is_finite());
    given.map_or(1.0, |weight| weight.clamp(BOUNDS.0, BOUNDS.1))
}
