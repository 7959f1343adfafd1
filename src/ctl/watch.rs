//! `--watch`: the same list again and again until Ctrl-C.

use std::time::Duration;

use clap::Args;

use super::error::CtlError;
use super::output::Output;

/// The flag.
#[derive(Debug, Clone, Copy, Default, Args)]
pub struct Watch {
    /// Show it again every SECS seconds (2 unless given), until Ctrl-C
    #[arg(long, value_name = "SECS", num_args = 0..=1, require_equals = true, default_missing_value = "2", value_parser = clap::value_parser!(u64).range(1..=3600))]
    watch: Option<u64>,
}

/// Shows it once, or as often as the flag says.
pub(super) async fn repeat<F>(watch: Watch, out: &mut Output<'_>, show: F) -> Result<(), CtlError>
where
    F: AsyncFn(&mut Output<'_>) -> Result<(), CtlError>,
{
    let Some(seconds) = watch.watch else { return show(out).await };
    loop {
        if out.tty() && !out.json() {
            out.raw(b"\x1b[2J\x1b[H")?;
        }
        match show(out).await {
            // The API may be restarting: the list comes back with it.
            Err(error @ CtlError::Unreachable { .. }) => out.note(&error.to_string()),
            other => other?,
        }
        tokio::time::sleep(Duration::from_secs(seconds)).await;
    }
}
