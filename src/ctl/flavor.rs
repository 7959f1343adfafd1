//! `valence flavor`: named requirements for a compose.

use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Map, Value, json};

use super::body::{change, given};
use super::client::{Client, list};
use super::error::CtlError;
use super::follow;
use super::output::{Output, cell, properties};
use super::watch::{Watch, repeat};
use crate::model::task::Task;

/// What can be done with flavors.
#[derive(Debug, Subcommand)]
pub enum FlavorCommand {
    /// List flavors
    List {
        /// Again and again.
        #[command(flatten)]
        watch: Watch,
    },
    /// Show one flavor
    Show {
        /// Flavor uuid
        id: String,
    },
    /// Store a flavor
    Create {
        /// Name
        #[arg(long)]
        name: String,
        /// What a node of it must have.
        #[command(flatten)]
        wanted: Wanted,
    },
    /// Change a flavor; when anything is said of what a node must have, it is all that a node must have
    Update {
        /// Flavor uuid
        id: String,
        /// Name
        #[arg(long)]
        name: Option<String>,
        /// What a node of it must have.
        #[command(flatten)]
        wanted: Wanted,
    },
    /// Delete a flavor
    Delete {
        /// Flavor uuid
        id: String,
    },
}

/// What a node must have.
#[derive(Debug, Args)]
pub struct Wanted {
    /// Memory, MiB
    #[arg(long, value_name = "N")]
    memory_mib: Option<u64>,
    /// Kind of memory, such as DDR4
    #[arg(long, value_name = "NAME")]
    memory_type: Option<String>,
    /// Cores in total
    #[arg(long, value_name = "N")]
    cores: Option<u32>,
    /// Model of the processors
    #[arg(long, value_name = "NAME")]
    cpu_model: Option<String>,
    /// A PCI device of this type, such as SSD; may be given more than once
    #[arg(long, value_name = "TYPE")]
    pci: Vec<String>,
}

impl Wanted {
    /// The v1 properties, whose numbers are strings.
    fn properties(self) -> Map<String, Value> {
        let text = |n: Option<String>| n.map(Value::from);
        let memory = given(vec![
            ("capacity_mib", text(self.memory_mib.map(|n| n.to_string()))),
            ("type", text(self.memory_type)),
        ]);
        let processor =
            given(vec![("total_cores", text(self.cores.map(|n| n.to_string()))), ("model", text(self.cpu_model))]);
        given(vec![
            ("memory", (!memory.is_empty()).then(|| memory.into())),
            ("processor", (!processor.is_empty()).then(|| processor.into())),
            ("pci_device", (!self.pci.is_empty()).then(|| json!({"type": self.pci}))),
        ])
    }
}

/// Carries out a command.
pub(super) async fn run(command: FlavorCommand, api: &Client, out: &mut Output<'_>) -> Result<(), CtlError> {
    match command {
        FlavorCommand::List { watch } => repeat(watch, out, async |out| show_list(api, out).await).await,
        FlavorCommand::Show { id } => {
            let answer = api.get(&["v1", "flavors", &id], &[]).await?;
            Ok(out.card(&answer, properties(&answer))?)
        }
        FlavorCommand::Create { name, wanted } => {
            let body = json!({"name": name, "properties": wanted.properties()});
            show_made(&api.change(Method::POST, &["v1", "flavors"], Some(&body)).await?, api, out).await
        }
        FlavorCommand::Update { id, name, wanted } => {
            let wanted = wanted.properties();
            let body = change(vec![
                ("name", name.map(Value::from)),
                ("properties", (!wanted.is_empty()).then(|| wanted.into())),
            ])?;
            show_made(&api.change(Method::PATCH, &["v1", "flavors", &id], Some(&body)).await?, api, out).await
        }
        FlavorCommand::Delete { id } => {
            let task = api.change(Method::DELETE, &["v1", "flavors", &id], None).await?;
            let ended = follow::to_end(api, &task.id.to_string(), out, None).await?;
            Ok(out.said(&ended, &format!("flavor {id} is deleted"))?)
        }
    }
}

/// The flavor that a task made or changed.
async fn show_made(task: &Task, api: &Client, out: &mut Output<'_>) -> Result<(), CtlError> {
    let flavor = follow::to_end(api, &task.id.to_string(), out, None).await?.result;
    Ok(out.list(&flavor, "", &HEAD, vec![row(&flavor)])?)
}

const HEAD: [&str; 5] = ["UUID", "NAME", "MEMORY_MIB", "CORES", "CREATED"];

fn row(flavor: &Value) -> Vec<String> {
    let property = |path: &str| flavor.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned();
    vec![
        cell(flavor, "uuid"),
        cell(flavor, "name"),
        property("/properties/memory/capacity_mib"),
        property("/properties/processor/total_cores"),
        cell(flavor, "created_at"),
    ]
}

async fn show_list(api: &Client, out: &mut Output<'_>) -> Result<(), CtlError> {
    let answer = api.get(&["v1", "flavors"], &[]).await?;
    let flavors: Vec<Value> = list("GET /v1/flavors", "flavors", &answer)?;
    let nothing = "no flavors: `valence flavor create --name NAME` stores one";
    Ok(out.list(&answer, nothing, &HEAD, flavors.iter().map(row).collect())?)
}
