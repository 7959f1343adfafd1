//! `valence network`: switches, ports, interfaces and VLANs, live from the Pod Managers.

use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Map, Value};

use super::client::{Client, list};
use super::error::CtlError;
use super::follow::{self, Wait};
use super::node;
use super::output::{Output, properties, rows};

const SWITCH: [&str; 6] = ["id", "name", "role", "model", "health", "podm_id"];
const SWITCH_HEAD: [&str; 6] = ["ID", "NAME", "ROLE", "MODEL", "HEALTH", "PODM"];
const PORT: [&str; 6] = ["id", "type", "link", "speed_mbps", "neighbor_mac", "primary_vlan"];
const PORT_HEAD: [&str; 6] = ["ID", "TYPE", "LINK", "MBPS", "NEIGHBOR", "PRIMARY VLAN"];
const INTERFACE: [&str; 5] = ["id", "name", "mac", "speed_mbps", "status"];
const INTERFACE_HEAD: [&str; 6] = ["ID", "NAME", "MAC", "MBPS", "STATUS", "VLANS"];
const VLAN: [&str; 4] = ["vlan_id", "tagged", "enabled", "resource_uri"];
const VLAN_HEAD: [&str; 4] = ["VLAN", "TAGGED", "ENABLED", "RESOURCE"];

/// What can be done with networks.
#[derive(Debug, Subcommand)]
pub enum NetworkCommand {
    /// List switches
    Switches {
        /// Only switches of this Pod Manager
        #[arg(long, value_name = "ID")]
        podm: Option<String>,
    },
    /// Show one switch
    SwitchShow {
        /// Switch id
        switch: String,
        /// Its Pod Manager; may be left out when there is only one
        #[arg(long, value_name = "ID")]
        podm: Option<String>,
    },
    /// List the ports of a switch
    Ports {
        /// Switch id
        switch: String,
        /// Its Pod Manager; may be left out when there is only one
        #[arg(long, value_name = "ID")]
        podm: Option<String>,
    },
    /// List the VLANs of a switch port
    Vlans {
        /// Which.
        #[command(flatten)]
        port: Port,
    },
    /// List the network interfaces of a node with their VLANs
    Interfaces {
        /// Node uuid
        node: String,
    },
    /// Make a VLAN on a switch port
    VlanCreate {
        /// Where.
        #[command(flatten)]
        port: Port,
        /// Number of the VLAN
        #[arg(value_parser = clap::value_parser!(u16).range(1..=4094))]
        vlan: u16,
        /// Frames do not carry its number
        #[arg(long)]
        untagged: bool,
        /// Wait for the end.
        #[command(flatten)]
        wait: Wait,
    },
    /// Delete a VLAN from a switch port
    VlanDelete {
        /// Where.
        #[command(flatten)]
        port: Port,
        /// Number of the VLAN
        #[arg(value_parser = clap::value_parser!(u16).range(1..=4094))]
        vlan: u16,
        /// Wait for the end.
        #[command(flatten)]
        wait: Wait,
    },
    /// Put a VLAN onto a node's interfaces and the switch ports behind them
    Assign {
        /// Node uuid
        node: String,
        /// Number of the VLAN
        #[arg(value_parser = clap::value_parser!(u16).range(1..=4094))]
        vlan: u16,
        /// Only this interface
        #[arg(long, value_name = "ID")]
        interface: Option<String>,
        /// Frames do not carry its number
        #[arg(long)]
        untagged: bool,
        /// Wait for the end.
        #[command(flatten)]
        wait: Wait,
    },
    /// Take a VLAN off a node's interfaces and the switch ports behind them
    Unassign {
        /// Node uuid
        node: String,
        /// Number of the VLAN
        #[arg(value_parser = clap::value_parser!(u16).range(1..=4094))]
        vlan: u16,
        /// Only this interface
        #[arg(long, value_name = "ID")]
        interface: Option<String>,
        /// Wait for the end.
        #[command(flatten)]
        wait: Wait,
    },
}

/// A port of a switch.
#[derive(Debug, Args)]
pub struct Port {
    /// Switch id
    switch: String,
    /// Port id
    port: String,
    /// Its Pod Manager; may be left out when there is only one
    #[arg(long, value_name = "ID")]
    podm: Option<String>,
}

impl Port {
    fn path(&self) -> [&str; 7] {
        ["v1", "networks", "switches", &self.switch, "ports", &self.port, "vlans"]
    }
}

