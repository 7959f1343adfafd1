//! What Ironic is told of a node: v1's arguments of node and ports, from what Valence knows and what the request says.

use secrecy::ExposeSecret;
use serde_json::{Map, Value, json};

use crate::model::node::Node;
use crate::model::podm::Podm;
use crate::model::problem::Problem;
use crate::podm::http::{Account, ROOT};

/// Arguments for Ironic.
#[derive(Debug, PartialEq)]
pub(super) struct Enrolment {
    /// Of the node; its id is the node's own, so that the same node is never made twice.
    pub(super) node: Map<String, Value>,
    /// MAC addresses of its ports, in lower case as Ironic has them.
    pub(super) macs: Vec<String>,
}

/// For a node that Ironic reaches over Redfish. `full` is the node with its parts, `asked` what the request says: `driver_info` is laid
/// over ours key by key, everything else replaces.
///
/// # Errors
/// 400 for an `uuid` in the request; 500 when the Pod Manager does not say which system the node is.
pub(super) fn redfish(
    node: &Node,
    podm: &Podm,
    account: Option<&Account>,
    full: &Value,
    mut asked: Map<String, Value>,
) -> Result<Enrolment, Problem> {
    no_uuid(&asked)?;
    let overlay = object(asked.remove("driver_info"))?;
    let unknown = || Problem::internal("the Pod Manager does not say which computer system the node is");
    let system = full["computer_system"]["@odata.id"].as_str().ok_or_else(unknown)?;
    let url = podm.url.trim_end_matches('/');
    let address = url.strip_suffix(ROOT).unwrap_or(url);
    let mut info = Map::new();
    info.insert("redfish_address".into(), address.into());
    info.insert("redfish_system_id".into(), system.into());
    // Our credentials go to our Pod Manager's address, not to one that a request names.
    let elsewhere = overlay.get("redfish_address").is_some_and(|other| other != address);
    if let Some(account) = account.filter(|_| !elsewhere) {
        info.insert("redfish_username".into(), account.username.as_str().into());
        info.insert("redfish_password".into(), account.password.expose_secret().into());
    }
    if podm.insecure_skip_verify {
        info.insert("redfish_verify_ca".into(), false.into());
    }
    info.extend(overlay);
    let mut arguments = of(node, "redfish", info);
    arguments.extend(asked);
    let interfaces = full["metadata"]["network"].as_array().into_iter().flatten();
    Ok(Enrolment { node: arguments, macs: macs(interfaces.filter_map(|i| i["mac"].as_str())) })
}

/// For an ExpEther node, which the request says how to reach: `driver_info`, `driver`, `mac`; the rest is dropped.
///
/// # Errors
/// 400 without `driver_info`.
pub(super) fn expether(node: &Node, mut asked: Map<String, Value>) -> Result<Enrolment, Problem> {
    no_uuid(&asked)?;
    let missing = || Problem::bad_request("'driver_info' is missing: how does Ironic reach an ExpEther node?");
    let info = object(Some(asked.remove("driver_info").ok_or_else(missing)?))?;
    let text = |key: &str| match asked.get(key) {
        None => Ok(None),
        Some(value) => value.as_str().map(Some).ok_or_else(|| Problem::validation(format!("'{key}' must be a text"))),
    };
    let arguments = of(node, text("driver")?.unwrap_or("pxe_ipmitool"), info);
    Ok(Enrolment { node: arguments, macs: macs(text("mac")?.into_iter()) })
}

fn of(node: &Node, driver: &str, info: Map<String, Value>) -> Map<String, Value> {
    let arguments = json!({"uuid": node.uuid, "name": node.name, "driver": driver, "driver_info": info});
    if let Value::Object(map) = arguments { map } else { Map::new() }
}

fn no_uuid(asked: &Map<String, Value>) -> Result<(), Problem> {
    let bad = || Problem::validation("Additional properties are not allowed ('uuid' was unexpected)");
    if asked.contains_key("uuid") { Err(bad()) } else { Ok(()) }
}

fn object(value: Option<Value>) -> Result<Map<String, Value>, Problem> {
    match value {
        None => Ok(Map::new()),
        Some(Value::Object(map)) => Ok(map),
        Some(_) => Err(Problem::validation("Invalid input for field/attribute 'driver_info': an object is wanted")),
    }
}

