//! A small Pod Manager that answers as the one did that the transcripts were taken with: what was recorded of it, and nodes that are allocated,
//! assembled, changed and deleted. Resources that nothing recorded names have an id and a name only.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use serde_json::{Value, json};
use warp::Filter as _;
use warp::http::header::AUTHORIZATION;
use warp::http::{HeaderMap, Method, Response};

use super::fakesystems;
use super::transcripts::Step;

const ROOT: &str = "/redfish/v1";
/// Service root's collections.
const COLLECTIONS: [&str; 7] =
    ["Chassis", "Services", "Managers", "Systems", "EventService", "Nodes", "EthernetSwitches"];

pub struct FakePodm {
    pub url: String,
    serving: tokio::task::JoinHandle<()>,
}

impl Drop for FakePodm {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

struct State {
    tree: BTreeMap<String, Value>,
    nodes: BTreeMap<u32, Value>,
    /// Nodes are made of these, and none is made without one; no node gets the id of an earlier one.
    systems: Vec<String>,
    made: u32,
}

impl FakePodm {
    /// With what proxied reads among these steps were answered.
    pub async fn start(steps: &[(String, Step)], password: &str) -> Self {
        Self::serve(recorded(steps), Vec::new(), password).await
    }

    /// With whole systems besides: three, for three nodes at once. A node named `fail-assemble` or `fail-delete` does what it is called.
    pub async fn with_systems(steps: &[(String, Step)], password: &str) -> Self {
        let mut tree = recorded(steps);
        // The systems' own resources have more to say than what a collection of them told.
        tree.extend(fakesystems::tree(steps));
        Self::serve(tree, (1..=3).map(|n| format!("{ROOT}/Systems/{n}")).collect(), password).await
    }

    async fn serve(tree: BTreeMap<String, Value>, systems: Vec<String>, password: &str) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(Mutex::new(State { tree, nodes: BTreeMap::new(), systems, made: 0 }));
        let basic = format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(format!("admin:{password}")));
        let routes =
            warp::method().and(warp::path::full()).and(warp::header::headers_cloned()).and(warp::body::bytes());
        let base = url.clone();
        let routes =
            routes.map(move |method: Method, path: warp::path::FullPath, headers: HeaderMap, body: bytes::Bytes| {
                if headers.get(AUTHORIZATION).is_none_or(|given| given != basic.as_str())
                    && path.as_str().trim_end_matches('/') != ROOT
                {
                    return error(401, "unknown error", "who are you?");
                }
                let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
                state.lock().unwrap().answer(&method, path.as_str().trim_end_matches('/'), &body, &base)
            });
        let serving = tokio::spawn(warp::serve(routes.boxed()).incoming(listener).run());
        Self { url, serving }
    }
}

fn recorded(steps: &[(String, Step)]) -> BTreeMap<String, Value> {
    let mut tree = BTreeMap::new();
    let mut root = json!({"@odata.id": ROOT, "Id": "RootService", "Name": "Root Service", "RedfishVersion": "1.0.0"});
    for name in COLLECTIONS {
        root[name] = json!({"@odata.id": format!("{ROOT}/{name}")});
    }
    tree.insert(ROOT.to_owned(), root);
    let read = steps.iter().filter(|(_, s)| s.request.method == "GET" && s.response.status == 200);
    for body in read.filter_map(|(_, s)| s.response.json.as_ref()) {
        let Some(id) = body["@odata.id"].as_str() else { continue };
        for member in body["Members"].as_array().into_iter().flatten().filter_map(|m| m["@odata.id"].as_str()) {
            let name = member.rsplit('/').next().unwrap();
            let bare = json!({"@odata.id": member, "Id": name, "Name": name});
            tree.entry(member.to_owned()).or_insert(bare);
        }
        tree.insert(id.to_owned(), body.clone());
    }
    tree
}

