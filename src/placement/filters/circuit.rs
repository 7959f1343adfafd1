//! Those whose circuit is open: whatever is begun there waits, so another is quicker. Half-open lets in: somebody must try it.

use crate::model::placement::Candidate;

pub(super) fn pass(candidate: &Candidate, now_ms: u64) -> Result<(), &'static str> {
    if candidate.shut_ms > now_ms { Err("circuit_open") } else { Ok(()) }
}
