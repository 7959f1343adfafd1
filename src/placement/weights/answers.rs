//! Who answers comes before who does not: a Pod Manager that is silent, or whose last answers failed, is hardly taken while there is
//! another, long before its circuit opens.

use super::Field;
use crate::placement::pace::Pace;
use crate::placement::{Fit, Request};

/// It was asked and says nothing: as if it were not there.
const SILENT: f64 = 0.001;
/// Its last requests failed; the next one may not.
const FAILING: f64 = 0.02;

pub(super) fn weigh(_: &Request, fit: &Fit<'_>, _: &Pace, _: &Field) -> f64 {
    match (fit.candidate.silent, fit.candidate.failing) {
        (true, _) => SILENT,
        (false, true) => FAILING,
        (false, false) => 1.0,
    }
}
