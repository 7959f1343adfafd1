//! Files that may change while the server runs: certificates, keys, tokens. They are looked at every second; a signal would not tell a
//! process in a container whose files are exchanged under it.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use crate::shutdown::{Shutdown, sleep_or_stop};

/// Between two looks.
const LOOK: Duration = Duration::from_secs(1);

/// What tells that a file is another: its time and its length.
type Mark = Option<(SystemTime, u64)>;

fn marks(files: &[PathBuf]) -> Vec<Mark> {
    let mark = |file: &PathBuf| {
        let about = std::fs::metadata(file).ok()?;
        Some((about.modified().ok()?, about.len()))
    };
    files.iter().map(mark).collect()
}

/// Calls `read` when one of the files has changed, until the stop. Why it failed is logged, and it is called again at the next look.
pub(crate) fn on_change(
    what: &'static str,
    files: Vec<PathBuf>,
    shutdown: &Shutdown,
    mut read: impl FnMut() -> Result<(), String> + Send + 'static,
) {
    let token = shutdown.token();
    let mut seen = marks(&files);
    let mut failed = String::new();
    shutdown.spawn(what, async move {
        while sleep_or_stop(&token, LOOK).await {
            let now = marks(&files);
            if now == seen {
                continue;
            }
            match read() {
                Ok(()) => {
                    tracing::info!(what, "read anew");
                    (seen, failed) = (now, String::new());
                }
                // Half-written, most likely.
                Err(why) if why == failed => {}
                Err(why) => {
                    tracing::error!(what, error = why, "has changed and cannot be used; what was read before stays");
                    failed = why;
                }
            }
        }
        Ok::<(), std::convert::Infallible>(())
    });
}
