//! `valence rack`: racks, live from the Pod Managers.

use clap::Subcommand;

use super::client::Client;
use super::error::CtlError;
use super::output::{Output, properties};
use super::system::{show_live, the_one};
use super::watch::{Watch, repeat};

/// What can be done with racks.
#[derive(Debug, Subcommand)]
pub enum RackCommand {
    /// List racks
    List {
        /// Only racks of this Pod Manager
        #[arg(long, value_name = "ID")]
        podm: Option<String>,
        /// Again and again.
        #[command(flatten)]
        watch: Watch,
    },
    /// Show one rack and the systems in it
    Show {
        /// Rack id
        id: String,
        /// Its Pod Manager; all of them are asked when left out
        #[arg(long, value_name = "ID")]
        podm: Option<String>,
    },
}

/// Carries out a command.
pub(super) async fn run(command: RackCommand, api: &Client, out: &mut Output<'_>) -> Result<(), CtlError> {
    let at = |podm: Option<String>| podm.into_iter().map(|id| ("podm_id", id)).collect::<Vec<_>>();
    match command {
        RackCommand::List { podm, watch } => {
            let mut query = at(podm);
            query.push(("show_detail", "true".into()));
            repeat(watch, out, async |out| show_live(api, "racks", &query, out).await).await
        }
        RackCommand::Show { id, podm } => {
            let answer = api.get(&["v1", "racks", &id], &at(podm)).await?;
            Ok(out.card(&answer, properties(the_one(&answer, "racks", "rack", &id)?))?)
        }
    }
}
