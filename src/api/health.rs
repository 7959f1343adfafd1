//! `/healthz`, `/readyz`, `/metrics`.

use serde_json::json;

use super::answer::{self, Answer};
use super::auth::Role;
use super::call::Call;
use super::resource::Resource;
use crate::observe::health::{metrics_page, readiness};

/// The routes.
pub(crate) fn resource() -> Resource {
    Resource::at("", "operation")
        .get("/healthz", "Says that the process lives", live)
        .role(Role::Anyone)
        .get("/readyz", "Says whether the process can serve, and what Redis promises to keep", ready)
        .role(Role::Anyone)
        .get("/metrics", "Metrics for Prometheus", metrics)
        .media("text/plain")
}

async fn live(_call: Call) -> Answer {
    Ok(answer::ok(&json!({"status": "ok"})))
}

async fn metrics(_call: Call) -> Answer {
    Ok(metrics_page())
}

async fn ready(call: Call) -> Answer {
    let found = if call.app.stop.is_cancelled() {
        Err(json!({"ready": false, "detail": "the process is stopping"}))
    } else {
        call.app.store.readiness().await
    };
    let unready = found.is_err();
    let mut response = readiness(found);
    if unready {
        answer::set_header(&mut response, warp::http::header::RETRY_AFTER, "2");
    }
    Ok(response)
}
