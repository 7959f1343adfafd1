//! What is seen in one look: four questions to the API, asked at once.

use serde_json::{Value, json};

use super::super::client::{Client, list};
use super::super::error::CtlError;
use super::super::trouble;
use crate::model::circuit::PodmState;
use crate::model::task::Task;
use crate::store::queues::Queue;
use crate::store::workers::Worker;

/// Failures that are asked for: more than fit on most screens.
const FAILURES: &str = "20";

/// Everything on the screen.
pub(super) struct Look {
    pub(super) queues: Vec<Queue>,
    pub(super) workers: Vec<Worker>,
    pub(super) podms: Vec<PodmState>,
    /// Latest first.
    pub(super) failures: Vec<Task>,
}

/// Looks; also the answers as they came.
pub(super) async fn at(api: &Client) -> Result<(Value, Look), CtlError> {
    let failed = [("state", "failed".to_owned()), ("limit", FAILURES.to_owned())];
    let (queues, workers, (podms, states), failures) = tokio::try_join!(
        api.get(&["v1", "queues"], &[]),
        api.get(&["v1", "workers"], &[]),
        trouble::states(api),
        api.get(&["v1", "tasks"], &failed),
    )?;
    let look = Look {
        queues: list("GET /v1/queues", "queues", &queues)?,
        workers: list("GET /v1/workers", "workers", &workers)?,
        podms: states,
        failures: list("GET /v1/tasks", "tasks", &failures)?,
    };
    let answers = json!({
        "queues": queues["queues"], "workers": workers["workers"], "pod_managers": podms, "failures": failures["tasks"],
    });
    Ok((answers, look))
}
