//! Parameters of kinds for tests.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// `noop`: ends at once.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Noop {
    /// Anything; it comes back as the result.
    #[serde(default)]
    pub payload: serde_json::Value,
}

/// `sleep`: works for a while, in steps it saves, and can be told to misbehave.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Sleep {
    /// ms each step takes.
    #[serde(default)]
    pub ms: u64,
    /// How many steps; a checkpoint after each.
    #[serde(default = "one")]
    pub steps: u32,
    /// Fails for good after the last step.
    #[serde(default)]
    pub fail: bool,
    /// Asks for a retry in so many attempts before it succeeds.
    #[serde(default)]
    pub retries: u32,
    /// Parks for so many ms once, half-way.
    #[serde(default)]
    pub park_ms: u64,
    /// Aborts its worker process: a poison task.
    #[serde(default)]
    pub abort: bool,
}

const fn one() -> u32 {
    1
}
