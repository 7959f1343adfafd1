//! What is done about hardware and records that have disagreed long enough. Hardware is only ever returned by a task of its own
//! (`node.return`, `volume.return`), which looks again, under the node's gate, before it takes anything away.

use super::drift::own_task;
use crate::model::drift::{Finding, Sort};
use crate::model::node::Node;
use crate::model::podm::Podm;
use crate::model::task::Definition;
use crate::model::v1time::v1;
use crate::podm::{NodeView, Survey};
use crate::service::compute::reservation;
use crate::service::{Context, Verdict};
use crate::store::records::Collection;

/// A repair that did not help is tried again after so long, ms.
const AGAIN_MS: u64 = 3_600_000;

/// Does what is due. `true`: the disagreement is gone; else a task is at it, or the next look sees it again.
///
/// # Errors
/// A retry when Redis is away or full.
pub(super) async fn act(ctx: &Context, podm: &Podm, survey: &Survey, finding: &Finding) -> Result<bool, Verdict> {
    match finding.sort {
        Sort::Unrecorded => match survey.nodes.iter().find(|n| n.path == finding.target) {
            Some(node) => adopt(ctx, podm, node).await,
            None => Ok(false),
        },
        Sort::Orphan => {
            let params = serde_json::json!({ "node": finding.target, "task_id": finding.task_id });
            repair(ctx, podm, finding, "node.return", params).await
        }
        Sort::Volume => {
            let params = serde_json::json!({ "volume": finding.target, "task_id": finding.task_id });
            repair(ctx, podm, finding, "volume.return", params).await
        }
        Sort::Reservation => repair(ctx, podm, finding, "node.return", serde_json::json!({})).await,
        Sort::HalfDeleted => repair(ctx, podm, finding, "node.delete", serde_json::json!({})).await,
        Sort::Missing | Sort::Device => Ok(false),
    }
}

async fn repair(
    ctx: &Context,
    podm: &Podm,
    finding: &Finding,
    kind: &str,
    params: serde_json::Value,
) -> Result<bool, Verdict> {
    let mut def = Definition::new(kind, params);
    def.podm_id = Some(podm.uuid.clone());
    // The gate of the node that the task was about: nobody works on it meanwhile.
    def.node_id = finding.node_id.clone().or_else(|| finding.task_id.clone());
    def.labels.insert("cause".into(), finding.sort.as_str().into());
    let key = format!("{}:{}:{}", podm.uuid, finding.target, ctx.now_ms() / AGAIN_MS);
    if let Some(task) = ctx.apart(def, key).await? {
        tracing::warn!(podm = %podm.name, target = finding.target, sort = finding.sort.as_str(), task_id = %task, "swept");
    }
    Ok(false)
}

/// Takes hardware of ours on record of which nothing is known. It is never deleted: somebody may be using it.
async fn adopt(ctx: &Context, podm: &Podm, node: &NodeView) -> Result<bool, Verdict> {
    let Some(task) = own_task(ctx, node) else { return Ok(false) };
    let id = id_of(&podm.uuid, &node.path, &task.to_string());
    // As `node.manage` does: whoever manages it at the same moment goes first or not at all.
    if !reservation::reserve(ctx, &podm.uuid, &id, std::slice::from_ref(&node.path)).await? {
        return Ok(false);
    }
    let now = v1(ctx.now_ms());
    let record = Node {
        uuid: id.clone(),
        name: node.name.clone(),
        podm_id: podm.uuid.clone(),
        index: node.index.clone(),
        resource_uri: node.path.clone(),
        managed_by: None,
        created_at: now.clone(),
        updated_at: now,
    };
    ctx.create(Collection::Node, &id, &record).await?;
    tracing::warn!(podm = %podm.name, node = %node.path, node_id = id, "adopted");
    let detail = format!("{} at {} carries our tag, and nothing is on record of its task", node.path, podm.name);
    ctx.audit("node.adopt", &id, Some(&task.to_string()), detail).await?;
    Ok(true)
}

/// The id of an adopted node: two that adopt the same hardware make one record.
fn id_of(podm_id: &str, path: &str, task: &str) -> String {
    let name = format!("adopted {podm_id} {path} {task}");
    uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_URL, name.as_bytes()).as_hyphenated().to_string()
}
