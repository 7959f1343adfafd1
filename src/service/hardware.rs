//! How handlers speak to a Pod Manager: announce, send, note the answer; and what an error means for the attempt.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use super::{Context, ReadContext, Verdict};
use crate::model::podm::Podm;
use crate::model::problem::Problem;
use crate::model::task::TaskError;
use crate::podm::{Advice, Driver, RedfishError};

/// Waits inside a handler before it parks: short operations then need no second claim.
const SHORT: [u64; 6] = [30, 60, 120, 240, 480, 570];
/// Shortest and longest time between two looks at a long operation.
const PARK: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(15));

/// A driver for the Pod Manager, working under the attempt's lease.
///
/// # Errors
/// As [`crate::podm::Pool::connect`].
pub fn connect(ctx: &Context, podm: &Podm) -> Result<Arc<dyn Driver>, Verdict> {
    ctx.pool().connect(podm, Some(ctx.lease().clone())).map_err(|e| verdict(ctx, &e))
}

/// A driver for a read, without a lease: reads change nothing.
///
/// # Errors
/// As [`crate::podm::Pool::connect`].
pub fn reader(ctx: &ReadContext, podm: &Podm) -> Result<Arc<dyn Driver>, Problem> {
    ctx.pool().connect(podm, None).map_err(|e| e.problem())
}

/// What an error of a driver means for the attempt.
pub fn verdict(ctx: &Context, error: &RedfishError) -> Verdict {
    let advice = error.verdict();
    let is_final = match advice {
        Advice::Final => true,
        Advice::ServerError => ctx.answers_client(),
        // What has begun is brought to its end.
        Advice::Retry { after } => ctx.is_untouched() && ctx.is_client_out_of_patience(after.unwrap_or_default()),
        Advice::Look | Advice::Stop => false,
    };
    let podm_id = ctx.def().podm_id.clone();
    let task_error = TaskError { podm_id, retryable: !is_final, ..error.problem().into() };
    match advice {
        Advice::Stop => Verdict::Stop,
        _ if is_final => Verdict::Fail(task_error),
        Advice::Retry { after } => Verdict::Retry { after, error: task_error },
        _ => Verdict::Retry { after: None, error: task_error },
    }
}

/// Announces a change, sends it, and hands back what was answered, for the caller to save. A change whose answer was not seen stays
/// outstanding: the attempt ends, and the next one looks after the quarantine.
///
/// `announced` is saved before anything is sent, `refused` after a definite error; `None` when nothing was saved before.
///
/// # Errors
/// [`Verdict::Retry`] when the answer was not seen; [`Verdict::Stop`] when nothing could be sent or saved. The inner error is definite.
pub async fn change<S: Serialize + Sync, T>(
    ctx: &Context,
    announced: &S,
    refused: Option<&S>,
    call: impl Future<Output = Result<T, RedfishError>>,
) -> Result<Result<T, RedfishError>, Verdict> {
    ctx.about_to_change(announced).await?;
    match call.await {
        Ok(answer) => Ok(Ok(answer)),
        Err(error) if matches!(error.verdict(), Advice::Look | Advice::Stop) => Err(verdict(ctx, &error)),
        Err(error) => {
            match refused {
                Some(refused) => ctx.checkpoint(refused).await?,
                None => ctx.forget().await?,
            }
            Ok(Err(error))
        }
    }
}

/// Waits between two looks at something that takes its time: a little in the handler, then parked.
pub struct Patience {
    waits: std::slice::Iter<'static, u64>,
    began_ms: u64,
}

impl Patience {
    /// For something that began at `began_ms`.
    #[must_use]
    pub fn since(began_ms: u64) -> Self {
        Self { waits: SHORT.iter(), began_ms }
    }

    /// Waits until the next look; at least `asked`, when the Pod Manager named a time.
    ///
    /// # Errors
    /// [`Verdict::Park`] once a look every moment is no use; [`Verdict::Stop`].
    pub async fn wait(&mut self, ctx: &Context, asked: Option<Duration>, why: &str) -> Result<(), Verdict> {
        let next = self.waits.next().map(|ms| Duration::from_millis(*ms));
        if let Some(next) = next.filter(|n| asked.is_none_or(|a| a <= *n)) {
            return ctx.sleep(next).await;
        }
        let quarter = Duration::from_millis(ctx.now_ms().saturating_sub(self.began_ms) / 4);
        let after = asked.unwrap_or(quarter).clamp(PARK.0, PARK.1);
        Err(Verdict::Park { after, why: why.to_owned() })
    }

    /// How long it has been.
    #[must_use]
    pub fn spent(&self, ctx: &Context) -> Duration {
        Duration::from_millis(ctx.now_ms().saturating_sub(self.began_ms))
    }
}

/// The id of a record that a task makes: the same in every attempt, in the form that v1 clients know (UUIDv4).
#[must_use]
pub fn own_id(ctx: &Context) -> String {
    use aws_lc_rs::digest::{SHA256, digest};
    let hash = digest(&SHA256, format!("record of {}", ctx.id()).as_bytes());
    let mut bytes = [0u8; 16];
    bytes.copy_from_slice(&hash.as_ref()[..16]);
    uuid::Builder::from_random_bytes(bytes).into_uuid().as_hyphenated().to_string()
}

/// A v1 confirmation: a success with a message.
#[must_use]
pub fn confirmation(ctx: &Context, code: &str, detail: impl Into<String>) -> serde_json::Value {
    serde_json::json!({ "code": code, "detail": detail.into(), "request_id": ctx.id() })
}
