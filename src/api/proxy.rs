//! The raw proxy: seven first segments whose requests are passed on to a Pod Manager, as old clients expect. Operators only.
//!
//! Reads are sync tasks, changes tasks; both pass the Pod Manager's gates. The answer is the Pod Manager's own.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};
use warp::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, X_CONTENT_TYPE_OPTIONS};
use warp::http::{HeaderValue, StatusCode};
use warp::reply::Reply;

use super::answer::{self, Answer, Failure};
use super::auth::Role;
use super::call::Call;
use super::resource::Resource;
use super::{nodes, submit, v1};
use crate::ids::is_record_id;
use crate::model::kind::proxy::{ANSWER_BYTES, SEGMENTS};
use crate::model::problem::Problem;
use crate::store::records::Collection;

/// The routes.
pub(crate) fn resource() -> Resource {
    let about = "Passed on to a Pod Manager";
    let mut routes = Resource::at("", "proxy");
    for segment in SEGMENTS {
        for path in [format!("/{segment}"), format!("/{segment}/{{*path}}")] {
            routes = routes
                .get(&path, about, read)
                .role(Role::Operator)
                .hidden()
                .post(&path, about, write)
                .hidden()
                .patch(&path, about, write)
                .hidden()
                .delete(&path, about, write)
                .hidden();
        }
    }
    routes
}

async fn read(call: Call) -> Answer {
    let podm_id = podm(&call).await?;
    let params = json!({"podm_id": podm_id, "method": "GET", "path": target(&call)});
    passed_on(&v1::ask(&call, "proxy.read", params).await?)
}

async fn write(call: Call) -> Answer {
    let mut params = json!({"method": call.method.as_str(), "path": target(&call)});
    let body = call.json()?;
    // Elsewhere in v1 there is no body without a JSON content type. Here a change would be sent that is not the one that was asked for.
    if body.is_none() && !call.body.is_empty() {
        let detail = "only JSON is passed on, and its Content-Type must say so";
        return Err(Problem::unsupported_media_type(detail).into());
    }
    if let (Some(body), Some(map)) = (body, params.as_object_mut()) {
        map.insert("body".into(), body);
    }
    let mut task = v1::change("proxy.write", params);
    task.podm_id = Some(podm(&call).await?);
    v1::act(&call, task, passed_on).await
}

/// The Pod Manager of the query, else the configured one, else the only one. The body is not ours to look into.
async fn podm(call: &Call) -> Result<String, Failure> {
    let Some(id) = call.query("podm_id") else { return nodes::default_podm(call).await };
    let known: Option<Value> = if is_record_id(id) { call.app.store.record(Collection::Podm, id).await? } else { None };
    if known.is_none() { Err(submit::no_podm(id).into()) } else { Ok(id.to_owned()) }
}

/// Path and query as they came, without our own parameter.
fn target(call: &Call) -> String {
    let path = call.path.trim_start_matches('/');
    let ours = |pair: &&str| pair.is_empty() || *pair == "podm_id" || pair.starts_with("podm_id=");
    let query: Vec<&str> = call.raw_query.split('&').filter(|pair| !ours(pair)).collect();
    if query.is_empty() { path.to_owned() } else { format!("{path}?{}", query.join("&")) }
}

/// The Pod Manager's answer as it is. A page of it must not run as one of ours.
fn passed_on(result: &Value) -> Answer {
    let status =
        result["status"].as_u64().and_then(|s| u16::try_from(s).ok()).and_then(|s| StatusCode::from_u16(s).ok());
    let (Some(status), Some(body)) = (status, result["body"].as_str()) else {
        let detail = format!(
            "the request was sent and answered, but the answer is too large to be passed on: {} bytes of JSON, and at most {ANSWER_BYTES} \
             are kept",
            result["bytes"]
        );
        return Err(Problem::bad_gateway(detail).into());
    };
    let bytes = if result["base64"] == true { BASE64.decode(body).ok() } else { Some(body.as_bytes().to_vec()) };
    let bytes = bytes.ok_or_else(|| Problem::internal("the stored answer cannot be read"))?;
    let mut response = warp::reply::with_status(bytes, status).into_response();
    response.headers_mut().remove(CONTENT_TYPE);
    for pair in result["headers"].as_array().into_iter().flatten() {
        let (name, value) = (pair[0].as_str().unwrap_or_default(), pair[1].as_str().unwrap_or_default());
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::from_str(value)) {
            response.headers_mut().append(name, value);
        }
    }
    if status == StatusCode::NO_CONTENT {
        answer::set_header(&mut response, CONTENT_TYPE, "application/json");
    }
    answer::set_header(&mut response, X_CONTENT_TYPE_OPTIONS, "nosniff");
    answer::set_header(&mut response, CONTENT_SECURITY_POLICY, "sandbox; default-src 'none'");
    Ok(response)
}
