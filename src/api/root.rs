//! `/` and `/v1`: what the old service said of itself.

use serde_json::{Value, json};

use super::answer::{self, Answer};
use super::auth::Role;
use super::call::Call;
use super::resource::Resource;

/// The routes.
pub(crate) fn resource() -> Resource {
    Resource::at("", "v1")
        .get("/", "Versions of the API", versions)
        .role(Role::Anyone)
        .get("/v1", "Links to the resources of version 1", version)
        .role(Role::Anyone)
}

fn link(href: String, rel: &str) -> Value {
    json!({"href": href, "rel": rel})
}

async fn versions(call: Call) -> Answer {
    let own = link(format!("{}/v1/", call.base()), "self");
    let version = json!({"id": "v1", "status": "CURRENT", "min_version": "", "links": [own]});
    Ok(answer::ok(&json!({
        "name": "OpenStack Valence API",
        "description": "Valence is an OpenStack project",
        "versions": [version],
    })))
}

async fn version(call: Call) -> Answer {
    let base = call.base();
    let mut body = json!({
        "id": "v1",
        "links": [
            link(format!("{base}/v1/"), "self"),
            {"href": "https://docs.openstack.org/developer/valence/dev/api-spec-v1.html", "rel": "describedby", "type": "text/html"},
        ],
        "media_types": [{"base": "application/json", "type": "application/vnd.openstack.valence.v1+json"}],
    });
    if let Some(map) = body.as_object_mut() {
        for name in ["nodes", "storages", "flavors", "systems", "pod_managers"] {
            let links = [link(format!("{base}/v1/{name}/"), "self"), link(format!("{base}/{name}/"), "bookmark")];
            map.insert(name.into(), json!(links));
        }
    }
    Ok(answer::ok(&body))
}
