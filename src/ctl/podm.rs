//! `valence podm`: register, look at, change, probe and forget Pod Managers.

use clap::Subcommand;
use reqwest::Method;
use serde_json::{Value, json};

use super::client::{Client, list, read};
use super::error::CtlError;
use super::follow;
use super::inventory;
use super::output::{Output, cell, properties, rows};
use super::podm_args::{Add, Update};
use super::trouble;
use super::watch::{Watch, repeat};
use crate::model::circuit::{CircuitState, PodmState};

const COLUMNS: [&str; 5] = ["uuid", "name", "url", "driver", "status"];
const HEAD: [&str; 5] = ["UUID", "NAME", "URL", "DRIVER", "STATUS"];
const DRIVER: [&str; 2] = ["name", "description"];
const DRIVER_HEAD: [&str; 3] = ["DRIVER", "DESCRIPTION", "CAN"];

/// What can be done with Pod Managers.
#[derive(Debug, Subcommand)]
pub enum PodmCommand {
    /// List Pod Managers
    List {
        /// Again and again.
        #[command(flatten)]
        watch: Watch,
    },
    /// Show one Pod Manager
    Show {
        /// Pod Manager uuid
        id: String,
    },
    /// Register a Pod Manager
    Add(Box<Add>),
    /// Change a Pod Manager's account, limits, labels and more; its URL stays what it is
    Update(Box<Update>),
    /// Forget a Pod Manager; its nodes are decomposed
    Delete {
        /// Pod Manager uuid
        id: String,
    },
    /// Let a Pod Manager take no new nodes; everything else goes on
    Cordon {
        /// Pod Manager uuid
        id: String,
    },
    /// Let a Pod Manager take new nodes, and begin changes, again
    Uncordon {
        /// Pod Manager uuid
        id: String,
    },
    /// Let a Pod Manager take no new nodes and begin no changes but deletions; tells what still runs
    Drain {
        /// Pod Manager uuid
        id: String,
    },
    /// Show what each Pod Manager has, with its age
    Inventory(inventory::OfPodm),
    /// Read what a Pod Manager has, before all that waits
    Refresh(inventory::Refresh),
    /// Ask a Pod Manager whether it is there
    Probe {
        /// Pod Manager uuid
        id: String,
    },
    /// List the drivers: the dialects that Pod Managers may speak
    Drivers,
}

/// Carries out a command.
pub(super) async fn run(command: PodmCommand, api: &Client, out: &mut Output<'_>) -> Result<(), CtlError> {
    match command {
        PodmCommand::List { watch } => repeat(watch, out, async |out| show_list(api, out).await).await,
        PodmCommand::Show { id } => {
            let mut answer = api.get(&["v1", "pod_managers", &id], &[]).await?;
            answer["state"] = api.get(&["v1", "pod_managers", &id, "state"], &[]).await?;
            let state: PodmState = read("GET /v1/pod_managers/{uuid}/state", answer["state"].clone())?;
            let standing = standing(&state);
            let mut rows: Vec<(&str, String)> =
                properties(&answer).into_iter().filter(|(k, _)| *k != "state").collect();
            rows.extend(standing);
            Ok(out.card(&answer, rows)?)
        }
        PodmCommand::Cordon { id } => switch(api, &id, "cordon", out).await,
        PodmCommand::Uncordon { id } => switch(api, &id, "uncordon", out).await,
        PodmCommand::Drain { id } => switch(api, &id, "drain", out).await,
        PodmCommand::Add(add) => {
            let podm = register(api, &add, out).await?;
            Ok(out.list(&podm, "", &HEAD, rows(std::slice::from_ref(&podm), &COLUMNS))?)
        }
        PodmCommand::Update(update) => {
            let path = ["v1", "pod_managers", &update.id];
            let task = api.change(Method::PATCH, &path, Some(&update.body()?)).await?;
            let podm = follow::to_end(api, &task.id.to_string(), out, None).await?.result;
            Ok(out.list(&podm, "", &HEAD, rows(std::slice::from_ref(&podm), &COLUMNS))?)
        }
        PodmCommand::Delete { id } => {
            let task = api.change(Method::DELETE, &["v1", "pod_managers", &id], None).await?;
            let ended = follow::to_end(api, &task.id.to_string(), out, None).await?;
            Ok(out.said(&ended, &format!("Pod Manager {id} is forgotten"))?)
        }
        PodmCommand::Inventory(of) => inventory::show(of, api, out).await,
        PodmCommand::Refresh(args) => inventory::refresh(args, api, out).await,
        PodmCommand::Probe { id } => {
            let body = json!({"kind": "podm.probe", "podm_id": id});
            let task = api.change(Method::POST, &["v1", "tasks"], Some(&body)).await?;
            follow::to_end(api, &task.id.to_string(), out, None).await?;
            let answer = api.get(&["v1", "pod_managers", &id], &[]).await?;
            Ok(out.said(&answer, &format!("{} is {}", cell(&answer, "name"), cell(&answer, "status")))?)
        }
        PodmCommand::Drivers => drivers(api, out).await,
    }
}

