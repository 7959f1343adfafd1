//! Those that were tried and could not do it.

use crate::model::placement::Candidate;
use crate::placement::Request;

pub(super) fn pass(request: &Request, candidate: &Candidate) -> Result<(), &'static str> {
    if request.excluded.contains(&candidate.site.uuid) { Err("excluded") } else { Ok(()) }
}
