//! `podm-sim`: simulated Pod Managers. Arguments, start, exit code; the rest is `valence::sim`.

use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser as _;
use valence::observe::log::{LogFormat, init};
use valence::shutdown::Shutdown;
use valence::sim::{self, SimArgs};

/// How long connections may go on after the stop signal.
const GRACE: Duration = Duration::from_secs(5);

#[tokio::main]
async fn main() -> ExitCode {
    let args = SimArgs::parse();
    init(LogFormat::Text, "info");
    let shutdown = Shutdown::on_signals();
    let running = match sim::run(args.into(), &shutdown).await {
        Ok(running) => running,
        Err(error) => return fail(&anyhow::Error::from(error)),
    };
    for url in running.urls() {
        // Whoever reads the lines may have left: the PODMs serve all the same.
        let _reader_left = writeln!(std::io::stdout().lock(), "ready: {url}");
    }
    match shutdown.join(GRACE).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => fail(&anyhow::anyhow!(why)),
    }
}

/// Says on stderr why the process ends.
fn fail(error: &anyhow::Error) -> ExitCode {
    let _reader_left = writeln!(std::io::stderr().lock(), "podm-sim: {error:#}");
    ExitCode::FAILURE
}
