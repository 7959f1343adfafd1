//! Tasks as a client sees them: secrets masked, links filled in, and an ETag that changes with what is shown.

use serde_json::Value;
use warp::http::header;
use warp::reply::Response;

use super::answer;
use crate::ids::TaskId;
use crate::model::podm::{MASK, mask};
use crate::model::task::{Link, Task};
use crate::store::idempotency::fingerprint;
use crate::store::record::TaskRecord;

/// Path of a task.
pub(crate) fn path_of(id: TaskId) -> String {
    format!("/v1/tasks/{id}")
}

/// A task in JSON.
pub(crate) fn task(record: TaskRecord) -> Task {
    let mut task = record.into_task();
    task.params = mask(task.params);
    if let Some(body) =
        task.params.get_mut("body").filter(|_| matches!(task.kind.as_str(), "proxy.write" | "node.register"))
    {
        *body = MASK.into();
    }
    if task.kind.starts_with("podm.") {
        task.result = mask(task.result);
    }
    task.links = links(&task);
    task
}

fn links(task: &Task) -> Vec<Link> {
    let own = path_of(task.id);
    let mut links = Vec::with_capacity(6);
    let mut add = |rel: &str, href: String| links.push(Link { href, rel: rel.into() });
    add("self", own.clone());
    add("explain", format!("{own}/explain"));
    add("events", format!("{own}/events"));
    if let Some(podm) = &task.podm_id {
        add("pod_manager", format!("/v1/pod_managers/{podm}"));
    }
    if let Some(node) = &task.node_id {
        add("node", format!("/v1/nodes/{node}"));
    }
    if let Some(parent) = task.parent_id {
        add("parent", path_of(parent));
    }
    links
}

/// 202 with the task, and where to ask for it again.
pub(crate) fn accepted(record: TaskRecord) -> Response {
    let path = path_of(record.id);
    let mut response = answer::with_status(warp::http::StatusCode::ACCEPTED, &task(record));
    answer::set_header(&mut response, header::LOCATION, &path);
    response
}

/// ETag of a body.
pub(crate) fn etag(body: &Value) -> String {
    let print = fingerprint(&[&body.to_string()]);
    format!("\"{}\"", print.get(..32).unwrap_or(&print))
}
