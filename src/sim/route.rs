//! From path to resource family.

use serde_json::{Value, json};

use super::answer::{Answer, Payload};
use super::config::SimFlavour;
use super::view::{View, collection};
use super::{chassis, composed, composition, events, managers, nodes, pool, root};
use super::{sensors, sessions, storage, switches, systems, tasks};

/// Whether a request is answered without credentials: version, root, metadata and the log-in itself.
pub(super) fn is_open(call: &super::call::Call) -> bool {
    match call.segments().as_slice() {
        ["redfish"] | ["redfish", "v1"] | ["redfish", "v1", "odata" | "$metadata"] => call.is_read(),
        ["redfish", "v1", "SessionService", "Sessions"] => call.method == hyper::Method::POST,
        ["redfish", "v1", "SessionService", "Sessions", "Members"] => call.method == hyper::Method::POST,
        _ => false,
    }
}

/// Answers one request for a simulated resource.
pub(super) fn answer(view: &mut View<'_>) -> Answer {
    let call = view.call;
    let segments = call.segments();
    match segments.as_slice() {
        ["redfish"] => versions(view),
        ["redfish", "v1"] => view.read(root::service_root(view)),
        ["redfish", "v1", "odata"] => view.read(root::odata(view)),
        ["redfish", "v1", "$metadata"] => metadata(view),
        ["redfish", "v1", family, rest @ ..] => match *family {
            "Chassis" => chassis::answer(view, rest),
            "Managers" => managers::answer(view, rest),
            "EventService" => events::answer(view, rest),
            "TelemetryService" => sensors::reports(view, rest),
            "TaskService" => tasks::answer(view, rest),
            "SessionService" => sessions::answer(view, rest),
            "Registries" if rest.is_empty() => {
                let path = "/redfish/v1/Registries";
                let none: [&str; 0] = [];
                view.read(collection(path, "MessageRegistryFileCollection", "Registries", none))
            }
            family if view.config.flavour == SimFlavour::Composition => {
                let answer = match family {
                    "Systems" => composed::answer(view, rest),
                    "CompositionService" => composition::answer(view, rest),
                    _ => view.missing(),
                };
                composition::hidden(view, answer)
            }
            family => rack_scale(view, family, rest),
        },
        _ => view.missing(),
    }
}

/// The families that only Intel Rack Scale has, or has in its own way.
fn rack_scale(view: &mut View<'_>, family: &str, rest: &[&str]) -> Answer {
    match family {
        "Systems" => systems::answer(view, rest),
        "EthernetSwitches" => switches::answer(view, rest),
        "Services" | "StorageServices" => storage::answer(view, family, rest),
        "Fabrics" => pool::answer(view, rest),
        "Nodes" => nodes::answer(view, rest),
        _ => view.missing(),
    }
}

/// The one resource that is no Redfish resource: which versions there are.
fn versions(view: &View<'_>) -> Answer {
    let body: Value = json!({ "v1": "/redfish/v1/" });
    if view.call.is_read() { Answer::json(hyper::StatusCode::OK, body) } else { Answer::not_allowed("GET, HEAD") }
}

/// The OData metadata document.
fn metadata(view: &View<'_>) -> Answer {
    if !view.call.is_read() {
        return Answer::not_allowed("GET, HEAD");
    }
    let mut answer = Answer::empty(hyper::StatusCode::OK);
    answer.payload = Payload::Raw("application/xml;charset=utf-8", root::METADATA.into());
    answer
}
