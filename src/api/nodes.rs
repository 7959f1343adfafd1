//! `/v1/nodes`: composed nodes.

use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::answer::{Answer, Failure, ok};
use super::call::{Call, read};
use super::resource::{Resource, exactly, text};
use super::{networks, storages, submit, systems, v1};
use crate::ids::is_record_id;
use crate::model::flavor::Requirements;
use crate::model::kind;
use crate::model::node::{self, BriefNode, Node};
use crate::model::params::{Action, VlanAssign};
use crate::model::placement::Hints;
use crate::model::podm::Podm;
use crate::model::problem::Problem;
use crate::store::records::Collection;

/// A node to compose.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "read for its checks; the task carries the body")]
pub(crate) struct ComposeBody {
    /// Name of the node.
    name: String,
    /// Free text.
    description: Option<String>,
    /// Flavor that says what the node must have; not together with `properties`.
    pub(crate) flavor_id: Option<String>,
    /// What the node must have; not together with `flavor_id`.
    properties: Option<Requirements>,
    /// Where; left out, a Pod Manager is chosen.
    pub(crate) podm_id: Option<String>,
    /// What the choice should heed; not together with `podm_id`.
    pub(crate) hints: Option<Hints>,
}

/// A node to take on record.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ManageBody {
    /// The Pod Manager's own id of the node.
    node_index: String,
    /// Where; may be left out when there is only one Pod Manager.
    podm_id: Option<String>,
}

/// Arguments of Ironic's node, laid over those that Valence knows.
#[derive(Deserialize, ToSchema)]
#[expect(dead_code, reason = "read for its checks; the task carries the body")]
pub(crate) struct RegisterBody {
    /// How Ironic reaches the hardware, laid over Valence's own words key by key.
    #[serde(default)]
    driver_info: serde_json::Map<String, Value>,
    /// Everything else, such as `extra` or `resource_class`.
    #[serde(flatten)]
    rest: serde_json::Map<String, Value>,
}

/// Composed nodes.
#[derive(ToSchema)]
#[expect(dead_code, reason = "a shape for the document")]
pub(crate) struct NodeList(Vec<BriefNode>);

/// The routes.
pub(crate) fn resource() -> Resource {
    Resource::at("/v1/nodes", "v1")
        .get("", "Lists composed nodes", list)
        .query(&exactly(&node::FIELDS))
        .answers::<NodeList>(200)
        .post("", "Composes a node", compose)
        .takes::<ComposeBody>()
        .answers::<BriefNode>(200)
        .prefer()
        .post("/manage", "Takes a node on record that was composed elsewhere", manage)
        .takes::<ManageBody>()
        .answers::<BriefNode>(200)
        .prefer()
        .get("/{uuid}", "Reads a node, live from its Pod Manager", one)
        .delete("/{uuid}", "Decomposes a node", delete)
        .prefer()
        .post("/{uuid}/action", "Resets a node, sets its boot source, attaches or detaches a device", action)
        .takes::<Action>()
        .status(204)
        .prefer()
        .get("/{uuid}/storages", "Lists a node's storages with their volumes and drives", storages::of_node)
        .get("/{uuid}/interfaces", "Lists a node's network interfaces with their VLANs", networks::of_node)
        .post("/{uuid}/vlans", "Puts a VLAN onto a node's interfaces and the ports behind them", networks::assign)
        .takes::<VlanAssign>()
        .prefer()
        .delete(
            "/{uuid}/vlans/{vlan_id}",
            "Takes a VLAN off a node's interfaces and the ports behind them",
            networks::unassign,
        )
        .query(&[text("interface_id", "one interface; all of the node's when absent")])
        .prefer()
        .post("/{uuid}/register", "Registers a node with Ironic", register)
        .takes::<RegisterBody>()
        .answers::<Node>(200)
        .prefer()
}

async fn list(call: Call) -> Answer {
    let filters = systems::filters(&call, &node::FIELDS, &[], "nodes")?;
    v1::answer(&call, "node.list", json!({ "filters": filters })).await
}

