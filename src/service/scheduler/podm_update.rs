//! `podm.update`: what is given is replaced; a new name must be free.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::reads;
use crate::model::node::Node;
use crate::model::params::PodmUpdate;
use crate::model::podm::Podm;
use crate::model::problem::Problem;
use crate::model::trust::TrustChange;
use crate::model::v1time::v1;
use crate::service::{Context, Verdict};
use crate::store::records::Collection;

/// The names of before and after, saved before either changes.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Saved {
    old: String,
    new: String,
}

/// Changes the record.
///
/// # Errors
/// 404 when there is none; 400 when the new name is taken; 409 for another driver while it has nodes.
pub async fn run(ctx: &Context) -> Result<Value, Verdict> {
    let params: PodmUpdate = ctx.params()?;
    let mut podm = ctx.podm_record().await?;
    let id = podm.uuid.clone();
    let trust = TrustChange {
        insecure_skip_verify: params.insecure_skip_verify,
        ca_pem: params.ca_pem,
        fingerprint: params.fingerprint,
    };
    trust.apply(&mut podm)?;
    let mut renamed: Option<Saved> = ctx.saved();
    if let Some(new) = params.name.filter(|new| *new != podm.name) {
        let names = Saved { old: podm.name.clone(), new };
        ctx.checkpoint(&names).await?;
        if ctx.claim_name(Collection::Podm, "name", &names.new, &id).await?.is_some() {
            return Err(Problem::bad_request("duplicated name or url !").into());
        }
        podm.name.clone_from(&names.new);
        renamed = Some(names);
    }
    let driver = params.driver.filter(|driver| *driver != podm.driver);
    let changed = params.authentication.is_some() || driver.is_some();
    if let Some(driver) = driver {
        // What one driver has composed another one cannot take apart.
        let nodes: Vec<Node> = ctx.all_records_of(&id, Collection::Node).await?;
        if !nodes.is_empty() {
            let detail = format!("Pod Manager {} has nodes: its driver cannot be changed", podm.name);
            return Err(Problem::conflict(detail).into());
        }
        podm.driver = driver;
    }
    if let Some(authentication) = params.authentication {
        podm.authentication = authentication;
    }
    podm.description = params.description.or(podm.description);
    podm.location = params.location.or(podm.location);
    podm.resource_uri = params.resource_uri.or(podm.resource_uri);
    podm.policy.labels = params.labels.unwrap_or(podm.policy.labels);
    podm.policy.weight = params.weight.or(podm.policy.weight);
    podm.policy.max_changes = params.max_changes.or(podm.policy.max_changes);
    podm.policy.max_reads = params.max_reads.or(podm.policy.max_reads);
    podm.updated_at = v1(ctx.now_ms());
    ctx.put(Collection::Podm, &id, &podm).await?;
    ctx.set_limits(&podm).await?;
    if changed {
        ctx.pool().forget(&id);
    }
    if let Some(names) = renamed {
        ctx.release_name(Collection::Podm, "name", &names.old, &id).await?;
    }
    Ok(reads::shown(podm)?)
}

/// Gives back whichever of the two names the record does not bear.
///
/// # Errors
/// A retry when Redis is away.
pub async fn undo(ctx: &Context) -> Result<(), Verdict> {
    let Some(names) = ctx.saved::<Saved>() else { return Ok(()) };
    let id = ctx.podm_id()?;
    let borne = ctx.record::<Podm>(Collection::Podm, id).await?.map(|p| p.name);
    for name in [names.old, names.new] {
        if borne.as_ref() != Some(&name) {
            ctx.release_name(Collection::Podm, "name", &name, id).await?;
        }
    }
    Ok(())
}
