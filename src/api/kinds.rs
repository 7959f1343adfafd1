//! `/v1/kinds`: every task kind with the schema of what it takes and yields.

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::answer::{self, Answer};
use super::call::Call;
use super::resource::Resource;
use crate::model::kind::{self, Kind, Mode};
use crate::model::topic::Topic;

/// A task kind.
#[derive(Serialize, ToSchema)]
pub(crate) struct KindView {
    /// Such as `node.compose`.
    name: &'static str,
    /// The service family that carries it out.
    topic: Topic,
    /// `async`: a task. `sync`: a read behind a route of its own.
    mode: &'static str,
    /// One line for people.
    about: &'static str,
    /// Whether `podm_id` must be given.
    needs_podm: bool,
    /// Whether `node_id` must be given.
    needs_node: bool,
    /// JSON Schema of its parameters.
    params: Value,
    /// JSON Schema of its result.
    result: Value,
}

/// Every task kind.
#[derive(Serialize, ToSchema)]
pub(crate) struct Kinds {
    /// In no order.
    kinds: Vec<KindView>,
}

/// The route.
pub(crate) fn resource() -> Resource {
    Resource::at("/v1/kinds", "tasks").get("", "Lists every task kind", list).answers::<Kinds>(200)
}

async fn list(call: Call) -> Answer {
    let offered = |k: &&Kind| !k.test_only || call.app.config.enable_test_kinds;
    let kinds = kind::all().filter(offered).map(view).collect();
    Ok(answer::ok(&Kinds { kinds }))
}

fn view(kind: &Kind) -> KindView {
    KindView {
        name: kind.name,
        topic: kind.topic,
        mode: if kind.mode == Mode::Sync { "sync" } else { "async" },
        about: kind.about,
        needs_podm: kind.needs_podm,
        needs_node: kind.needs_node,
        params: (kind.schema)(),
        result: (kind.result_schema)(),
    }
}
