//! A small Ironic behind a small Keystone, with switches: it keeps nodes and ports, wants a token, and can lose an answer.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use valence::config::IronicConfig;
use warp::Filter as _;
use warp::http::{HeaderMap, Method, Response};

const TOKEN: &str = "canary-token";

#[derive(Default)]
pub struct State {
    pub nodes: BTreeMap<String, Value>,
    pub ports: BTreeMap<String, Value>,
    /// Every changing request, as method and path.
    pub changes: Vec<String>,
    /// What was sent to Keystone.
    pub log_ins: Vec<Value>,
    /// The next node is made, and a gateway says that it does not know.
    pub lose_next_node: bool,
    /// Every port is refused with the words.
    pub refuse_ports: Option<String>,
    /// Every request, as method and path.
    pub asked: Vec<(String, String)>,
    /// A fault switch as a simulated Pod Manager's: `method`, `path_prefix`, `skip`, and `status`, `cut` or `hang`. It holds once. A
    /// connection that is cut looks like a gateway that does not know.
    pub fault: Option<Value>,
    /// The switch has met its request.
    pub fired: bool,
}

pub struct Guarded {
    pub url: String,
    pub state: Arc<Mutex<State>>,
    serving: tokio::task::JoinHandle<()>,
}

impl Drop for Guarded {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Guarded {
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(Mutex::new(State::default()));
        let (shared, base) = (Arc::clone(&state), url.clone());
        let routes =
            warp::method().and(warp::path::full()).and(warp::header::headers_cloned()).and(warp::body::bytes());
        let routes =
            routes.then(move |method: Method, path: warp::path::FullPath, headers: HeaderMap, body: bytes::Bytes| {
                let answer = {
                    let mut state = shared.lock().unwrap();
                    let fault = state.fault_at(method.as_str(), path.as_str());
                    state.faulty(&fault, |state| {
                        let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
                        match path.as_str().strip_prefix("/metal/v1/") {
                            Some(_) if headers.get("x-auth-token").is_none_or(|t| t != TOKEN) => {
                                refused(401, &format!("no token: {}", body["driver_info"]["redfish_password"]))
                            }
                            Some(path) => state.ironic(method.as_str(), path, &body),
                            None => state.keystone(path.as_str(), body, &base),
                        }
                    })
                };
                async move {
                    match answer {
                        Some(answer) => answer,
                        None => std::future::pending().await,
                    }
                }
            });
        let serving = tokio::spawn(warp::serve(routes.boxed()).incoming(listener).run());
        Self { url, state, serving }
    }

    pub fn config(&self, password: &str) -> IronicConfig {
        IronicConfig {
            auth_url: Some(self.url.clone()),
            username: Some("valence".into()),
            password: Some(password.to_owned().into()),
            project: Some("service".into()),
            region: Some("two".into()),
            ..IronicConfig::default()
        }
    }
}

impl State {
    /// Notes a request, and says what goes wrong with it.
    fn fault_at(&mut self, method: &str, path: &str) -> Value {
        self.asked.push((method.to_owned(), path.to_owned()));
        let Some(fault) = self.fault.as_mut().filter(|_| !self.fired) else { return Value::Null };
        if fault["method"] != method || !path.starts_with(fault["path_prefix"].as_str().unwrap()) {
            return Value::Null;
        }
        if let skip @ 1.. = fault["skip"].as_u64().unwrap() {
            fault["skip"] = json!(skip - 1);
            return Value::Null;
        }
        self.fired = true;
        fault.clone()
    }

    /// The answer, or what a fault makes of it; `None`: there is none.
    fn faulty(&mut self, fault: &Value, act: impl FnOnce(&mut Self) -> Response<String>) -> Option<Response<String>> {
        if fault.is_null() {
            return Some(act(self));
        }
        if fault["cut"] == "after" {
            act(self);
        }
        match (fault["hang"] == true, fault["status"].as_u64()) {
            (true, _) => None,
            (false, Some(status)) => Some(refused(u16::try_from(status).unwrap(), "not today")),
            (false, None) => Some(Response::builder().status(504).body(String::new()).unwrap()),
        }
    }

    fn keystone(&mut self, path: &str, body: Value, base: &str) -> Response<String> {
        assert_eq!(path, "/v3/auth/tokens");
        let password = body["auth"]["identity"]["password"]["user"]["password"].clone();
        self.log_ins.push(body);
        if password != "right" {
            return said(
                401,
                &json!({"error": {"code": 401, "message": format!("who is {password}?"), "title": "Unauthorized"}}),
            );
        }
        let endpoint = |region: &str, interface: &str, url: String| json!({"region_id": region, "interface": interface, "url": url});
        let metal = [
            endpoint("one", "public", "http://127.0.0.1:1".into()),
            endpoint("two", "internal", "http://127.0.0.1:1".into()),
            endpoint("two", "public", format!("{base}/metal")),
        ];
        let catalog = json!([{"type": "compute", "endpoints": []}, {"type": "baremetal", "endpoints": metal}]);
        let mut answer = said(201, &json!({"token": {"catalog": catalog}}));
        answer.headers_mut().insert("x-subject-token", TOKEN.parse().unwrap());
        answer
    }

    fn ironic(&mut self, method: &str, path: &str, body: &Value) -> Response<String> {
        if method != "GET" {
            self.changes.push(format!("{method} {path}"));
        }
        let parts: Vec<&str> = path.split('/').collect();
        match (method, parts.as_slice()) {
            ("POST", ["nodes"]) => {
                let uuid = body["uuid"].as_str().unwrap().to_owned();
                if self.nodes.contains_key(&uuid) {
                    return refused(409, "there is one");
                }
                self.nodes.insert(uuid, body.clone());
                if std::mem::take(&mut self.lose_next_node) {
                    return Response::builder().status(504).body(String::new()).unwrap();
                }
                said(201, body)
            }
            ("POST", ["ports"]) => {
                if let Some(why) = &self.refuse_ports {
                    return refused(400, why);
                }
                let uuid = uuid::Uuid::new_v4().to_string();
                let port = json!({"uuid": uuid, "address": body["address"], "node_uuid": body["node_uuid"]});
                self.ports.insert(uuid, port.clone());
                said(201, &port)
            }
            ("GET", ["nodes", uuid]) => {
                self.nodes.get(*uuid).map_or_else(|| refused(404, "none"), |node| said(200, node))
            }
            ("GET", ["nodes", uuid, "ports"]) => {
                let ports: Vec<&Value> = self.ports.values().filter(|p| p["node_uuid"] == *uuid).collect();
                said(200, &json!({"ports": ports}))
            }
            ("DELETE", ["nodes", uuid]) => {
                self.ports.retain(|_, port| port["node_uuid"] != *uuid);
                self.nodes.remove(*uuid);
                Response::builder().status(204).body(String::new()).unwrap()
            }
            ("DELETE", ["ports", uuid]) => {
                self.ports.remove(*uuid);
                Response::builder().status(204).body(String::new()).unwrap()
            }
            _ => refused(404, path),
        }
    }
}

fn said(status: u16, body: &Value) -> Response<String> {
    Response::builder().status(status).header("content-type", "application/json").body(body.to_string()).unwrap()
}

fn refused(status: u16, why: &str) -> Response<String> {
    said(status, &json!({"error_message": json!({"faultcode": "Client", "faultstring": why}).to_string()}))
}
