//! `sleep`: works for a while in steps it saves, and can be told to misbehave; for fault tests.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Context, Verdict};
use crate::model::params::Sleep;
use crate::model::problem::Problem;

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Saved {
    done: u32,
    parked: bool,
    undone: bool,
}

/// Does its steps, each saved, from where an earlier attempt stopped.
///
/// # Errors
/// As its parameters say.
pub async fn run(ctx: &Context) -> Result<Value, Verdict> {
    let p: Sleep = ctx.params()?;
    let mut saved: Saved = ctx.saved().unwrap_or_default();
    let resumed_from = saved.done;
    if p.abort {
        tracing::warn!(task_id = %ctx.id(), "aborting, as the poison task asks");
        std::process::abort();
    }
    while saved.done < p.steps {
        ctx.sleep(Duration::from_millis(p.ms)).await?;
        saved.done += 1;
        if p.steps > 1 {
            let percent = u8::try_from(saved.done * 100 / p.steps).unwrap_or(100);
            ctx.progress(percent, "sleeping", format!("step {} of {}", saved.done, p.steps)).await;
            ctx.checkpoint(&saved).await?;
        }
        if p.park_ms > 0 && !saved.parked && saved.done * 2 >= p.steps {
            saved.parked = true;
            ctx.checkpoint(&saved).await?;
            return Err(Verdict::Park { after: Duration::from_millis(p.park_ms), why: "asked to park".into() });
        }
    }
    if ctx.attempt() <= p.retries {
        return Err(Verdict::retry(Problem::unavailable("asked to be retried")));
    }
    if p.fail {
        return Err(Verdict::fail(Problem::internal("asked to fail")));
    }
    Ok(json!({ "steps": saved.done, "resumed_from": resumed_from, "claim": ctx.claim() }))
}

/// Notes that it was called.
///
/// # Errors
/// When the note cannot be saved.
pub async fn undo(ctx: &Context) -> Result<(), Verdict> {
    if let Some(saved) = ctx.saved::<Saved>() {
        ctx.checkpoint(&Saved { undone: true, ..saved }).await?;
    }
    Ok(())
}
