//! Reads of nodes and flavors.

use serde_json::Value;

use super::flavors;
use crate::model::flavor::Flavor;
use crate::model::kind;
use crate::model::node::{self, BriefNode, Node};
use crate::model::params::{ById, ListFilter};
use crate::model::podm::Podm;
use crate::model::problem::Problem;
use crate::service::{ReadContext, equality, hardware};
use crate::store::records::Collection;

/// `node.list`: brief rows; every filter must match exactly.
///
/// # Errors
/// 400 for an unknown filter, on an empty store too.
pub async fn node_list(ctx: &ReadContext, params: Value) -> Result<Value, Problem> {
    let ListFilter { filters } = kind::read(&params)?;
    equality::check(&filters, &node::FIELDS, "nodes")?;
    let nodes: Vec<Node> = ctx.records(Collection::Node).await?;
    let mut shown = Vec::with_capacity(nodes.len());
    for node in &nodes {
        let row = json_of(node)?;
        if equality::matches(&row, &filters) {
            shown.push(json_of(&BriefNode::from(node))?);
        }
    }
    Ok(Value::Array(shown))
}

/// `node.get`: the node as its Pod Manager shows it now, overlaid by the record.
///
/// # Errors
/// 404 when it is not on record; what the Pod Manager answers.
pub async fn node_get(ctx: &ReadContext, params: Value) -> Result<Value, Problem> {
    let ById { id } = kind::read(&params)?;
    let missing = || Problem::not_found(format!("Composed node '{id}' not found in database."));
    let node: Node = ctx.record(Collection::Node, &id).await?.ok_or_else(missing)?;
    let lost = || Problem::not_found(format!("Pod Manager {} not found in database.", node.podm_id));
    let podm: Podm = ctx.record(Collection::Podm, &node.podm_id).await?.ok_or_else(lost)?;
    let driver = hardware::reader(ctx, &podm)?;
    let read = async { driver.full_node(&node.resource_uri).await.map_err(|e| e.problem()) };
    let mut full = ctx.at_podm(&podm, read).await?;
    if let (Some(full), Value::Object(row)) = (full.as_object_mut(), json_of(&node)?) {
        full.extend(row);
    }
    Ok(full)
}

/// `flavor.list`.
///
/// # Errors
/// 503 when Redis is away.
pub async fn flavor_list(ctx: &ReadContext, _params: Value) -> Result<Value, Problem> {
    let flavors: Vec<Flavor> = ctx.records(Collection::Flavor).await?;
    flavors.iter().map(flavors::shown).collect()
}

/// `flavor.get`.
///
/// # Errors
/// 404 when there is none.
pub async fn flavor_get(ctx: &ReadContext, params: Value) -> Result<Value, Problem> {
    let ById { id } = kind::read(&params)?;
    let flavor: Option<Flavor> = ctx.record(Collection::Flavor, &id).await?;
    flavors::shown(&flavor.ok_or_else(|| flavors::missing(&id))?)
}

fn json_of<T: serde::Serialize>(value: &T) -> Result<Value, Problem> {
    serde_json::to_value(value).map_err(|e| Problem::internal(e.to_string()))
}
