//! `valence flavor`: named requirements for a compose.

use clap::Subcommand;
use reqwest::Method;
use serde_json::{Map, Value, json};

use super::client::{Client, list};
use super::error::CtlError;
use super::follow;
use super::output::{Output, cell, properties};
use super::watch::{Watch, repeat};

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
    },
    /// Delete a flavor
    Delete {
        /// Flavor uuid
        id: String,
    },
}

/// Carries out a command.
pub(super) async fn run(command: FlavorCommand, api: &Client, out: &mut Output<'_>) -> Result<(), CtlError> {
    match command {
        FlavorCommand::List { watch } => repeat(watch, out, async |out| show_list(api, out).await).await,
        FlavorCommand::Show { id } => {
            let answer = api.get(&["v1", "flavors", &id], &[]).await?;
            Ok(out.card(&answer, properties(&answer))?)
        }
        FlavorCommand::Create { name, memory_mib, memory_type, cores, cpu_model, pci } => {
            let memory = object(&[("capacity_mib", memory_mib.map(|n| n.to_string())), ("type", memory_type)]);
            let processor = object(&[("total_cores", cores.map(|n| n.to_string())), ("model", cpu_model)]);
            let mut properties = Map::new();
            for (key, value) in [("memory", memory), ("processor", processor)] {
                if !value.is_empty() {
                    properties.insert(key.into(), value.into());
                }
            }
            if !pci.is_empty() {
                properties.insert("pci_device".into(), json!({"type": pci}));
            }
            let body = json!({"name": name, "properties": properties});
            let task = api.change(Method::POST, &["v1", "flavors"], Some(&body)).await?;
            let flavor = follow::to_end(api, &task.id.to_string(), out, None).await?.result;
            Ok(out.list(&flavor, "", &HEAD, vec![row(&flavor)])?)
        }
        FlavorCommand::Delete { id } => {
            let task = api.change(Method::DELETE, &["v1", "flavors", &id], None).await?;
            let ended = follow::to_end(api, &task.id.to_string(), out, None).await?;
            Ok(out.said(&ended, &format!("flavor {id} is deleted"))?)
        }
    }
}

fn object(given: &[(&str, Option<String>)]) -> Map<String, Value> {
    given.iter().filter_map(|(k, v)| Some(((*k).to_owned(), v.clone()?.into()))).collect()
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
