//! Reset of a node.

use serde_json::json;

use super::Rsd;
use crate::model::params::ResetType;
use crate::podm::driver::Begun;
use crate::podm::error::{Cause, RedfishError};
use crate::podm::http::Change;
use crate::podm::quirks;

impl Rsd {
    pub(super) async fn reset_node(&self, path: &str, kind: ResetType) -> Result<Begun<()>, RedfishError> {
        let node = self.client.get(path).await?;
        let missing = || self.client.error("GET", path, Cause::Malformed("it does not offer Reset".into()));
        let target = quirks::node_target(&node, "Reset")?.ok_or_else(missing)?;
        let allowed = quirks::allowable(&node, "Actions/#ComposedNode.Reset/ResetType")?;
        let kind = match kind {
            ResetType::On => "On",
            ResetType::ForceOn => "ForceOn",
            ResetType::ForceOff => "ForceOff",
            ResetType::GracefulRestart => "GracefulRestart",
        };
        self.check_allowed(path, "Reset type", kind, &allowed)?;
        self.ask(&target, Change::Post(Some(&json!({ "ResetType": kind })))).await
    }
}
