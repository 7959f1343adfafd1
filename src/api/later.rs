//! What v1 had and this version does not serve yet: one list. Each answers 501 in five keys instead of pretending that the path is
//! unknown.

use super::answer::{Answer, no_such_path, not_implemented};
use super::call::Call;
use super::resource::Resource;
use crate::model::problem::Problem;

/// First segments of the raw proxy.
const PROXY: [&str; 7] = ["Chassis", "Services", "Managers", "Systems", "EventService", "Nodes", "EthernetSwitches"];

/// Racks.
pub(crate) fn resource() -> Resource {
    Resource::at("/v1", "later")
        .get("/racks", "Lists racks", later)
        .hidden()
        .get("/racks/{id}", "Reads a rack", later)
        .hidden()
}

/// Answers 501.
pub(crate) async fn later(_call: Call) -> Answer {
    Err(not_implemented().into())
}

/// The answer under a path that no resource has.
pub(crate) fn fallback(path: &str) -> Problem {
    let first = path.trim_start_matches('/').split('/').next().unwrap_or_default();
    if !path.starts_with("//") && PROXY.contains(&first) { not_implemented() } else { no_such_path() }
}
