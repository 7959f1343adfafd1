//! Settings of traces.

use serde::{Deserialize, Serialize};

/// Where spans are sent. Trace ids travel and stand in the logs in any case.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct TracingConfig {
    /// Root URL of a collector that takes OTLP over HTTP, such as `http://127.0.0.1:4318`; absent: spans are sent nowhere.
    pub otlp_endpoint: Option<String>,
}

impl TracingConfig {
    /// What is wrong with it.
    pub(super) fn problems(&self) -> Vec<String> {
        let sound = |endpoint: &String| crate::model::podm::check_url(endpoint).is_ok();
        if self.otlp_endpoint.as_ref().is_none_or(sound) {
            return Vec::new();
        }
        vec!["tracing.otlp_endpoint: an http or https URL without user, query and fragment".into()]
    }
}
