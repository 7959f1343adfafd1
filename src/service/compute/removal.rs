//! Returning a node's hardware: DELETE, then read until it is gone. Shared by `node.delete` and by the undo of a compose.

use serde::Serialize;

use crate::podm::Driver;
use crate::service::effect::{self, Effect};
use crate::service::{Context, Verdict};

/// How far a removal is.
pub(super) use crate::service::effect::Step as Removal;

/// Removes a node. 404 is success, at every step. `saved` makes the whole checkpoint of a removal's state.
///
/// # Errors
/// The Pod Manager's refusal; a park while it works; a failure when it accepted and the node stays.
pub(super) async fn remove<S: Serialize + Sync>(
    ctx: &Context,
    driver: &dyn Driver,
    node: &str,
    at: Removal,
    saved: impl Fn(Removal) -> S,
) -> Result<(), Verdict> {
    let effect = Effect {
        ask: &|| effect::plain(driver.delete_node(node)),
        shows: &|_| driver.is_gone(node),
        waiting: "waiting for the Pod Manager to decompose the node",
        unseen: format!("the Pod Manager accepted the DELETE of {node}, and still shows it"),
    };
    effect::bring_about(ctx, driver, effect, at, saved).await.map(drop)
}
