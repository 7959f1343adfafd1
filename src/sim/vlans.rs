//! VLANs of switch ports and network interfaces, which can be made and deleted.

use hyper::{Method, StatusCode};
use serde_json::{Value, json};

use super::answer::Answer;
use super::boot::not_writable;
use super::state::Vlan;
use super::view::{View, collection, ok, resource, with};

/// Answers below a collection of VLANs at `path`; `first` are those it has before anything was changed.
pub(super) fn answer(view: &mut View<'_>, path: &str, first: &[Vlan], rest: &[&str]) -> Answer {
    let list = view.state.kept.vlans.get(path).cloned().unwrap_or_else(|| first.to_vec());
    match rest {
        [] if view.call.method == Method::POST => create(view, path, list).unwrap_or_else(|refusal| refusal),
        [] if view.call.is_read() => {
            let members = list.iter().map(|v| format!("{path}/{}", v.id));
            view.read(collection(path, "VLanNetworkInterfaceCollection", "VLANs", members))
        }
        [] => Answer::not_allowed("GET, HEAD, POST"),
        [id] => {
            let Some(at) = list.iter().position(|v| v.id.to_string() == *id) else { return view.missing() };
            match view.call.method {
                Method::GET | Method::HEAD => view.read(vlan(&format!("{path}/{id}"), list[at])),
                Method::DELETE => {
                    let mut list = list;
                    list.remove(at);
                    view.state.kept.vlans.insert(path.to_owned(), list);
                    Answer::no_content()
                }
                _ => Answer::not_allowed("GET, HEAD, DELETE"),
            }
        }
        _ => view.missing(),
    }
}

fn create(view: &mut View<'_>, path: &str, mut list: Vec<Vlan>) -> Result<Answer, Answer> {
    let mut wanted = Vlan { id: 0, tagged: true };
    for (key, value) in view.call.object()? {
        match (key.as_str(), value) {
            ("VLANId", value) => match value.as_u64() {
                Some(id) if (1..=4094).contains(&id) => wanted.id = id,
                _ => return Err(Answer::bad("PropertyValueNotInList", "VLANId is not a number from 1 to 4094.")),
            },
            ("VLANEnable", Value::Bool(true)) | ("Name" | "Description", Value::String(_)) => {}
            ("Oem", oem) => match &oem["Intel_RackScale"]["Tagged"] {
                Value::Bool(tagged) => wanted.tagged = *tagged,
                Value::Null => {}
                _ => return Err(Answer::bad("PropertyValueTypeError", "Tagged is not a boolean.")),
            },
            _ => return Err(not_writable(key)),
        }
    }
    if wanted.id == 0 {
        return Err(Answer::bad("PropertyMissing", "The request needs a VLANId."));
    }
    if list.iter().any(|v| v.id == wanted.id) {
        return Err(Answer::conflict("There is a VLAN of this number already."));
    }
    if !wanted.tagged && list.iter().any(|v| !v.tagged) {
        return Err(Answer::conflict("There is an untagged VLAN already."));
    }
    list.push(wanted);
    view.state.kept.vlans.insert(path.to_owned(), list);
    let made = view.location(&format!("{path}/{}", wanted.id));
    Ok(Answer::empty(StatusCode::CREATED).located(made))
}

fn vlan(path: &str, vlan: Vlan) -> Value {
    let id = vlan.id.to_string();
    with(
        resource(path, "VLanNetworkInterface.v1_1_0.VLanNetworkInterface", &id, &format!("VLAN {id}")),
        json!({
            "VLANEnable": true,
            "VLANId": vlan.id,
            "Oem": { "Intel_RackScale": {
                "@odata.type": "#Intel.Oem.VLanNetworkInterface",
                "Tagged": vlan.tagged,
                "Status": ok(),
            } },
        }),
    )
}
