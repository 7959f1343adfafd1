//! Those whose inventory has nothing that fits, or nothing left of it.

use crate::model::placement::Candidate;
use crate::placement::Request;
use crate::placement::capacity::{Room, room};

pub(super) fn pass(
    request: &Request,
    candidate: &Candidate,
    can: &'static [&'static str],
    now_ms: u64,
) -> Result<Room, &'static str> {
    room(request, candidate, can.contains(&"blocks"), now_ms)
}
