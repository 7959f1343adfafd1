//! Boot source of a node or of a computer system: both have the same `Boot`.

use serde_json::json;

use super::Standard;
use crate::model::params::{Boot, BootEnabled, BootTarget};
use crate::podm::driver::Begun;
use crate::podm::error::RedfishError;
use crate::podm::http::Change;
use crate::podm::quirks;

impl Standard {
    /// Sets it for the version that was read, where the Pod Manager has versions.
    pub(in crate::podm) async fn boot_from(&self, path: &str, boot: &Boot) -> Result<Begun<()>, RedfishError> {
        let resource = self.client.get(path).await?;
        let allowed = quirks::allowable(&resource, "Boot/BootSourceOverrideTarget")?;
        let (enabled, target) = words(boot);
        self.check_allowed(path, "Boot target", target, &allowed)?;
        let body = json!({"Boot": {"BootSourceOverrideEnabled": enabled, "BootSourceOverrideTarget": target}});
        self.ask(path, Change::Patch(&body, resource.etag.as_deref())).await
    }
}

/// Redfish's words for it.
fn words(boot: &Boot) -> (&'static str, &'static str) {
    let enabled = match boot.enabled {
        BootEnabled::Once => "Once",
        BootEnabled::Continuous => "Continuous",
    };
    let target = match boot.target {
        BootTarget::Pxe => "Pxe",
        BootTarget::Hdd => "Hdd",
        BootTarget::None => "None",
    };
    (enabled, target)
}
