//! A VLAN put onto some places, or taken off them, all or none: what every VLAN kind does.
//!
//! The plan is saved first. Each place is looked at before it is changed; one that is as wanted already is left alone, by the undo too.
//! The undo goes backwards over what was changed.

use serde::{Deserialize, Serialize};

use super::place::{self, Lost};
use crate::model::podm::Podm;
use crate::model::problem::Problem;
use crate::model::task::TaskError;
use crate::podm::{Driver, NetworkDriver, RedfishError, VlanView};
use crate::service::effect::{self, Effect, Step};
use crate::service::{Context, Verdict, hardware};
use crate::store::records::Collection;

/// Statuses of an interface that only mirrors its port's VLANs.
///
/// *Evidence*: an RSD Pod Manager shows a system's VLANs, and lets only the switch port's be changed.
const MIRRORS: [u16; 2] = [405, 501];

/// One place and what becomes of the VLAN there.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Place {
    /// Its collection of VLANs.
    pub(super) vlans: String,
    /// Path of the port or interface.
    pub(super) of: String,
    /// How the VLAN is there, or was.
    pub(super) tagged: bool,
    /// A port behind it has the VLAN anyway: it may refuse.
    pub(super) may_refuse: bool,
    /// It refused.
    pub(super) refused: bool,
    /// How far it is.
    pub(super) step: Step,
    /// How far its undo is.
    pub(super) back: Step,
}

/// What is done with the VLAN.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Aim {
    /// It is put there.
    Present,
    /// It is taken away.
    Absent,
}

