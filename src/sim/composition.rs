//! `/redfish/v1/CompositionService`: the service, its zones, pools and reservations. Blocks and the Compose action have their own files.

use hyper::StatusCode;
use serde_json::{Value, json};

use super::answer::{Answer, Payload};
use super::blocks::{self, Block};
use super::config::{ComposeBy, Deviation};
use super::hardware::numbered;
use super::manifest;
use super::view::{View, collection, link, links, ok, resource, with};

pub(super) const PATH: &str = "/redfish/v1/CompositionService";
/// How long the Compose action holds blocks, hours.
const HOURS: u64 = 3;

/// Answers below `CompositionService`.
pub(super) fn answer(view: &mut View<'_>, rest: &[&str]) -> Answer {
    let now = view.now_ms;
    view.state.kept.reservations.retain(|_, r| r.at_ms.saturating_add(HOURS * 3_600_000) > now);
    match rest {
        [] => view.read(service(view)),
        ["ResourceBlocks", rest @ ..] => blocks::answer(view, rest),
        ["ResourceZones"] => {
            let paths = (1..=blocks::zones(view.hardware)).map(zone_path);
            view.read(collection(&format!("{PATH}/ResourceZones"), "ZoneCollection", "Resource Zones", paths))
        }
        ["ResourceZones", id] => match numbered(id, "", blocks::zones(view.hardware)) {
            Some(n) => view.read(zone(view, n)),
            None => view.missing(),
        },
        _ if !view.composes_by(ComposeBy::Action) => view.missing(),
        [pool @ ("FreePool" | "ActivePool")] => {
            let all = blocks::all(view.hardware).into_iter();
            let inside = all.filter(|b| blocks::owners(view, *b).is_empty() == (*pool == "FreePool")).map(Block::path);
            view.read(collection(
                &format!("{PATH}/{pool}"),
                "ResourceBlockCollection",
                pool,
                inside.collect::<Vec<_>>(),
            ))
        }
        ["CompositionReservations"] => {
            let path = format!("{PATH}/CompositionReservations");
            let all = view.state.kept.reservations.keys().map(|n| format!("{path}/{n}"));
            view.read(collection(&path, "CompositionReservationCollection", "Composition Reservations", all))
        }
        ["CompositionReservations", id] => manifest::reservation(view, id),
        ["ComposeActionInfo"] => view.read(action_info()),
        ["Actions", "CompositionService.Compose"] => manifest::compose(view).unwrap_or_else(|refusal| refusal),
        _ => view.missing(),
    }
}

/// What a service that hides its errors makes of an answer to a change.
pub(super) fn hidden(view: &View<'_>, answer: Answer) -> Answer {
    let is_error = answer.status.as_u16() >= 400 && !view.call.is_read();
    if !(is_error && view.deviates(Deviation::HiddenErrors)) {
        return answer;
    }
    let mut hidden = Answer::empty(StatusCode::OK);
    hidden.payload = Payload::Raw("application/json", "500".into());
    hidden
}

fn zone_path(n: usize) -> String {
    format!("{PATH}/ResourceZones/{n}")
}

fn zone(view: &View<'_>, n: usize) -> Value {
    let inside = blocks::all(view.hardware).into_iter().filter(|b| b.is_in_zone(n)).map(Block::path);
    with(
        resource(&zone_path(n), "Zone.v1_6_3.Zone", &n.to_string(), &format!("Resource Zone {n}")),
        json!({
            "Status": ok(),
            "ZoneType": "ZoneOfResourceBlocks",
            "Links": { "ResourceBlocks": links(inside) },
        }),
    )
}

fn service(view: &View<'_>) -> Value {
    let mut body = with(
        resource(PATH, "CompositionService.v1_2_3.CompositionService", "CompositionService", "Composition Service"),
        json!({
            "Status": ok(),
            "ServiceEnabled": true,
            "AllowOverprovisioning": true,
            "AllowZoneAffinity": true,
            "ResourceBlocks": link(blocks::PATH),
            "ResourceZones": link(format!("{PATH}/ResourceZones")),
        }),
    );
    if view.composes_by(ComposeBy::Action) {
        let segment = if view.deviates(Deviation::MisspeltTarget) { "CompostionService" } else { "CompositionService" };
        body["ActivePool"] = link(format!("{PATH}/ActivePool"));
        body["FreePool"] = link(format!("{PATH}/FreePool"));
        body["CompositionReservations"] = link(format!("{PATH}/CompositionReservations"));
        body["ReservationDuration"] = Value::from(format!("PT{HOURS}H"));
        body["Actions"] = json!({ "#CompositionService.Compose": {
            "target": format!("/redfish/v1/{segment}/Actions/CompositionService.Compose"),
            "@Redfish.ActionInfo": format!("{PATH}/ComposeActionInfo"),
        } });
    }
    body
}

fn action_info() -> Value {
    let path = format!("{PATH}/ComposeActionInfo");
    let text = |name: &str, required: bool, values: &[&str]| {
        let mut parameter = json!({ "Name": name, "Required": required, "DataType": "String" });
        if !values.is_empty() {
            parameter["AllowableValues"] = json!(values);
        }
        parameter
    };
    let parameters = [
        json!({ "Name": "Manifest", "Required": false, "DataType": "Object" }),
        text("RequestFormat", true, &["Manifest"]),
        text("RequestType", true, &["Preview", "PreviewReserve", "Apply"]),
        text("ReservationId", false, &[]),
    ];
    with(
        resource(&path, "ActionInfo.v1_5_0.ActionInfo", "ComposeActionInfo", "Compose Action Info"),
        json!({ "Parameters": parameters }),
    )
}
