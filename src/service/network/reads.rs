//! Reads of the network: switches, ports, interfaces, VLANs, all live from the Pod Managers.

use std::sync::Arc;

use serde_json::Value;

use super::place;
use crate::model::kind;
use crate::model::node::Node;
use crate::model::params::{InterfaceList, PortList, SwitchGet, SwitchList, VlanList};
use crate::model::problem::Problem;
use crate::podm::{Driver, Owner};
use crate::service::{ReadContext, equality, gather};

/// What switches can be filtered by.
const SWITCH: [&str; 9] =
    ["id", "name", "role", "manufacturer", "model", "serial_number", "health", "state", "resource_uri"];
/// What ports can be filtered by.
const PORT: [&str; 9] = ["id", "name", "type", "class", "mac", "neighbor_mac", "link", "admin_state", "resource_uri"];

/// `switch.list`: as `items`; `incomplete` has the ids of the Pod Managers that did not answer.
///
/// # Errors
/// As [`gather::list`]; 400 for an unknown filter.
pub async fn switches(ctx: &ReadContext, params: Value) -> Result<Value, Problem> {
    let SwitchList { podm_id, filters } = kind::read(&params)?;
    equality::check(&filters, &SWITCH, "switches")?;
    let filters = Arc::new(filters);
    let ask = |driver: Arc<dyn Driver>| {
        let filters = Arc::clone(&filters);
        async move {
            let Some(network) = driver.network() else { return Ok(Vec::new()) };
            let all = network.switches().await.map_err(|e| e.problem())?;
            Ok(all.into_iter().map(|s| s.shown).filter(|row| equality::matches(row, &filters)).collect())
        }
    };
    gather::list(ctx, podm_id.as_deref(), ask).await
}

/// `switch.get`.
///
/// # Errors
/// As [`gather::one`]; 404 when it is not there.
pub async fn switch(ctx: &ReadContext, params: Value) -> Result<Value, Problem> {
    let SwitchGet { podm_id, id } = kind::read(&params)?;
    let id = Arc::new(id);
    let ask = |driver: Arc<dyn Driver>| {
        let id = Arc::clone(&id);
        async move {
            let all = place::network(driver.as_ref())?.switches().await.map_err(|e| e.problem())?;
            let missing = || Problem::not_found(format!("Switch '{id}' not found at the Pod Manager."));
            all.into_iter().find(|s| s.id == *id).map(|s| s.shown).ok_or_else(missing)
        }
    };
    gather::one(ctx, podm_id.as_deref(), ask).await
}

/// `port.list`: a bare list.
///
/// # Errors
/// As [`gather::one`]; 400 for an unknown filter; 404 when there is no such switch.
pub async fn ports(ctx: &ReadContext, params: Value) -> Result<Value, Problem> {
    let PortList { podm_id, switch_id, filters } = kind::read(&params)?;
    equality::check(&filters, &PORT, "ports")?;
    let (switch_id, filters) = (Arc::new(switch_id), Arc::new(filters));
    let ask = |driver: Arc<dyn Driver>| {
        let (switch_id, filters) = (Arc::clone(&switch_id), Arc::clone(&filters));
        async move {
            let network = place::network(driver.as_ref())?;
            let switch = place::switch(network, &switch_id).await?;
            let all = network.ports(&switch).await.map_err(|e| e.problem())?;
            Ok(all.into_iter().map(|p| p.shown).filter(|row| equality::matches(row, &filters)).collect())
        }
    };
    gather::one(ctx, podm_id.as_deref(), ask).await
}

/// `interface.list`: a bare list, each with its VLANs.
///
/// # Errors
/// As [`gather::one`]; 404 when the node or the system is not there.
pub async fn interfaces(ctx: &ReadContext, params: Value) -> Result<Value, Problem> {
    let InterfaceList { podm_id, node_id, system_id } = kind::read(&params)?;
    let machine = Arc::new(Machine::of(ctx, node_id.as_deref(), system_id).await?);
    let ask = |driver: Arc<dyn Driver>| {
        let machine = Arc::clone(&machine);
        async move {
            let network = place::network(driver.as_ref())?;
            let mut rows = Vec::new();
            for interface in place::interfaces(network, machine.owner(), None).await? {
                let mut row = interface.shown;
                row["vlans"] = match &interface.vlans {
                    Some(link) => {
                        let all = network.vlans(link).await.map_err(|e| e.problem())?;
                        all.into_iter().map(|v| v.shown).collect()
                    }
                    None => Value::Array(Vec::new()),
                };
                rows.push(row);
            }
            Ok(Value::Array(rows))
        }
    };
    gather::one(ctx, machine.podm_id().or(podm_id.as_deref()), ask).await
}

/// `vlan.list`: a bare list.
///
/// # Errors
/// As [`gather::one`]; 404 when the port or the interface is not there.
pub async fn vlans(ctx: &ReadContext, params: Value) -> Result<Value, Problem> {
    let params: VlanList = kind::read(&params)?;
    let machine = match (&params.node_id, &params.system_id) {
        (None, None) => None,
        (node, system) => Some(Machine::of(ctx, node.as_deref(), system.clone()).await?),
    };
    let (machine, params) = (Arc::new(machine), Arc::new(params));
    let ask = |driver: Arc<dyn Driver>| {
        let (machine, params) = (Arc::clone(&machine), Arc::clone(&params));
        async move {
            let network = place::network(driver.as_ref())?;
            let port = params.switch_id.as_deref().zip(params.port_id.as_deref());
            let interface = machine.as_ref().as_ref().map(Machine::owner).zip(params.interface_id.as_deref());
            let found = place::one(network, port, interface).await?;
            let all = match &found.vlans {
                Some(link) => network.vlans(link).await.map_err(|e| e.problem())?,
                None => Vec::new(),
            };
            Ok(Value::Array(all.into_iter().map(|v| v.shown).collect()))
        }
    };
    let of_node = machine.as_ref().as_ref().and_then(Machine::podm_id);
    gather::one(ctx, of_node.or(params.podm_id.as_deref()), ask).await
}

/// The machine that a read is about.
enum Machine {
    Node(Node),
    System(String),
}

impl Machine {
    async fn of(ctx: &ReadContext, node_id: Option<&str>, system_id: Option<String>) -> Result<Self, Problem> {
        match (node_id, system_id) {
            (Some(id), _) => Ok(Self::Node(gather::node(ctx, id).await?)),
            (None, Some(id)) => Ok(Self::System(id)),
            (None, None) => Err(Problem::validation("one of 'node_id' and 'system_id' is a required property")),
        }
    }

    fn owner(&self) -> Owner<'_> {
        match self {
            Self::Node(node) => Owner::Node(&node.resource_uri),
            Self::System(id) => Owner::System(id),
        }
    }

    fn podm_id(&self) -> Option<&str> {
        match self {
            Self::Node(node) => Some(&node.podm_id),
            Self::System(_) => None,
        }
    }
}
