//! Attaching pooled devices to nodes and detaching them: the saga of `device.attach`, `device.detach` and `node.action`.
//!
//! The Pod Manager is looked at before and after; its answer, and not the row, says whose a device is. A device is reserved for its node
//! from before it is asked for until it is free again, so two nodes never get the same one where the Pod Manager does not guard it. Tasks
//! of one node take turns, so a reservation of the node is never another task's work in hand.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub(in crate::service) use super::link::Goal;
use super::link::{Link, storage};
use crate::model::device::{Device, DeviceState};
use crate::model::node::Node;
use crate::model::podm::Podm;
use crate::model::problem::Problem;
use crate::model::task::TaskError;
use crate::model::v1time::v1;
use crate::podm::{Driver, MonitorState};
use crate::service::compute::reservation;
use crate::service::effect::Step;
use crate::service::{Context, Verdict, hardware};
use crate::store::records::Collection;

/// Pause before what is to be undone is looked at again, when nobody names one.
const PAUSE: Duration = Duration::from_secs(1);
/// How long an undo waits for an accepted change to show, ms: an attach that shows later would have no owner.
const SHOWS_MS: u64 = 30_000;

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
struct Saved {
    /// The device may be reserved by this task.
    reserved: bool,
    /// The change was about to be asked for at least once.
    sent: bool,
    /// How far the change is.
    step: Step,
    /// How far the undo is.
    removal: Step,
}

/// A device and the node that it is about.
struct Pair {
    driver: Arc<dyn Driver>,
    node: Node,
    device: Device,
}

/// Brings it about.
///
/// # Errors
/// 404 for a node or device that is not on record; 400 for a device of another Pod Manager or node, and where the dialect has no devices;
/// the Pod Manager's refusal; a park while it works.
pub(in crate::service) async fn run(ctx: &Context, goal: Goal, device_id: &str) -> Result<(), Verdict> {
    let pair = pair(ctx, goal, device_id).await?;
    let mut saved: Saved = ctx.saved().unwrap_or_default();
    if goal == Goal::Attach {
        if !saved.reserved && pair.link().is_joined(pair.link().look(ctx).await?.as_ref()) {
            // The reservation may be missing when it was attached by others; a failure of this task must not take it away.
            pair.reserve(ctx).await?;
            return pair.record(ctx).await;
        }
        if !saved.reserved {
            saved.reserved = true;
            ctx.checkpoint(&saved).await?;
        }
        // Again in every attempt: an earlier one may have died before it was told that another node has it.
        if !pair.reserve(ctx).await? {
            return Err(pair.busy().into());
        }
    }
    let view = pair.link().look(ctx).await?;
    let reached = match (goal, &view) {
        (Goal::Attach, None) => {
            let detail = format!("{} is not there at the Pod Manager", pair.device.resource_uri);
            return Err(Problem::not_found(detail).into());
        }
        (Goal::Attach, _) => pair.link().is_joined(view.as_ref()),
        (Goal::Detach, view) => view.as_ref().is_none_or(|v| !v.allocated),
    };
    if !reached {
        if view.is_some_and(|v| v.allocated && v.node.as_ref() != Some(&pair.node.index)) {
            return Err(pair.busy().into());
        }
        ctx.progress(30, goal.step(), pair.device.resource_uri.as_str()).await;
        let at = |step| Saved { sent: true, step, ..saved.clone() };
        pair.link().change(ctx, goal, saved.step.clone(), at).await?;
    }
    pair.record(ctx).await
}

/// Takes an attach back. A detach is not taken back; where it has happened, row and reservation follow the hardware.
///
/// # Errors
/// A retry or a park until the device is free, or what has become of it is known.
pub(in crate::service) async fn undo(ctx: &Context, goal: Goal, device_id: &str) -> Result<(), Verdict> {
    let Some(saved) = ctx.saved::<Saved>().filter(|s| s.reserved || s.sent) else { return Ok(()) };
    undo_of(ctx, goal, device_id, saved).await.map_err(|verdict| match verdict {
        // Hardware is at stake: no refusal is the last word.
        Verdict::Fail(error) => Verdict::Retry { after: None, error: TaskError { retryable: true, ..error } },
        other => other,
    })
}

async fn undo_of(ctx: &Context, goal: Goal, device_id: &str, saved: Saved) -> Result<(), Verdict> {
    let Some(node) = ctx.record::<Node>(Collection::Node, ctx.node_id()?).await? else { return Ok(()) };
    let Some(podm) = ctx.record::<Podm>(Collection::Podm, &node.podm_id).await? else { return Ok(()) };
    let Some(device) = ctx.record::<Device>(Collection::Device, device_id).await? else {
        // A sync saw it vanish: nothing is attached, and deleting the node returns the reservation.
        return Ok(());
    };
    let pair = Pair { driver: hardware::connect(ctx, &podm)?, node, device };
    if let Some(monitor) = &saved.step.monitor {
        match pair.driver.monitor(monitor).await {
            // What still runs cannot be taken back yet.
            Ok(MonitorState::Running { after }) => return Err(waiting(after.unwrap_or(PAUSE))),
            Err(error) if error.is_away() => return Err(hardware::verdict(ctx, &error)),
            Ok(MonitorState::Ended { .. } | MonitorState::Gone) | Err(_) => {}
        }
    }
    if goal == Goal::Attach && saved.sent {
        let view = pair.link().look(ctx).await?;
        if saved.removal.asked || pair.link().is_joined(view.as_ref()) {
            let at = |removal| Saved { removal, ..saved.clone() };
            pair.link().change(ctx, Goal::Detach, saved.removal.clone(), at).await?;
        } else if saved.step.accepted
            && view.is_some_and(|v| !v.allocated)
            && ctx.now_ms().saturating_sub(saved.step.since_ms) < SHOWS_MS
        {
            return Err(waiting(PAUSE));
        }
    }
    pair.record(ctx).await?;
    ctx.checkpoint(&Saved::default()).await
}