impl State {
    fn answer(&mut self, method: &Method, path: &str, body: &Value, base: &str) -> Response<String> {
        let nodes = format!("{ROOT}/Nodes");
        let missing = || error(404, "The resource is missing", &format!("{path} does not exist"));
        let Some(rest) = path.strip_prefix(&nodes) else {
            return match self.tree.get(path) {
                Some(found) if method == Method::GET => said(200, found),
                Some(_) => error(405, "not allowed", "not allowed"),
                None => missing(),
            };
        };
        let mut parts = rest.trim_start_matches('/').split('/');
        match (method.as_str(), parts.next().unwrap_or_default(), parts.next_back()) {
            ("GET", "", None) => {
                let members: Vec<Value> =
                    self.nodes.keys().map(|n| json!({"@odata.id": format!("{nodes}/{n}")})).collect();
                let mut list = self.tree[&nodes].clone();
                list["Members@odata.count"] = json!(members.len());
                list["Members"] = json!(members);
                said(200, &list)
            }
            ("POST", "Actions", Some("Allocate")) => {
                let Some((id, system)) = self.place() else {
                    let words = ["No computer system fits.", "available: 0"];
                    return refused(409, "ResourcesStateMismatch", "Conflict during allocation", &words);
                };
                self.nodes.insert(id, node(id, &system, !self.systems.is_empty(), body));
                let location = format!("{base}{nodes}/{id}");
                Response::builder().status(201).header("Location", location).body(String::new()).unwrap()
            }
            (method, id, action) => {
                let id = id.parse().unwrap_or_default();
                let Some(node) = self.nodes.get_mut(&id) else { return missing() };
                match (method, action) {
                    ("GET", None) => return said(200, node),
                    ("POST", Some("ComposedNode.Assemble")) if node["Name"] == "fail-assemble" => {
                        return refused(400, "InvalidPayload", "Assembly failed", &["Wrong node state"]);
                    }
                    ("DELETE", None) if node["Name"] == "fail-delete" => {
                        return refused(500, "UnknownException", "Node cannot be disassembled", &["Power off failed"]);
                    }
                    ("POST", Some("ComposedNode.Assemble")) => node["ComposedNodeState"] = json!("Assembled"),
                    ("POST", Some("ComposedNode.Reset")) => {
                        let off = body["ResetType"].as_str().is_some_and(|kind| kind.ends_with("Off"));
                        node["PowerState"] = json!(if off { "Off" } else { "On" });
                    }
                    ("PATCH", None) => {
                        for (key, value) in body["Boot"].as_object().into_iter().flatten() {
                            node["Boot"][key] = value.clone();
                        }
                    }
                    ("DELETE", None) => drop(self.nodes.remove(&id)),
                    _ => return error(405, "not allowed", "not allowed"),
                }
                Response::builder().status(204).body(String::new()).unwrap()
            }
        }
    }
}

impl State {
    /// The next node's id, and its system: the first that is free.
    fn place(&mut self) -> Option<(u32, String)> {
        if self.systems.is_empty() {
            let id = (1..).find(|n| !self.nodes.contains_key(n))?;
            return Some((id, format!("{ROOT}/Systems/{id}")));
        }
        let of = |node: &Value| node["Links"]["ComputerSystem"]["@odata.id"].clone();
        let free = |system: &&String| self.nodes.values().all(|node| of(node) != system.as_str());
        let system = self.systems.iter().find(free)?.clone();
        self.made += 1;
        Some((self.made, system))
    }
}

fn node(id: u32, system: &str, whole: bool, asked: &Value) -> Value {
    let path = format!("{ROOT}/Nodes/{id}");
    let action = |name: &str| json!({"target": format!("{path}/Actions/ComposedNode.{name}")});
    let part = |of: &str| json!({"@odata.id": format!("{system}{of}")});
    let mut links = json!({"ComputerSystem": part("")});
    if whole {
        links["Processors"] = json!([part("/Processors/1"), part("/Processors/2")]);
        links["Memory"] = json!([part("/Memory/1")]);
        links["EthernetInterfaces"] = json!([part("/EthernetInterfaces/1")]);
    }
    let mut reset = action("Reset");
    reset["ResetType@Redfish.AllowableValues"] = json!(["On", "ForceOn", "ForceOff", "GracefulRestart"]);
    json!({
        "@odata.id": path, "Id": id.to_string(), "UUID": uuid::Uuid::new_v4(), "ComposedNodeState": "Allocated", "PowerState": "Off",
        "Name": asked["Name"], "Description": asked["Description"].as_str().unwrap_or_default(),
        "Status": {"State": "Enabled", "Health": "OK"},
        "Boot": {"BootSourceOverrideEnabled": "Disabled", "BootSourceOverrideTarget": "None",
            "BootSourceOverrideTarget@Redfish.AllowableValues": ["None", "Pxe", "Hdd"]},
        "Links": links,
        "Actions": {"#ComposedNode.Reset": reset, "#ComposedNode.Assemble": action("Assemble")},
    })
}

fn said(status: u16, body: &Value) -> Response<String> {
    Response::builder().status(status).header("content-type", "application/json").body(body.to_string()).unwrap()
}

fn error(status: u16, message: &str, detail: &str) -> Response<String> {
    refused(status, if status == 404 { "ResourceMissingAtURI" } else { "GeneralError" }, message, &[detail])
}

fn refused(status: u16, code: &str, message: &str, details: &[&str]) -> Response<String> {
    let info: Vec<Value> = details.iter().map(|detail| json!({"Message": detail})).collect();
    let error = json!({"code": format!("Base.1.0.{code}"), "message": message, "@Message.ExtendedInfo": info});
    said(status, &json!({"error": error}))
}
