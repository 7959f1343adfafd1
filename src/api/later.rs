//! What v1 had and this version does not serve yet: one list. Each answers 501 in five keys instead of pretending that the path is
//! unknown.

use super::answer::{Answer, not_implemented};
use super::auth::Role;
use super::call::Call;
use super::resource::Resource;

/// Devices.
pub(crate) fn resource() -> Resource {
    Resource::at("/v1", "later")
        .get("/devices", "Lists devices", later)
        .hidden()
        .post("/devices/sync", "Reads the devices of Pod Managers anew", later)
        .role(Role::Operator)
        .hidden()
        .get("/devices/{id}", "Reads a device", later)
        .hidden()
}

/// Answers 501.
pub(crate) async fn later(_call: Call) -> Answer {
    Err(not_implemented().into())
}
