//! `valence completion SHELL`.

use clap::{Args, CommandFactory as _};
use clap_complete::{Shell, generate};

use super::cli::Cli;
use super::error::CtlError;
use super::output::Output;

/// Which shell.
#[derive(Debug, Args)]
pub struct CompletionArgs {
    /// The shell, such as bash: `source <(valence completion bash)`
    shell: Shell,
}

/// Prints the script.
pub(super) fn run(args: &CompletionArgs, out: &mut Output<'_>) -> Result<(), CtlError> {
    let mut script = Vec::new();
    generate(args.shell, &mut Cli::command(), "valence", &mut script);
    Ok(out.raw(&script)?)
}
