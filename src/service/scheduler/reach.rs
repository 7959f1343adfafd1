//! Whether a Pod Manager can be reached, as its record's status.

use crate::model::podm::{Podm, PodmStatus};
use crate::podm::{Cause, PROBE_LIMIT, RedfishError};
use crate::service::{Context, Verdict, hardware};

/// Asks the Pod Manager. Whatever is wrong with it but its credentials, driver or URL makes it `Offline`, an answer that does not come in
/// time among it. One that asked to be left alone is as it was known; a new one is `Offline` until it is asked again.
///
/// # Errors
/// For good: credentials that it refuses (401), an unknown driver (404), a URL that is not allowed (400).
pub(super) async fn status(ctx: &Context, podm: &Podm) -> Result<PodmStatus, Verdict> {
    let driver = hardware::connect(ctx, podm)?;
    let Ok(answered) = tokio::time::timeout(PROBE_LIMIT, driver.probe()).await else {
        tracing::info!(podm = %podm.name, "offline: no answer in time");
        return Ok(PodmStatus::Offline);
    };
    match answered {
        Ok(_) => Ok(PodmStatus::Online),
        Err(error) if is_our_fault(&error) => Err(hardware::verdict(ctx, &error)),
        Err(error) => {
            tracing::info!(podm = %podm.name, %error, "offline");
            let was = matches!(error.cause, Cause::NotNow(_)).then_some(podm.status);
            Ok(was.filter(|status| *status != PodmStatus::Unknown).unwrap_or(PodmStatus::Offline))
        }
    }
}

fn is_our_fault(error: &RedfishError) -> bool {
    match &error.cause {
        Cause::Refused(r) => matches!(r.status, 401 | 403),
        Cause::Forbidden(_) | Cause::Credentials(_) | Cause::Driver(_) | Cause::LeaseOver => true,
        _ => false,
    }
}
