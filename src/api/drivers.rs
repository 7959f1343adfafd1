//! `/v1/drivers`: the dialects that Valence speaks with Pod Managers.

use serde::Serialize;
use utoipa::ToSchema;

use super::answer::{self, Answer};
use super::call::Call;
use super::resource::Resource;
use crate::model::driver::{DRIVERS, DriverInfo};

/// Every driver.
#[derive(Serialize, ToSchema)]
pub(crate) struct DriverList {
    drivers: Vec<DriverInfo>,
}

/// The route.
pub(crate) fn resource() -> Resource {
    Resource::at("/v1/drivers", "drivers")
        .get("", "Lists drivers and what can be asked of each", list)
        .answers::<DriverList>(200)
}

async fn list(_call: Call) -> Answer {
    Ok(answer::ok(&DriverList { drivers: DRIVERS.to_vec() }))
}
