//! `device.attach`: attaches a pooled device to a node.

use serde_json::Value;

use super::attachment::{self, Goal};
use crate::model::params::Device;
use crate::service::{Context, Verdict, hardware};

/// Attaches it; what the node has already is a success.
///
/// # Errors
/// As `attachment::run`.
pub async fn run(ctx: &Context) -> Result<Value, Verdict> {
    let device: Device = ctx.params()?;
    attachment::run(ctx, Goal::Attach, &device.resource_id).await?;
    Ok(hardware::confirmation(ctx, "ATTACHED", "This device has been attached successfully."))
}

/// Detaches it again.
///
/// # Errors
/// As `attachment::undo`.
pub async fn undo(ctx: &Context) -> Result<(), Verdict> {
    let Ok(device) = ctx.params::<Device>() else { return Ok(()) };
    attachment::undo(ctx, Goal::Attach, &device.resource_id).await
}
