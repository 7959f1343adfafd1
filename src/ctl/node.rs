//! `valence node`: compose, look at, reset, boot and delete composed nodes.

use clap::{Args, Subcommand, ValueEnum};
use reqwest::Method;
use serde_json::{Map, Value, json};

use super::body::{self, given, pair};
use super::client::{Client, list, read};
use super::error::CtlError;
use super::follow::{self, Wait};
use super::output::{Output, properties, rows};
use super::watch::{Watch, repeat};
use crate::model::placement::{Placement, Scored};

const COLUMNS: [&str; 5] = ["uuid", "name", "podm_id", "index", "resource_uri"];
const HEAD: [&str; 5] = ["UUID", "NAME", "PODM", "INDEX", "RESOURCE"];

/// What can be done with nodes.
#[derive(Debug, Subcommand)]
pub enum NodeCommand {
    /// List composed nodes
    List {
        /// Only nodes of this Pod Manager
        #[arg(long, value_name = "ID")]
        podm: Option<String>,
        /// Again and again.
        #[command(flatten)]
        watch: Watch,
    },
    /// Show one node, live from its Pod Manager
    Show {
        /// Node uuid
        id: String,
    },
    /// Compose a node
    Compose(Compose),
    /// Take a node on record that was composed elsewhere
    Manage {
        /// The Pod Manager's own id of the node, such as 1
        index: String,
        /// Its Pod Manager; may be left out when there is only one
        #[arg(long, value_name = "ID")]
        podm: Option<String>,
        /// Wait for the end.
        #[command(flatten)]
        wait: Wait,
    },
    /// Decompose a node; its hardware returns to the pool
    Delete {
        /// Node uuid
        id: String,
        /// Wait for the end.
        #[command(flatten)]
        wait: Wait,
    },
    /// Change a node's power state
    Reset {
        /// Node uuid
        id: String,
        /// How
        #[arg(value_enum)]
        to: ResetTo,
        /// Wait for the end.
        #[command(flatten)]
        wait: Wait,
    },
    /// Set where a node boots from
    Boot {
        /// Node uuid
        id: String,
        /// Boot source
        #[arg(value_enum)]
        target: Target,
        /// For every boot, not only the next
        #[arg(long)]
        continuous: bool,
        /// Wait for the end.
        #[command(flatten)]
        wait: Wait,
    },
    /// Register a node with Ironic
    Register {
        /// Node uuid
        id: String,
        /// JSON object with arguments of Ironic's node, such as '{"resource_class": "gold"}'; `-` reads it from standard input
        #[arg(long, value_name = "JSON", default_value = "{}")]
        body: String,
        /// Wait for the end.
        #[command(flatten)]
        wait: Wait,
    },
}

/// What the node must have.
#[derive(Debug, Args)]
pub struct Compose {
    /// Name of the node
    #[arg(long)]
    name: String,
    /// Free text
    #[arg(long)]
    description: Option<String>,
    /// Flavor that says what it must have
    #[arg(long, value_name = "ID", conflicts_with_all = ["memory_mib", "cores", "cpu_model"])]
    flavor: Option<String>,
    /// Pod Manager; the scheduler chooses when left out
    #[arg(long, value_name = "ID")]
    podm: Option<String>,
    /// Memory, MiB
    #[arg(long, value_name = "N")]
    memory_mib: Option<u64>,
    /// Cores in total
    #[arg(long, value_name = "N")]
    cores: Option<u32>,
    /// Model of the processors
    #[arg(long, value_name = "NAME")]
    cpu_model: Option<String>,
    /// Spread nodes across Pod Managers, or across racks
    #[arg(long, value_enum, conflicts_with = "podm")]
    spread: Option<SpreadOver>,
    /// Label that the Pod Manager should have; repeatable
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair, conflicts_with = "podm")]
    affinity: Vec<(String, String)>,
    /// Label that the Pod Manager should not have; repeatable
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair, conflicts_with = "podm")]
    anti_affinity: Vec<(String, String)>,
    /// Pod Manager that may be chosen, all when left out; repeatable
    #[arg(long, value_name = "ID", conflicts_with = "podm")]
    among: Vec<String>,
    /// Say where the node would be placed, and why; nothing is composed
    #[arg(long, conflicts_with = "wait")]
    dry_run: bool,
    /// Wait for the end.
    #[command(flatten)]
    wait: Wait,
}

