//! Who cannot: one rule a file, each with a word that explanations count by. The first that refuses names the reason.

mod capacity;
mod circuit;
mod driver;
mod excluded;
mod hints;
mod online;
mod open;

use super::capacity::Room;
use super::request::Request;
use crate::model::placement::Candidate;

/// Every reason there is, in the order in which it is looked for.
pub const REASONS: [&str; 9] = [
    "excluded",
    "not_allowed",
    "cordoned",
    "offline",
    "cannot_compose",
    "no_devices",
    "too_small",
    "full",
    "circuit_open",
];

/// What room a request finds, when nobody refuses it.
///
/// # Errors
/// The reason, one of [`REASONS`].
pub(super) fn pass(request: &Request, candidate: &Candidate, now_ms: u64) -> Result<Room, &'static str> {
    excluded::pass(request, candidate)?;
    hints::pass(request, candidate)?;
    open::pass(candidate)?;
    online::pass(candidate)?;
    let can = driver::pass(request, candidate)?;
    let room = capacity::pass(request, candidate, can, now_ms)?;
    // Last: what is counted here might do it once its circuit closes.
    circuit::pass(candidate, now_ms)?;
    Ok(room)
}