fn waiting(after: Duration) -> Verdict {
    Verdict::Park { after, why: "waiting for what is to be undone to end".into() }
}

/// Frees the rows of the devices of a node that is gone, and everything that was reserved for it.
///
/// # Errors
/// A retry when Redis is away.
pub(in crate::service) async fn free_all(ctx: &Context, node: &Node) -> Result<(), Verdict> {
    let owners = reservation::owners(ctx, &node.podm_id).await?;
    let rows: Vec<Device> = ctx.records_of(&node.podm_id, Collection::Device).await?;
    for device in rows.into_iter().filter(|d| d.node_id.as_ref() == Some(&node.index)) {
        // Pod Managers give the index of a node to the next one: what that one has reserved is its own.
        if owners.get(&device.resource_uri).is_none_or(|owner| *owner == node.uuid) {
            let free = Device {
                node_id: None,
                state: DeviceState::Free,
                pooled_group_id: None,
                updated_at: v1(ctx.now_ms()),
                ..device
            };
            ctx.overwrite(Collection::Device, &free.uuid, &free).await?;
        }
    }
    let own = owners.into_iter().filter(|(_, owner)| *owner == node.uuid).map(|(part, _)| part);
    reservation::release(ctx, &node.podm_id, &node.uuid, &own.collect::<Vec<_>>()).await
}

/// Makes the rows of a node's devices what the hardware shows, and gives the reservations of those back that it has no more: where devices outlive the node, they are in a group even when they are free.
///
/// # Errors
/// What the Pod Manager answers; a retry when Redis is away.
pub(in crate::service) async fn record_all(ctx: &Context, driver: &dyn Driver, node: &Node) -> Result<(), Verdict> {
    let rows: Vec<Device> = ctx.records_of(&node.podm_id, Collection::Device).await?;
    for row in rows.iter().filter(|d| d.node_id.as_ref() == Some(&node.index)) {
        let link = Link { driver, node: &node.resource_uri, index: &node.index, device: &row.resource_uri };
        if !link.record(ctx, &node.podm_id).await? {
            reservation::release(ctx, &node.podm_id, &node.uuid, std::slice::from_ref(&row.resource_uri)).await?;
        }
    }
    Ok(())
}

async fn pair(ctx: &Context, goal: Goal, device_id: &str) -> Result<Pair, Verdict> {
    let id = ctx.node_id()?;
    let missing = || Problem::not_found(format!("Composed node '{id}' not found in database."));
    let node: Node = ctx.record(Collection::Node, id).await?.ok_or_else(missing)?;
    let podm = ctx.podm_record().await?;
    let driver = hardware::connect(ctx, &podm)?;
    storage(driver.as_ref(), goal)?;
    let missing = || Problem::not_found(format!("Device {device_id} not found in database."));
    let device: Device = ctx.record(Collection::Device, device_id).await?.ok_or_else(missing)?;
    if device.podm_id != node.podm_id {
        let detail = format!("Device {device_id} belongs to another Pod Manager than the node.");
        return Err(Problem::bad_request(detail).into());
    }
    Ok(Pair { driver, node, device })
}

impl Goal {
    const fn step(self) -> &'static str {
        match self {
            Self::Attach => "attaching the device",
            Self::Detach => "detaching the device",
        }
    }
}

impl Pair {
    fn link(&self) -> Link<'_> {
        Link {
            driver: self.driver.as_ref(),
            node: &self.node.resource_uri,
            index: &self.node.index,
            device: &self.device.resource_uri,
        }
    }

    fn busy(&self) -> Problem {
        Problem::bad_request(format!("Device {} is attached to another node.", self.device.uuid))
    }

    async fn reserve(&self, ctx: &Context) -> Result<bool, Verdict> {
        reservation::reserve(ctx, &self.node.podm_id, &self.node.uuid, std::slice::from_ref(&self.device.resource_uri))
            .await
    }

    /// Makes the row what the hardware shows, and gives the reservation back when the node does not have the device.
    async fn record(&self, ctx: &Context) -> Result<(), Verdict> {
        if self.link().record(ctx, &self.node.podm_id).await? {
            return Ok(());
        }
        reservation::release(ctx, &self.node.podm_id, &self.node.uuid, std::slice::from_ref(&self.device.resource_uri))
            .await
    }
}
