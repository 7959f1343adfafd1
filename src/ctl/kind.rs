//! `valence kind`: every kind of task the deployment knows.

use clap::Subcommand;
use serde_json::Value;

use super::client::{Client, list};
use super::error::CtlError;
use super::output::{Output, cell};

/// What can be done with kinds.
#[derive(Debug, Subcommand)]
pub enum KindCommand {
    /// List the kinds; --json has the schemas of their parameters and results
    List,
}

/// Carries out a command.
pub(super) async fn run(command: KindCommand, api: &Client, out: &mut Output<'_>) -> Result<(), CtlError> {
    match command {
        KindCommand::List => {
            let answer = api.get(&["v1", "kinds"], &[]).await?;
            let kinds: Vec<Value> = list("GET /v1/kinds", "kinds", &answer)?;
            // The name stands under `name`; an API that calls it `kind` is understood too.
            let either = |k: &Value, a, b| Some(cell(k, a)).filter(|t| !t.is_empty()).unwrap_or_else(|| cell(k, b));
            let row = |k: &Value| {
                vec![either(k, "name", "kind"), cell(k, "topic"), cell(k, "mode"), either(k, "about", "description")]
            };
            Ok(out.list(&answer, "no kinds", &["KIND", "TOPIC", "MODE", "ABOUT"], kinds.iter().map(row).collect())?)
        }
    }
}