impl Aim {
    fn opposite(self) -> Self {
        match self {
            Self::Present => Self::Absent,
            Self::Absent => Self::Present,
        }
    }
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
struct Saved {
    places: Vec<Place>,
}

/// Why something of the network cannot be had, for an attempt.
pub(super) fn verdict(ctx: &Context, lost: Lost) -> Verdict {
    match lost {
        Lost::Missing(problem) => problem.into(),
        Lost::Error(error) => hardware::verdict(ctx, &error),
    }
}

/// Does it at every place of the plan. An earlier attempt's plan stands.
pub(super) async fn apply(
    ctx: &Context,
    driver: &dyn Driver,
    vlan_id: u16,
    aim: Aim,
    plan: impl Future<Output = Result<Vec<Place>, Verdict>>,
) -> Result<Vec<Place>, Verdict> {
    let network = place::network(driver)?;
    let mut saved = match ctx.saved::<Saved>() {
        Some(saved) => saved,
        None => Saved { places: plan.await? },
    };
    if ctx.saved::<Saved>().is_none() {
        ctx.checkpoint(&saved).await?;
    }
    for n in 0..saved.places.len() {
        let Place { step, refused, of, .. } = saved.places[n].clone();
        if refused || (!step.asked && is_so(ctx, network, vlan_id, aim, &saved.places[n]).await?) {
            continue;
        }
        ctx.progress(20, if aim == Aim::Present { "putting the VLAN" } else { "taking the VLAN" }, of).await;
        let at = |step| with(&saved, n, |p| p.step = step);
        match change(ctx, driver, network, vlan_id, aim, &saved.places[n], step, at).await {
            Ok(step) => saved = with(&saved, n, |p| p.step = step),
            Err(Verdict::Fail(error)) if saved.places[n].may_refuse && MIRRORS.contains(&error.problem.status) => {
                saved = with(&saved, n, |p| (p.refused, p.step) = (true, Step::default()));
                ctx.checkpoint(&saved).await?;
            }
            Err(verdict) => return Err(verdict),
        }
    }
    Ok(saved.places)
}

/// Takes back what was changed, the last first.
pub(super) async fn revert(ctx: &Context, vlan_id: u16, aim: Aim) -> Result<(), Verdict> {
    let Some(saved) = ctx.saved::<Saved>().filter(|s| s.places.iter().any(|p| p.step.asked)) else { return Ok(()) };
    revert_all(ctx, saved, vlan_id, aim.opposite()).await.map_err(|verdict| match verdict {
        // A stray VLAN joins what should be apart: no refusal is the last word.
        Verdict::Fail(error) => Verdict::Retry { after: None, error: TaskError { retryable: true, ..error } },
        other => other,
    })
}

async fn revert_all(ctx: &Context, mut saved: Saved, vlan_id: u16, aim: Aim) -> Result<(), Verdict> {
    let Some(podm) = ctx.record::<Podm>(Collection::Podm, ctx.podm_id()?).await? else { return Ok(()) };
    let driver = hardware::connect(ctx, &podm)?;
    let network = place::network(driver.as_ref())?;
    for n in (0..saved.places.len()).rev() {
        let place = saved.places[n].clone();
        if !place.step.asked {
            continue;
        }
        if !shows(network, vlan_id, aim, &place).await.map_err(|e| hardware::verdict(ctx, &e))? {
            let at = |back| with(&saved, n, |p| p.back = back);
            match change(ctx, driver.as_ref(), network, vlan_id, aim, &place, place.back.clone(), at).await {
                Ok(_) => {}
                // The port or the machine itself is gone, and its VLANs with it.
                Err(Verdict::Fail(error)) if matches!(error.problem.status, 404 | 410) => {}
                Err(verdict) => return Err(verdict),
            }
        }
        saved = with(&saved, n, |p| (p.step, p.back) = (Step::default(), Step::default()));
        ctx.checkpoint(&saved).await?;
    }
    Ok(())
}

fn with(saved: &Saved, n: usize, change: impl FnOnce(&mut Place)) -> Saved {
    let mut saved = saved.clone();
    if let Some(place) = saved.places.get_mut(n) {
        change(place);
    }
    saved
}

/// Whether nothing need be asked. A VLAN of that number with other tagging is somebody else's.
async fn is_so(
    ctx: &Context,
    network: &dyn NetworkDriver,
    vlan_id: u16,
    aim: Aim,
    place: &Place,
) -> Result<bool, Verdict> {
    let found = at(network, vlan_id, place).await.map_err(|e| hardware::verdict(ctx, &e))?;
    match (aim, found.first()) {
        (Aim::Present, Some(there)) if there.tagged.is_none_or(|t| t == place.tagged) => Ok(true),
        (Aim::Present, Some(_)) => {
            let other = if place.tagged { "untagged" } else { "tagged" };
            Err(Problem::exists(format!("VLAN {vlan_id} is {other} at {}", place.of)).into())
        }
        (aim, found) => Ok((aim == Aim::Present) == found.is_some()),
    }
}

async fn at(network: &dyn NetworkDriver, vlan_id: u16, place: &Place) -> Result<Vec<VlanView>, RedfishError> {
    let mut all = network.vlans(&place.vlans).await?;
    all.retain(|v| v.vlan_id == Some(vlan_id));
    Ok(all)
}

async fn shows(network: &dyn NetworkDriver, vlan_id: u16, aim: Aim, place: &Place) -> Result<bool, RedfishError> {
    let found = at(network, vlan_id, place).await?;
    Ok(match aim {
        Aim::Present => found.iter().any(|v| v.tagged.is_none_or(|t| t == place.tagged)),
        Aim::Absent => found.is_empty(),
    })
}

#[expect(clippy::too_many_arguments, reason = "one change with all it needs; used in two places")]
async fn change<S: Serialize + Sync>(
    ctx: &Context,
    driver: &dyn Driver,
    network: &dyn NetworkDriver,
    vlan_id: u16,
    aim: Aim,
    place: &Place,
    step: Step,
    saved: impl Fn(Step) -> S,
) -> Result<Step, Verdict> {
    let effect = Effect {
        ask: &|| match aim {
            Aim::Present => effect::plain(network.create_vlan(&place.vlans, vlan_id, place.tagged)),
            Aim::Absent => Box::pin(async move {
                let Some(vlan) = at(network, vlan_id, place).await?.into_iter().next() else {
                    return Ok(crate::podm::Begun::Done(None));
                };
                let vlan = vlan.path;
                effect::plain(network.delete_vlan(&vlan)).await
            }),
        },
        shows: &|_| Box::pin(shows(network, vlan_id, aim, place)),
        waiting: "waiting for the VLAN to show",
        unseen: format!("the Pod Manager accepted a change of VLAN {vlan_id} at {}, and does not show it", place.of),
    };
    effect::bring_about(ctx, driver, effect, step, saved).await
}
