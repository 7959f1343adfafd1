//! Where VLANs are: ports of switches, interfaces of machines, and which of them are cabled together.

use crate::model::problem::Problem;
use crate::podm::driver::Driver;
use crate::podm::{NetworkDriver, Owner, PortView, RedfishError};

/// The network of a driver.
///
/// # Errors
/// 400 when its dialect has none.
pub(super) fn network(driver: &dyn Driver) -> Result<&dyn NetworkDriver, Problem> {
    driver.network().ok_or_else(|| Problem::bad_request("the driver of this Pod Manager has no network"))
}

/// Why a place cannot be had.
pub(super) enum Lost {
    /// It is not there.
    Missing(Problem),
    /// The Pod Manager could not be asked.
    Error(RedfishError),
}

impl From<RedfishError> for Lost {
    fn from(error: RedfishError) -> Self {
        Self::Error(error)
    }
}

impl From<Lost> for Problem {
    fn from(lost: Lost) -> Self {
        match lost {
            Lost::Missing(problem) => problem,
            Lost::Error(error) => error.problem(),
        }
    }
}

fn missing<T>(what: &str, id: &str) -> Result<T, Lost> {
    Err(Lost::Missing(Problem::not_found(format!("{what} '{id}' not found at the Pod Manager."))))
}

/// The path of a switch.
pub(super) async fn switch(network: &dyn NetworkDriver, id: &str) -> Result<String, Lost> {
    match network.switches().await?.into_iter().find(|s| s.id == id) {
        Some(switch) => Ok(switch.path),
        None => missing("Switch", id),
    }
}

/// A port of a switch.
pub(super) async fn port(network: &dyn NetworkDriver, switch_id: &str, id: &str) -> Result<PortView, Lost> {
    let switch = switch(network, switch_id).await?;
    match network.ports(&switch).await?.into_iter().find(|p| p.id == id) {
        Some(port) => Ok(port),
        None => missing("Port", id),
    }
}

/// The interfaces of a machine; one of them when its id is given.
pub(super) async fn interfaces(
    network: &dyn NetworkDriver,
    of: Owner<'_>,
    id: Option<&str>,
) -> Result<Vec<PortView>, Lost> {
    let Some(mut all) = network.interfaces(of).await? else {
        return match of {
            Owner::System(id) => missing("System", id),
            Owner::Node(path) => missing("Node", path),
        };
    };
    match id {
        Some(id) => {
            all.retain(|i| i.id == id);
            if all.is_empty() { missing("Interface", id) } else { Ok(all) }
        }
        None => Ok(all),
    }
}

/// A port or an interface, whichever is named.
pub(super) async fn one(
    network: &dyn NetworkDriver,
    port_of: Option<(&str, &str)>,
    interface_of: Option<(Owner<'_>, &str)>,
) -> Result<PortView, Lost> {
    match (port_of, interface_of) {
        (Some((switch_id, port_id)), _) => port(network, switch_id, port_id).await,
        (None, Some((owner, id))) => match interfaces(network, owner, Some(id)).await?.into_iter().next() {
            Some(interface) => Ok(interface),
            None => missing("Interface", id),
        },
        (None, None) => Err(Lost::Missing(Problem::validation("a port or an interface is required"))),
    }
}

/// The collection of VLANs of a port or an interface.
pub(super) fn vlans(of: &PortView) -> Result<String, Lost> {
    let none = || Lost::Missing(Problem::bad_request(format!("{} has no VLANs", of.path)));
    of.vlans.clone().ok_or_else(none)
}

/// The ports of all switches.
pub(super) async fn all_ports(network: &dyn NetworkDriver) -> Result<Vec<PortView>, RedfishError> {
    let mut all = Vec::new();
    for switch in network.switches().await? {
        all.extend(network.ports(&switch.path).await?);
    }
    Ok(all)
}

/// The port that an interface is cabled to: either says so by a link, or the port has seen its MAC address.
pub(super) fn port_behind<'a>(ports: &'a [PortView], interface: &PortView) -> Option<&'a PortView> {
    let same = |a: &str, b: &str| a.trim_end_matches('/') == b.trim_end_matches('/');
    let linked = |p: &&PortView| {
        interface.neighbor.as_deref().is_some_and(|n| same(n, &p.path))
            || p.neighbor.as_deref().is_some_and(|n| same(n, &interface.path))
    };
    let seen = |p: &&PortView| match (&p.neighbor_mac, &interface.mac) {
        (Some(seen), Some(mac)) => !mac.is_empty() && seen.eq_ignore_ascii_case(mac),
        _ => false,
    };
    ports.iter().find(linked).or_else(|| ports.iter().find(seen))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn port(path: &str, mac: Option<&str>, neighbor_mac: Option<&str>, neighbor: Option<&str>) -> PortView {
        let text = |t: Option<&str>| t.map(str::to_owned);
        PortView {
            path: path.into(),
            id: path.into(),
            vlans: None,
            mac: text(mac),
            neighbor_mac: text(neighbor_mac),
            neighbor: text(neighbor),
            shown: serde_json::Value::Null,
        }
    }

    #[test]
    fn a_cable_is_known_from_either_end_and_a_link_says_more_than_an_address() {
        let ports = [
            port("/p/1", None, Some("AA:BB"), None),
            port("/p/2", None, None, Some("/i/2")),
            port("/p/3", None, Some(""), None),
        ];
        let behind = |i: PortView| port_behind(&ports, &i).map(|p| p.path.clone());
        assert_eq!(behind(port("/i/1", Some("aa:bb"), None, None)).as_deref(), Some("/p/1"));
        assert_eq!(behind(port("/i/2/", Some("aa:bb"), None, None)).as_deref(), Some("/p/2"));
        assert_eq!(behind(port("/i/3", None, None, Some("/p/3"))).as_deref(), Some("/p/3"));
        assert_eq!(behind(port("/i/4", Some(""), None, None)), None);
    }
}
