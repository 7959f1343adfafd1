//! `node.register`: tells Ironic of a node and its interfaces, then notes who provisions it.
//!
//! Ironic's node has the id of ours. So every attempt, and every later registration, finds the one that was made, and none makes another;
//! what Ironic has of it already stays as it is, and only missing ports are added.

use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::enrolment::{self, Enrolment};
use crate::ironic::{Client, IronicError};
use crate::model::node::Node;
use crate::model::params::Register;
use crate::model::podm::Podm;
use crate::model::problem::Problem;
use crate::model::v1time::v1;
use crate::service::{Context, Verdict, hardware};
use crate::store::records::Collection;

/// Who provisions a registered node.
const IRONIC: &str = "ironic";
/// Driver whose nodes Ironic cannot reach without the request's help.
const EXPETHER: &str = "expether";

/// What this task has brought about, each noted before it was asked for: it alone is taken back.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
struct Saved {
    /// Ironic's node, which was not there before.
    node: bool,
    /// Addresses of ports that were not there before.
    ports: Vec<String>,
    /// The mark on the record, which was not there before.
    marked: bool,
}

/// Registers the node.
///
/// # Errors
/// 404 when it is not on record; 401 when Keystone refuses us; 500 in v1's words for whatever Ironic refuses, and when there is none.
pub async fn run(ctx: &Context) -> Result<Value, Verdict> {
    let ironic = connect(ctx).await?;
    let id = ctx.node_id()?;
    let missing = || Problem::not_found(format!("Composed node '{id}' not found in database."));
    let mut node: Node = ctx.record(Collection::Node, id).await?.ok_or_else(missing)?;
    let told = told(ctx, &node).await?;
    let mut saved: Saved = ctx.saved().unwrap_or_default();
    ctx.progress(40, "registering", "telling Ironic of the node").await;
    if !asked(ctx, ironic.has_node(id).await)? {
        saved.node = true;
        let made = change(ctx, &saved, ironic.create_node(&told.node)).await?;
        settled(ctx, made, async || ironic.has_node(id).await).await?;
    }
    ctx.progress(70, "registering", "telling Ironic of its interfaces").await;
    let there = asked(ctx, ironic.ports(id).await)?;
    for mac in told.macs.iter().filter(|mac| !there.iter().any(|p| p.address.eq_ignore_ascii_case(mac))) {
        saved.ports.push(mac.clone());
        let made = change(ctx, &saved, ironic.create_port(id, mac)).await?;
        settled(ctx, made, async || Ok(ironic.ports(id).await?.iter().any(|p| p.address.eq_ignore_ascii_case(mac))))
            .await?;
    }
    if node.managed_by.as_deref() != Some(IRONIC) {
        saved.marked = true;
        ctx.checkpoint(&saved).await?;
        mark(ctx, &mut node, Some(IRONIC)).await?;
    }
    serde_json::to_value(&node).map_err(|e| Problem::internal(e.to_string()).into())
}

/// Takes back what this task has brought about; a node that was registered before stays so.
///
/// # Errors
/// A retry when Ironic, Keystone or Redis cannot be asked, or the node is being worked on.
pub async fn undo(ctx: &Context) -> Result<(), Verdict> {
    let Some(saved) = ctx.saved::<Saved>() else { return Ok(()) };
    let id = ctx.node_id()?;
    if saved.marked
        && let Some(mut node) = ctx.record::<Node>(Collection::Node, id).await?
    {
        mark(ctx, &mut node, None).await?;
    }
    if !saved.node && saved.ports.is_empty() {
        return Ok(());
    }
    let ironic = connect(ctx).await?;
    if saved.node {
        return removed(ctx, ironic.delete_node(id).await);
    }
    for port in asked(ctx, ironic.ports(id).await)? {
        if saved.ports.iter().any(|mac| port.address.eq_ignore_ascii_case(mac)) {
            removed(ctx, ironic.delete_port(&port.uuid).await)?;
        }
    }
    Ok(())
}

