//! Large systems are not wasted: what is larger than the smallest that would do counts a little less.

use super::Field;
use crate::placement::capacity::Room;
use crate::placement::pace::Pace;
use crate::placement::{Fit, Request};

/// Four times as large is an eighth worse: enough to decide between equals, too little to wait for another round.
const EXPONENT: f64 = 0.1;

pub(super) fn weigh(_: &Request, fit: &Fit<'_>, _: &Pace, field: &Field) -> f64 {
    match fit.room {
        Room::Unknown => 1.0,
        Room::Shape { size, .. } => (field.smallest / size).powf(EXPONENT),
    }
}
