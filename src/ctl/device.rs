//! `valence device`: pooled devices on record, and whose they are.

use clap::Subcommand;
use reqwest::Method;
use serde_json::{Value, json};

use super::client::{Client, list};
use super::error::CtlError;
use super::follow::{self, Wait};
use super::node::act;
use super::output::{Output, properties, rows};
use super::watch::{Watch, repeat};

const COLUMNS: [&str; 6] = ["uuid", "type", "state", "node_id", "resource_uri", "podm_id"];
const HEAD: [&str; 6] = ["UUID", "TYPE", "STATE", "NODE", "RESOURCE", "PODM"];

/// What can be done with devices.
#[derive(Debug, Subcommand)]
pub enum DeviceCommand {
    /// List devices
    List {
        /// Only devices of this Pod Manager
        #[arg(long, value_name = "ID")]
        podm: Option<String>,
        /// Only devices of this type, such as SSD
        #[arg(long = "type", value_name = "TYPE")]
        kind: Option<String>,
        /// Only `free` or `allocated` devices
        #[arg(long)]
        state: Option<String>,
        /// Again and again.
        #[command(flatten)]
        watch: Watch,
    },
    /// Show one device
    Show {
        /// Device id
        id: String,
    },
    /// Attach a device to a node
    Attach {
        /// Device id
        device: String,
        /// Node uuid
        #[arg(long, value_name = "ID")]
        node: String,
        /// Wait for the end.
        #[command(flatten)]
        wait: Wait,
    },
    /// Detach a device from a node
    Detach {
        /// Device id
        device: String,
        /// Node uuid
        #[arg(long, value_name = "ID")]
        node: String,
        /// Wait for the end.
        #[command(flatten)]
        wait: Wait,
    },
    /// Read the devices of Pod Managers anew
    Sync {
        /// Only this Pod Manager
        #[arg(long, value_name = "ID")]
        podm: Option<String>,
        /// Wait for the end.
        #[command(flatten)]
        wait: Wait,
    },
}

/// Carries out a command.
pub(super) async fn run(command: DeviceCommand, api: &Client, out: &mut Output<'_>) -> Result<(), CtlError> {
    match command {
        DeviceCommand::List { podm, kind, state, watch } => {
            let given = [("podm_id", podm), ("type", kind), ("state", state)];
            let query: Vec<_> = given.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
            repeat(watch, out, async |out| show_list(api, &query, out).await).await
        }
        DeviceCommand::Show { id } => {
            let answer = api.get(&["v1", "devices", &id], &[]).await?;
            Ok(out.card(&answer, properties(&answer))?)
        }
        DeviceCommand::Attach { device, node, wait } => {
            let said = format!("device {device} is attached to node {node}");
            act(api, &node, &json!({"attach": {"resource_id": device}}), wait, &said, out).await
        }
        DeviceCommand::Detach { device, node, wait } => {
            let said = format!("device {device} is detached from node {node}");
            act(api, &node, &json!({"detach": {"resource_id": device}}), wait, &said, out).await
        }
        DeviceCommand::Sync { podm, wait } => {
            let body = podm.map_or_else(|| json!({}), |id| json!({ "podm_id": id }));
            let task = api.change(Method::POST, &["v1", "devices", "sync"], Some(&body)).await?;
            let Some(ended) = follow::maybe(api, &task, wait, out).await? else { return Ok(()) };
            let podms: Vec<Value> = list("POST /v1/devices/sync", "podms", &ended)?;
            Ok(out.list(&ended, "no Pod Managers", &["PODM", "STATUS"], rows(&podms, &["podm_id", "status"]))?)
        }
    }
}

async fn show_list(api: &Client, query: &[(&str, String)], out: &mut Output<'_>) -> Result<(), CtlError> {
    let answer = api.get(&["v1", "devices"], query).await?;
    let devices: Vec<Value> = list("GET /v1/devices", "devices", &answer)?;
    Ok(out.list(&answer, "no devices: `valence device sync` reads them", &HEAD, rows(&devices, &COLUMNS))?)
}
