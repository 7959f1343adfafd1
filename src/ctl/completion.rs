//! `valence completion SHELL`.

use clap::Args;
use clap_complete::{Shell, generate};
use serde_json::json;

use super::error::CtlError;
use super::examples;
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
    generate(args.shell, &mut examples::command(), "valence", &mut script);
    if out.json() {
        return Ok(out.value(&json!({ "shell": args.shell.to_string(), "script": String::from_utf8_lossy(&script) }))?);
    }
    Ok(out.raw(&script)?)
}
