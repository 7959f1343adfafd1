//! `/v1/placements`: where a node would be composed, and why. Nothing is reserved, nothing is stored.

use serde_json::json;

use super::answer::Answer;
use super::call::{Call, read};
use super::nodes::{ComposeBody, both_given};
use super::resource::Resource;
use super::{submit, v1};
use crate::ids::is_record_id;
use crate::model::kind;
use crate::model::placement::Placement;
use crate::store::records::Collection;

/// The routes.
pub(crate) fn resource() -> Resource {
    Resource::at("/v1/placements", "v1")
        .post("", "Says where a compose with this body would place its node, and why", preview)
        .takes::<ComposeBody>()
        .answers::<Placement>(200)
        .changes_nothing()
}

async fn preview(call: Call) -> Answer {
    let body = call.needed_json()?;
    kind::no_nulls(&body)?;
    let given: ComposeBody = read(&body)?;
    let mut params = v1::without(body, &["podm_id"]);
    if let Some(id) = &given.podm_id {
        if given.hints.is_some() {
            return Err(both_given().into());
        }
        if !is_record_id(id) || !submit::exists(&call.app, Collection::Podm, id).await? {
            return Err(submit::no_podm(id).into());
        }
        if let Some(map) = params.as_object_mut() {
            map.insert("hints".into(), json!({ "podm_ids": [id] }));
        }
    }
    if let Some(id) = &given.flavor_id
        && !submit::exists(&call.app, Collection::Flavor, id).await?
    {
        return Err(submit::no_flavor(id).into());
    }
    v1::answer(&call, "placement.preview", params).await
}
