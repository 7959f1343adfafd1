//! `valence`: the operator's command. Arguments, call, exit code; the rest is `valence::ctl`.

use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;

use clap::FromArgMatches as _;
use valence::ctl::{self, cli::Cli};

#[tokio::main]
async fn main() -> ExitCode {
    let mut command = ctl::command();
    let cli = Cli::from_arg_matches(&command.get_matches_mut()).unwrap_or_else(|e| e.format(&mut command).exit());
    let mut stdout = std::io::stdout();
    let tty = stdout.is_terminal();
    match ctl::run(cli, &mut stdout, tty).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let code = error.exit_code();
            if code != 0 {
                // Whoever reads stderr may have left: the code tells all the same.
                let _reader_left = writeln!(std::io::stderr().lock(), "valence: {error}");
            }
            ExitCode::from(code)
        }
    }
}
