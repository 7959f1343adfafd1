//! The actions of a node that attach and detach pooled devices: API 2.1 names endpoints, later ones resources.

use hyper::Method;
use serde_json::{Value, json};

use super::answer::Answer;
use super::config::RsdVersion;
use super::pool::{all_devices, attached, endpoint_of};
use super::state::NodeState;
use super::view::{View, links, resource, with};

/// The names of the two actions in this generation; `None` when it has none.
pub(super) fn actions(view: &View<'_>) -> Option<[&'static str; 2]> {
    match view.config.rsd_version {
        RsdVersion::V1_2 => None,
        RsdVersion::V2_1 => Some(["AttachEndpoint", "DetachEndpoint"]),
        RsdVersion::V2_4 => Some(["AttachResource", "DetachResource"]),
    }
}

/// What an action of a node can name now.
fn allowed(view: &View<'_>, system: usize, attach: bool) -> Vec<String> {
    let here = attached(view, system);
    let all = all_devices(view).into_iter();
    let fit: Vec<String> = all
        .filter(|path| if attach { !view.state.kept.attached.contains_key(path) } else { here.contains(path) })
        .collect();
    match view.config.rsd_version {
        RsdVersion::V2_1 => fit.iter().filter_map(|path| endpoint_of(view, path)).collect(),
        _ => fit,
    }
}

/// The part of a node's `Actions` that this module adds.
pub(super) fn advertise(view: &View<'_>, node: &str, system: usize, into: &mut Value) {
    let Some(names) = actions(view) else { return };
    for (name, attach) in names.into_iter().zip([true, false]) {
        let mut action = json!({ "target": format!("{node}/Actions/ComposedNode.{name}") });
        if view.config.rsd_version == RsdVersion::V2_1 {
            action[view.allowable("Resource")] = links(allowed(view, system, attach));
        } else {
            action["@Redfish.ActionInfo"] = Value::from(format!("{node}/Actions/{name}ActionInfo"));
        }
        into[format!("#ComposedNode.{name}")] = action;
    }
}

/// The ActionInfo of a node's action, when it has one of that name.
pub(super) fn action_info(view: &View<'_>, node: &str, system: usize, name: &str) -> Option<Value> {
    if view.config.rsd_version != RsdVersion::V2_4 {
        return None;
    }
    let attach = match name {
        "AttachResourceActionInfo" => true,
        "DetachResourceActionInfo" => false,
        _ => return None,
    };
    let mut parameters = vec![json!({
        "Name": "Resource",
        "Required": true,
        "DataType": "Object",
        "ObjectDataType": "#Resource.Resource",
        "AllowableValues": allowed(view, system, attach),
    })];
    if !view.config.strict_schema {
        // Real ones list links; the published schema says texts.
        parameters[0]["AllowableValues"] = links(allowed(view, system, attach));
    }
    if attach {
        parameters.push(json!({
            "Name": "Protocol",
            "Required": false,
            "DataType": "String",
            "AllowableValues": ["NVMe", "NVMeOverFabrics"],
        }));
    }
    let path = format!("{node}/Actions/{name}");
    let body = json!({ "Parameters": parameters });
    Some(with(resource(&path, "ActionInfo.v1_0_2.ActionInfo", name, &name.replace("ActionInfo", " Action Info")), body))
}

/// Carries out an attach or a detach.
pub(super) fn act(view: &mut View<'_>, system: usize, state: NodeState, attach: bool) -> Answer {
    if view.call.method != Method::POST {
        return Answer::not_allowed("POST");
    }
    let named = match wanted(view) {
        Ok(named) => named,
        Err(refusal) => return refusal,
    };
    if !matches!(state, NodeState::Assembled | NodeState::Failed) {
        return Answer::conflict(&format!("A node in state {state:?} has its devices neither attached nor detached."));
    }
    if !allowed(view, system, attach).contains(&named) {
        let text = format!("{named} is not available for this node now.");
        return Answer::conflict(&text);
    }
    let device =
        all_devices(view).into_iter().find(|path| *path == named || endpoint_of(view, path).as_deref() == Some(&named));
    let Some(device) = device else { return view.missing() };
    if attach {
        view.state.kept.attached.insert(device, system);
    } else {
        view.state.kept.attached.remove(&device);
    }
    Answer::no_content()
}

/// The resource that a request names; other parameters than the action has are refused.
fn wanted(view: &View<'_>) -> Result<String, Answer> {
    let body = view.call.object()?;
    for (key, value) in body {
        match (key.as_str(), value) {
            ("Resource", Value::Object(_)) => {}
            ("Protocol", Value::String(p)) if ["NVMe", "NVMeOverFabrics"].contains(&p.as_str()) => {}
            _ => return Err(Answer::bad("ActionParameterUnknown", &format!("The parameter {key} is not understood."))),
        }
    }
    match body.get("Resource").and_then(|r| r["@odata.id"].as_str()) {
        Some(path) => Ok(path.to_owned()),
        None => Err(Answer::bad("ActionParameterMissing", "The action needs a Resource.")),
    }
}
