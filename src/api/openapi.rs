//! `/openapi.json`: made from the same table that the filters are made from, so it describes every route and no other.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use serde_json::Value;
use utoipa::ToSchema;
use utoipa::openapi::path::{HttpMethod, OperationBuilder, ParameterBuilder, ParameterIn, PathItem};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::schema::{Object, ObjectBuilder, Type};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{
    ComponentsBuilder, Content, InfoBuilder, OpenApi, OpenApiBuilder, PathsBuilder, RefOr, Required, ResponseBuilder,
    Schema,
};
use warp::http::{Method, StatusCode};

use super::answer::{self, Answer};
use super::auth::Role;
use super::call::Call;
use super::resource::{Query, Resource, Route};
use super::shape::Shape;

const ABOUT: &str = "Composes bare-metal hardware over Redfish. What changes something is a task: without `Prefer` a call of version 1 \
waits for its end and answers as version 1 did; with it, it answers 202 and the task. Every error has the same five keys.";

/// An error: the five keys of every answer that is not as hoped.
#[derive(ToSchema)]
#[expect(dead_code, reason = "a shape for the document; answers are made in answer.rs")]
pub(crate) struct ErrorBody {
    /// Names this request in the logs.
    request_id: String,
    /// Short word or phrase for programs.
    code: String,
    /// HTTP status.
    status: u16,
    /// One line for people, the same for all errors of a class.
    title: String,
    /// What happened to this request.
    detail: String,
}

/// The route.
pub(crate) fn resource() -> Resource {
    Resource::at("/openapi.json", "operation").get("", "This document", document).role(Role::Anyone)
}

static DOCUMENT: LazyLock<Value> = LazyLock::new(|| serde_json::to_value(build()).unwrap_or(Value::Null));

async fn document(_call: Call) -> Answer {
    Ok(answer::ok(&*DOCUMENT))
}

/// The document; `docs/openapi.json` is this, written down.
#[must_use]
pub fn openapi() -> Value {
    DOCUMENT.clone()
}

fn build() -> OpenApi {
    let mut schemas = Vec::new();
    Shape::of::<ErrorBody>().gather(&mut schemas);
    let mut items: BTreeMap<String, Vec<(HttpMethod, OperationBuilder)>> = BTreeMap::new();
    let mut names = BTreeSet::new();
    for resource in super::resources() {
        for route in resource.routes.iter().filter(|r| !r.hidden) {
            for shape in [route.takes, route.answers].into_iter().flatten() {
                shape.gather(&mut schemas);
            }
            let Some(method) = method(&route.method) else { continue };
            let mut name = operation_id(route);
            while !names.insert(name.clone()) {
                name.push('_');
            }
            let operation = operation(route, resource.tag).operation_id(Some(name));
            items.entry(route.template.clone()).or_default().push((method, operation));
        }
    }
    let mut paths = PathsBuilder::new();
    for (path, operations) in items {
        let mut item = PathItem::default();
        for (method, operation) in operations {
            item.merge_operations(PathItem::new(method, operation));
        }
        paths = paths.path(path, item);
    }
    let components = ComponentsBuilder::new()
        .schemas_from_iter(schemas)
        .security_scheme("token", SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)));
    OpenApiBuilder::new()
        .info(InfoBuilder::new().title("Valence").version(env!("CARGO_PKG_VERSION")).description(Some(ABOUT)))
        .paths(paths)
        .components(Some(components.build()))
        .build()
}

fn method(method: &Method) -> Option<HttpMethod> {
    match method.as_str() {
        "GET" => Some(HttpMethod::Get),
        "POST" => Some(HttpMethod::Post),
        "PATCH" => Some(HttpMethod::Patch),
        "DELETE" => Some(HttpMethod::Delete),
        _ => None,
    }
}

/// Such as `get_v1_tasks_id`.
fn operation_id(route: &Route) -> String {
    let path: String = route.template.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { ' ' }).collect();
    let words: Vec<&str> = path.split_whitespace().collect();
    format!("{} {}", route.method.as_str().to_lowercase(), words.join(" ")).trim().replace(' ', "_")
}

fn operation(route: &Route, tag: &str) -> OperationBuilder {
    let mut operation = OperationBuilder::new().tag(tag).summary(Some(route.about));
    if route.role != Role::Anyone {
        operation = operation
            .description(Some(format!("Needs the role {}.", format!("{:?}", route.role).to_lowercase())))
            .security(SecurityRequirement::new("token", Vec::<String>::new()));
    }
    for name in route.template.split('/').filter_map(|s| s.strip_prefix('{')?.strip_suffix('}')) {
        operation = operation.parameter(parameter(name, ParameterIn::Path, "", Type::String));
    }
    for Query { name, about, number } in &route.query {
        let kind = if *number { Type::Integer } else { Type::String };
        operation = operation.parameter(parameter(name, ParameterIn::Query, about, kind));
    }
    if route.changes {
        let about = "1 to 255 visible ASCII characters: the same key with the same request is carried out once";
        let form = ObjectBuilder::new()
            .schema_type(Type::String)
            .min_length(Some(1))
            .max_length(Some(255))
            .pattern(Some("^[!-~]+$"));
        let parameter = parameter("Idempotency-Key", ParameterIn::Header, about, Type::String);
        operation = operation.parameter(parameter.schema(Some(form)));
    }
    if route.prefer {
        let about = "`respond-async`: answer 202 with the task at once; `wait=N`: within N seconds";
        operation = operation.parameter(parameter("Prefer", ParameterIn::Header, about, Type::String));
    }
    if let Some(shape) = route.takes {
        let body = RequestBodyBuilder::new()
            .content("application/json", Content::new(Some(shape.reference())))
            .required(Some(Required::True));
        operation = operation.request_body(Some(body.build()));
    }
    respond(operation, route)
}

fn respond(mut operation: OperationBuilder, route: &Route) -> OperationBuilder {
    let phrase = |status: u16| StatusCode::from_u16(status).ok().and_then(|s| s.canonical_reason()).unwrap_or("");
    let mut good = ResponseBuilder::new().description(phrase(route.status));
    if route.status != 204 {
        let schema: Option<RefOr<Schema>> = route.answers.map(Shape::reference);
        good = good.content(route.media, Content::new(schema));
    }
    operation = operation.response(route.status.to_string(), good);
    if route.prefer && route.status != 202 {
        let task = Content::new(Some(Shape::of::<crate::model::task::Task>().reference()));
        let accepted = ResponseBuilder::new().description("Accepted").content("application/json", task);
        operation = operation.response("202", accepted);
    }
    if route.template.ends_with("/redrive") {
        operation =
            operation.response("202", ResponseBuilder::new().description("Accepted: it follows at the wanted rate"));
    }
    let error = || Content::new(Some(Shape::of::<ErrorBody>().reference()));
    let bad = ResponseBuilder::new().description("An error, in five keys").content("application/json", error());
    operation.response("default", bad)
}

fn parameter(name: &str, place: ParameterIn, about: &str, kind: Type) -> ParameterBuilder {
    let required = if matches!(place, ParameterIn::Path) { Required::True } else { Required::False };
    let builder =
        ParameterBuilder::new().name(name).parameter_in(place).required(required).schema(Some(Object::with_type(kind)));
    if about.is_empty() { builder } else { builder.description(Some(about)) }
}
