//! A resource: a path, what is served beneath it, and the warp filter that serves it.
//!
//! One table says everything about a route: method, template, who may call it, what it takes and answers. The filter, the answers to OPTIONS
//! and to wrong methods, the labels of the metrics and the OpenAPI document are all read from it, so they cannot disagree. Each
//! resource becomes one boxed filter: warp's types stay small, and a request is offered to a dozen filters, not to sixty.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use warp::http::Method;

use super::answer::Answer;
use super::auth::Role;
use super::call::Call;
use super::shape::Shape;
use utoipa::ToSchema;

type Handler = Arc<dyn Fn(Call) -> Pin<Box<dyn Future<Output = Answer> + Send>> + Send + Sync>;

/// A query parameter, for the document.
#[derive(Clone, Copy)]
pub(crate) struct Query {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    pub(crate) number: bool,
}

/// A text in the query.
pub(crate) const fn text(name: &'static str, about: &'static str) -> Query {
    Query { name, about, number: false }
}

/// A number in the query.
pub(crate) const fn number(name: &'static str, about: &'static str) -> Query {
    Query { name, about, number: true }
}

/// Filters of a list by equality.
pub(crate) fn exactly(fields: &[&'static str]) -> Vec<Query> {
    fields.iter().map(|name| text(name, "exactly this")).collect()
}

/// One route.
#[derive(Clone)]
pub(crate) struct Route {
    pub(crate) method: Method,
    /// Such as `/v1/tasks/{id}`.
    pub(crate) template: String,
    pub(crate) about: &'static str,
    pub(crate) role: Role,
    pub(crate) query: Vec<Query>,
    pub(crate) takes: Option<Shape>,
    pub(crate) status: u16,
    pub(crate) answers: Option<Shape>,
    /// Media type of the answer.
    pub(crate) media: &'static str,
    /// Whether it changes something: then it is in the audit log, and an `Idempotency-Key` means something.
    pub(crate) changes: bool,
    /// Whether a v1 client may send `Prefer`.
    pub(crate) prefer: bool,
    /// Left out of the document: there only to say that it is not there.
    pub(crate) hidden: bool,
    pub(crate) handler: Handler,
}

/// A path and its routes.
pub(crate) struct Resource {
    root: &'static str,
    pub(crate) tag: &'static str,
    pub(crate) routes: Vec<Route>,
}

impl Resource {
    /// Nothing yet, under `root`.
    pub(crate) const fn at(root: &'static str, tag: &'static str) -> Self {
        Self { root, tag, routes: Vec::new() }
    }

    fn route<H, F>(mut self, method: Method, path: &str, about: &'static str, handler: H) -> Self
    where
        H: Fn(Call) -> F + Send + Sync + 'static,
        F: Future<Output = Answer> + Send + 'static,
    {
        let changes = method != Method::GET;
        self.routes.push(Route {
            method,
            template: format!("{}{path}", self.root),
            about,
            role: if changes { Role::Operator } else { Role::Reader },
            query: Vec::new(),
            takes: None,
            status: 200,
            answers: None,
            media: "application/json",
            changes,
            prefer: false,
            hidden: false,
            handler: Arc::new(move |call| Box::pin(handler(call))),
        });
        self
    }

    /// Serves GET (and HEAD) to readers.
    pub(crate) fn get<H, F>(self, path: &str, about: &'static str, handler: H) -> Self
    where
        H: Fn(Call) -> F + Send + Sync + 'static,
        F: Future<Output = Answer> + Send + 'static,
    {
        self.route(Method::GET, path, about, handler)
    }

    /// Serves POST to operators.
    pub(crate) fn post<H, F>(self, path: &str, about: &'static str, handler: H) -> Self
    where
        H: Fn(Call) -> F + Send + Sync + 'static,
        F: Future<Output = Answer> + Send + 'static,
    {
        self.route(Method::POST, path, about, handler)
    }

    /// Serves PATCH to operators.
    pub(crate) fn patch<H, F>(self, path: &str, about: &'static str, handler: H) -> Self
    where
        H: Fn(Call) -> F + Send + Sync + 'static,
        F: Future<Output = Answer> + Send + 'static,
    {
        self.route(Method::PATCH, path, about, handler)
    }

    /// Serves DELETE to operators.
    pub(crate) fn delete<H, F>(self, path: &str, about: &'static str, handler: H) -> Self
    where
        H: Fn(Call) -> F + Send + Sync + 'static,
        F: Future<Output = Answer> + Send + 'static,
    {
        self.route(Method::DELETE, path, about, handler)
    }

    fn last(mut self, change: impl FnOnce(&mut Route)) -> Self {
        if let Some(route) = self.routes.last_mut() {
            change(route);
        }
        self
    }

    /// Who may call the last route.
    pub(crate) fn role(self, role: Role) -> Self {
        self.last(|r| r.role = role)
    }

    /// What the last route takes.
    pub(crate) fn takes<T: ToSchema>(self) -> Self {
        self.last(|r| r.takes = Some(Shape::of::<T>()))
    }

    /// What the last route answers.
    pub(crate) fn answers<T: ToSchema>(self, status: u16) -> Self {
        self.last(|r| (r.status, r.answers) = (status, Some(Shape::of::<T>())))
    }

    /// The status of the last route when it has no fixed body.
    pub(crate) fn status(self, status: u16) -> Self {
        self.last(|r| r.status = status)
    }

    /// The last route's media type.
    pub(crate) fn media(self, media: &'static str) -> Self {
        self.last(|r| r.media = media)
    }

    /// Query parameters of the last route.
    pub(crate) fn query(self, query: &[Query]) -> Self {
        self.last(|r| r.query.extend_from_slice(query))
    }

    /// The last route changes nothing, whatever its method says.
    pub(crate) fn changes_nothing(self) -> Self {
        self.last(|r| r.changes = false)
    }

    /// The last route waits for a task, as `Prefer` says.
    pub(crate) fn prefer(self) -> Self {
        self.last(|r| r.prefer = true)
    }

    /// The last route is not in the document.
    pub(crate) fn hidden(self) -> Self {
        self.last(|r| r.hidden = true)
    }

    /// The route of a path and a method. `Err` lists the methods that the path has; an empty list: the path is not this resource's.
    pub(crate) fn find(&self, method: &Method, path: &str) -> Result<(&Route, Vec<String>), Vec<Method>> {
        let asked = if method == Method::HEAD { &Method::GET } else { method };
        let mut methods = Vec::new();
        for route in &self.routes {
            let Some(params) = fit(&route.template, path) else { continue };
            if route.method == asked {
                return Ok((route, params));
            }
            if !methods.contains(&route.method) {
                methods.push(route.method.clone());
            }
        }
        Err(methods)
    }
}

/// What stands in the place of a template's parameters, decoded but for the rest of a path, which is passed on as it came. A slash at the end
/// is optional; an empty segment fits nothing.
fn fit(template: &str, path: &str) -> Option<Vec<String>> {
    let path = if path.len() > 1 { path.strip_suffix('/').unwrap_or(path) } else { path };
    let mut params = Vec::new();
    let (mut want, mut have) = (template.trim_end_matches('/').split('/'), path.split('/'));
    if path == "/" {
        return (template == "/").then_some(params);
    }
    loop {
        match (want.next(), have.next()) {
            (None, None) => return Some(params),
            (Some(w), Some(h)) if w.starts_with("{*") && !h.is_empty() => {
                let rest: Vec<&str> = std::iter::once(h).chain(have).collect();
                params.push(rest.join("/"));
                return Some(params);
            }
            (Some(w), Some(h)) if w.starts_with('{') && !h.is_empty() => params.push(decoded(h)),
            (Some(w), Some(h)) if w == h => {}
            _ => return None,
        }
    }
}

/// A segment as it was meant: an id may hold a blank or a slash, which a client writes as `%20` and `%2F`.
fn decoded(segment: &str) -> String {
    percent_encoding::percent_decode_str(segment).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slash_at_the_end_is_optional_and_an_empty_segment_is_nothing() {
        assert_eq!(fit("/v1/tasks/{id}", "/v1/tasks/a/"), Some(vec!["a".to_owned()]));
        assert_eq!(fit("/v1/tasks", "/v1/tasks"), Some(vec![]));
        assert_eq!(fit("/", "/"), Some(vec![]));
        assert_eq!(fit("/console/", "/console/"), Some(vec![]));
        assert_eq!(fit("/Nodes/{*path}", "/Nodes/1/Actions/"), Some(vec!["1/Actions".to_owned()]));
        assert_eq!(fit("/Nodes/{*path}", "/Nodes//1"), None);
        assert_eq!(fit("/v1/racks/{id}", "/v1/racks/Rack%201%2Fb%C3%A9"), Some(vec!["Rack 1/bé".to_owned()]));
        assert_eq!(fit("/Nodes/{*path}", "/Nodes/a%20b"), Some(vec!["a%20b".to_owned()]));
        for bad in ["//v1/tasks/a", "/v1//tasks/a", "/v1/tasks//", "/v1/tasks/a//", "/v1/tasks/a/b", "/V1/tasks/a", ""]
        {
            assert_eq!(fit("/v1/tasks/{id}", bad), None, "{bad}");
        }
    }
}
