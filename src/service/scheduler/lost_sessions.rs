//! Sessions at a Pod Manager that processes of ours have left open: they died before they could log out. Session tables are small, and one
//! that is full shuts everybody out.

use crate::model::podm::Podm;
use crate::podm::http::Change;
use crate::service::{Context, Verdict};

/// Ends them. A Pod Manager that does not answer is asked again by the next sweep.
///
/// # Errors
/// A retry when Redis is away.
pub(super) async fn end(ctx: &Context, podm: &Podm) -> Result<(), Verdict> {
    let lost = ctx.lost_sessions(&podm.uuid).await?;
    if lost.is_empty() {
        return Ok(());
    }
    let Ok(client) = ctx.pool().client(podm, Some(ctx.lease().clone())) else { return Ok(()) };
    for path in lost {
        // To end a session twice is as to end it once: nothing need be saved.
        match client.change(&path, Change::Delete).await {
            Ok(_) => {
                let detail = format!("a session at {} was ended whose process is gone", podm.name);
                ctx.audit("session.end", &path, None, detail).await?;
            }
            Err(error) if matches!(error.status(), Some(404 | 410)) => {}
            Err(error) => {
                tracing::info!(podm = %podm.name, %error, "a session stays that nobody uses");
                return Ok(());
            }
        }
        ctx.session_ended(&podm.uuid, &path).await?;
    }
    Ok(())
}
