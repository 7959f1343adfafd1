//! `/v1/networks`: switches, their ports and VLANs, and the network interfaces of nodes, all live from the Pod Managers.

use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::answer::{Answer, Failure, bad_field};
use super::call::{Call, read};
use super::resource::{Resource, exactly, text};
use super::{nodes, submit, systems, v1};
use crate::ids::is_record_id;
use crate::model::kind;
use crate::model::params::VlanAssign;
use crate::model::problem::Problem;

/// What switches can be filtered by.
const SWITCH: [&str; 9] =
    ["id", "name", "role", "manufacturer", "model", "serial_number", "health", "state", "resource_uri"];
/// What ports can be filtered by.
const PORT: [&str; 9] = ["id", "name", "type", "class", "mac", "neighbor_mac", "link", "admin_state", "resource_uri"];

/// A VLAN to make on a port.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "read for its checks; the task carries the body")]
pub(crate) struct VlanBody {
    /// The Pod Manager; may be left out when there is only one.
    podm_id: Option<String>,
    /// Number of the VLAN.
    #[schema(minimum = 1, maximum = 4094)]
    vlan_id: u16,
    /// Whether frames carry its number; true when absent.
    tagged: Option<bool>,
}

/// The routes.
pub(crate) fn resource() -> Resource {
    let some = text("podm_id", "the Pod Manager to ask; all of them when absent");
    let one = text("podm_id", "the Pod Manager; may be left out when there is only one");
    Resource::at("/v1/networks", "v1")
        .get("/switches", "Lists switches", switches)
        .query(&[some])
        .query(&exactly(&SWITCH))
        .get("/switches/{id}", "Reads a switch", switch)
        .query(&[one])
        .get("/switches/{id}/ports", "Lists the ports of a switch", ports)
        .query(&[one])
        .query(&exactly(&PORT))
        .get("/switches/{id}/ports/{port}/vlans", "Lists the VLANs of a port", vlans)
        .query(&[one])
        .post("/switches/{id}/ports/{port}/vlans", "Makes a VLAN on a port", create)
        .takes::<VlanBody>()
        .prefer()
        .delete("/switches/{id}/ports/{port}/vlans/{vlan_id}", "Deletes a VLAN from a port", delete)
        .query(&[one])
        .prefer()
}

async fn switches(call: Call) -> Answer {
    let mut params = json!({ "filters": systems::filters(&call, &SWITCH, &["podm_id"], "switches")? });
    systems::add(&mut params, "podm_id", systems::podm(&call).await?.as_deref());
    systems::ask(&call, "switch.list", params).await
}

async fn switch(call: Call) -> Answer {
    call.only_query(&["podm_id"])?;
    let podm_id = nodes::named_or_only_podm(&call).await?;
    v1::answer(&call, "switch.get", json!({"podm_id": podm_id, "id": call.param(0)})).await
}

async fn ports(call: Call) -> Answer {
    let filters = systems::filters(&call, &PORT, &["podm_id"], "ports")?;
    let podm_id = nodes::named_or_only_podm(&call).await?;
    let params = json!({"podm_id": podm_id, "switch_id": call.param(0), "filters": filters});
    v1::answer(&call, "port.list", params).await
}

async fn vlans(call: Call) -> Answer {
    call.only_query(&["podm_id"])?;
    let podm_id = nodes::named_or_only_podm(&call).await?;
    let params = json!({"podm_id": podm_id, "switch_id": call.param(0), "port_id": call.param(1)});
    v1::answer(&call, "vlan.list", params).await
}

async fn create(call: Call) -> Answer {
    let body: Value = call.needed_json()?;
    kind::no_nulls(&body)?;
    let _schema: VlanBody = read(&body)?;
    let mut params = v1::without(body, &["podm_id"]);
    systems::add(&mut params, "switch_id", Some(call.param(0)));
    systems::add(&mut params, "port_id", Some(call.param(1)));
    let mut task = v1::change("vlan.create", params);
    task.podm_id = Some(nodes::named_or_only_podm(&call).await?);
    v1::act(&call, task, v1::result).await
}

async fn delete(call: Call) -> Answer {
    call.only_query(&["podm_id"])?;
    let vlan_id = number(call.param(2))?;
    let params = json!({"switch_id": call.param(0), "port_id": call.param(1), "vlan_id": vlan_id});
    let mut task = v1::change("vlan.delete", params);
    task.podm_id = Some(nodes::named_or_only_podm(&call).await?);
    v1::act(&call, task, v1::result).await
}

/// The number of a VLAN in a path.
fn number(text: &str) -> Result<u16, Problem> {
    text.parse().map_err(|_| bad_field("vlan_id", text, "1 to 4094 is wanted"))
}

fn known_form(call: &Call) -> Result<(), Failure> {
    if is_record_id(call.param(0)) { Ok(()) } else { Err(submit::no_node(call.param(0)).into()) }
}

/// `GET /v1/nodes/{uuid}/interfaces`.
pub(crate) async fn of_node(call: Call) -> Answer {
    known_form(&call)?;
    v1::answer(&call, "interface.list", json!({"node_id": call.param(0)})).await
}

/// `POST /v1/nodes/{uuid}/vlans`.
pub(crate) async fn assign(call: Call) -> Answer {
    let body: Value = call.needed_json()?;
    kind::no_nulls(&body)?;
    let _schema: VlanAssign = read(&body)?;
    known_form(&call)?;
    let mut task = v1::change("vlan.assign", body);
    task.node_id = Some(call.param(0).to_owned());
    v1::act(&call, task, v1::result).await
}

/// `DELETE /v1/nodes/{uuid}/vlans/{vlan_id}`.
pub(crate) async fn unassign(call: Call) -> Answer {
    call.only_query(&["interface_id"])?;
    known_form(&call)?;
    let mut params = json!({"vlan_id": number(call.param(1))?});
    systems::add(&mut params, "interface_id", call.query("interface_id"));
    let mut task = v1::change("vlan.unassign", params);
    task.node_id = Some(call.param(0).to_owned());
    v1::act(&call, task, v1::result).await
}