/// What nodes are spread across.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum SpreadOver {
    /// The Pod Manager with the fewest nodes first
    Podm,
    /// The Pod Manager with the fewest nodes a rack first
    Rack,
}

/// Power actions.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum ResetTo {
    /// Power on
    On,
    /// Power on, whatever the state
    ForceOn,
    /// Power off at once
    ForceOff,
    /// Shut down and start
    GracefulRestart,
}

/// Boot sources.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Target {
    /// Network
    Pxe,
    /// Disk
    Hdd,
    /// No override
    None,
}

/// Carries out a command.
pub(super) async fn run(command: NodeCommand, api: &Client, out: &mut Output<'_>) -> Result<(), CtlError> {
    match command {
        NodeCommand::List { podm, watch } => {
            let query: Vec<_> = podm.into_iter().map(|id| ("podm_id", id)).collect();
            repeat(watch, out, async |out| show_list(api, &query, out).await).await
        }
        NodeCommand::Show { id } => {
            let answer = api.get(&["v1", "nodes", &id], &[]).await?;
            Ok(out.card(&answer, properties(&answer))?)
        }
        NodeCommand::Compose(compose) if compose.dry_run => {
            let answer = api.post(&["v1", "placements"], &body(&compose)).await?;
            show_placement(&answer, out)
        }
        NodeCommand::Compose(compose) => {
            let task = api.change(Method::POST, &["v1", "nodes"], Some(&body(&compose))).await?;
            show_new(follow::maybe(api, &task, compose.wait, out).await?, out)
        }
        NodeCommand::Manage { index, podm, wait } => {
            let body = given(vec![("node_index", Some(index.into())), ("podm_id", podm.map(Value::from))]);
            let task = api.change(Method::POST, &["v1", "nodes", "manage"], Some(&body.into())).await?;
            show_new(follow::maybe(api, &task, wait, out).await?, out)
        }
        NodeCommand::Delete { id, wait } => {
            let task = api.change(Method::DELETE, &["v1", "nodes", &id], None).await?;
            done(follow::maybe(api, &task, wait, out).await?, &format!("node {id} is deleted"), out)
        }
        NodeCommand::Reset { id, to, wait } => {
            let kind = match to {
                ResetTo::On => "On",
                ResetTo::ForceOn => "ForceOn",
                ResetTo::ForceOff => "ForceOff",
                ResetTo::GracefulRestart => "GracefulRestart",
            };
            act(api, &id, &json!({"Reset": {"Type": kind}}), wait, &format!("node {id}: reset {kind} is done"), out)
                .await
        }
        NodeCommand::Boot { id, target, continuous, wait } => {
            let target = match target {
                Target::Pxe => "Pxe",
                Target::Hdd => "Hdd",
                Target::None => "None",
            };
            let enabled = if continuous { "Continuous" } else { "Once" };
            let body = json!({"Boot": {"Enabled": enabled, "Target": target}});
            act(api, &id, &body, wait, &format!("node {id} boots from {target} ({enabled})"), out).await
        }
        NodeCommand::Register { id, body, wait } => {
            let body = body::json("--body", &body)?;
            let task = api.change(Method::POST, &["v1", "nodes", &id, "register"], Some(&body)).await?;
            done(follow::maybe(api, &task, wait, out).await?, &format!("node {id} is registered with Ironic"), out)
        }
    }
}

/// A node that has come onto the record.
fn show_new(node: Option<Value>, out: &mut Output<'_>) -> Result<(), CtlError> {
    let Some(node) = node else { return Ok(()) };
    Ok(out.list(&node, "", &HEAD, rows(std::slice::from_ref(&node), &COLUMNS))?)
}

