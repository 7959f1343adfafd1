//! `valence podm inventory`, `valence podm refresh` and `valence drift`: what Pod Managers have, and where that disagrees with the records.

use clap::Args;
use reqwest::Method;
use serde_json::{Value, json};

use super::client::{Client, list};
use super::error::CtlError;
use super::follow::{self, Wait};
use super::output::{Output, cell, rows};

const HEAD: [&str; 9] = ["PODM", "STATUS", "AGE", "SYSTEMS", "FREE", "RACKS", "NODES", "DEVICES", "FREE"];
const DRIFT: [&str; 6] = ["sort", "podm", "target", "first_seen", "repaired_by", "detail"];
const DRIFT_HEAD: [&str; 6] = ["SORT", "PODM", "TARGET", "SINCE", "REPAIRED BY", "DETAIL"];

/// Which Pod Manager.
#[derive(Debug, Args)]
pub struct OfPodm {
    /// Only this Pod Manager
    #[arg(long, value_name = "ID")]
    podm: Option<String>,
}

impl OfPodm {
    fn query(&self) -> Vec<(&str, String)> {
        self.podm.iter().map(|id| ("podm_id", id.clone())).collect()
    }
}

/// How to refresh.
#[derive(Debug, Args)]
pub struct Refresh {
    /// Pod Manager uuid
    id: String,
    /// Read everything anew, whatever versions say
    #[arg(long)]
    full: bool,
    /// Wait for the end.
    #[command(flatten)]
    wait: Wait,
}

/// What each Pod Manager has, and what all have together.
pub(super) async fn show(of: OfPodm, api: &Client, out: &mut Output<'_>) -> Result<(), CtlError> {
    let answer = api.get(&["v1", "inventory"], &of.query()).await?;
    let all: Vec<Value> = list("GET /v1/inventory", "inventory", &answer)?;
    let mut table: Vec<Vec<String>> = all.iter().map(row).collect();
    if all.len() > 1 {
        let total = |key: &str| cell(&answer["totals"], key);
        table.push(vec![
            "all".into(),
            String::new(),
            String::new(),
            total("systems"),
            total("systems_free"),
            total("racks"),
            total("nodes"),
            total("devices"),
            total("devices_free"),
        ]);
    }
    Ok(out.list(&answer, "no Pod Managers: `valence podm add` registers one", &HEAD, table)?)
}

fn row(one: &Value) -> Vec<String> {
    let shapes = one["shapes"].as_array();
    let free: Option<u64> = shapes.map(|all| all.iter().filter_map(|s| s["free"].as_u64()).sum());
    let age = one["age_s"].as_u64().map_or_else(|| "never read".to_owned(), |s| format!("{s} s"));
    let text = |key: &str| cell(one, key);
    vec![
        text("name"),
        text("status"),
        age,
        text("systems"),
        free.map_or_else(String::new, |n| n.to_string()),
        text("racks"),
        text("nodes"),
        text("devices"),
        text("devices_free"),
    ]
}

/// Has a Pod Manager read before all that waits.
pub(super) async fn refresh(args: Refresh, api: &Client, out: &mut Output<'_>) -> Result<(), CtlError> {
    let body = if args.full { json!({ "full": true }) } else { json!({}) };
    let task = api.change(Method::POST, &["v1", "pod_managers", &args.id, "refresh"], Some(&body)).await?;
    let Some(ended) = follow::maybe(api, &task, args.wait, out).await? else { return Ok(()) };
    if out.json() {
        return Ok(out.value(&ended)?);
    }
    let number = |key: &str| cell(&ended, key);
    let (systems, nodes, devices) = (number("systems"), number("nodes"), number("devices"));
    Ok(out.line(&format!("{systems} systems, {nodes} nodes, {devices} devices; {} rows changed", number("written")))?)
}

/// Where hardware and records disagree.
pub(super) async fn drift(of: OfPodm, api: &Client, out: &mut Output<'_>) -> Result<(), CtlError> {
    let answer = api.get(&["v1", "drift"], &of.query()).await?;
    let found: Vec<Value> = list("GET /v1/drift", "drift", &answer)?;
    Ok(out.list(&answer, "hardware and records agree", &DRIFT_HEAD, rows(&found, &DRIFT))?)
}
