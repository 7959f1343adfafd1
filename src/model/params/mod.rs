//! What each task kind takes: one struct a kind, unknown fields refused. The v1 request bodies are the same structs.

mod compute;
mod network;
mod proxy;
mod scheduler;
mod storage;
mod telemetry;
mod testing;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use compute::*;
pub use network::*;
pub use proxy::*;
pub use scheduler::*;
pub use storage::*;
pub use telemetry::*;
pub use testing::*;

/// A kind without parameters.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

/// A list with equality filters.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ListFilter {
    /// Name → wanted value.
    #[serde(default)]
    pub filters: std::collections::BTreeMap<String, String>,
}

/// A sync read of one record.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ById {
    /// Its id.
    pub id: String,
}