async fn switch(api: &Client, id: &str, word: &str, out: &mut Output<'_>) -> Result<(), CtlError> {
    let task = api.change(Method::POST, &["v1", "pod_managers", id, word], None).await?;
    follow::to_end(api, &task.id.to_string(), out, None).await?;
    let answer = api.get(&["v1", "pod_managers", id, "state"], &[]).await?;
    let state: PodmState = read("GET /v1/pod_managers/{uuid}/state", answer.clone())?;
    Ok(out.card(&answer, standing(&state))?)
}

/// How it stands, in lines for people.
fn standing(state: &PodmState) -> Vec<(&'static str, String)> {
    let takes = match (state.draining, state.cordoned) {
        (true, _) => match state.under_way {
            Some(0) => "nothing new; nothing runs any more".to_owned(),
            n => format!("nothing new; {} tasks under way", n.unwrap_or(0)),
        },
        (false, true) => "no new nodes".to_owned(),
        (false, false) => "everything".to_owned(),
    };
    let circuit = match (state.circuit.state, &state.circuit.until) {
        (CircuitState::Closed, _) => "closed".to_owned(),
        (CircuitState::HalfOpen, _) => "half-open".to_owned(),
        (CircuitState::Open, until) => format!("open until {}", until.as_deref().unwrap_or("now")),
    };
    let gate = |name: &str| {
        let found = state.gates.iter().find(|g| g.name == name);
        found.map(|g| format!("{} of {}, {} wait", g.in_flight, g.limit, g.waiting)).unwrap_or_default()
    };
    let (level, why) = trouble::of(state);
    let health = if why.is_empty() { level.word().to_owned() } else { format!("{}: {}", level.word(), why.join("; ")) };
    vec![
        ("health", health),
        ("takes", takes),
        ("circuit", circuit),
        ("changes", gate("changes")),
        ("reads", gate("reads")),
    ]
}

/// Registers one and gives its row.
async fn register(api: &Client, add: &Add, out: &mut Output<'_>) -> Result<Value, CtlError> {
    let task = api.change(Method::POST, &["v1", "pod_managers"], Some(&add.body()?)).await?;
    let task = follow::to_end(api, &task.id.to_string(), out, None).await?;
    if task.result.get("uuid").is_some() {
        return Ok(task.result);
    }
    Ok(json!({"name": add.name, "url": add.url}))
}

async fn drivers(api: &Client, out: &mut Output<'_>) -> Result<(), CtlError> {
    let answer = api.get(&["v1", "drivers"], &[]).await?;
    let drivers: Vec<Value> = list("GET /v1/drivers", "drivers", &answer)?;
    let mut cells = rows(&drivers, &DRIVER);
    for (row, driver) in cells.iter_mut().zip(&drivers) {
        let can = driver["can"].as_array().map(Vec::as_slice).unwrap_or_default();
        row.push(can.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" "));
    }
    Ok(out.list(&answer, "no drivers", &DRIVER_HEAD, cells)?)
}

async fn show_list(api: &Client, out: &mut Output<'_>) -> Result<(), CtlError> {
    let answer = api.get(&["v1", "pod_managers"], &[]).await?;
    let podms: Vec<Value> = list("GET /v1/pod_managers", "pod_managers", &answer)?;
    let nothing = "no Pod Managers: `valence podm add` registers one";
    Ok(out.list(&answer, nothing, &HEAD, rows(&podms, &COLUMNS))?)
}
