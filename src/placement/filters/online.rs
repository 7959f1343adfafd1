//! Those that did not answer when they were last asked. Unknown is not off: it only weighs less.

use crate::model::placement::Candidate;
use crate::model::podm::PodmStatus;

pub(super) fn pass(candidate: &Candidate) -> Result<(), &'static str> {
    if candidate.site.status == PodmStatus::Offline { Err("offline") } else { Ok(()) }
}
