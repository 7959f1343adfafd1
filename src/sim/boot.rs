//! Power and boot, the same for a system and for the node on it: reset types, overrides, and what they do.

use serde_json::{Value, json};

use super::answer::Answer;
use super::state::{Boot, SystemState};
use super::view::View;

/// The reset types that a system and a node take.
pub(super) const RESET_TYPES: [&str; 8] =
    ["On", "ForceOff", "GracefulShutdown", "GracefulRestart", "ForceRestart", "Nmi", "ForceOn", "PushPowerButton"];

const ENABLED: [&str; 3] = ["Disabled", "Once", "Continuous"];
const TARGETS: [&str; 4] = ["None", "Pxe", "Hdd", "RemoteDrive"];
const MODES: [&str; 2] = ["Legacy", "UEFI"];

/// The `PowerState` of a system.
pub(super) fn power(state: &SystemState) -> &'static str {
    if state.on { "On" } else { "Off" }
}

/// The `Boot` object of a system or node.
pub(super) fn render(view: &View<'_>, boot: &Boot) -> Value {
    let mut value = json!({
        "BootSourceOverrideEnabled": boot.enabled,
        "BootSourceOverrideTarget": boot.target,
        "BootSourceOverrideMode": boot.mode,
    });
    value[view.allowable("BootSourceOverrideTarget")] = json!(TARGETS);
    value[view.allowable("BootSourceOverrideMode")] = json!(MODES);
    value
}

/// Changes the override as a PATCH's `Boot` object says; nothing changes when anything in it is wrong.
pub(super) fn apply(boot: &mut Boot, wanted: &Value) -> Result<(), Answer> {
    let Value::Object(wanted) = wanted else {
        return Err(Answer::bad("PropertyValueTypeError", "Boot is not an object."));
    };
    let mut next = boot.clone();
    for (key, value) in wanted {
        let (slot, allowed): (&mut String, &[&str]) = match key.as_str() {
            "BootSourceOverrideEnabled" => (&mut next.enabled, &ENABLED),
            "BootSourceOverrideTarget" => (&mut next.target, &TARGETS),
            "BootSourceOverrideMode" => (&mut next.mode, &MODES),
            _ => return Err(not_writable(key)),
        };
        match value.as_str().filter(|v| allowed.contains(v)) {
            Some(value) => value.clone_into(slot),
            None => return Err(not_in_list(key, value, allowed)),
        }
    }
    *boot = next;
    Ok(())
}

/// Carries out the reset that a request asks for.
pub(super) fn reset(view: &mut View<'_>, system: usize) -> Answer {
    let wanted = view.post_only().and_then(|()| view.call.object()).and_then(|body| {
        let kind = body.get("ResetType").unwrap_or(&Value::Null);
        let known = kind.as_str().and_then(|k| RESET_TYPES.into_iter().find(|r| *r == k));
        match (known, kind) {
            (Some(known), _) => Ok(known),
            (None, Value::Null) => Err(Answer::bad("ActionParameterMissing", "The action needs a ResetType.")),
            (None, other) => Err(not_in_list("ResetType", other, &RESET_TYPES)),
        }
    });
    match wanted {
        Ok(kind) => {
            turn(view.state.system_mut(system), kind);
            Answer::no_content()
        }
        Err(refusal) => refusal,
    }
}

/// What a reset type does. A boot uses up an override that is meant for once.
fn turn(state: &mut SystemState, kind: &str) {
    let was_on = state.on;
    state.on = match kind {
        "ForceOff" | "GracefulShutdown" => false,
        "PushPowerButton" => !was_on,
        "Nmi" => was_on,
        _ => true,
    };
    let restart = matches!(kind, "GracefulRestart" | "ForceRestart");
    if state.on && (!was_on || restart) && state.boot.enabled == "Once" {
        "Disabled".clone_into(&mut state.boot.enabled);
    }
}

/// 400 for a property that is unknown or read-only.
pub(super) fn not_writable(property: &str) -> Answer {
    Answer::bad("PropertyNotWritable", &format!("The property {property} is unknown or cannot be changed."))
}

/// 400 for a value outside its list.
fn not_in_list(property: &str, value: &Value, allowed: &[&str]) -> Answer {
    let text = format!("The value {value} of {property} is not one of: {}.", allowed.join(", "));
    Answer::bad("PropertyValueNotInList", &text)
}
