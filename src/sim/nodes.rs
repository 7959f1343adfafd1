//! `/redfish/v1/Nodes`: composed nodes and their actions.
//!
//! Allocated → Assembling → Assembled or Failed. Assemble is legal only in Allocated, Reset only in Assembled or Failed: anything
//! else is a 409. A node shows the power and the boot override of the system it stands on. Deleting it frees the system at once.

use hyper::Method;
use serde_json::{Value, json};

use super::answer::Answer;
use super::state::{Node, NodeState};
use super::view::{View, collection, healthy, link, links, resource, with};
use super::{allocate, attach, boot, parts, pool, storage};

const PATH: &str = "/redfish/v1/Nodes";

/// Answers below `Nodes`.
pub(super) fn answer(view: &mut View<'_>, rest: &[&str]) -> Answer {
    match rest {
        [] => view.read(all(view)),
        ["Actions", "Allocate" | "ComposedNodeCollection.Allocate"] => allocate::allocate(view),
        [id, rest @ ..] => {
            let key = id.parse::<u64>().ok().filter(|n| n.to_string() == *id);
            let found = key.and_then(|n| view.state.kept.nodes.get(&n).map(|node| (n, node.clone())));
            let Some((id, node)) = found else { return view.missing() };
            match rest {
                [] => one(view, id, &node),
                ["Actions", action] => match attach::action_info(view, &format!("{PATH}/{id}"), node.system, action) {
                    Some(info) => view.read(info),
                    None => act(view, id, &node, action),
                },
                _ => view.missing(),
            }
        }
    }
}

fn all(view: &View<'_>) -> Value {
    let members = view.state.kept.nodes.keys().map(|n| format!("{PATH}/{n}"));
    let mut body = collection(PATH, "ComposedNodeCollection", "Composed Node Collection", members);
    let action = if view.config.strict_schema { "ComposedNodeCollection.Allocate" } else { "Allocate" };
    let target = format!("{PATH}/Actions/{action}");
    body["Actions"] = json!({ "#ComposedNodeCollection.Allocate": { "target": target } });
    body
}

fn one(view: &mut View<'_>, id: u64, node: &Node) -> Answer {
    let current = render(view, id, node);
    match view.call.method {
        Method::GET | Method::HEAD => {
            view.looked_at(id);
            view.entity(current)
        }
        Method::PATCH => patch(view, id, node, &current).unwrap_or_else(|refusal| refusal),
        Method::DELETE => match view.match_or_refuse(&current) {
            Ok(()) => delete(view, id, node),
            Err(refusal) => refusal,
        },
        _ => Answer::not_allowed("GET, HEAD, PATCH, DELETE"),
    }
}

fn patch(view: &mut View<'_>, id: u64, node: &Node, current: &Value) -> Result<Answer, Answer> {
    view.match_or_refuse(current)?;
    let mut next = view.state.system(node.system);
    for (key, value) in view.call.object()? {
        match key.as_str() {
            "Boot" => boot::apply(&mut next.boot, value)?,
            _ => return Err(boot::not_writable(key)),
        }
    }
    *view.state.system_mut(node.system) = next;
    let done = if view.config.boot_204 { Answer::no_content() } else { view.entity(render(view, id, node)) };
    Ok(done)
}

fn delete(view: &mut View<'_>, id: u64, node: &Node) -> Answer {
    view.state.kept.nodes.remove(&id);
    view.state.kept.systems.remove(&node.system);
    view.state.kept.attached.retain(|_, system| *system != node.system);
    let interfaces = format!("/redfish/v1/Systems/System{}/", node.system);
    view.state.kept.vlans.retain(|path, _| !path.starts_with(&interfaces));
    Answer::no_content()
}

