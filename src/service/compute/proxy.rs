//! `proxy.read` and `proxy.write`: requests of old clients that are passed on to a Pod Manager as they are, under its gates.
//!
//! What such a request does is not known here: one whose answer was not seen is never sent again, and there is nothing to take back.

use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::model::kind;
use crate::model::params::Proxy;
use crate::model::podm::Podm;
use crate::model::problem::Problem;
use crate::podm::{Advice, Cause, http::ROOT};
use crate::service::{Context, ReadContext, Verdict, hardware};
use crate::store::records::Collection;

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Saved {
    /// The request is about to be sent, or was.
    sent: bool,
}

/// Sends the request once. Whatever the Pod Manager answers is the result.
///
/// # Errors
/// 504 when it may have been sent and no answer was seen; whatever keeps it from being sent. None is tried again.
pub async fn run(ctx: &Context) -> Result<Value, Verdict> {
    let asked: Proxy = ctx.params()?;
    let podm = ctx.podm_record().await?;
    if ctx.saved::<Saved>().is_some_and(|s| s.sent) {
        return Err(Verdict::fail(unknown(&podm)));
    }
    let client = ctx.pool().client(&podm, Some(ctx.lease().clone())).map_err(|e| Verdict::fail(e.problem()))?;
    let path = below_root(&asked.path);
    let body = asked.body.as_ref().map(|sealed| open(ctx, &podm, sealed)).transpose()?;
    let call = client.raw(asked.method, &path, body.as_ref());
    // It stays sent, whatever comes: a worker that dies before the task has ended must not send it twice.
    let sent = Saved { sent: true };
    match hardware::change(ctx, &sent, Some(&sent), call).await {
        Ok(Ok(answer)) => {
            ctx.checkpoint(&sent).await?;
            serde_json::to_value(answer).map_err(|e| Verdict::fail(Problem::internal(e.to_string())))
        }
        Ok(Err(error)) if error.verdict() == Advice::Stop => Err(Verdict::Stop),
        // Its status was seen: whatever was asked for is decided, and only the answer cannot be shown.
        Ok(Err(error)) if matches!(error.cause, Cause::TooLarge(_)) => {
            let detail = format!(
                "{error}; the request was sent once and answered: look at the Pod Manager before sending it again"
            );
            Err(Verdict::fail(Problem::bad_gateway(detail)))
        }
        Ok(Err(error)) => Err(Verdict::fail(error.problem())),
        // Nobody saw the answer.
        Err(Verdict::Retry { .. }) if ctx.is_outstanding() => {
            // Nothing will be asked again, so nothing need wait for it.
            ctx.checkpoint(&sent).await?;
            Err(Verdict::fail(unknown(&podm)))
        }
        Err(verdict) => Err(verdict),
    }
}

/// There is nothing to take back.
///
/// # Errors
/// None.
pub async fn undo(_ctx: &Context) -> Result<(), Verdict> {
    Ok(())
}

/// Passes a read on.
///
/// # Errors
/// 404 for an unknown Pod Manager; whatever keeps an answer from coming.
pub async fn read(ctx: &ReadContext, params: Value) -> Result<Value, Problem> {
    let asked: Proxy = kind::read(&params)?;
    let id = asked.podm_id.as_deref().ok_or_else(|| Problem::validation("'podm_id' is a required property"))?;
    let missing = || Problem::not_found(format!("Pod Manager {id} not found in database."));
    let podm: Podm = ctx.record(Collection::Podm, id).await?.ok_or_else(missing)?;
    let client = ctx.pool().client(&podm, None).map_err(|e| e.problem())?;
    let path = below_root(&asked.path);
    let sent = async { client.raw(asked.method, &path, None).await.map_err(|e| e.problem()) };
    let answer = ctx.at_podm(&podm, sent).await?;
    serde_json::to_value(answer).map_err(|e| Problem::internal(e.to_string()))
}

/// The body, which the API has sealed: nobody knows where in it a secret stands.
fn open(ctx: &Context, podm: &Podm, sealed: &Value) -> Result<Value, Verdict> {
    let text = sealed.as_str().ok_or_else(|| Verdict::fail(Problem::validation("the body is not sealed")))?;
    let opened = ctx.pool().unseal(podm, text).map_err(|e| Verdict::fail(e.problem()))?;
    serde_json::from_str(opened.expose_secret())
        .map_err(|_| Verdict::fail(Problem::validation("the sealed body is no JSON")))
}

fn below_root(path: &str) -> String {
    format!("{ROOT}/{path}")
}

fn unknown(podm: &Podm) -> Problem {
    Problem::timeout(format!(
        "Pod Manager {} may have been sent this request, and its answer was not seen: whether it was carried out is unknown. \
         It is not sent again; look at the Pod Manager first",
        podm.name
    ))
}
