//! Those whose driver cannot do what is wanted.

use crate::model::driver::DRIVERS;
use crate::model::placement::Candidate;
use crate::placement::Request;

/// What the candidate's driver can.
pub(super) fn pass(request: &Request, candidate: &Candidate) -> Result<&'static [&'static str], &'static str> {
    let driver = DRIVERS.iter().find(|d| d.name == candidate.site.driver);
    let can = driver.map(|d| d.can).filter(|can| can.contains(&"compose")).ok_or("cannot_compose")?;
    let devices = can.contains(&"devices") || can.contains(&"blocks");
    if request.devices && !devices { Err("no_devices") } else { Ok(can) }
}
