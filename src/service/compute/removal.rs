//! Returning a node's hardware: DELETE, then read until it is gone. Shared by `node.delete` and by the undo of a compose.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::model::problem::Problem;
use crate::podm::{Begun, Driver, MonitorState};
use crate::service::hardware::{self, Patience};
use crate::service::{Context, Verdict};

/// How long a node may still show after its DELETE was accepted.
const PATIENCE: Duration = Duration::from_secs(300);

/// How far a removal is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Removal {
    /// A DELETE is about to be sent, or was.
    pub(super) asked: bool,
    /// Its answer was seen, and accepted.
    pub(super) accepted: bool,
    /// The task monitor that it named.
    pub(super) monitor: Option<String>,
    /// When it was sent, ms since 1970.
    pub(super) since_ms: u64,
}

/// Removes a node. 404 is success, at every step. `saved` makes the whole checkpoint of a removal's state.
///
/// # Errors
/// The Pod Manager's refusal; a park while it works; a failure when it accepted and the node stays.
pub(super) async fn remove<S: Serialize + Sync>(
    ctx: &Context,
    driver: &dyn Driver,
    node: &str,
    mut at: Removal,
    saved: impl Fn(Removal) -> S,
) -> Result<(), Verdict> {
    let verdict = |e| hardware::verdict(ctx, &e);
    let mut look = at.asked;
    let mut patience = Patience::since(if at.asked { at.since_ms } else { ctx.now_ms() });
    loop {
        if look && driver.is_gone(node).await.map_err(verdict)? {
            return Ok(());
        }
        look = true;
        let mut asked_to_wait = None;
        if !at.accepted {
            at = Removal { asked: true, since_ms: ctx.now_ms(), ..Removal::default() };
            let (announced, refused) = (saved(at.clone()), saved(Removal::default()));
            match hardware::change(ctx, &announced, &refused, driver.delete_node(node)).await?.map_err(verdict)? {
                Begun::Done(()) => {}
                Begun::Monitor { path, after } => (at.monitor, asked_to_wait) = (Some(path), after),
            }
            at.accepted = true;
            ctx.checkpoint(&saved(at.clone())).await?;
            if at.monitor.is_none() {
                continue;
            }
        } else if let Some(monitor) = at.monitor.clone() {
            match driver.monitor(&monitor).await {
                Ok(MonitorState::Running { after }) => asked_to_wait = after,
                Ok(MonitorState::Ended { .. } | MonitorState::Gone) => at.monitor = None,
                Err(error) if error.is_away() => return Err(verdict(error)),
                Err(error) => {
                    // The operation itself has failed: a later attempt may ask again.
                    ctx.checkpoint(&saved(Removal::default())).await?;
                    return Err(verdict(error));
                }
            }
        }
        if patience.spent(ctx) > PATIENCE {
            ctx.checkpoint(&saved(Removal::default())).await?;
            let detail = format!("the Pod Manager accepted the DELETE of {node}, and still shows it");
            return Err(Verdict::fail(Problem::bad_gateway(detail)));
        }
        patience.wait(ctx, asked_to_wait, "waiting for the Pod Manager to decompose the node").await?;
    }
}