fn at(podm: Option<String>) -> Vec<(&'static str, String)> {
    podm.into_iter().map(|id| ("podm_id", id)).collect()
}

/// Carries out a command.
pub(super) async fn run(command: NetworkCommand, api: &Client, out: &mut Output<'_>) -> Result<(), CtlError> {
    match command {
        NetworkCommand::Switches { podm } => {
            let answer = api.get(&["v1", "networks", "switches"], &at(podm)).await?;
            table(&answer, "no switches", &SWITCH_HEAD, &SWITCH, out)
        }
        NetworkCommand::SwitchShow { switch, podm } => {
            let answer = api.get(&["v1", "networks", "switches", &switch], &at(podm)).await?;
            Ok(out.card(&answer, properties(&answer))?)
        }
        NetworkCommand::Ports { switch, podm } => {
            let answer = api.get(&["v1", "networks", "switches", &switch, "ports"], &at(podm)).await?;
            table(&answer, "no ports", &PORT_HEAD, &PORT, out)
        }
        NetworkCommand::Vlans { port } => {
            let answer = api.get(&port.path(), &at(port.podm.clone())).await?;
            table(&answer, "no VLANs", &VLAN_HEAD, &VLAN, out)
        }
        NetworkCommand::Interfaces { node } => interfaces(&node, api, out).await,
        NetworkCommand::VlanCreate { port, vlan, untagged, wait } => {
            let mut body = vlan_body(vlan, untagged);
            body.extend(at(port.podm.clone()).into_iter().map(|(k, v)| (k.to_owned(), v.into())));
            let task = api.change(Method::POST, &port.path(), Some(&body.into())).await?;
            let Some(made) = follow::maybe(api, &task, wait, out).await? else { return Ok(()) };
            Ok(out.list(&made, "", &VLAN_HEAD, rows(std::slice::from_ref(&made), &VLAN))?)
        }
        NetworkCommand::VlanDelete { port, vlan, wait } => {
            let number = vlan.to_string();
            let mut path = port.path().to_vec();
            path.push(&number);
            let task = api.change_at(Method::DELETE, &path, &at(port.podm.clone()), None).await?;
            node::done(follow::maybe(api, &task, wait, out).await?, &format!("VLAN {vlan} is deleted"), out)
        }
        NetworkCommand::Assign { node, vlan, interface, untagged, wait } => {
            let mut body = vlan_body(vlan, untagged);
            if let Some(interface) = interface {
                body.insert("interface_id".into(), interface.into());
            }
            let task = api.change(Method::POST, &["v1", "nodes", &node, "vlans"], Some(&body.into())).await?;
            node::done(follow::maybe(api, &task, wait, out).await?, &format!("VLAN {vlan} is on node {node}"), out)
        }
        NetworkCommand::Unassign { node, vlan, interface, wait } => {
            let query: Vec<_> = interface.into_iter().map(|id| ("interface_id", id)).collect();
            let path = ["v1", "nodes", &node, "vlans", &vlan.to_string()];
            let task = api.change_at(Method::DELETE, &path, &query, None).await?;
            node::done(follow::maybe(api, &task, wait, out).await?, &format!("VLAN {vlan} is off node {node}"), out)
        }
    }
}

fn vlan_body(vlan: u16, untagged: bool) -> Map<String, Value> {
    Map::from_iter([("vlan_id".to_owned(), Value::from(vlan)), ("tagged".to_owned(), Value::from(!untagged))])
}

fn table(answer: &Value, nothing: &str, head: &[&str], columns: &[&str], out: &mut Output<'_>) -> Result<(), CtlError> {
    let items: Vec<Value> = list("GET /v1/networks", "items", answer)?;
    Ok(out.list(answer, nothing, head, rows(&items, columns))?)
}

async fn interfaces(node: &str, api: &Client, out: &mut Output<'_>) -> Result<(), CtlError> {
    let answer = api.get(&["v1", "nodes", node, "interfaces"], &[]).await?;
    let items: Vec<Value> = list("GET /v1/nodes/{uuid}/interfaces", "items", &answer)?;
    let mut cells = rows(&items, &INTERFACE);
    for (row, item) in cells.iter_mut().zip(&items) {
        let vlans = item["vlans"].as_array().map(Vec::as_slice).unwrap_or_default();
        let numbers: Vec<String> = vlans.iter().map(|v| v["vlan_id"].to_string()).collect();
        row.push(numbers.join(","));
    }
    Ok(out.list(&answer, "no interfaces", &INTERFACE_HEAD, cells)?)
}
