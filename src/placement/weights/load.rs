//! How soon the node would be there. Who has no free place has one for it, at the soonest, when all who wait could have been served: by
//! that a slow Pod Manager with a free place is taken while the line is long, and passed by at its end.

use super::Field;
use crate::placement::pace::Pace;
use crate::placement::{Fit, Request};

pub(super) fn weigh(_: &Request, _: &Fit<'_>, pace: &Pace, field: &Field) -> f64 {
    let there = pace.there_in();
    let there = if pace.has_place() { there } else { there.max(field.over_ms) };
    field.compose_ms / there.max(1.0)
}
