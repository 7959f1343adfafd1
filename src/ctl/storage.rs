//! `valence storage`: storages, live from the Pod Managers, and the volumes in them.

use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Map, Value, json};

use super::client::{Client, list};
use super::error::CtlError;
use super::follow::{self, Wait};
use super::node;
use super::output::{Output, properties, rows};
use super::watch::{Watch, repeat};

const COLUMNS: [&str; 6] = ["id", "name", "type", "capacity_gib", "health", "podm_id"];
const HEAD: [&str; 6] = ["ID", "NAME", "TYPE", "GIB", "HEALTH", "PODM"];
const VOLUME: [&str; 6] = ["id", "name", "capacity_gib", "bootable", "health", "resource_uri"];
const VOLUME_HEAD: [&str; 6] = ["VOLUME", "NAME", "GIB", "BOOTABLE", "HEALTH", "RESOURCE"];

/// What can be done with storages.
#[derive(Debug, Subcommand)]
pub enum StorageCommand {
    /// List storages
    List {
        /// Only storages of this Pod Manager
        #[arg(long, value_name = "ID")]
        podm: Option<String>,
        /// The storages of this system
        #[arg(long, value_name = "ID", conflicts_with = "node")]
        system: Option<String>,
        /// The storages of this node
        #[arg(long, value_name = "UUID", conflicts_with = "podm")]
        node: Option<String>,
        /// Again and again.
        #[command(flatten)]
        watch: Watch,
    },
    /// Show one storage with its volumes
    Show {
        /// Which.
        #[command(flatten)]
        storage: Storage,
    },
    /// Make a volume
    VolumeCreate {
        /// Where.
        #[command(flatten)]
        storage: Storage,
        /// Name of the volume
        #[arg(long)]
        name: String,
        /// How large, GiB
        #[arg(long, value_name = "GIB")]
        capacity: f64,
        /// Free text
        #[arg(long)]
        description: Option<String>,
        /// A machine may boot from it
        #[arg(long)]
        bootable: bool,
        /// Wait for the end.
        #[command(flatten)]
        wait: Wait,
    },
    /// Delete a volume with all that is on it
    VolumeDelete {
        /// Where.
        #[command(flatten)]
        storage: Storage,
        /// Volume id
        volume: String,
        /// Wait for the end.
        #[command(flatten)]
        wait: Wait,
    },
}

/// A storage.
#[derive(Debug, Args)]
pub struct Storage {
    /// Storage id
    id: String,
    /// Its Pod Manager; may be left out when there is only one
    #[arg(long, value_name = "ID")]
    podm: Option<String>,
    /// The system whose storage it is; a storage service when left out
    #[arg(long, value_name = "ID")]
    system: Option<String>,
}

impl Storage {
    fn query(&self) -> Vec<(&'static str, String)> {
        let given = [("podm_id", &self.podm), ("system_id", &self.system)];
        given.into_iter().filter_map(|(name, value)| Some((name, value.clone()?))).collect()
    }
}

/// Carries out a command.
pub(super) async fn run(command: StorageCommand, api: &Client, out: &mut Output<'_>) -> Result<(), CtlError> {
    match command {
        StorageCommand::List { podm, system, node, watch } => {
            let given = [("podm_id", podm), ("system_id", system)];
            let query: Vec<_> = given.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
            repeat(watch, out, async |out| show_list(api, node.as_deref(), &query, out).await).await
        }
        StorageCommand::Show { storage } => {
            let answer = api.get(&["v1", "storages", &storage.id], &storage.query()).await?;
            if out.json() {
                return Ok(out.value(&answer)?);
            }
            let plain = properties(&answer).into_iter().filter(|(key, _)| !matches!(*key, "volumes" | "drives"));
            out.card(&answer, plain.collect())?;
            let volumes: Vec<Value> = list("GET /v1/storages/{id}", "volumes", &answer)?;
            Ok(out.list(&answer["volumes"], "no volumes", &VOLUME_HEAD, rows(&volumes, &VOLUME))?)
        }
        StorageCommand::VolumeCreate { storage, name, capacity, description, bootable, wait } => {
            let mut body: Map<String, Value> = storage.query().into_iter().map(|(k, v)| (k.into(), v.into())).collect();
            body.insert("name".into(), name.into());
            body.insert("capacity_gib".into(), json!(capacity));
            if let Some(description) = description {
                body.insert("description".into(), description.into());
            }
            if bootable {
                body.insert("bootable".into(), true.into());
            }
            let path = ["v1", "storages", &storage.id, "volumes"];
            let task = api.change(Method::POST, &path, Some(&body.into())).await?;
            let Some(made) = follow::maybe(api, &task, wait, out).await? else { return Ok(()) };
            Ok(out.list(&made, "", &VOLUME_HEAD, rows(std::slice::from_ref(&made), &VOLUME))?)
        }
        StorageCommand::VolumeDelete { storage, volume, wait } => {
            let path = ["v1", "storages", &storage.id, "volumes", &volume];
            let task = api.change_at(Method::DELETE, &path, &storage.query(), None).await?;
            node::done(follow::maybe(api, &task, wait, out).await?, &format!("volume {volume} is deleted"), out)
        }
    }
}

async fn show_list(
    api: &Client,
    node: Option<&str>,
    query: &[(&str, String)],
    out: &mut Output<'_>,
) -> Result<(), CtlError> {
    let answer = match node {
        Some(node) => api.get(&["v1", "nodes", node, "storages"], &[]).await?,
        None => api.get(&["v1", "storages"], query).await?,
    };
    let storages: Vec<Value> = list("GET /v1/storages", "storages", &answer)?;
    Ok(out.list(&answer, "no storages", &HEAD, rows(&storages, &COLUMNS))?)
}
