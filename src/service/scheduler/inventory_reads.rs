//! Reads of what is known of Pod Managers' hardware, each with its age.

use serde_json::{Value, json};

use crate::model::drift::{Finding, Sort};
use crate::model::inventory::Inventory;
use crate::model::kind;
use crate::model::node::Node;
use crate::model::params::{ById, OfPodm};
use crate::model::podm::Podm;
use crate::model::problem::Problem;
use crate::model::v1time::rfc3339;
use crate::service::ReadContext;
use crate::store::records::Collection;

/// `inventory.list`: what each has, and what all have together.
///
/// # Errors
/// 404 for an unknown Pod Manager; 503 when Redis is away.
pub async fn list(ctx: &ReadContext, params: Value) -> Result<Value, Problem> {
    let OfPodm { podm_id } = kind::read(&params)?;
    let podms = podms(ctx, podm_id.as_deref()).await?;
    let ids: Vec<String> = podms.iter().map(|p| p.uuid.clone()).collect();
    let mut all = Vec::with_capacity(podms.len());
    let mut totals = Totals::default();
    for (podm, found) in podms.iter().zip(ctx.inventories(&ids).await?) {
        totals.podms += 1;
        match found {
            Some(found) => {
                totals.add(&found);
                all.push(shown(ctx, podm, found));
            }
            None => {
                totals.unread += 1;
                all.push(json!({ "podm_id": podm.uuid, "name": podm.name, "status": podm.status, "age_s": null }));
            }
        }
    }
    Ok(json!({ "inventory": all, "totals": totals }))
}

/// `inventory.get`: one Pod Manager, row by row.
///
/// # Errors
/// 404 for one that is unknown or was never read; 503 when Redis is away.
pub async fn get(ctx: &ReadContext, params: Value) -> Result<Value, Problem> {
    let ById { id } = kind::read(&params)?;
    let podms = podms(ctx, Some(&id)).await?;
    let found = ctx.inventories(std::slice::from_ref(&id)).await?.pop().flatten();
    let (Some(podm), Some(found)) = (podms.first(), found) else {
        return Err(Problem::not_found(format!("Nothing is known of the hardware of Pod Manager {id} yet.")));
    };
    let rows = ctx.inventory_rows(&id).await?;
    let mut shown = shown(ctx, podm, found);
    shown["units"] = json!(rows.units.values().collect::<Vec<_>>());
    shown["rack_rows"] = json!(rows.racks.values().collect::<Vec<_>>());
    Ok(shown)
}

/// `drift.list`: where hardware and records disagree.
///
/// # Errors
/// 404 for an unknown Pod Manager; 503 when Redis is away.
pub async fn drift(ctx: &ReadContext, params: Value) -> Result<Value, Problem> {
    let OfPodm { podm_id } = kind::read(&params)?;
    let podms = podms(ctx, podm_id.as_deref()).await?;
    let ids: Vec<String> = podms.iter().map(|p| p.uuid.clone()).collect();
    let mut all = Vec::new();
    for (podm, findings) in podms.iter().zip(ctx.drifts(&ids).await?) {
        all.extend(findings.into_iter().map(|finding| found(podm, &finding)));
    }
    if podm_id.is_none() {
        all.extend(homeless(ctx, &podms).await?);
    }
    Ok(json!({ "drift": all }))
}

async fn podms(ctx: &ReadContext, id: Option<&str>) -> Result<Vec<Podm>, Problem> {
    let Some(id) = id else { return ctx.records(Collection::Podm).await };
    let missing = || Problem::not_found(format!("Pod Manager {id} not found in database."));
    Ok(vec![ctx.record(Collection::Podm, id).await?.ok_or_else(missing)?])
}

fn shown(ctx: &ReadContext, podm: &Podm, found: Inventory) -> Value {
    let age_ms = ctx.now_ms().saturating_sub(found.at_ms);
    let at = rfc3339(found.at_ms);
    let mut shown = serde_json::to_value(found).unwrap_or_default();
    shown["name"] = podm.name.clone().into();
    shown["status"] = json!(podm.status);
    shown["at"] = at.into();
    shown["age_s"] = (age_ms / 1000).into();
    if let Some(shown) = shown.as_object_mut() {
        shown.remove("at_ms");
    }
    shown
}

fn found(podm: &Podm, finding: &Finding) -> Value {
    let mut shown = serde_json::to_value(finding).unwrap_or_default();
    shown["podm_id"] = podm.uuid.clone().into();
    shown["podm"] = podm.name.clone().into();
    shown["first_seen"] = rfc3339(finding.first_ms).into();
    shown["last_seen"] = rfc3339(finding.last_ms).into();
    shown["repaired_by"] = if finding.sort.is_only_listed() { Value::Null } else { "sweep".into() };
    if let Some(shown) = shown.as_object_mut() {
        shown.remove("first_ms");
        shown.remove("last_ms");
    }
    shown
}

/// Nodes of Pod Managers that are not registered.
async fn homeless(ctx: &ReadContext, podms: &[Podm]) -> Result<Vec<Value>, Problem> {
    let nodes: Vec<Node> = ctx.records(Collection::Node).await?;
    let lost = nodes.into_iter().filter(|n| !podms.iter().any(|p| p.uuid == n.podm_id));
    Ok(lost
        .map(|node| {
            json!({
                "sort": Sort::Missing, "target": node.resource_uri, "node_id": node.uuid, "podm_id": node.podm_id,
                "podm": null, "detail": "its Pod Manager is not registered", "sightings": 1, "repaired_by": null,
            })
        })
        .collect())
}

/// What all have together.
#[derive(Debug, Default, serde::Serialize)]
struct Totals {
    podms: u64,
    /// Never read yet.
    unread: u64,
    systems: u64,
    systems_free: u64,
    racks: u64,
    nodes: u64,
    devices: u64,
    devices_free: u64,
    cores: u64,
    cores_free: u64,
    memory_mib: u64,
    memory_mib_free: u64,
}

impl Totals {
    fn add(&mut self, one: &Inventory) {
        self.systems += u64::from(one.systems);
        self.racks += u64::from(one.racks);
        self.nodes += u64::from(one.nodes);
        self.devices += u64::from(one.devices);
        self.devices_free += u64::from(one.devices_free);
        for shape in &one.shapes {
            let (total, free, cores) = (u64::from(shape.total), u64::from(shape.free), u64::from(shape.cores));
            self.systems_free += free;
            self.cores += cores * total;
            self.cores_free += cores * free;
            self.memory_mib += shape.memory_mib * total;
            self.memory_mib_free += shape.memory_mib * free;
        }
    }
}
