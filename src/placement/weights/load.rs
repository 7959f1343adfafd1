//! How soon the node would be there: by what runs and waits at the Pod Manager, how much it does at once, and how long a compose takes
//! there of late. Composes come in rounds of as many as it does at once.

use super::Field;
use crate::model::kind::PODM_CHANGES;
use crate::placement::{Fit, Request};

pub(super) fn weigh(_: &Request, fit: &Fit<'_>, field: &Field) -> f64 {
    let candidate = fit.candidate;
    // A reservation whose task is queued is not seen in flight yet; one whose task runs is both.
    let begun = candidate.reservations.iter().filter(|r| r.done_ms == 0 && r.until_ms > field.now_ms).count();
    let ahead = u64::try_from(begun).unwrap_or(u64::MAX).max(candidate.in_flight);
    let at_once = u64::from(candidate.site.policy.max_changes.unwrap_or(PODM_CHANGES).max(1));
    let rounds = ms((ahead + 1).div_ceil(at_once));
    let takes = candidate.compose_ms.map_or(field.compose_ms, ms).max(1.0);
    field.compose_ms.max(1.0) / (rounds * takes)
}

#[expect(clippy::cast_precision_loss, reason = "ms and counts are far below 2^52")]
pub(super) fn ms(n: u64) -> f64 {
    n as f64
}
