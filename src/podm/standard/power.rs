//! Reset of a node or of a computer system: both advertise the same action under their own name.

use serde_json::json;

use super::Standard;
use crate::model::params::ResetType;
use crate::podm::driver::Begun;
use crate::podm::error::{Cause, RedfishError};
use crate::podm::http::Change;
use crate::podm::quirks;
use crate::podm::resource::Resource;

impl Standard {
    /// Resets what has `#<schema>.Reset` among its actions, in a way that it allows.
    pub(in crate::podm) async fn reset_of(
        &self,
        path: &str,
        schema: &str,
        kind: ResetType,
    ) -> Result<Begun<()>, RedfishError> {
        let resource = self.client.get(path).await?;
        let missing = || self.client.error("GET", path, Cause::Malformed("it does not offer Reset".into()));
        let target = quirks::own_target(&resource, schema, "Reset")?.ok_or_else(missing)?;
        let allowed = self.reset_types(&resource, schema).await?;
        let wanted = word(kind);
        let sent = stand_in(kind).filter(|other| !has(&allowed, wanted) && has(&allowed, other)).unwrap_or(wanted);
        self.check_allowed(path, "Reset type", sent, &allowed)?;
        self.ask(&target, Change::Post(Some(&json!({ "ResetType": sent })))).await
    }

    /// The kinds of reset that it allows, as annotated or as its action information has them; empty when it says nothing.
    async fn reset_types(&self, resource: &Resource, schema: &str) -> Result<Vec<String>, RedfishError> {
        let action = format!("Actions/#{schema}.Reset");
        let annotated = quirks::allowable(resource, &format!("{action}/ResetType"))?;
        if !annotated.is_empty() {
            return Ok(annotated);
        }
        let Some(link) = resource.link(&format!("{action}/@Redfish.ActionInfo"))? else { return Ok(Vec::new()) };
        let Some(info) = self.client.get_if_there(&link).await? else { return Ok(Vec::new()) };
        for parameter in info.items("Parameters")? {
            if parameter.text("Name")?.as_deref() == Some("ResetType") {
                return parameter.texts("AllowableValues");
            }
        }
        Ok(Vec::new())
    }
}

fn has(allowed: &[String], kind: &str) -> bool {
    allowed.iter().any(|a| a == kind)
}

/// Redfish's word for it.
fn word(kind: ResetType) -> &'static str {
    match kind {
        ResetType::On => "On",
        ResetType::ForceOn => "ForceOn",
        ResetType::ForceOff => "ForceOff",
        ResetType::GracefulRestart => "GracefulRestart",
    }
}

/// What does the same where the word itself is not allowed: both switch on, and servers list one or the other.
fn stand_in(kind: ResetType) -> Option<&'static str> {
    match kind {
        ResetType::On => Some("ForceOn"),
        ResetType::ForceOn => Some("On"),
        ResetType::ForceOff | ResetType::GracefulRestart => None,
    }
}