/// In the order given, each once.
fn macs<'a>(given: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut macs = Vec::new();
    for mac in given.map(str::to_ascii_lowercase).filter(|mac| !mac.is_empty()) {
        if !macs.contains(&mac) {
            macs.push(mac);
        }
    }
    macs
}

#[cfg(test)]
mod tests {
    use secrecy::SecretString;

    use super::*;

    fn map(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    fn node() -> Node {
        serde_json::from_value(json!({"uuid": "u", "name": "n", "podm_id": "p", "index": "1",
            "resource_uri": "/redfish/v1/Nodes/1", "created_at": "", "updated_at": ""}))
        .unwrap()
    }

    fn enrolment(podm: Value, asked: Value) -> Result<Enrolment, Problem> {
        let mut row = json!({"uuid": "p", "name": "p", "url": "https://h/redfish/v1/", "driver": "redfishv1",
            "authentication": [], "status": "Online", "created_at": "", "updated_at": ""});
        row.as_object_mut().unwrap().extend(map(podm));
        let account = Account { username: "admin".into(), password: SecretString::from("canary") };
        let full = json!({"computer_system": {"@odata.id": "/redfish/v1/Systems/S"}, "metadata": {"network": [
            {"mac": "AA:BB:CC:00:00:01"}, {"mac": null}, {"mac": "aa:bb:cc:00:00:01"}, {"mac": "aa:bb:cc:00:00:02"}]}});
        redfish(&node(), &serde_json::from_value(row).unwrap(), Some(&account), &full, map(asked))
    }

    #[test]
    fn a_redfish_node_is_told_with_its_system_as_a_text_and_every_interface() {
        let told =
            enrolment(json!({}), json!({"extra": {"a": 1}, "driver_info": {"redfish_auth_type": "basic"}})).unwrap();
        let wanted = json!({"uuid": "u", "name": "n", "driver": "redfish", "extra": {"a": 1}, "driver_info": {
            "redfish_address": "https://h", "redfish_username": "admin", "redfish_password": "canary",
            "redfish_system_id": "/redfish/v1/Systems/S", "redfish_auth_type": "basic"}});
        assert_eq!(Value::Object(told.node), wanted);
        assert_eq!(told.macs, ["aa:bb:cc:00:00:01", "aa:bb:cc:00:00:02"]);
    }

    #[test]
    fn name_and_driver_can_be_said_otherwise_and_the_id_cannot() {
        let told = enrolment(json!({"insecure_skip_verify": true}), json!({"name": "x", "driver": "idrac"})).unwrap();
        assert_eq!((&told.node["name"], &told.node["driver"]), (&json!("x"), &json!("idrac")));
        assert_eq!(told.node["driver_info"]["redfish_verify_ca"], false);
        assert_eq!(enrolment(json!({}), json!({"uuid": "v"})).unwrap_err().status, 400);
    }

    #[test]
    fn the_stored_credentials_go_to_no_address_that_a_request_names() {
        let told = enrolment(json!({}), json!({"driver_info": {"redfish_address": "https://evil"}})).unwrap();
        assert!(!Value::Object(told.node).to_string().contains("canary"));
        let told = enrolment(json!({}), json!({"driver_info": {"redfish_address": "https://h"}})).unwrap();
        assert!(Value::Object(told.node).to_string().contains("canary"));
    }

    #[test]
    fn an_expether_node_needs_to_be_told_how_it_is_reached_and_a_mac_is_optional() {
        let refused = expether(&node(), map(json!({"mac": "a"}))).unwrap_err();
        assert_eq!((refused.status, refused.title.as_str()), (400, "Bad Request"));
        let told = expether(&node(), map(json!({"driver_info": {"ipmi_address": "h"}, "extra": {}}))).unwrap();
        let wanted = json!({"uuid": "u", "name": "n", "driver": "pxe_ipmitool", "driver_info": {"ipmi_address": "h"}});
        assert_eq!(told, Enrolment { node: map(wanted), macs: Vec::new() });
        let told = expether(&node(), map(json!({"driver_info": {}, "driver": "ipmi", "mac": "AA:BB"}))).unwrap();
        assert_eq!((&told.node["driver"], told.macs), (&json!("ipmi"), vec!["aa:bb".to_owned()]));
    }
}
