//! `node.action`: resets a node, sets its boot source, attaches or detaches a device (see `storage::attachment`).
//!
//! All are read before and after: what is so already is not asked for again, and what was accepted is done when it shows.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::model::node::Node;
use crate::model::params::{Action, Boot, BootEnabled, BootTarget, ResetType};
use crate::model::problem::Problem;
use crate::podm::{Begun, Driver, MonitorState, NodeView};
use crate::service::hardware::{self, Patience};
use crate::service::storage::attachment;
use crate::service::{Context, Verdict};
use crate::store::records::Collection;

/// How long an accepted action may take to show. Power changes show up to 11 s late on emulated BMCs; real ones boot first.
const PATIENCE: Duration = Duration::from_secs(300);

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
struct Saved {
    /// The action was accepted.
    accepted: bool,
    /// Its task monitor.
    monitor: Option<String>,
    /// When, ms since 1970.
    since_ms: u64,
}

/// What is wanted of a node.
enum Goal {
    Power(ResetType),
    Boot(Boot),
}

/// Carries the action out.
///
/// # Errors
/// 400 for actions that are not possible here; 404 for an unknown node; the Pod Manager's refusal.
pub async fn run(ctx: &Context) -> Result<Value, Verdict> {
    let action: Action = ctx.params()?;
    let goal = match action {
        Action { reset: Some(reset), .. } => Goal::Power(reset.kind),
        Action { boot: Some(boot), .. } => Goal::Boot(boot),
        action => {
            if let Some((goal, device)) = of_device(action) {
                attachment::run(ctx, goal, &device).await?;
            }
            return Ok(Value::Null);
        }
    };
    let id = ctx.node_id()?;
    let missing = || Problem::not_found(format!("Composed node '{id}' not found in database."));
    let node: Node = ctx.record(Collection::Node, id).await?.ok_or_else(missing)?;
    let podm = ctx.podm_record().await?;
    let driver = hardware::connect(ctx, &podm)?;
    let mut saved: Saved = ctx.saved().unwrap_or_default();
    if !saved.accepted {
        let view = read(ctx, driver.as_ref(), &node).await?;
        if goal.is_so_already(&view) {
            return Ok(Value::Null);
        }
        saved = ask(ctx, driver.as_ref(), &node.resource_uri, &goal).await?;
    }
    see(ctx, driver.as_ref(), &node, &goal, saved).await?;
    Ok(Value::Null)
}

/// Power and boot source are not taken back: the state before may be nobody's wish. An attach is.
///
/// # Errors
/// As `attachment::undo`.
pub async fn undo(ctx: &Context) -> Result<(), Verdict> {
    match ctx.params::<Action>().ok().and_then(of_device) {
        Some((goal, device)) => attachment::undo(ctx, goal, &device).await,
        None => Ok(()),
    }
}

/// What an action wants of which device; `None` when it is about none.
fn of_device(action: Action) -> Option<(attachment::Goal, String)> {
    let attach = action.attach.map(|d| (attachment::Goal::Attach, d.resource_id));
    attach.or_else(|| action.detach.map(|d| (attachment::Goal::Detach, d.resource_id)))
}

async fn read(ctx: &Context, driver: &dyn Driver, node: &Node) -> Result<NodeView, Verdict> {
    let gone = || Problem::not_found(format!("{} is not there at the Pod Manager", node.resource_uri));
    let view = driver.node(&node.resource_uri).await.map_err(|e| hardware::verdict(ctx, &e))?;
    Ok(view.ok_or_else(gone)?)
}

async fn ask(ctx: &Context, driver: &dyn Driver, path: &str, goal: &Goal) -> Result<Saved, Verdict> {
    let announced = Saved { since_ms: ctx.now_ms(), ..Saved::default() };
    let call = match goal {
        Goal::Power(kind) => driver.reset(path, *kind),
        Goal::Boot(boot) => driver.set_boot(path, boot),
    };
    let answer = hardware::change(ctx, &announced, None, call).await?;
    let monitor = match answer.map_err(|e| hardware::verdict(ctx, &e))? {
        Begun::Done(()) => None,
        Begun::Monitor { path, .. } => Some(path),
    };
    let saved = Saved { accepted: true, monitor, ..announced };
    ctx.checkpoint(&saved).await?;
    Ok(saved)
}

/// Reads until the action shows.
async fn see(ctx: &Context, driver: &dyn Driver, node: &Node, goal: &Goal, mut saved: Saved) -> Result<(), Verdict> {
    let mut patience = Patience::since(saved.since_ms);
    loop {
        let mut asked = None;
        let mut running = false;
        if let Some(monitor) = saved.monitor.clone() {
            match driver.monitor(&monitor).await.map_err(|e| hardware::verdict(ctx, &e))? {
                MonitorState::Running { after } => (asked, running) = (after, true),
                MonitorState::Ended { .. } | MonitorState::Gone => saved.monitor = None,
            }
        }
        if !running && goal.is_reached(&read(ctx, driver, node).await?) {
            return Ok(());
        }
        if patience.spent(ctx) > PATIENCE {
            let detail = format!("the Pod Manager accepted the action for {}, and it does not show", node.resource_uri);
            return Err(Verdict::fail(Problem::bad_gateway(detail)));
        }
        patience.wait(ctx, asked, "waiting for the action to show").await?;
    }
}

impl Goal {
    /// Whether nothing need be asked: the node shows exactly this. A restart is wanted from every state.
    fn is_so_already(&self, view: &NodeView) -> bool {
        match self {
            Self::Power(ResetType::GracefulRestart) => false,
            Self::Power(_) => view.power.is_some() && self.is_reached(view),
            Self::Boot(boot) => {
                let enabled = match boot.enabled {
                    BootEnabled::Once => "Once",
                    BootEnabled::Continuous => "Continuous",
                };
                view.boot_target.is_some() && self.is_reached(view) && view.boot_enabled.as_deref() == Some(enabled)
            }
        }
    }

    /// Whether a node shows it. Only the boot target counts: servers are met that read every override back as `Continuous`, and a boot
    /// uses a `Once` up. What a node does not show cannot be waited for.
    fn is_reached(&self, view: &NodeView) -> bool {
        match self {
            Self::Power(kind) => {
                let wanted = if *kind == ResetType::ForceOff { "Off" } else { "On" };
                view.power.as_deref().is_none_or(|p| p == wanted)
            }
            Self::Boot(boot) => {
                let wanted = match boot.target {
                    BootTarget::Pxe => "Pxe",
                    BootTarget::Hdd => "Hdd",
                    BootTarget::None => "None",
                };
                view.boot_target.as_deref().is_none_or(|t| t == wanted)
            }
        }
    }
}
