//! `valence man DIR`: a manual page for the command and for each of its sub-commands.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::error::CtlError;
use super::examples;
use super::output::Output;

/// Where to.
#[derive(Debug, Args)]
pub struct ManArgs {
    /// The directory, made when it is missing, such as ~/.local/share/man/man1
    dir: PathBuf,
}

/// Writes the pages: `valence.1`, `valence-task.1`, `valence-task-list.1` …
pub(super) fn run(args: &ManArgs, out: &mut Output<'_>) -> Result<(), CtlError> {
    let dir = args.dir.display();
    let fail = |e: std::io::Error| CtlError::Usage(format!("cannot write manual pages into {dir}: {e}"));
    std::fs::create_dir_all(&args.dir).map_err(fail)?;
    let command = examples::command().disable_help_subcommand(true);
    clap_mangen::generate_to(command, &args.dir).map_err(fail)?;
    Ok(out.said(
        &json!({ "directory": args.dir }),
        &format!("The manual pages are in {dir}; `man -l {dir}/valence.1` shows the first."),
    )?)
}
