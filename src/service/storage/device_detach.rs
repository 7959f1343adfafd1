//! `device.detach`: detaches a pooled device from a node.

use serde_json::Value;

use super::attachment::{self, Goal};
use crate::model::params::Device;
use crate::service::{Context, Verdict, hardware};

/// Detaches it; what is free already is a success.
///
/// # Errors
/// As `attachment::run`.
pub async fn run(ctx: &Context) -> Result<Value, Verdict> {
    let device: Device = ctx.params()?;
    attachment::run(ctx, Goal::Detach, &device.resource_id).await?;
    Ok(hardware::confirmation(ctx, "DETACHED", "This device has been detached successfully."))
}

/// A detach stays; row and reservation follow the hardware.
///
/// # Errors
/// As `attachment::undo`.
pub async fn undo(ctx: &Context) -> Result<(), Verdict> {
    let Ok(device) = ctx.params::<Device>() else { return Ok(()) };
    attachment::undo(ctx, Goal::Detach, &device.resource_id).await
}
