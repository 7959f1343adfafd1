//! A recorded tree, served with one field of one resource changed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use valence::config::RedfishConfig;
use valence::model::podm::{AuthItems, Authentication, Podm};
use valence::podm::{Driver, Pool};
use valence::secret::SecretKey;
use warp::Filter;

use super::podm::{Lab, PASSWORD};

/// Resources by their path, without a slash at the end, and with their query where they have one.
#[derive(Clone, Default)]
pub struct Tree(pub BTreeMap<String, Value>);

impl Tree {
    /// Reads every `index.json` below a folder; a root is made where there is none.
    pub fn load(dir: &Path) -> Self {
        let mut all = BTreeMap::new();
        let mut folders = vec![(dir.to_owned(), "/redfish/v1".to_owned())];
        while let Some((folder, path)) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
                let name = entry.file_name().into_string().unwrap();
                if entry.file_type().unwrap().is_dir() {
                    folders.push((entry.path(), format!("{path}/{name}")));
                } else if name == "index.json"
                    && let Ok(body) = serde_json::from_slice(&std::fs::read(entry.path()).unwrap())
                {
                    all.insert(path.clone(), body);
                }
            }
        }
        let tops: BTreeSet<String> = all.keys().filter_map(|p| p.split('/').nth(3).map(str::to_owned)).collect();
        all.entry("/redfish/v1".to_owned()).or_insert_with(|| {
            tops.iter().map(|top| (top.clone(), json!({"@odata.id": format!("/redfish/v1/{top}")}))).collect()
        });
        Self(all)
    }

    /// What a simulated Pod Manager shows at some addresses.
    pub async fn of(lab: &Lab, addresses: &[String]) -> Self {
        let mut all = BTreeMap::new();
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        for address in addresses {
            let asked = client.get(format!("{}{address}", lab.url)).basic_auth("admin", Some(PASSWORD));
            all.insert(address.clone(), asked.send().await.unwrap().json().await.unwrap());
        }
        Self(all)
    }
}

struct State {
    tree: Tree,
    changed: Option<(String, Value)>,
    log: Vec<String>,
}

/// Serves the tree.
pub struct Mutant {
    state: Arc<Mutex<State>>,
    pool: Pool,
    record: Podm,
    server: tokio::task::JoinHandle<()>,
}

impl Drop for Mutant {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Mutant {
    pub async fn start(tree: Tree, driver: &str) -> Self {
        let state = Arc::new(Mutex::new(State { tree, changed: None, log: Vec::new() }));
        let served = Arc::clone(&state);
        let query = warp::query::raw().or(warp::any().map(String::new)).unify();
        let answer = warp::path::full().and(query).map(move |path: warp::path::FullPath, query: String| {
            let path = path.as_str().trim_end_matches('/').to_owned();
            let mut state = served.lock().unwrap();
            let whole = format!("{path}?{query}");
            let path = if state.tree.0.contains_key(&whole) { whole } else { path };
            state.log.push(path.clone());
            let changed = state.changed.as_ref().filter(|(at, _)| *at == path).map(|(_, body)| body);
            match changed.or_else(|| state.tree.0.get(&path)) {
                Some(body) => warp::reply::with_status(warp::reply::json(body), warp::http::StatusCode::OK),
                None => warp::reply::with_status(warp::reply::json(&json!({})), warp::http::StatusCode::NOT_FOUND),
            }
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = tokio::spawn(warp::serve(answer).incoming(listener).run());
        let dir = tempfile::tempdir().unwrap();
        let key = Arc::new(SecretKey::create(&dir.path().join("key")).unwrap());
        let config = RedfishConfig {
            allow_cidrs: vec!["127.0.0.0/8".parse().unwrap()],
            auth: valence::config::AuthMode::Basic,
            ..RedfishConfig::default()
        };
        let pool = Pool::new(&config, Some(Arc::clone(&key))).unwrap();
        let id = valence::ids::new_record_id();
        let auth_items = AuthItems { username: "admin".into(), password: key.seal(&id, "x").unwrap() };
        let authentication = vec![Authentication { kind: "basic".into(), auth_items }];
        let record = Podm { authentication, ..Podm::new(&id, "mutant", &url, driver) };
        Self { state, pool, record, server }
    }

    pub fn driver(&self) -> Arc<dyn Driver> {
        self.pool.connect(&self.record, None).unwrap()
    }

    /// The paths that were asked for since it was called last.
    pub fn take_log(&self) -> Vec<String> {
        std::mem::take(&mut self.state.lock().unwrap().log)
    }

    /// Changes one field of one resource, and none else; `None` leaves it out.
    pub fn set(&self, path: &str, field: &str, to: Option<Value>) {
        let mut state = self.state.lock().unwrap();
        let mut body = state.tree.0[path].clone();
        put(&mut body, &field.split('/').collect::<Vec<_>>(), to);
        state.changed = Some((path.to_owned(), body));
    }

    pub fn reset(&self) {
        self.state.lock().unwrap().changed = None;
    }
}

fn put(body: &mut Value, field: &[&str], to: Option<Value>) {
    let (first, rest) = field.split_first().unwrap();
    match (body, rest.is_empty(), to) {
        (Value::Object(map), true, Some(to)) => drop(map.insert((*first).to_owned(), to)),
        (Value::Object(map), true, None) => drop(map.remove(*first)),
        (Value::Array(items), true, Some(to)) => items[0] = to,
        (Value::Array(items), true, None) => drop(items.remove(0)),
        (Value::Object(map), false, to) => put(map.get_mut(*first).unwrap(), rest, to),
        (Value::Array(items), false, to) => put(&mut items[0], rest, to),
        other => panic!("{other:?}"),
    }
}

/// Every field of a resource, `A/B` inside an object, `A/0` the first item of an array; names with a slash are left out.
pub fn fields(body: &Value) -> Vec<String> {
    let mut all = Vec::new();
    let inner: Vec<(String, &Value)> = match body {
        Value::Object(map) => map.iter().map(|(name, value)| (name.clone(), value)).collect(),
        Value::Array(items) => items.first().map(|item| ("0".to_owned(), item)).into_iter().collect(),
        _ => Vec::new(),
    };
    for (name, value) in inner.into_iter().filter(|(name, _)| !name.contains('/')) {
        all.extend(fields(value).into_iter().map(|below| format!("{name}/{below}")));
        all.push(name);
    }
    all
}

/// What a resource is, for which one of a sort stands.
pub fn schema(path: &str, body: &Value) -> String {
    let kind = body["@odata.type"].as_str().map(|k| k.trim_start_matches('#').split('.').next().unwrap().to_owned());
    if path.contains('?') {
        return path.to_owned();
    }
    kind.unwrap_or_else(|| path.rsplit('/').nth(1).unwrap_or_default().to_owned())
}
