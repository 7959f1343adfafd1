//! `valence telemetry`: what Pod Managers measure and tell.

use clap::Subcommand;
use reqwest::Method;
use serde_json::{Value, json};

use super::client::{Client, list};
use super::error::CtlError;
use super::follow;
use super::output::{Output, rows};
use super::watch::{Watch, repeat};

const NO_READINGS: &str = "no readings: the first come some seconds after a Pod Manager is online; `valence telemetry collect PODM` reads them now";

/// Readings in one answer.
const PAGE: usize = 1_000;

/// What can be done with telemetry.
#[derive(Debug, Subcommand)]
pub enum TelemetryCommand {
    /// List the latest readings with their age
    Readings {
        /// Only of this Pod Manager
        #[arg(long, value_name = "ID")]
        podm: Option<String>,
        /// Only of this node
        #[arg(long, value_name = "ID")]
        node: Option<String>,
        /// Only of this kind: temperature, power, fan, voltage, energy, utilisation, other
        #[arg(long)]
        kind: Option<String>,
        /// Only of this name
        #[arg(long)]
        name: Option<String>,
        /// At most so many
        #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
        limit: Option<u32>,
        /// Again and again.
        #[command(flatten)]
        watch: Watch,
    },
    /// Read everything that a Pod Manager measures, now
    Collect {
        /// Pod Manager uuid
        podm: String,
    },
    /// List the newest events of a Pod Manager
    Events {
        /// Pod Manager uuid
        podm: String,
        /// At most so many
        #[arg(long, default_value_t = 100)]
        limit: u32,
        /// Again and again.
        #[command(flatten)]
        watch: Watch,
    },
    /// List the event subscriptions at Pod Managers
    Subscriptions {
        /// Only at this Pod Manager
        #[arg(long, value_name = "ID")]
        podm: Option<String>,
    },
    /// Subscribe to a Pod Manager's events
    Subscribe {
        /// Pod Manager uuid
        podm: String,
        /// URL under which the Pod Manager reaches the API; the API's own setting unless given
        #[arg(long, value_name = "URL")]
        receiver: Option<String>,
    },
    /// End this deployment's subscription at a Pod Manager
    Unsubscribe {
        /// Pod Manager uuid
        podm: String,
    },
}

/// Carries out a command.
pub(super) async fn run(command: TelemetryCommand, api: &Client, out: &mut Output<'_>) -> Result<(), CtlError> {
    match command {
        TelemetryCommand::Readings { podm, node, kind, name, limit, watch } => {
            let given = [("podm_id", podm), ("node_id", node), ("kind", kind), ("name", name)];
            let query: Vec<_> = given.into_iter().filter_map(|(k, v)| Some((k, v?))).collect();
            repeat(watch, out, async |out| readings(api, &query, limit, out).await).await
        }
        TelemetryCommand::Events { podm, limit, watch } => {
            let query = vec![("podm_id", podm), ("limit", limit.to_string())];
            let columns = ["received_at", "event_type", "severity", "message_id", "origin", "message"];
            repeat(watch, out, async |out| show(api, "events", &query, &columns, "no events", out).await).await
        }
        TelemetryCommand::Subscriptions { podm } => {
            let query: Vec<_> = podm.into_iter().map(|id| ("podm_id", id)).collect();
            let columns = ["podm_id", "own", "receiver", "context", "resource_uri"];
            show(api, "subscriptions", &query, &columns, "no subscriptions", out).await
        }
        TelemetryCommand::Collect { podm } => {
            let body = json!({ "podm_id": podm });
            let result = end(api, Method::POST, &["v1", "telemetry", "collect"], Some(&body), out).await?;
            Ok(out.said(&result, &format!("{} readings of Pod Manager {podm}", result["readings"]))?)
        }
        TelemetryCommand::Subscribe { podm, receiver } => {
            let mut body = json!({ "podm_id": podm });
            if let Some(receiver) = receiver {
                body["receiver"] = receiver.into();
            }
            let result = end(api, Method::POST, &["v1", "telemetry", "subscriptions"], Some(&body), out).await?;
            Ok(out.said(&result, &format!("subscribed to the events of Pod Manager {podm}"))?)
        }
        TelemetryCommand::Unsubscribe { podm } => {
            let result = end(api, Method::DELETE, &["v1", "telemetry", "subscriptions", &podm], None, out).await?;
            Ok(out.said(&result, &format!("no longer subscribed to the events of Pod Manager {podm}"))?)
        }
    }
}

async fn end(
    api: &Client,
    method: Method,
    path: &[&str],
    body: Option<&Value>,
    out: &mut Output<'_>,
) -> Result<Value, CtlError> {
    let task = api.change(method, path, body).await?;
    Ok(follow::to_end(api, &task.id.to_string(), out, None).await?.result)
}

/// All that fit, or so many of them, read page by page.
async fn readings(
    api: &Client,
    query: &[(&str, String)],
    limit: Option<u32>,
    out: &mut Output<'_>,
) -> Result<(), CtlError> {
    let most = limit.map_or(usize::MAX, |n| usize::try_from(n).unwrap_or(usize::MAX));
    let (mut all, mut marker) = (Vec::<Value>::new(), None);
    loop {
        let more = [("limit", Some(PAGE.min(most - all.len()).to_string())), ("marker", marker)];
        let more = more.into_iter().filter_map(|(k, v)| Some((k, v?)));
        let query: Vec<_> = query.iter().cloned().chain(more).collect();
        let answer = api.get(&["v1", "telemetry", "readings"], &query).await?;
        all.extend(list::<Value>("GET /v1/telemetry/readings", "readings", &answer)?);
        marker = answer["marker"].as_str().map(str::to_owned);
        if marker.is_none() || all.len() >= most {
            break;
        }
    }
    let columns = ["podm_id", "name", "kind", "value", "unit", "health", "age_s", "stale", "resource_uri"];
    shown(&Value::Array(all), "readings", &columns, NO_READINGS, out)
}

async fn show(
    api: &Client,
    what: &str,
    query: &[(&str, String)],
    columns: &[&str],
    nothing: &str,
    out: &mut Output<'_>,
) -> Result<(), CtlError> {
    shown(&api.get(&["v1", "telemetry", what], query).await?, what, columns, nothing, out)
}

fn shown(answer: &Value, what: &str, columns: &[&str], nothing: &str, out: &mut Output<'_>) -> Result<(), CtlError> {
    let items: Vec<Value> = list(&format!("GET /v1/telemetry/{what}"), what, answer)?;
    let head: Vec<String> = columns.iter().map(|c| c.to_uppercase()).collect();
    let head: Vec<&str> = head.iter().map(String::as_str).collect();
    Ok(out.list(answer, nothing, &head, rows(&items, columns))?)
}
