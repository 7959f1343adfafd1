//! `valence secret`: the file of keys that seal Pod Managers' credentials. It is the one command that works on a file and not on the API.
//!
//! Where several machines have a copy of the file, a key must open everywhere before it seals anywhere: `stage`, spread the file,
//! `promote`, spread the file. On one machine `rotate` does both. The scheduler then seals every record anew; `prune` drops the old keys.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::json;

use super::error::CtlError;
use super::output::Output;
use crate::secret::{KeyFile, SecretError};

/// What can be done with the file.
#[derive(Debug, Subcommand)]
pub enum SecretCommand {
    /// List the ids of the keys; the first seals, all open
    List(File),
    /// Make a file with a new key
    Create(File),
    /// Put a new key at the end: it opens, and does not seal yet
    Stage(File),
    /// Put the last key first: it seals from now on
    Promote(File),
    /// Put a new key first
    Rotate(File),
    /// Drop every key but the first; what the others sealed cannot be opened any more
    Prune(File),
}

/// The file.
#[derive(Debug, Args)]
pub struct File {
    /// The key file
    #[arg(long, env = "VALENCE_SECRET_KEY_FILE", value_name = "FILE")]
    file: PathBuf,
}

/// Carries out a command.
pub(super) fn run(command: SecretCommand, out: &mut Output<'_>) -> Result<(), CtlError> {
    let refused = |e: SecretError| CtlError::Wrong(e.to_string());
    let keys = match command {
        SecretCommand::List(at) => KeyFile::read(&at.file),
        SecretCommand::Create(at) => KeyFile::create(&at.file),
        SecretCommand::Stage(at) => KeyFile::change(&at.file, KeyFile::stage),
        SecretCommand::Promote(at) => KeyFile::change(&at.file, KeyFile::promote),
        SecretCommand::Rotate(at) => KeyFile::change(&at.file, |keys| keys.stage().and_then(|()| keys.promote())),
        SecretCommand::Prune(at) => KeyFile::change(&at.file, KeyFile::prune),
    };
    let ids = keys.map_err(refused)?.ids();
    let answer = json!({ "keys": ids });
    let does = |n: usize| if n == 0 { "seals and opens" } else { "opens" };
    let rows = ids.into_iter().enumerate().map(|(n, id)| vec![id, does(n).to_owned()]).collect();
    Ok(out.list(&answer, "no keys", &["KEY", "DOES"], rows)?)
}
