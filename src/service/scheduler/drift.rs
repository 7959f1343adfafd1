//! Where the hardware of a Pod Manager and the records disagree, as one look sees it. What may be done about it, and when, is
//! [`crate::model::drift`]'s to say.

use std::collections::{HashMap, HashSet};

use serde::Deserialize;

use crate::ids::TaskId;
use crate::model::drift::{Finding, Sort, Standing, standing};
use crate::model::node::Node;
use crate::model::podm::Podm;
use crate::podm::{NodeView, Survey};
use crate::service::{Context, Verdict};
use crate::store::records::Collection;

/// A node on record, and the task that is about to delete it, or was.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Recorded {
    #[serde(flatten)]
    node: Node,
    #[serde(default)]
    deleting: Option<String>,
}

/// The nodes of a Pod Manager that are on record.
pub(super) async fn records(ctx: &Context, podm_id: &str) -> Result<Vec<Recorded>, Verdict> {
    ctx.records_of(podm_id, Collection::Node).await
}

/// Looks. `before` are the records as they were before the hardware was looked at, `owners` are the reserved parts and whose they are.
pub(super) async fn look(
    ctx: &Context,
    podm: &Podm,
    survey: &Survey,
    before: &[Recorded],
    owners: &HashMap<String, String>,
) -> Result<Vec<Finding>, Verdict> {
    let now = records(ctx, &podm.uuid).await?;
    let mut findings = Vec::new();
    for node in &survey.nodes {
        let on_record = now.iter().any(|r| is_same(&r.node.resource_uri, &node.path));
        findings.extend(tagged(ctx, node, on_record).await?);
    }
    for record in before {
        let still = now.iter().any(|r| r.node.uuid == record.node.uuid);
        if still && !is_there(survey, &record.node) && !ctx.is_worked_on(&podm.uuid, &record.node.uuid).await? {
            findings.push(missing(record));
        }
    }
    reservations(ctx, podm, survey, &now, owners, &mut findings).await?;
    Ok(findings)
}

/// A node with a tag of ours that nobody has on record.
async fn tagged(ctx: &Context, node: &NodeView, on_record: bool) -> Result<Option<Finding>, Verdict> {
    let Some(task_id) = own_task(ctx, node) else { return Ok(None) };
    let task = ctx.task(task_id).await?;
    let (sort, detail) = match standing(true, on_record, task.as_ref().map(|t| t.state)) {
        Standing::Leave | Standing::Working => return Ok(None),
        Standing::Orphan => (Sort::Orphan, format!("the task {task_id} ended without this node")),
        Standing::Unrecorded => (Sort::Unrecorded, format!("nothing is on record of the task {task_id}")),
    };
    Ok(Some(Finding {
        node_id: task.and_then(|t| t.def.node_id),
        task_id: Some(task_id.to_string()),
        ..Finding::new(sort, &node.path, detail)
    }))
}

/// The task in a node's tag, when the tag is this deployment's.
pub(super) fn own_task(ctx: &Context, node: &NodeView) -> Option<TaskId> {
    let own = format!("valence:{}:", ctx.deployment());
    node.tag.as_deref()?.strip_prefix(&own)?.parse().ok()
}

fn missing(record: &Recorded) -> Finding {
    let node = &record.node;
    let (sort, detail) = match &record.deleting {
        Some(task) => (Sort::HalfDeleted, format!("the task {task} was deleting it; its hardware is gone")),
        None => (Sort::Missing, format!("the node '{}' is on record, and not at its Pod Manager", node.name)),
    };
    Finding {
        node_id: Some(node.uuid.clone()),
        task_id: record.deleting.clone(),
        ..Finding::new(sort, &node.resource_uri, detail)
    }
}

/// A node may also be a server as it stands: then a unit is it.
fn is_there(survey: &Survey, node: &Node) -> bool {
    let nodes = survey.nodes.iter().map(|n| &n.path);
    nodes.chain(survey.units.iter().map(|u| &u.path)).any(|path| is_same(path, &node.resource_uri))
}

/// Parts that are kept for a node which is neither on record nor being made, and which no hardware uses.
async fn reservations(
    ctx: &Context,
    podm: &Podm,
    survey: &Survey,
    now: &[Recorded],
    owners: &HashMap<String, String>,
    findings: &mut Vec<Finding>,
) -> Result<(), Verdict> {
    let used: HashSet<&str> = survey.nodes.iter().flat_map(|n| &n.parts).map(|p| p.trim_end_matches('/')).collect();
    let of_orphans: HashSet<String> = findings.iter().filter_map(|f| f.node_id.clone()).collect();
    for (part, owner) in owners {
        let is_known = now.iter().any(|r| r.node.uuid == *owner) || of_orphans.contains(owner);
        if is_known || used.contains(part.trim_end_matches('/')) || ctx.is_worked_on(&podm.uuid, owner).await? {
            continue;
        }
        let detail = format!("it is reserved for the node {owner}, which is neither on record nor being made");
        findings.push(Finding { node_id: Some(owner.clone()), ..Finding::new(Sort::Reservation, part, detail) });
    }
    Ok(())
}

fn is_same(a: &str, b: &str) -> bool {
    a.trim_end_matches('/') == b.trim_end_matches('/')
}
