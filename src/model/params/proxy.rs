//! Parameters of the raw proxy.

use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;
use utoipa::ToSchema;

/// `proxy.read` and `proxy.write`: a request that is passed on to a Pod Manager as it is.
#[skip_serializing_none]
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Proxy {
    /// The Pod Manager, for reads; a change names it beside its parameters.
    pub podm_id: Option<String>,
    /// Its method.
    pub method: RawMethod,
    /// Path below the Pod Manager's `/redfish/v1/`, with the query if there is one.
    pub path: String,
    /// Its body.
    pub body: Option<serde_json::Value>,
}

/// Methods that are passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum RawMethod {
    /// Reads.
    Get,
    /// Creates, or asks for an action.
    Post,
    /// Changes.
    Patch,
    /// Deletes.
    Delete,
}

impl RawMethod {
    /// The word in a request line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }
}