fn act(view: &mut View<'_>, id: u64, node: &Node, action: &str) -> Answer {
    match action {
        "ComposedNode.Assemble" => match view.post_only() {
            Ok(()) => assemble(view, id),
            Err(refusal) => refusal,
        },
        "ComposedNode.Reset" => match node.state {
            _ if view.call.method != Method::POST => Answer::not_allowed("POST"),
            NodeState::Assembled | NodeState::Failed => boot::reset(view, node.system),
            other => Answer::conflict(&format!("A node in state {other:?} cannot be reset.")),
        },
        action
            if attach::actions(view).is_some_and(|[a, d]| {
                [a, d].iter().any(|name| action.strip_prefix("ComposedNode.") == Some(*name))
            }) =>
        {
            attach::act(view, node.system, node.state, action.starts_with("ComposedNode.Attach"))
        }
        "ComposedNode.ForceDelete" => match view.post_only() {
            Ok(()) => delete(view, id, node),
            Err(refusal) => refusal,
        },
        _ => view.missing(),
    }
}

/// Starts the assembly; it ends by itself after the configured time.
fn assemble(view: &mut View<'_>, id: u64) -> Answer {
    let Some(node) = view.state.kept.nodes.get_mut(&id) else { return view.missing() };
    if node.state != NodeState::Allocated {
        let text = format!("A node in state {:?} cannot be assembled.", node.state);
        return Answer::conflict(&text);
    }
    node.begin(view.config, view.now_ms);
    node.will_fail = view.assembly_fails;
    Answer::no_content()
}

fn render(view: &View<'_>, id: u64, node: &Node) -> Value {
    let path = format!("{PATH}/{id}");
    let base = parts::base(node.system);
    let profile = view.hardware.profile(node.system);
    let system = view.state.system(node.system);
    let mut reset = json!({ "target": format!("{path}/Actions/ComposedNode.Reset") });
    reset[view.allowable("ResetType")] = json!(boot::RESET_TYPES);
    let status = match node.state {
        NodeState::Failed => json!({ "State": "Enabled", "Health": "Critical", "HealthRollup": "Critical" }),
        NodeState::Assembled => healthy(),
        NodeState::Allocated | NodeState::Assembling => json!({ "State": "StandbyOffline", "Health": "OK" }),
    };
    let mut body = with(
        resource(&path, "ComposedNode.v1_1_0.ComposedNode", &id.to_string(), &node.name),
        json!({
            "UUID": node.uuid,
            "PowerState": boot::power(&system),
            "Status": status,
            "ComposedNodeState": node.state,
            "Boot": boot::render(view, &system.boot),
            "Links": {
                "Processors": links(parts::processor_paths(view.hardware, &base, node.system)),
                "Memory": links(parts::memory_paths(view.hardware, &base, node.system)),
                "EthernetInterfaces": links(parts::interface_paths(view.hardware, &base, node.system)),
                "ManagedBy": links(["/redfish/v1/Managers/PODM"]),
            },
            "Actions": {
                "#ComposedNode.Reset": reset,
                "#ComposedNode.Assemble": { "target": format!("{path}/Actions/ComposedNode.Assemble") },
            },
        }),
    );
    if !node.description.is_empty() {
        body["Description"] = Value::from(node.description.as_str());
    }
    let computer = link(format!("/redfish/v1/Systems/System{}", node.system));
    let pooled = pool::attached(view, node.system);
    let local = storage::drive_paths(view.hardware, node.system);
    let (drives, volumes): (Vec<String>, Vec<String>) = pooled.into_iter().partition(|path| path.contains("/Drives/"));
    attach::advertise(view, &path, node.system, &mut body["Actions"]);
    let drives = links(local.iter().chain(&drives));
    if view.config.strict_schema {
        body["Links"]["ComputerSystem"] = json!([computer]);
        let mut all = drives.as_array().cloned().unwrap_or_default();
        all.extend(volumes.iter().map(link));
        body["Links"]["Storage"] = Value::from(all);
    } else {
        body["Links"]["ComputerSystem"] = computer;
        body["Links"]["LocalDrives"] = drives;
        body["Links"]["RemoteDrives"] = links(&volumes);
        body["Processors"] = json!({ "Count": profile.sockets, "Model": profile.cpu_model, "Status": healthy() });
        body["Memory"] = json!({ "TotalSystemMemoryGiB": profile.total_mib() / 1024, "Status": healthy() });
    }
    body
}