/// The best candidates, the chosen one first, and why the others were left out.
fn show_placement(answer: &Value, out: &mut Output<'_>) -> Result<(), CtlError> {
    let placement: Placement = read("POST /v1/placements", answer.clone())?;
    let left_out: Vec<String> = placement.filtered.iter().map(|(reason, n)| format!("{n} {reason}")).collect();
    let left_out = if left_out.is_empty() { "none".to_owned() } else { left_out.join(", ") };
    let said = format!("{} considered, left out: {left_out}", placement.considered);
    let weights = |scored: &Scored| {
        let told = scored.weights.iter().filter(|(_, weight)| **weight != 1.0);
        told.map(|(name, weight)| format!("{name} {weight:.3}")).collect::<Vec<_>>().join(", ")
    };
    let table =
        placement.scores.iter().map(|s| vec![s.podm_id.clone(), s.name.clone(), format!("{:.4}", s.score), weights(s)]);
    out.list(
        answer,
        &format!("no Pod Manager could take the node: {said}"),
        &["PODM", "NAME", "SCORE", "WEIGHTS"],
        table.collect(),
    )?;
    if !out.json() && placement.chosen.is_some() {
        out.line(&said)?;
    }
    Ok(())
}

async fn show_list(api: &Client, query: &[(&str, String)], out: &mut Output<'_>) -> Result<(), CtlError> {
    let answer = api.get(&["v1", "nodes"], query).await?;
    let nodes: Vec<Value> = list("GET /v1/nodes", "nodes", &answer)?;
    Ok(out.list(&answer, "no nodes: `valence node compose --name NAME` makes one", &HEAD, rows(&nodes, &COLUMNS))?)
}

/// Asks for an action on a node.
pub(super) async fn act(
    api: &Client,
    id: &str,
    body: &Value,
    wait: Wait,
    said: &str,
    out: &mut Output<'_>,
) -> Result<(), CtlError> {
    let task = api.change(Method::POST, &["v1", "nodes", id, "action"], Some(body)).await?;
    done(follow::maybe(api, &task, wait, out).await?, said, out)
}

/// Says that a change is done, or shows its result as JSON.
pub(super) fn done(result: Option<Value>, said: &str, out: &mut Output<'_>) -> Result<(), CtlError> {
    match result {
        Some(result) if out.json() => Ok(out.value(&result)?),
        Some(_) => Ok(out.line(said)?),
        None => Ok(()),
    }
}

/// The v1 body of a compose; its numbers are strings.
fn body(compose: &Compose) -> Value {
    let mut properties = Map::new();
    if let Some(mib) = compose.memory_mib {
        properties.insert("memory".into(), json!({"capacity_mib": mib.to_string()}));
    }
    let mut processor = Map::new();
    if let Some(cores) = compose.cores {
        processor.insert("total_cores".into(), cores.to_string().into());
    }
    if let Some(model) = &compose.cpu_model {
        processor.insert("model".into(), model.clone().into());
    }
    if !processor.is_empty() {
        properties.insert("processor".into(), processor.into());
    }
    let mut hints = Map::new();
    if let Some(spread) = compose.spread {
        let word = match spread {
            SpreadOver::Podm => "podm",
            SpreadOver::Rack => "rack",
        };
        hints.insert("spread".into(), word.into());
    }
    for (field, labels) in [("affinity", &compose.affinity), ("anti_affinity", &compose.anti_affinity)] {
        if !labels.is_empty() {
            let labels: Map<String, Value> = labels.iter().map(|(k, v)| (k.clone(), v.as_str().into())).collect();
            hints.insert(field.into(), labels.into());
        }
    }
    if !compose.among.is_empty() {
        hints.insert("podm_ids".into(), compose.among.clone().into());
    }
    given(vec![
        ("name", Some(compose.name.clone().into())),
        ("description", compose.description.clone().map(Value::from)),
        ("flavor_id", compose.flavor.clone().map(Value::from)),
        ("podm_id", compose.podm.clone().map(Value::from)),
        ("hints", (!hints.is_empty()).then(|| hints.into())),
        ("properties", (!properties.is_empty()).then(|| properties.into())),
    ])
    .into()
}