fn known_form(call: &Call) -> Result<(), Failure> {
    if is_record_id(call.param(0)) { Ok(()) } else { Err(submit::no_node(call.param(0)).into()) }
}

async fn one(call: Call) -> Answer {
    known_form(&call)?;
    v1::answer(&call, "node.get", json!({"id": call.param(0)})).await
}

async fn compose(call: Call) -> Answer {
    let body = call.needed_json()?;
    kind::no_nulls(&body)?;
    let given: ComposeBody = read(&body)?;
    let params = v1::without(body, &["podm_id"]);
    if given.podm_id.is_some() && given.hints.is_some() {
        return Err(both_given().into());
    }
    let mut task = v1::change(if given.podm_id.is_some() { "node.compose" } else { "node.place" }, params);
    task.podm_id = podm(given.podm_id)?;
    v1::act(&call, task, brief).await
}

/// v1's answer: the node, without the reasons for its place, which stay in the task.
fn brief(result: &Value) -> Answer {
    Ok(ok(&v1::without(result.clone(), &["placement"])))
}

pub(crate) fn both_given() -> Problem {
    Problem::validation("'podm_id' and 'hints' cannot stand together: with 'podm_id' nothing is chosen")
}

/// What cannot be an id names no Pod Manager.
fn podm(id: Option<String>) -> Result<Option<String>, Problem> {
    match id {
        Some(id) if !is_record_id(&id) => Err(submit::no_podm(&id)),
        other => Ok(other),
    }
}

async fn manage(call: Call) -> Answer {
    let given: ManageBody = call.read()?;
    let mut task = v1::change("node.manage", json!({"node_index": given.node_index}));
    task.podm_id = podm(given.podm_id)?;
    if task.podm_id.is_none() {
        task.podm_id = Some(default_podm(&call).await?);
    }
    v1::act(&call, task, v1::result).await
}

/// The Pod Manager that a request names, in its query or its body, else the only one.
pub(crate) async fn named_or_only_podm(call: &Call) -> Result<String, Failure> {
    match systems::podm(call).await? {
        Some(podm_id) => Ok(podm_id),
        None => default_podm(call).await,
    }
}

/// The Pod Manager that is meant when none is named: the configured one, else the only one.
pub(crate) async fn default_podm(call: &Call) -> Result<String, Failure> {
    let podms: Vec<Podm> = call.app.store.records(Collection::Podm).await?;
    if let Some(name) = &call.app.config.api.default_podm {
        let configured = podms.iter().find(|p| p.name == *name || p.uuid == *name);
        let missing = || Problem::unavailable(format!("the default Pod Manager '{name}' is not registered"));
        return Ok(configured.ok_or_else(missing)?.uuid.clone());
    }
    match podms.as_slice() {
        [only] => Ok(only.uuid.clone()),
        _ => Err(Problem::validation("'podm_id' is a required property: there is not exactly one Pod Manager").into()),
    }
}

async fn delete(call: Call) -> Answer {
    known_form(&call)?;
    let mut task = v1::change("node.delete", json!({}));
    task.node_id = Some(call.param(0).to_owned());
    v1::act(&call, task, v1::result).await
}

async fn action(call: Call) -> Answer {
    let body: Value = call.needed_json()?;
    let _schema: Action = read(&body)?;
    let mut task = v1::change("node.action", body);
    // The body's own faults come before an unknown node.
    if !is_record_id(call.param(0)) {
        task.check(&call)?;
        return Err(submit::no_node(call.param(0)).into());
    }
    task.node_id = Some(call.param(0).to_owned());
    v1::act(&call, task, v1::nothing).await
}

async fn register(call: Call) -> Answer {
    known_form(&call)?;
    let body = call.needed_json()?;
    let _object: RegisterBody = read(&body)?;
    let mut task = v1::change("node.register", json!({"body": body}));
    task.node_id = Some(call.param(0).to_owned());
    v1::act(&call, task, v1::result).await
}
