//! Whether a Pod Manager can be reached, as its record's status.

use crate::model::podm::{Podm, PodmStatus};
use crate::podm::{Cause, RedfishError};
use crate::service::{Context, Verdict, hardware};

/// Asks the Pod Manager. Whatever is wrong with it but its credentials, driver or URL makes it `Offline`.
///
/// # Errors
/// For good: credentials that it refuses (401), an unknown driver (404), a URL that is not allowed (400).
pub(super) async fn status(ctx: &Context, podm: &Podm) -> Result<PodmStatus, Verdict> {
    match hardware::connect(ctx, podm)?.probe().await {
        Ok(_) => Ok(PodmStatus::Online),
        Err(error) if is_our_fault(&error) => Err(hardware::verdict(ctx, &error)),
        Err(error) => {
            tracing::info!(podm = %podm.name, %error, "offline");
            Ok(PodmStatus::Offline)
        }
    }
}

fn is_our_fault(error: &RedfishError) -> bool {
    match &error.cause {
        Cause::Refused(r) => matches!(r.status, 401 | 403),
        Cause::Forbidden(_) | Cause::Credentials(_) | Cause::Driver(_) | Cause::LeaseOver | Cause::NotNow(_) => true,
        _ => false,
    }
}
