//! Parameters of the storage service.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A device of the pool.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Device {
    /// Valence's id of the device.
    pub resource_id: String,
}
