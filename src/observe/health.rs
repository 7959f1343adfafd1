//! `/metrics`, `/healthz` and `/readyz` on a listener of its own, for processes that serve nothing else.
//!
//! The default port may be taken, by another worker on the same host: then any free one is used, and logged. A port that was asked for
//! is an error when it is taken. What "ready" means is the caller's to say.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use serde_json::{Value, json};
use tokio::net::TcpListener;
use warp::Filter;
use warp::http::StatusCode;
use warp::reply::{Reply, Response};

use super::metrics;
use crate::shutdown::Shutdown;

/// Whether the process can do its work now, and what there is to say about it.
pub type Readiness = Pin<Box<dyn Future<Output = Result<Value, Value>> + Send>>;

/// Asks for the readiness.
pub type Probe = Arc<dyn Fn() -> Readiness + Send + Sync>;

/// Serves until the stop signal. Says where.
///
/// # Errors
/// When the address that was asked for, or every port, is taken.
pub async fn spawn(
    asked: Option<SocketAddr>,
    default: SocketAddr,
    ready: Probe,
    shutdown: &Shutdown,
) -> std::io::Result<SocketAddr> {
    let listener = match asked {
        Some(address) => TcpListener::bind(address).await?,
        None => match TcpListener::bind(default).await {
            Ok(listener) => listener,
            Err(error) => {
                tracing::warn!(%default, %error, "the default port is not free; another one is used");
                TcpListener::bind(SocketAddr::new(default.ip(), 0)).await?
            }
        },
    };
    let address = listener.local_addr()?;
    tracing::info!(%address, "metrics and health");
    let token = shutdown.token();
    shutdown.spawn("metrics and health", async move {
        let stop = token.clone();
        let served =
            warp::serve(routes(ready)).incoming(listener).graceful(async move { stop.cancelled().await }).run();
        tokio::select! {
            () = served => {}
            // A reader that keeps its connection open does not hold up the stop.
            () = async { token.cancelled().await; tokio::time::sleep(std::time::Duration::from_secs(1)).await } => {}
        }
        Ok::<(), std::convert::Infallible>(())
    });
    Ok(address)
}

fn routes(ready: Probe) -> warp::filters::BoxedFilter<(Response,)> {
    let metrics = warp::path!("metrics").map(metrics_page);
    let healthz = warp::path!("healthz").map(|| warp::reply::json(&json!({"status": "ok"})).into_response());
    let readyz = warp::path!("readyz").then(move || {
        let asked = ready();
        async move { readiness(asked.await) }
    });
    warp::get().and(metrics.or(healthz).unify().or(readyz).unify()).boxed()
}

/// The answer to `/metrics`.
#[must_use]
pub fn metrics_page() -> Response {
    let page = metrics::get().page();
    warp::reply::with_header(page, "content-type", "text/plain; version=0.0.4; charset=utf-8").into_response()
}

/// The answer to `/readyz`.
#[must_use]
pub fn readiness(found: Result<Value, Value>) -> Response {
    let (status, body) = match found {
        Ok(body) => (StatusCode::OK, body),
        Err(body) => (StatusCode::SERVICE_UNAVAILABLE, body),
    };
    warp::reply::with_status(warp::reply::json(&body), status).into_response()
}
