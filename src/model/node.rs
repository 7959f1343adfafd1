//! A composed node's record: what Valence remembers; the rest is asked of the Pod Manager.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A composed node, the row that lists show and the brief answer to compose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Node {
    /// Valence's id of it.
    pub uuid: String,
    /// Its name; not unique.
    pub name: String,
    /// The Pod Manager that has it.
    pub podm_id: String,
    /// The Pod Manager's own id of it.
    pub index: String,
    /// Its path at the Pod Manager, such as `/redfish/v1/Nodes/1`.
    pub resource_uri: String,
    /// Who provisions it, once registered (`ironic`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub managed_by: Option<String>,
    /// `YYYY-MM-DD HH:MM:SS UTC`.
    pub created_at: String,
    /// `YYYY-MM-DD HH:MM:SS UTC`.
    pub updated_at: String,
}

/// The fields of a row, which lists can be filtered by.
pub const FIELDS: [&str; 8] =
    ["uuid", "name", "podm_id", "index", "resource_uri", "managed_by", "created_at", "updated_at"];

/// The five keys of a node in lists and in the answers to compose and manage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BriefNode {
    /// Valence's id of it.
    pub uuid: String,
    /// Its name.
    pub name: String,
    /// The Pod Manager that has it.
    pub podm_id: String,
    /// The Pod Manager's own id of it.
    pub index: String,
    /// Its path at the Pod Manager.
    pub resource_uri: String,
}

impl From<&Node> for BriefNode {
    fn from(n: &Node) -> Self {
        Self {
            uuid: n.uuid.clone(),
            name: n.name.clone(),
            podm_id: n.podm_id.clone(),
            index: n.index.clone(),
            resource_uri: n.resource_uri.clone(),
        }
    }
}
