//! The control routes `/sim/…`, on every port and without credentials: fault switches, request log, counts, nodes.

use hyper::{Method, StatusCode};
use serde_json::{Value, json};

use super::answer::Answer;
use super::call::{Call, Sent};
use super::config::SimFlavour;
use super::eem;
use super::fleet::Fleet;

/// Answers a control request.
pub(super) fn answer(fleet: &Fleet, call: &Call) -> Answer {
    match (&call.method, call.segments().as_slice()) {
        (&Method::GET, ["sim", "faults"]) => ok(serde_json::to_value(fleet.faults.list()).unwrap_or_default()),
        (&Method::PUT, ["sim", "faults"]) => {
            let body = if let Sent::Json(body) = &call.body { body } else { &Value::Null };
            match fleet.faults.replace(body) {
                Ok(()) => ok(serde_json::to_value(fleet.faults.list()).unwrap_or_default()),
                Err(problem) => refuse(StatusCode::BAD_REQUEST, &problem),
            }
        }
        (&Method::GET, ["sim", "log"]) => match call.param("since").map(|s| s.parse::<u64>()).transpose() {
            Ok(since) => ok(fleet.log.since(since.unwrap_or_default())),
            Err(_) => refuse(StatusCode::BAD_REQUEST, "since is not a number"),
        },
        (&Method::DELETE, ["sim", "log"]) => {
            fleet.log.clear();
            Answer::no_content()
        }
        (&Method::GET, ["sim", "nodes"]) => ok(nodes(fleet, call)),
        (&Method::GET, ["sim", "counts"]) => ok(fleet.podms.iter().map(|p| p.count.shown()).collect()),
        (_, ["sim", "faults" | "log" | "nodes" | "counts"]) => {
            refuse(StatusCode::METHOD_NOT_ALLOWED, "method not allowed")
        }
        _ => refuse(StatusCode::NOT_FOUND, "there are /sim/faults, /sim/log, /sim/nodes and /sim/counts"),
    }
}

fn ok(body: Value) -> Answer {
    Answer::json(StatusCode::OK, body)
}

fn refuse(status: StatusCode, detail: &str) -> Answer {
    Answer::json(status, json!({ "detail": detail }))
}

/// The nodes of every PODM.
fn nodes(fleet: &Fleet, call: &Call) -> Value {
    let of = |podm| {
        fleet.with(podm, call, false, |view| {
            if fleet.config.flavour == SimFlavour::Eem {
                let (nodes, stolen) = eem::nodes(view);
                return json!({ "podm": podm, "nodes": nodes, "stolen": stolen });
            }
            let kept = &view.state.kept;
            let nodes = kept.nodes.iter().map(|(id, node)| {
                json!({
                    "index": node.path(*id).rsplit('/').next(),
                    "name": node.name,
                    "description": node.description,
                    "state": node.state,
                    "system": format!("System{}", node.system),
                    "blocks": node.blocks,
                })
            });
            json!({
                "podm": podm,
                "nodes": nodes.collect::<Vec<_>>(),
                "max_nodes_per_system_ever": kept.max_nodes_per_system_ever,
                "blocks_composed_twice_ever": kept.blocks_composed_twice_ever,
                "reserved": kept.reserved,
            })
        })
    };
    (0..fleet.podms.len()).filter_map(of).collect()
}
