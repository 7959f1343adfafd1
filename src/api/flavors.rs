//! `/v1/flavors`: named requirements.

use serde_json::{Value, json};

use super::answer::{Answer, Failure, bad_field};
use super::call::{Call, read};
use super::resource::Resource;
use super::{submit, v1};
use crate::ids::is_record_id;
use crate::model::flavor::Flavor;
use crate::model::params::{FlavorCreate, FlavorUpdate};

/// Fields of the row that a PATCH does not change, and the description, which was never kept.
const FIXED: [&str; 4] = ["uuid", "description", "created_at", "updated_at"];

/// The routes.
pub(crate) fn resource() -> Resource {
    Resource::at("/v1/flavors", "v1")
        .get("", "Lists flavors", list)
        .answers::<FlavorList>(200)
        .post("", "Stores a flavor", create)
        .takes::<FlavorCreate>()
        .answers::<Flavor>(200)
        .prefer()
        .get("/{uuid}", "Reads a flavor", one)
        .answers::<Flavor>(200)
        .patch("/{uuid}", "Changes a flavor; `properties` is replaced whole", update)
        .takes::<FlavorChange>()
        .answers::<Flavor>(200)
        .prefer()
        .delete("/{uuid}", "Deletes a flavor", delete)
        .prefer()
}

/// Flavors.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "a shape for the document")]
pub(crate) struct FlavorList(Vec<Flavor>);

/// What a PATCH of a flavor may carry.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "a shape for the document; FlavorUpdate, which also carries the id, is what is read")]
pub(crate) struct FlavorChange {
    /// Name.
    name: Option<String>,
    /// What a node of it must have.
    properties: Option<crate::model::flavor::Requirements>,
}

async fn list(call: Call) -> Answer {
    v1::answer(&call, "flavor.list", json!({})).await
}

async fn one(call: Call) -> Answer {
    known_form(&call)?;
    v1::answer(&call, "flavor.get", json!({"id": call.param(0)})).await
}

fn known_form(call: &Call) -> Result<(), Failure> {
    if is_record_id(call.param(0)) { Ok(()) } else { Err(submit::no_flavor(call.param(0)).into()) }
}

async fn create(call: Call) -> Answer {
    let body = call.needed_json()?;
    let _schema: FlavorCreate = read(&body)?;
    v1::act(&call, v1::change("flavor.create", body), v1::result).await
}

async fn update(call: Call) -> Answer {
    known_form(&call)?;
    let mut body = v1::changes(&call, &FIXED)?;
    if let Some(given) = body.get("flavor_id") {
        return Err(bad_field("flavor_id", &given.to_string(), "no such field").into());
    }
    if let Some(map) = body.as_object_mut() {
        map.insert("flavor_id".into(), Value::String(call.param(0).to_owned()));
    }
    let _schema: FlavorUpdate = read(&body)?;
    v1::act(&call, v1::change("flavor.update", body), v1::result).await
}

async fn delete(call: Call) -> Answer {
    known_form(&call)?;
    v1::act(&call, v1::change("flavor.delete", json!({"flavor_id": call.param(0)})), v1::result).await
}
