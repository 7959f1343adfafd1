//! `valence podm`: register, look at, probe and forget Pod Managers.

use std::io::Read as _;

use clap::{Args, Subcommand};
use reqwest::Method;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};

use super::client::{Client, list, read};
use super::error::CtlError;
use super::follow;
use super::inventory;
use super::output::{Output, cell, properties, rows};
use super::watch::{Watch, repeat};
use crate::model::circuit::{CircuitState, PodmState};

const COLUMNS: [&str; 5] = ["uuid", "name", "url", "driver", "status"];
const HEAD: [&str; 5] = ["UUID", "NAME", "URL", "DRIVER", "STATUS"];
/// More than any password has.
const MOST_PASSWORD_BYTES: u64 = 4096;

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
    Add(Add),
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
}

/// The Pod Manager and its account.
#[derive(Debug, Args)]
pub struct Add {
    /// Unique name
    #[arg(long)]
    name: String,
    /// Root URL, such as https://podm.example:8443
    #[arg(long)]
    url: String,
    /// Driver
    #[arg(long, default_value = "redfishv1")]
    driver: String,
    /// Account
    #[arg(long, value_name = "USER")]
    username: String,
    /// Read the password from standard input
    #[arg(long, conflicts_with = "password")]
    password_stdin: bool,
    /// Password; others can see a command line: VALENCE_PODM_PASSWORD or --password-stdin hide it
    #[arg(long, env = "VALENCE_PODM_PASSWORD", hide_env_values = true, value_parser = super::cli::hidden)]
    password: Option<SecretString>,
    /// Free text
    #[arg(long)]
    description: Option<String>,
    /// Do not verify its certificate
    #[arg(long)]
    insecure_skip_verify: bool,
    /// Authorities that its certificate must come from, PEM
    #[arg(long, value_name = "FILE", conflicts_with = "insecure_skip_verify")]
    ca_pem: Option<std::path::PathBuf>,
    /// SHA-256 fingerprint that its certificate must have
    #[arg(long, value_name = "HEX", conflicts_with = "insecure_skip_verify")]
    fingerprint: Option<String>,
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
            let password = password(&add)?;
            let podm = register(api, &add.name, &add.url, body(&add, &password)?, out).await?;
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
    vec![("takes", takes), ("circuit", circuit), ("changes", gate("changes")), ("reads", gate("reads"))]
}

/// Registers one and gives its row.
pub(super) async fn register(
    api: &Client,
    name: &str,
    url: &str,
    body: Value,
    out: &mut Output<'_>,
) -> Result<Value, CtlError> {
    let task = api.change(Method::POST, &["v1", "pod_managers"], Some(&body)).await?;
    let task = follow::to_end(api, &task.id.to_string(), out, None).await?;
    if task.result.get("uuid").is_some() {
        return Ok(task.result);
    }
    read("POST /v1/pod_managers", json!({"name": name, "url": url}))
}

async fn show_list(api: &Client, out: &mut Output<'_>) -> Result<(), CtlError> {
    let answer = api.get(&["v1", "pod_managers"], &[]).await?;
    let podms: Vec<Value> = list("GET /v1/pod_managers", "pod_managers", &answer)?;
    let nothing = "no Pod Managers: `valence podm add` registers one";
    Ok(out.list(&answer, nothing, &HEAD, rows(&podms, &COLUMNS))?)
}

fn password(add: &Add) -> Result<SecretString, CtlError> {
    if add.password_stdin {
        let mut text = String::new();
        let read = std::io::stdin().take(MOST_PASSWORD_BYTES).read_to_string(&mut text);
        read.map_err(|e| CtlError::Usage(format!("--password-stdin: standard input cannot be read: {e}")))?;
        return Ok(SecretString::from(text.trim_end_matches(['\r', '\n']).to_owned()));
    }
    add.password.clone().ok_or_else(|| {
        CtlError::Usage(
            "a password is needed: --password-stdin reads it from standard input, VALENCE_PODM_PASSWORD holds it, --password shows it"
                .into(),
        )
    })
}

fn body(add: &Add, password: &SecretString) -> Result<Value, CtlError> {
    let mut body = create(&add.name, &add.url, &add.driver, &add.username, password.expose_secret());
    if let Some(map) = body.as_object_mut() {
        if let Some(text) = &add.description {
            map.insert("description".into(), text.clone().into());
        }
        if add.insecure_skip_verify {
            map.insert("insecure_skip_verify".into(), true.into());
        }
        if let Some(file) = &add.ca_pem {
            let read = std::fs::read_to_string(file);
            let pem = read.map_err(|e| CtlError::Usage(format!("--ca-pem {}: {e}", file.display())))?;
            map.insert("ca_pem".into(), pem.into());
        }
        if let Some(fingerprint) = &add.fingerprint {
            map.insert("fingerprint".into(), fingerprint.clone().into());
        }
    }
    Ok(body)
}

/// The v1 body that registers a Pod Manager.
pub(super) fn create(name: &str, url: &str, driver: &str, username: &str, password: &str) -> Value {
    json!({
        "name": name, "url": url, "driver": driver,
        "authentication": [{"type": "basic", "auth_items": {"username": username, "password": password}}],
    })
}
