//! One change at a Pod Manager that can be looked for: ask once, follow its monitor, read until it shows. Removals of nodes and volumes,
//! new volumes and VLANs are all brought about like this; docs/adding-a-kind.md says why.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::hardware::{self, Patience};
use super::{Context, Verdict};
use crate::model::problem::Problem;
use crate::podm::driver::Call;
use crate::podm::{Begun, Driver, MonitorState};

/// How long an accepted change may take to show.
const PATIENCE: Duration = Duration::from_secs(300);

/// How far a change is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Step {
    /// It is about to be asked for, or was.
    pub asked: bool,
    /// The answer was seen, and accepted.
    pub accepted: bool,
    /// The task monitor that it named.
    pub monitor: Option<String>,
    /// When it was sent, ms since 1970.
    pub since_ms: u64,
    /// Path of what was made, when the Pod Manager said so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub made: Option<String>,
}

/// A change: how to ask for it, and how to see it.
pub struct Effect<'a> {
    /// Asks for it.
    pub ask: &'a (dyn Fn() -> Call<'a, Begun<Option<String>>> + Send + Sync),
    /// Whether it shows; told the path of what was made, when that is known.
    pub shows: &'a (dyn Fn(Option<String>) -> Call<'a, bool> + Send + Sync),
    /// Why a task waits for it.
    pub waiting: &'a str,
    /// The error when it was accepted and does not show.
    pub unseen: String,
}

/// Brings a change about, continuing where an earlier attempt ended. `saved` makes the whole checkpoint of a step.
///
/// # Errors
/// The Pod Manager's refusal; a park while it works; a failure when it accepted and nothing shows.
pub async fn bring_about<S: Serialize + Sync>(
    ctx: &Context,
    driver: &dyn Driver,
    effect: Effect<'_>,
    mut at: Step,
    saved: impl Fn(Step) -> S,
) -> Result<Step, Verdict> {
    let verdict = |e| hardware::verdict(ctx, &e);
    let mut look = at.asked;
    let mut patience = Patience::since(if at.asked { at.since_ms } else { ctx.now_ms() });
    loop {
        if look && (effect.shows)(at.made.clone()).await.map_err(verdict)? {
            return Ok(at);
        }
        look = true;
        let mut asked_to_wait = None;
        if !at.accepted {
            at = Step { asked: true, since_ms: ctx.now_ms(), ..Step::default() };
            let refused = (!ctx.is_untouched()).then(|| saved(Step::default()));
            let announced = saved(at.clone());
            match hardware::change(ctx, &announced, refused.as_ref(), (effect.ask)()).await?.map_err(verdict)? {
                Begun::Done(made) => at.made = made,
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
                Ok(MonitorState::Ended { location }) => {
                    (at.monitor, at.made) = (None, location);
                    // Its answer may not come twice.
                    ctx.checkpoint(&saved(at.clone())).await?;
                }
                Ok(MonitorState::Gone) => at.monitor = None,
                Err(error) if error.is_away() => return Err(verdict(error)),
                Err(error) => {
                    // Monitors are met that fail while what they follow does not.
                    if (effect.shows)(at.made.clone()).await.map_err(verdict)? {
                        return Ok(at);
                    }
                    // The operation itself has failed: a later attempt may ask again.
                    ctx.checkpoint(&saved(Step::default())).await?;
                    return Err(verdict(error));
                }
            }
        }
        if patience.spent(ctx) > PATIENCE {
            // It may still come: an undo looks for it, a later attempt asks again.
            ctx.checkpoint(&saved(Step { asked: true, since_ms: at.since_ms, ..Step::default() })).await?;
            return Err(Verdict::fail(Problem::bad_gateway(effect.unseen)));
        }
        patience.wait(ctx, asked_to_wait, effect.waiting).await?;
    }
}

/// A change that makes nothing, as one that might.
pub fn plain<'a>(call: Call<'a, Begun<()>>) -> Call<'a, Begun<Option<String>>> {
    Box::pin(async move {
        Ok(match call.await? {
            Begun::Done(()) => Begun::Done(None),
            Begun::Monitor { path, after } => Begun::Monitor { path, after },
        })
    })
}
