//! Waiting for a place at a Pod Manager: the line that a node stands in, beside those of its caller that want the same.
//!
//! Nothing is promised to one that waits. It holds no slot, is called when a place is free for it (`upkeep::places`), and looks by itself
//! after a while, should the call have been lost.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::model::problem::Problem;
use crate::placement::Request;
use crate::service::{Context, Verdict};
use crate::store::explain::NO_PLACE;
use crate::store::idempotency::fingerprint;

/// How long the first in line waits for a call before it looks by itself.
const FALLBACK: Duration = Duration::from_secs(30);
/// So much longer for each that stands before it, and at most.
const EACH: Duration = Duration::from_millis(5);
const LONGEST: Duration = Duration::from_secs(600);

/// The line of a node.
pub(super) struct Line {
    name: String,
    wanted: String,
}

/// What a node that waits remembers of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Waiting {
    /// Since when, ms since 1970.
    pub(super) since_ms: u64,
    /// Why, at first.
    pub(super) why: String,
    /// The claim that ended with waiting: whatever comes next has nothing reserved.
    pub(super) claim: u64,
}

#[derive(Serialize)]
struct Wanted<'a> {
    caller: &'a str,
    #[serde(flatten)]
    request: &'a Request,
}

impl Line {
    /// The line for a request of the task's caller.
    ///
    /// # Errors
    /// 500 when it cannot be written.
    pub(super) fn of(ctx: &Context, request: &Request) -> Result<Self, Verdict> {
        let caller = ctx.def().caller.as_deref().unwrap_or_default();
        let wanted = serde_json::to_string(&Wanted { caller, request });
        let wanted = wanted.map_err(|e| Verdict::fail(Problem::internal(e.to_string())))?;
        // The same in every process, of whichever build.
        let name = fingerprint(&[&wanted]);
        Ok(Self { name: name.get(..16).unwrap_or(&name).to_owned(), wanted })
    }

    /// Why the node is not the next of its line: others were here before it and have not been called yet.
    ///
    /// # Errors
    /// A retry when Redis is away.
    pub(super) async fn is_not_next(
        &self,
        ctx: &Context,
        waiting: Option<&Waiting>,
    ) -> Result<Option<String>, Verdict> {
        // Who was called is not in the line any more, and who is in it was told why.
        if !ctx.is_line_known(&self.name).await? {
            return Ok(None);
        }
        let before = ctx.before_in_line(&self.name).await?;
        let why = || waiting.map_or_else(|| "none is free for such a node now".to_owned(), |w| w.why.clone());
        Ok((before > 0).then(why))
    }

    /// Stands in the line.
    ///
    /// # Errors
    /// A retry when Redis is away.
    pub(super) async fn wait(
        &self,
        ctx: &Context,
        before: Option<Waiting>,
        why: String,
    ) -> Result<(Waiting, Verdict), Verdict> {
        let ahead = ctx.join_line(&self.name, &self.wanted).await?;
        let after = (FALLBACK + EACH * u32::try_from(ahead).unwrap_or(u32::MAX)).min(LONGEST);
        let since_ms = before.as_ref().map_or_else(|| ctx.now_ms(), |w| w.since_ms);
        let park = Verdict::Park { after, why: format!("{NO_PLACE}{why}; {ahead} that want the same stand before it") };
        let why = before.map_or(why, |w| w.why);
        Ok((Waiting { since_ms, why, claim: ctx.claim() }, park))
    }

    /// Leaves the line.
    ///
    /// # Errors
    /// A retry when Redis is away.
    pub(super) async fn leave(&self, ctx: &Context) -> Result<(), Verdict> {
        ctx.leave_line(&self.name).await
    }
}
