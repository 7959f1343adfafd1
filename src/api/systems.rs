//! `/v1/systems`: the systems that Pod Managers have, read live.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use warp::http::header::HeaderName;

use super::answer::{self, Answer, Failure, bad_field};
use super::call::Call;
use super::resource::{Resource, text};
use super::{submit, v1};
use crate::ids::is_record_id;
use crate::model::problem::Problem;
use crate::store::records::Collection;

/// Ids of the Pod Managers whose systems are missing in an answer, because they did not answer.
const INCOMPLETE: HeaderName = HeaderName::from_static("x-valence-incomplete");

/// The routes.
pub(crate) fn resource() -> Resource {
    let podm = [text("podm_id", "the Pod Manager to ask; all of them when absent")];
    Resource::at("/v1/systems", "v1")
        .get("", "Lists systems; other query parameters are filters", list)
        .query(&podm)
        .get("/{id}", "Reads one system: a list of none or one", one)
        .query(&podm)
}

/// The Pod Manager that is asked: from the query, or as old clients do, from the GET's body.
pub(crate) async fn podm(call: &Call) -> Result<Option<String>, Failure> {
    let body = call.json()?.unwrap_or(Value::Null);
    let in_body = match body.get("podm_id") {
        None | Some(Value::Null) => None,
        Some(Value::String(id)) => Some(id.as_str()),
        Some(other) => return Err(bad_field("podm_id", &other.to_string(), "a string is wanted").into()),
    };
    let Some(id) = call.query("podm_id").or(in_body) else { return Ok(None) };
    let known: Option<Value> = if is_record_id(id) { call.app.store.record(Collection::Podm, id).await? } else { None };
    if known.is_none() { Err(submit::no_podm(id).into()) } else { Ok(Some(id.to_owned())) }
}

async fn list(call: Call) -> Answer {
    let filters = open_filters(&call, &["podm_id"])?;
    let podm_id = podm(&call).await?;
    ask(&call, "system.list", params(podm_id, json!({"filters": filters}))).await
}

async fn one(call: Call) -> Answer {
    // As of old: whatever else is asked of one system is ignored.
    let podm_id = podm(&call).await?;
    ask(&call, "system.get", params(podm_id, json!({"id": call.param(0)}))).await
}

/// v1's answer is a bare list; who is missing in it is named by a header.
pub(crate) async fn ask(call: &Call, kind: &str, params: Value) -> Answer {
    let mut said = v1::ask(call, kind, params).await?;
    let missing: Vec<String> =
        said.get_mut("incomplete").and_then(|i| serde_json::from_value(i.take()).ok()).unwrap_or_default();
    let items = said.get_mut("items").map(Value::take).unwrap_or(said);
    let mut response = answer::ok(&items);
    if !missing.is_empty() {
        answer::set_header(&mut response, INCOMPLETE, &missing.join(", "));
    }
    Ok(response)
}

/// The filters of a list whose names the worker knows: every parameter but `besides`. A repeated one uses its first value.
///
/// # Errors
/// 400 for one that is too long.
pub(crate) fn open_filters(call: &Call, besides: &[&str]) -> Result<BTreeMap<String, String>, Problem> {
    let mut filters = BTreeMap::new();
    for (name, value) in call.query.iter().filter(|(name, _)| !besides.contains(&name.as_str())) {
        if name.len() > 64 || value.len() > 256 {
            return Err(Problem::validation("a filter's name has at most 64 bytes, its value 256"));
        }
        filters.entry(name.clone()).or_insert_with(|| value.clone());
    }
    Ok(filters)
}

/// The filters of a list whose fields are known.
///
/// # Errors
/// 400 for a parameter that is neither a filter nor one of `besides`.
pub(crate) fn filters(
    call: &Call,
    known: &[&str],
    besides: &[&str],
    what: &str,
) -> Result<BTreeMap<String, String>, Problem> {
    let mut filters = BTreeMap::new();
    for (name, value) in call.query.iter().filter(|(name, _)| !besides.contains(&name.as_str())) {
        if !known.contains(&name.as_str()) {
            return Err(bad_field(name, value, &format!("{what} cannot be filtered by this")));
        }
        // A repeated parameter uses its first value.
        filters.entry(name.clone()).or_insert_with(|| value.clone());
    }
    Ok(filters)
}

/// Adds a parameter, when there is one.
pub(crate) fn add(params: &mut Value, name: &str, value: Option<&str>) {
    if let (Some(value), Some(map)) = (value, params.as_object_mut()) {
        map.insert(name.into(), value.into());
    }
}

fn params(podm_id: Option<String>, mut rest: Value) -> Value {
    add(&mut rest, "podm_id", podm_id.as_deref());
    rest
}
