//! What is known comes before what is not: a Pod Manager that nobody has asked yet, or whose hardware nobody has counted, is tried last.

use super::Field;
use crate::model::placement::Candidate;
use crate::model::podm::PodmStatus;
use crate::placement::capacity::Room;
use crate::placement::pace::Pace;
use crate::placement::{Fit, Request};

/// Nobody has counted, so it may be full.
const UNCOUNTED: f64 = 0.02;
/// An old count says that it is full.
const DOUBTFUL: f64 = 0.001;
/// It may not be there.
const UNASKED: f64 = 0.001;

pub(super) fn weigh(_: &Request, fit: &Fit<'_>, _: &Pace, _: &Field) -> f64 {
    let counted = match fit.room {
        Room::Shape { doubtful: false, .. } => 1.0,
        Room::Shape { doubtful: true, .. } => DOUBTFUL,
        Room::Unknown => UNCOUNTED,
    };
    if fit.candidate.site.status == PodmStatus::Online { counted } else { counted * UNASKED }
}

/// Whether it is known to be there, to answer and to have room: only such count when it is reckoned how long a line lasts.
pub(super) fn is_sure(fit: &Fit<'_>) -> bool {
    let Candidate { site, silent, failing, .. } = fit.candidate;
    let counted = matches!(fit.room, Room::Shape { doubtful: false, .. });
    counted && site.status == PodmStatus::Online && !silent && !failing
}
