//! Volumes of the storage service, which can be made and deleted: logical drives in older generations.

use hyper::{Method, StatusCode};
use serde_json::{Value, json};

use super::answer::Answer;
use super::boot::not_writable;
use super::pool;
use super::state::Volume;
use super::storage::POOL_GIB;
use super::view::{View, collection, link, links, ok, resource, with};

const GIB: u64 = 1 << 30;

/// What all volumes take of the pool, bytes.
pub(super) fn taken(view: &View<'_>) -> u64 {
    view.state.kept.volumes.values().map(|v| v.bytes).sum()
}

/// Answers below the collection of volumes at `path`.
pub(super) fn answer(view: &mut View<'_>, path: &str, logical: bool, rest: &[&str]) -> Answer {
    match rest {
        [] if view.call.method == Method::POST => create(view, path, logical).unwrap_or_else(|refusal| refusal),
        [] if view.call.is_read() => {
            let members = view.state.kept.volumes.keys().map(|n| format!("{path}/{n}"));
            let (kind, name) =
                if logical { ("LogicalDriveCollection", "Logical Drives") } else { ("VolumeCollection", "Volumes") };
            view.read(collection(path, kind, name, members))
        }
        [] => Answer::not_allowed("GET, HEAD, POST"),
        [id] => {
            let key = id.parse::<u64>().ok().filter(|n| n.to_string() == *id);
            let Some((id, volume)) = key.and_then(|n| Some((n, view.state.kept.volumes.get(&n)?.clone()))) else {
                return view.missing();
            };
            let path = format!("{path}/{id}");
            match view.call.method {
                Method::GET | Method::HEAD => view.read(render(view, &path, id, &volume, logical)),
                Method::DELETE if view.state.kept.attached.contains_key(&path) => {
                    Answer::conflict("The volume is attached to a node.")
                }
                Method::DELETE => {
                    view.state.kept.volumes.remove(&id);
                    Answer::no_content()
                }
                _ => Answer::not_allowed("GET, HEAD, DELETE"),
            }
        }
        _ => view.missing(),
    }
}

fn create(view: &mut View<'_>, path: &str, logical: bool) -> Result<Answer, Answer> {
    let mut volume = Volume::default();
    for (key, value) in view.call.object()? {
        match (key.as_str(), value) {
            ("Name", Value::String(name)) => name.clone_into(&mut volume.name),
            ("Description", Value::String(text)) => text.clone_into(&mut volume.description),
            ("CapacityBytes", value) if !logical => volume.bytes = value.as_u64().unwrap_or(0),
            ("CapacityGiB", value) if logical => volume.bytes = bytes_of_gib(value),
            ("Type" | "Mode", Value::String(_)) if logical => {}
            ("Bootable", Value::Bool(bootable)) if logical => volume.bootable = *bootable,
            ("Oem", oem) if !logical => match &oem["Intel_RackScale"]["Bootable"] {
                Value::Bool(bootable) => volume.bootable = *bootable,
                _ => return Err(not_writable("Oem")),
            },
            _ => return Err(not_writable(key)),
        }
    }
    if volume.bytes == 0 {
        return Err(Answer::bad("PropertyMissing", "The request needs a capacity."));
    }
    let lent: u64 = view.state.kept.nodes.values().map(|n| n.remote_gib * GIB).sum();
    if taken(view).saturating_add(lent).saturating_add(volume.bytes) > POOL_GIB * GIB {
        return Err(Answer::conflict("The pool has not so much left."));
    }
    if view.config.forgetful {
        (volume.name, volume.description) = ("Volume".to_owned(), String::new());
    }
    let kept = &mut view.state.kept;
    kept.last_volume += 1;
    let id = kept.last_volume;
    kept.volumes.insert(id, volume);
    let made = view.location(&format!("{path}/{id}"));
    Ok(Answer::empty(StatusCode::CREATED).located(made))
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a size of at most the pool's")]
fn bytes_of_gib(value: &Value) -> u64 {
    let gib = value.as_f64().unwrap_or(0.0).clamp(0.0, 1e6);
    (gib * 1_073_741_824.0) as u64
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
fn render(view: &View<'_>, path: &str, id: u64, volume: &Volume, logical: bool) -> Value {
    let kind = if logical { "LogicalDrive.v1_0_0.LogicalDrive" } else { "Volume.v1_1_0.Volume" };
    let name = if volume.name.is_empty() { format!("Volume {id}") } else { volume.name.clone() };
    let mut body = with(resource(path, kind, &id.to_string(), &name), json!({ "Status": ok() }));
    if !volume.description.is_empty() {
        body["Description"] = Value::from(volume.description.as_str());
    }
    let endpoint = pool::endpoint_of(view, path);
    if logical {
        let gib = volume.bytes as f64 / 1_073_741_824.0;
        body["Type"] = Value::from("LVM");
        body["Mode"] = Value::from("LV");
        body["CapacityGiB"] = Value::from(gib);
        body["Bootable"] = Value::from(volume.bootable);
        body["Links"] = json!({ "UsedBy": [], "Targets": [] });
        if let Some(endpoint) = endpoint {
            body["Links"]["Endpoints"] = links([endpoint]);
        }
    } else {
        body["CapacityBytes"] = Value::from(volume.bytes);
        body["Oem"] = json!({ "Intel_RackScale": { "@odata.type": "#Intel.Oem.Volume", "Bootable": volume.bootable } });
        if let Some(endpoint) = endpoint {
            body["Links"] = json!({ "Oem": { "Intel_RackScale": {
                "@odata.type": "#Intel.Oem.VolumeLinks", "Endpoints": [link(endpoint)] } } });
        }
    }
    body
}
