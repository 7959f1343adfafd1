//! Labels that a Pod Manager should have, or should not have: each that is not as wished counts for much, and forbids nothing.

use super::Field;
use crate::placement::{Fit, Request};

/// One wish unmet is as bad as seven composes in line.
const UNMET: f64 = 1.0 / 8.0;

pub(super) fn weigh(request: &Request, fit: &Fit<'_>, _: &Field) -> f64 {
    let (hints, labels) = (&request.hints, &fit.candidate.site.policy.labels);
    let lacking = hints.affinity.iter().filter(|(name, value)| labels.get(*name) != Some(value)).count();
    let unwanted = hints.anti_affinity.iter().filter(|(name, value)| labels.get(*name) == Some(value)).count();
    std::iter::repeat_n(UNMET, lacking + unwanted).product()
}
