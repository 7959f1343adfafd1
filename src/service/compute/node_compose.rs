//! `node.compose`: allocate with a tag, assemble, wait, verify, record.
//!
//! What is about to be done is saved before it is done. A later attempt first looks for the tag at the Pod Manager: a node that carries it
//! is adopted, whatever became of the request that made it. Nothing is believed because it was accepted; the node's state is read. The
//! undo deletes the node and waits until it is gone. Which node is this task's is `found`'s part, PCI devices are `devices`'.

mod assembly;
mod devices;
mod found;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::removal::{self, Removal};
use super::reservation;
use crate::model::flavor::{Flavor, Requirements};
use crate::model::node::{BriefNode, Node};
use crate::model::params::Compose;
use crate::model::podm::Podm;
use crate::model::problem::Problem;
use crate::model::task::TaskError;
use crate::model::v1time::v1;
use crate::podm::{Begun, Driver, NodeView, Offer, RedfishError, Wanted, tag};
use crate::service::effect::Step;
use crate::service::{Context, Verdict, hardware};
use crate::store::records::Collection;

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
struct Saved {
    /// An Allocate is about to be sent, or was: the tag may be there.
    asked: bool,
    /// When, ms since 1970.
    asked_ms: u64,
    /// Parts that were reserved for the node.
    parts: Vec<String>,
    /// Pooled devices that were reserved for the node.
    devices: Vec<String>,
    /// How many of them it has, and how far the next is.
    attached: usize,
    attaching: Step,
    /// The task monitor of the Allocate.
    monitor: Option<String>,
    /// Path of the node.
    node: Option<String>,
    /// When Assemble was accepted, ms since 1970.
    assembled_ms: Option<u64>,
    /// The record may have been written.
    recording: bool,
    /// How far the undo is: with the node, or with the devices, of which the first `attached` are still to be taken back.
    removal: Removal,
}

impl Saved {
    /// Whether anything may be reserved, or at the Pod Manager.
    fn holds(&self) -> bool {
        self.asked || !self.parts.is_empty() || !self.devices.is_empty()
    }
}

struct Saga<'a> {
    ctx: &'a Context,
    driver: &'a dyn Driver,
    saved: Saved,
}

/// Composes the node.
///
/// # Errors
/// The Pod Manager's refusal; a park while it works; what a compose can meet.
pub async fn run(ctx: &Context) -> Result<Value, Verdict> {
    let params: Compose = ctx.params()?;
    let node_id = ctx.node_id()?.to_owned();
    let podm = ctx.podm_record().await?;
    // Cordoned since the task was accepted, or since it was placed here; what has begun, or was tried before, goes on.
    let is_new = ctx.attempt() == 1 && ctx.is_untouched();
    if let Some(problem) = podm.takes_no_nodes().filter(|_| is_new) {
        return Err(problem.into());
    }
    let requirements = requirements(ctx, &params).await?;
    let driver = hardware::connect(ctx, &podm)?;
    let mut saga = Saga { ctx, driver: driver.as_ref(), saved: ctx.saved().unwrap_or_default() };
    let description = tag::mark(params.description.as_deref().unwrap_or_default(), &ctx.tag());
    let node = saga
        .allocate(&podm, Wanted { name: params.name.clone(), description, requirements, parts: Vec::new() })
        .await?;
    let view = saga.assemble(&node).await?;
    saga.reserve_made(&podm, &view).await?;
    saga.attach(&podm.uuid, &view).await?;
    saga.record_parts(&podm.uuid, &view.index).await?;
    saga.record(&node_id, &podm, &params.name, &view).await
}

/// Returns the hardware, found by checkpoint or tag, and forgets the record.
///
/// # Errors
/// A retry or a park until the node is gone.
pub async fn undo(ctx: &Context) -> Result<(), Verdict> {
    let Some(saved) = ctx.saved::<Saved>().filter(Saved::holds) else { return Ok(()) };
    undo_of(ctx, saved).await.map_err(|verdict| match verdict {
        // Hardware is at stake: no refusal is the last word.
        Verdict::Fail(error) => Verdict::Retry { after: None, error: TaskError { retryable: true, ..error } },
        other => other,
    })
}

async fn undo_of(ctx: &Context, saved: Saved) -> Result<(), Verdict> {
    let podm_id = ctx.podm_id()?;
    let Some(podm) = ctx.record::<Podm>(Collection::Podm, podm_id).await? else { return Ok(()) };
    let driver = hardware::connect(ctx, &podm)?;
    let (removal, recording) = (saved.removal.clone(), saved.recording);
    let mut saga = Saga { ctx, driver: driver.as_ref(), saved };
    let found = if saga.saved.asked { saga.find().await? } else { None };
    if !driver.makes_nodes() {
        if let Some(node) = found {
            saga.take_back(podm_id, &node).await?;
        }
    } else if let Some(node) = found {
        let saved = Saved { node: Some(node.clone()), monitor: None, ..saga.saved.clone() };
        let at = |removal| Saved { removal, ..saved.clone() };
        removal::remove(ctx, driver.as_ref(), &node, removal, at).await?;
        saga.record_devices(podm_id, &node, "").await?;
    }
    if recording {
        ctx.delete(Collection::Node, ctx.node_id()?).await?;
    }
    reservation::release(ctx, podm_id, ctx.node_id()?, &saga.saved.parts).await?;
    reservation::release(ctx, podm_id, ctx.node_id()?, &saga.saved.devices).await?;
    ctx.checkpoint(&Saved::default()).await
}