async fn connect(ctx: &Context) -> Result<Client, Verdict> {
    asked(ctx, ctx.ironic().connect().await)
}

/// What Ironic is to be told.
async fn told(ctx: &Context, node: &Node) -> Result<Enrolment, Verdict> {
    let podm: Podm = ctx.podm_record().await?;
    let asked = request(ctx)?;
    if podm.driver == EXPETHER {
        return Ok(enrolment::expether(node, asked)?);
    }
    let driver = hardware::connect(ctx, &podm)?;
    ctx.progress(10, "reading", node.resource_uri.as_str()).await;
    let full = ctx.reading(driver.full_node(&node.resource_uri)).await?.map_err(|e| hardware::verdict(ctx, &e))?;
    let account = ctx.pool().account(&podm).map_err(|e| Verdict::fail(Problem::internal(e.to_string())))?;
    Ok(enrolment::redfish(node, &podm, account.as_ref(), &full, asked)?)
}

/// The request's own words, which the API has sealed: nobody knows where in them a secret stands.
fn request(ctx: &Context) -> Result<Map<String, Value>, Verdict> {
    let Some(body) = ctx.params::<Register>()?.body else { return Ok(Map::new()) };
    let bad = || Verdict::fail(Problem::validation("the body is no sealed object"));
    let opened = ctx.pool().unseal_for(ctx.node_id()?, body.as_str().ok_or_else(bad)?);
    let opened = opened.map_err(|e| Verdict::fail(Problem::internal(e.to_string())))?;
    serde_json::from_str(opened.expose_secret()).map_err(|_| bad())
}

async fn mark(ctx: &Context, node: &mut Node, by: Option<&str>) -> Result<(), Verdict> {
    node.managed_by = by.map(str::to_owned);
    node.updated_at = v1(ctx.now_ms());
    ctx.put(Collection::Node, &node.uuid, node).await
}

/// Announces a change, sends it, and notes that its answer was seen. One that nobody saw ends the attempt: the next looks after the quarantine.
async fn change<T>(
    ctx: &Context,
    saved: &Saved,
    call: impl Future<Output = Result<T, IronicError>>,
) -> Result<Result<T, IronicError>, Verdict> {
    ctx.about_to_change(saved).await?;
    match call.await {
        Err(error) if error.answer_unseen() => Err(verdict(ctx, &error)),
        answer => {
            ctx.checkpoint(saved).await?;
            Ok(answer)
        }
    }
}

/// A conflict may be with what an earlier, late request of ours has made: that is a success.
async fn settled<T>(
    ctx: &Context,
    made: Result<T, IronicError>,
    is_there: impl AsyncFnOnce() -> Result<bool, IronicError>,
) -> Result<(), Verdict> {
    match made {
        Err(error) if error.status() == Some(409) && asked(ctx, is_there().await)? => Ok(()),
        other => asked(ctx, other.map(drop)),
    }
}

/// A deletion. Ironic answers 409 while it works on the node.
fn removed(ctx: &Context, answer: Result<(), IronicError>) -> Result<(), Verdict> {
    match answer {
        Err(error) if error.status() == Some(409) || error.answer_unseen() => Err(Verdict::retry(error.problem())),
        other => asked(ctx, other),
    }
}

fn asked<T>(ctx: &Context, answer: Result<T, IronicError>) -> Result<T, Verdict> {
    answer.map_err(|error| verdict(ctx, &error))
}

/// What an error means for the attempt: as with a Pod Manager, a server error is final for a client that waits.
fn verdict(ctx: &Context, error: &IronicError) -> Verdict {
    let server = error.status().is_some_and(|status| status >= 500) && !ctx.answers_client();
    if error.may_pass() || server { Verdict::retry(error.problem()) } else { Verdict::fail(error.problem()) }
}
