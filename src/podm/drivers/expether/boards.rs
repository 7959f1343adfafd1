//! Asking an EEM for its boards, and its refusals in v1's words.

use serde_json::Value;

use super::ExpEther;
use crate::model::problem::Problem;
use crate::podm::error::{Cause, RedfishError};
use crate::podm::http::{Answer, Change};
use crate::podm::resource::{Resource, below, last_segment};

/// What v1 calls every refusal of an EEM.
pub(super) const TITLE: &str = "ExpEther Exception";
/// The group of devices that no machine has.
pub(super) const EEIO_FREE: &str = "4093";
/// The group of machines that never had a device.
pub(super) const EESV_FREE: &str = "4094";

impl ExpEther {
    /// One board; `None` when there is none.
    pub(super) async fn board(&self, path: &str) -> Result<Option<Resource>, RedfishError> {
        let found = self.client.get_if_there(&located(path)).await.map_err(in_v1s_words)?;
        found.map(|answer| inner(answer, "device")).transpose()
    }

    /// One board that must be there.
    pub(super) async fn needed_board(&self, path: &str) -> Result<Resource, RedfishError> {
        let answer = self.client.get(&located(path)).await.map_err(in_v1s_words)?;
        inner(answer, "device")
    }

    /// The boards that a query names, such as `devices?status=eesv`.
    pub(super) async fn boards(&self, query: &str) -> Result<Vec<Resource>, RedfishError> {
        let answer = self.client.get(&located(query)).await.map_err(in_v1s_words)?;
        if !answer.body["devices"].is_array() {
            return Err(answer.wrong("devices", "an array"));
        }
        answer.items("devices")
    }

    /// The ids of the boards that a query names.
    pub(super) async fn ids(&self, query: &str) -> Result<Vec<String>, RedfishError> {
        self.boards(query).await?.iter().map(|board| text(board, "id")).collect()
    }

    /// Puts a board into a group; `None`: one that the EEM picks.
    pub(super) async fn put_group(&self, path: &str, group: Option<&str>) -> Result<Answer, RedfishError> {
        let body = serde_json::json!({ "group_id": group });
        self.client.change(&located(&format!("{path}/group_id")), Change::Put(&body)).await.map_err(in_v1s_words)
    }

    /// Takes a board out of its group.
    pub(super) async fn delete_group(&self, path: &str) -> Result<(), RedfishError> {
        match self.client.change(&located(&format!("{path}/group_id")), Change::Delete).await {
            Err(e) if matches!(e.status(), Some(404 | 410)) => Ok(()),
            other => other.map(drop).map_err(in_v1s_words),
        }
    }

    pub(super) async fn version(&self) -> Result<Resource, RedfishError> {
        self.client.get("/api_version").await.map_err(in_v1s_words)
    }

    pub(super) fn impossible(&self, problem: Problem) -> RedfishError {
        self.client.error("GET", "/devices", Cause::Impossible(Box::new(problem)))
    }

    /// 404 with v1's code.
    pub(super) fn not_available(&self, detail: &str) -> RedfishError {
        self.impossible(Problem::podm(404, "40400", TITLE, detail))
    }
}

/// A board's path as records have it.
pub(super) fn path_of(id: &str) -> String {
    below("devices", id)
}

/// A board's id.
pub(super) fn id_of(path: &str) -> String {
    last_segment(path).to_owned()
}

/// A text that must be there.
pub(super) fn text(board: &Resource, field: &str) -> Result<String, RedfishError> {
    board.text(field)?.ok_or_else(|| board.wrong(field, "there"))
}

/// A text or null.
pub(super) fn shown(board: &Resource, field: &str) -> Result<Value, RedfishError> {
    board.text_json(field)
}

/// Below the URL that the Pod Manager is registered with.
fn located(path: &str) -> String {
    format!("/{path}")
}

fn inner(answer: Resource, field: &str) -> Result<Resource, RedfishError> {
    match &answer.body[field] {
        Value::Object(_) => Ok(Resource { body: answer.body[field].clone(), ..answer }),
        _ => Err(answer.wrong(field, "an object")),
    }
}

/// A refusal as v1 told it; what is no refusal stays.
fn in_v1s_words(mut error: RedfishError) -> RedfishError {
    if let Cause::Refused(refusal) = &mut error.cause {
        if refusal.status == 401 {
            refusal.detail = "Invalid credentials passed".into();
        }
        refusal.title = TITLE.into();
    }
    error
}
