//! `/v1/racks`: the racks that Pod Managers have, read live.

use serde_json::{Value, json};

use super::answer::{Answer, Failure, bad_field};
use super::call::Call;
use super::resource::{Query, Resource, text};
use super::systems;

const PODM: Query = text("podm_id", "the Pod Manager to ask; all of them when absent");
const DETAIL: Query = text("show_detail", "true: maker, model, description and serial number too");

/// Words for yes and no, as the first Valence read them.
const YES: [&str; 6] = ["true", "yes", "t", "1", "on", "y"];
const NO: [&str; 7] = ["false", "no", "f", "0", "off", "n", ""];

/// The routes.
pub(crate) fn resource() -> Resource {
    Resource::at("/v1/racks", "v1")
        .get("", "Lists racks; other query parameters are filters", list)
        .query(&[PODM, DETAIL])
        .get("/{id}", "Reads one rack with its detail: a list of none or one", one)
        .query(&[PODM])
}

async fn list(call: Call) -> Answer {
    let filters = systems::open_filters(&call, &["podm_id", "show_detail"])?;
    let mut params = json!({"filters": filters, "show_detail": show_detail(&call)?});
    systems::add(&mut params, "podm_id", systems::podm(&call).await?.as_deref());
    systems::ask(&call, "rack.list", params).await
}

async fn one(call: Call) -> Answer {
    // As of old: whatever else is asked of one rack is ignored.
    let mut params = json!({"id": call.param(0), "show_detail": true});
    systems::add(&mut params, "podm_id", systems::podm(&call).await?.as_deref());
    systems::ask(&call, "rack.get", params).await
}

/// From the query, or as old clients do, from the GET's body.
fn show_detail(call: &Call) -> Result<bool, Failure> {
    let body = call.json()?.unwrap_or(Value::Null);
    let said = match (call.query("show_detail"), body.get("show_detail")) {
        (Some(word), _) => word.to_lowercase(),
        (None, None | Some(Value::Null)) => return Ok(false),
        (None, Some(Value::Bool(yes))) => return Ok(*yes),
        (None, Some(Value::String(word))) => word.to_lowercase(),
        (None, Some(other)) => other.to_string(),
    };
    match said.as_str() {
        yes if YES.contains(&yes) => Ok(true),
        no if NO.contains(&no) => Ok(false),
        other => Err(bad_field("show_detail", other, "true or false is wanted").into()),
    }
}
