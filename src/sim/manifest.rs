//! The Compose action: manifests that are previewed, reserved for or applied.
//!
//! A stanza that cannot be carried out says so in its own `Response`; the action is answered 200 all the same, as in DMTF's examples.

use hyper::{Method, StatusCode};
use serde_json::{Map, Value, json};

use super::answer::{Answer, Payload};
use super::blocks::{self, Block};
use super::compose::{self, Plan};
use super::composed;
use super::composition::PATH;
use super::state::Reservation;
use super::view::{View, links, resource, with};

/// Answers a POST to the Compose action.
pub(super) fn compose(view: &mut View<'_>) -> Result<Answer, Answer> {
    view.post_only()?;
    let body = view.call.object()?.clone();
    let known = ["RequestFormat", "RequestType", "Manifest", "ReservationId"];
    if let Some(key) = body.keys().find(|k| !known.contains(&k.as_str())) {
        return Err(Answer::bad("ActionParameterUnknown", &format!("The parameter {key} is not understood.")));
    }
    if body.get("RequestFormat").is_some_and(|f| f != "Manifest") {
        return Err(Answer::bad("ActionParameterValueError", "RequestFormat is not Manifest."));
    }
    let kind = body.get("RequestType").and_then(Value::as_str).unwrap_or_default();
    let reserved = match body.get("ReservationId").and_then(Value::as_str) {
        None => None,
        Some(id) if kind == "Apply" => {
            let number = id.parse::<u64>().ok().filter(|n| view.state.kept.reservations.contains_key(n));
            Some(number.ok_or_else(|| Answer::conflict(&format!("There is no reservation {id}.")))?)
        }
        Some(_) => return Err(Answer::bad("ActionParameterNotSupported", "Only Apply takes a ReservationId.")),
    };
    let held = reserved.and_then(|n| view.state.kept.reservations.get(&n).cloned());
    let mut manifest = match (&held, body.get("Manifest")) {
        (_, Some(Value::Object(manifest))) => manifest.clone(),
        (Some(held), None) => held.manifest.as_object().cloned().unwrap_or_default(),
        _ => return Err(Answer::bad("ActionParameterMissing", "The action needs a Manifest.")),
    };
    let Some(Value::Array(stanzas)) = manifest.get_mut("Stanzas") else {
        return Err(Answer::bad("PropertyMissing", "The manifest has no Stanzas."));
    };
    let asked = stanzas.clone();
    let mut held = held.map(|h| h.stanzas).unwrap_or_default().into_iter();
    let mut planned = Vec::new();
    for stanza in stanzas.iter_mut() {
        let composes = stanza["StanzaType"] == "ComposeSystem";
        let held = if composes { held.next().unwrap_or_default() } else { Vec::new() };
        let outcome = match kind {
            "Apply" => apply(view, stanza, &held),
            "Preview" | "PreviewReserve" => preview(view, stanza).map(|(blocks, shown)| {
                planned.extend(blocks);
                shown
            }),
            _ => return Err(Answer::bad("ActionParameterValueNotInList", "RequestType is none that there is.")),
        };
        stanza["Response"] = outcome.unwrap_or_else(|refusal| match refusal.payload {
            Payload::Json(error) => error,
            _ => json!({}),
        });
    }
    if let Some(applied) = reserved {
        view.state.kept.reservations.remove(&applied);
    }
    let mut answer = json!({ "RequestFormat": "Manifest", "RequestType": kind, "Manifest": manifest });
    if kind == "PreviewReserve" && answer["Manifest"]["Stanzas"].as_array().is_some_and(|s| s.iter().all(is_well)) {
        let kept = &mut view.state.kept;
        kept.last_reservation += 1;
        let manifest = with(Map::new(), json!({ "Expand": "None", "Stanzas": asked }));
        let reservation = Reservation { at_ms: view.now_ms, manifest, stanzas: planned };
        kept.reservations.insert(kept.last_reservation, reservation);
        answer["ReservationId"] = Value::from(kept.last_reservation.to_string());
    }
    Ok(Answer::json(StatusCode::OK, answer))
}

fn is_well(stanza: &Value) -> bool {
    stanza["Response"]["error"].is_null()
}

fn plan(view: &View<'_>, stanza: &Value, held: &[String]) -> Result<Plan, Answer> {
    let request = stanza["Request"].as_object();
    let request = request.ok_or_else(|| Answer::bad("PropertyMissing", "A stanza has no Request."))?;
    compose::plan(view, request, held)
}

/// The blocks that a stanza would take, and what is shown of that.
fn preview(view: &View<'_>, stanza: &Value) -> Result<(Option<Vec<String>>, Value), Answer> {
    if stanza["StanzaType"] == "DecomposeSystem" {
        return composed::named(view, &stanza["Request"]).map(|(id, node)| (None, composed::render(view, id, &node)));
    }
    kind(stanza)?;
    let blocks = plan(view, stanza, &[])?.blocks;
    let shown = json!({ "Links": { "ResourceBlocks": links(blocks.iter().map(|b| b.path())) } });
    Ok((Some(blocks.into_iter().map(Block::id).collect()), shown))
}

fn apply(view: &mut View<'_>, stanza: &Value, held: &[String]) -> Result<Value, Answer> {
    if stanza["StanzaType"] == "DecomposeSystem" {
        let (id, node) = composed::named(view, &stanza["Request"])?;
        composed::free(view, id, &node);
        return Ok(json!({ "error": null }));
    }
    kind(stanza)?;
    let plan = plan(view, stanza, held)?;
    let id = compose::place(view, plan);
    let node = view.state.kept.nodes.get(&id).cloned();
    node.map(|node| composed::render(view, id, &node)).ok_or_else(|| view.missing())
}

fn kind(stanza: &Value) -> Result<(), Answer> {
    if stanza["StanzaType"] == "ComposeSystem" {
        return Ok(());
    }
    Err(Answer::bad("PropertyValueNotInList", "The stanza is of no type that is carried out here."))
}

/// Answers for one reservation.
pub(super) fn reservation(view: &mut View<'_>, id: &str) -> Answer {
    let number = id.parse::<u64>().ok().filter(|n| n.to_string() == id);
    let found = number.and_then(|n| view.state.kept.reservations.get(&n).map(|r| (n, r.clone())));
    let Some((n, held)) = found else { return view.missing() };
    if view.call.method == Method::DELETE {
        view.state.kept.reservations.remove(&n);
        return Answer::no_content();
    }
    // The published schema gives a stanza's request no property at all; DMTF's mockups show it.
    let mut manifest = held.manifest;
    for stanza in manifest["Stanzas"].as_array_mut().into_iter().flatten().filter(|_| view.config.strict_schema) {
        stanza["Request"] = json!({});
    }
    let of = |id: &String| blocks::find(view.hardware, id).map(Block::path);
    let path = format!("{PATH}/CompositionReservations/{id}");
    view.read(with(
        resource(&path, "CompositionReservation.v1_0_2.CompositionReservation", id, &format!("Reservation {id}")),
        json!({
            "ReservationTime": super::tasks::time(held.at_ms),
            "ReservedResourceBlocks": links(held.stanzas.iter().flatten().filter_map(of)),
            "Manifest": manifest,
        }),
    ))
}
