//! Those that their operator has taken out of use.

use crate::model::placement::Candidate;

pub(super) fn pass(candidate: &Candidate) -> Result<(), &'static str> {
    let policy = &candidate.site.policy;
    if policy.cordoned || policy.draining { Err("cordoned") } else { Ok(()) }
}
