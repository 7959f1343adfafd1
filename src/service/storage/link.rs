//! One device and the node that has it or is to have it, at the Pod Manager: looked at, changed, and looked at again.

use crate::model::device::{Device, id_of};
use crate::model::problem::Problem;
use crate::podm::{DeviceView, Driver, StorageDriver};
use crate::service::effect::{self, Effect, Step};
use crate::service::{Context, Verdict, hardware};
use crate::store::records::Collection;

/// What is wanted of a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::service) enum Goal {
    /// The node has it.
    Attach,
    /// The node does not have it.
    Detach,
}

/// A device and a node, as their Pod Manager knows them.
#[derive(Clone, Copy)]
pub(in crate::service) struct Link<'a> {
    /// The Pod Manager.
    pub driver: &'a dyn Driver,
    /// Path of the node.
    pub node: &'a str,
    /// The Pod Manager's own id of it.
    pub index: &'a str,
    /// Path of the device.
    pub device: &'a str,
}

/// Pooled devices of a driver.
///
/// # Errors
/// 400 when its dialect has none.
pub(in crate::service) fn storage(driver: &dyn Driver, goal: Goal) -> Result<&dyn StorageDriver, Problem> {
    let name = if goal == Goal::Attach { "attach" } else { "detach" };
    driver.storage().ok_or_else(|| Problem::bad_request(format!("Unsupported action: '{name}'")))
}

impl Link<'_> {
    /// The device as its Pod Manager shows it now.
    ///
    /// # Errors
    /// What the Pod Manager answers.
    pub(in crate::service) async fn look(&self, ctx: &Context) -> Result<Option<DeviceView>, Verdict> {
        let storage = storage(self.driver, Goal::Attach)?;
        storage.device(self.device).await.map_err(|e| hardware::verdict(ctx, &e))
    }

    /// Whether the node has it.
    pub(in crate::service) fn is_joined(&self, view: Option<&DeviceView>) -> bool {
        view.is_some_and(|v| v.node.as_deref() == Some(self.index))
    }

    /// Brings the change about.
    ///
    /// # Errors
    /// As [`effect::bring_about`].
    pub(in crate::service) async fn change<S: serde::Serialize + Sync>(
        &self,
        ctx: &Context,
        goal: Goal,
        at: Step,
        saved: impl Fn(Step) -> S,
    ) -> Result<(), Verdict> {
        let storage = storage(self.driver, goal)?;
        let Self { node, device, .. } = *self;
        let effect = Effect {
            ask: &|| {
                effect::plain(match goal {
                    Goal::Attach => storage.attach(node, device),
                    Goal::Detach => storage.detach(node, device),
                })
            },
            shows: &|_| {
                Box::pin(
                    async move { Ok(self.is_joined(storage.device(device).await?.as_ref()) == (goal == Goal::Attach)) },
                )
            },
            waiting: "waiting for the Pod Manager to show whose the device is",
            unseen: format!("the Pod Manager accepted a change of whose {device} is, and it does not show"),
        };
        effect::bring_about(ctx, self.driver, effect, at, saved).await.map(drop)
    }

    /// Makes the row what the hardware shows, and says whether the node has the device. One that vanished is for the next sync to forget.
    ///
    /// # Errors
    /// What the Pod Manager answers; a retry when Redis is away.
    pub(in crate::service) async fn record(&self, ctx: &Context, podm_id: &str) -> Result<bool, Verdict> {
        let view = self.look(ctx).await?;
        let joined = self.is_joined(view.as_ref());
        if let Some(view) = view {
            let id = id_of(podm_id, &view.path);
            let old: Option<Device> = ctx.record(Collection::Device, &id).await?;
            let new = super::device_sync::row(ctx, podm_id, &id, view, old.as_ref());
            match &old {
                Some(old) if *old == new => {}
                Some(_) => ctx.overwrite(Collection::Device, &id, &new).await?,
                None => {
                    super::device_sync::make(ctx, &id, &new).await?;
                }
            }
        }
        Ok(joined)
    }
}
