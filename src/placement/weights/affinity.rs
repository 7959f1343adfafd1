//! Labels that a Pod Manager should have, or should not have: one that is not as wished is taken only when there is hardly another,
//! but it is not forbidden.

use super::Field;
use crate::placement::pace::Pace;
use crate::placement::{Fit, Request};

/// Far more than the rest can make good: a Pod Manager may well be thirty times as fast as another.
const UNMET: f64 = 0.001;

pub(super) fn weigh(request: &Request, fit: &Fit<'_>, _: &Pace, _: &Field) -> f64 {
    let (hints, labels) = (&request.hints, &fit.candidate.site.policy.labels);
    let lacking = hints.affinity.iter().filter(|(name, value)| labels.get(*name) != Some(value)).count();
    let unwanted = hints.anti_affinity.iter().filter(|(name, value)| labels.get(*name) == Some(value)).count();
    std::iter::repeat_n(UNMET, lacking + unwanted).product()
}