async fn requirements(ctx: &Context, params: &Compose) -> Result<Requirements, Verdict> {
    let Some(id) = &params.flavor_id else { return Ok(params.properties.clone().unwrap_or_default()) };
    let missing = || Problem::not_found(format!("Flavor {id} not found in database."));
    let flavor: Option<Flavor> = ctx.record(Collection::Flavor, id).await?;
    Ok(flavor.ok_or_else(missing)?.properties)
}

impl Saga<'_> {
    /// The node's path: remembered, found by its tag, or newly allocated.
    async fn allocate(&mut self, podm: &Podm, mut wanted: Wanted) -> Result<String, Verdict> {
        let known = if self.saved.asked || !self.ctx.is_first_claim() { self.find().await? } else { None };
        if let Some(node) = known {
            return self.keep(node).await;
        }
        self.ctx.progress(10, "allocating", "asking the Pod Manager for hardware").await;
        self.reserve_devices(podm, &wanted.requirements).await?;
        wanted.parts = self.reserve(podm, &wanted).await?;
        let reserved = self.nothing_asked();
        let announced = Saved { asked: true, asked_ms: self.ctx.now_ms(), ..reserved.clone() };
        let call = self.driver.allocate(&wanted);
        let before = (!self.ctx.is_untouched()).then_some(&reserved);
        let answer = hardware::change(self.ctx, &announced, before, call).await?;
        self.saved = announced;
        match answer.map_err(|e| self.refused(&e))? {
            Begun::Done(Some(node)) => self.named(node).await,
            // It stays outstanding until it is found: nobody may ask again before the quarantine is over.
            Begun::Done(None) => self.by_tag_or_fail().await,
            Begun::Monitor { path, after } => {
                self.saved.monitor = Some(path);
                self.ctx.checkpoint(&self.saved).await?;
                self.follow(after).await
            }
        }
    }

    /// What is saved while nothing of this task is at the Pod Manager: the reservation stays.
    fn nothing_asked(&self) -> Saved {
        Saved { parts: self.saved.parts.clone(), devices: self.saved.devices.clone(), ..Saved::default() }
    }

    /// Reserves the parts of the node, where the Pod Manager leaves the choice to us: those of an earlier attempt, or the best that are
    /// free. They are saved before they are reserved, so that an undo gives them back.
    async fn reserve(&mut self, podm: &Podm, wanted: &Wanted) -> Result<Vec<String>, Verdict> {
        let node_id = self.ctx.node_id()?;
        if !self.saved.parts.is_empty()
            && reservation::reserve(self.ctx, &podm.uuid, node_id, &self.saved.parts).await?
        {
            return Ok(self.saved.parts.clone());
        }
        let taken = reservation::taken(self.ctx, &podm.uuid, node_id).await?;
        let offers = self.driver.offers(wanted, &taken).await.map_err(|e| self.refused(&e))?;
        let Some(offers) = offers else { return Ok(Vec::new()) };
        for Offer { parts } in offers {
            self.saved = Saved { parts, devices: self.saved.devices.clone(), ..Saved::default() };
            self.ctx.checkpoint(&self.saved).await?;
            if reservation::reserve(self.ctx, &podm.uuid, node_id, &self.saved.parts).await? {
                return Ok(self.saved.parts.clone());
            }
        }
        self.saved = Saved { parts: Vec::new(), ..self.nothing_asked() };
        self.ctx.checkpoint(&self.saved).await?;
        let detail = format!("Pod Manager {} has no free hardware that fits", podm.name);
        Err(Verdict::fail(Problem::conflict(detail)))
    }

    /// Reserves the parts that the node is really made of, where the Pod Manager guards nothing: it may have chosen them, or others than were
    /// asked for.
    async fn reserve_made(&mut self, podm: &Podm, view: &NodeView) -> Result<(), Verdict> {
        if self.driver.guards() {
            return Ok(());
        }
        let new = view.parts.iter().filter(|part| !self.saved.parts.contains(part));
        let new: Vec<String> = new.cloned().collect();
        if !new.is_empty() {
            self.saved.parts.extend(new);
            self.ctx.checkpoint(&self.saved).await?;
        }
        if reservation::reserve(self.ctx, &podm.uuid, self.ctx.node_id()?, &self.saved.parts).await? {
            return Ok(());
        }
        let detail = format!("the Pod Manager made the node {} of parts that another node has", view.path);
        Err(Verdict::fail(Problem::bad_gateway(detail)))
    }

    async fn record(&mut self, node_id: &str, podm: &Podm, name: &str, view: &NodeView) -> Result<Value, Verdict> {
        let now = v1(self.ctx.now_ms());
        self.saved.recording = true;
        self.ctx.checkpoint(&self.saved).await?;
        let node = Node {
            uuid: node_id.to_owned(),
            name: name.to_owned(),
            podm_id: podm.uuid.clone(),
            index: view.index.clone(),
            resource_uri: view.path.clone(),
            managed_by: None,
            created_at: now.clone(),
            updated_at: now,
        };
        self.ctx.create(Collection::Node, node_id, &node).await?;
        self.ctx.refresh_soon(&podm.uuid).await;
        serde_json::to_value(BriefNode::from(&node)).map_err(|e| Verdict::fail(Problem::internal(e.to_string())))
    }

    fn verdict(&self, error: &RedfishError) -> Verdict {
        hardware::verdict(self.ctx, error)
    }

    /// The verdict while nothing of this task is at the Pod Manager. A placement then rather tries another one than waits for this.
    fn refused(&self, error: &RedfishError) -> Verdict {
        match self.verdict(error) {
            Verdict::Retry { error, .. } if self.ctx.def().parent_id.is_some() => Verdict::Fail(error),
            other => other,
        }
    }
}
