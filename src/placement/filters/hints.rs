//! Where the request allows only some.

use crate::model::placement::Candidate;
use crate::placement::Request;

pub(super) fn pass(request: &Request, candidate: &Candidate) -> Result<(), &'static str> {
    let only = &request.hints.podm_ids;
    if only.is_empty() || only.contains(&candidate.site.uuid) { Ok(()) } else { Err("not_allowed") }
}
