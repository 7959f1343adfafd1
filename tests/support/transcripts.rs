//! Recorded conversations with the first Valence, asked again of this one.
//!
//! A step is a request and what was answered then. Answers are compared as parsed JSON, without what differs from run to run: ids, times, the
//! server's address, `request_id`, the order of a list, the wording of validation errors (the field they name counts), and
//! passwords, which were shown once.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use reqwest::{Method, Response};
use serde::Deserialize;
use serde_json::{Map, Value};

/// Where the server listened when the transcripts were taken.
const THEN: &str = "http://127.0.0.1:8181";

#[derive(Deserialize)]
pub struct Step {
    pub name: String,
    pub request: Request,
    pub response: Answer,
    #[serde(default)]
    pub captured: BTreeMap<String, Option<String>>,
}

#[derive(Deserialize)]
pub struct Request {
    pub method: String,
    pub path_template: String,
    pub headers: BTreeMap<String, String>,
    pub body_template: Value,
    pub raw_body: Option<String>,
}

/// What was, or is, answered; `json` is null where the body was none.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Answer {
    pub status: u16,
    pub json: Option<Value>,
}

/// A difference that is meant.
pub struct Meant {
    /// The step's name, with its number.
    pub step: &'static str,
    /// Status now.
    pub status: u16,
    /// Title of the error now; empty where the answer is no error.
    pub title: &'static str,
    /// The only key that differs; empty where all may.
    pub key: &'static str,
    /// Why: the bug that is not repeated, or what was decided.
    pub why: &'static str,
}

impl Meant {
    fn allows(&self, then: &Answer, now: &Answer) -> bool {
        let without = |answer: &Answer| {
            let mut json = answer.json.clone().unwrap_or_default();
            let rows = if let Value::Array(rows) = &mut json { rows.iter_mut().collect() } else { vec![&mut json] };
            rows.into_iter().filter_map(Value::as_object_mut).for_each(|row| drop(row.remove(self.key)));
            json
        };
        self.key.is_empty() || without(then) == without(now)
    }
}

/// The steps of a scenario, in order, with the names of their files; none, and a line that says so, where they are not at hand.
pub fn steps(scenario: &str) -> Vec<(String, Step)> {
    let named = std::env::var_os("VALENCE_TRANSCRIPTS").map(PathBuf::from);
    let all = named.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/reference/transcripts"));
    let Ok(files) = std::fs::read_dir(all.join(scenario)) else {
        println!("skipped: no transcripts (VALENCE_TRANSCRIPTS)");
        return Vec::new();
    };
    let mut files: Vec<PathBuf> =
        files.map(|f| f.unwrap().path()).filter(|p| p.extension().is_some_and(|e| e == "json")).collect();
    files.sort();
    let read = |p: PathBuf| {
        let step =
            serde_json::from_slice(&std::fs::read(&p).unwrap()).unwrap_or_else(|e| panic!("{}: {e}", p.display()));
        (p.file_stem().unwrap().to_string_lossy().into_owned(), step)
    };
    files.into_iter().map(read).collect()
}

/// One scenario, as it is replayed: what names stand for, then and now.
pub struct Replay {
    url: String,
    client: reqwest::Client,
    then: BTreeMap<String, String>,
    now: BTreeMap<String, String>,
}

impl Replay {
    pub fn new(url: &str) -> Self {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { url: url.to_owned(), client, then: BTreeMap::new(), now: BTreeMap::new() }
    }

    /// What a name stood for, and stands for here.
    pub fn name(&mut self, name: &str, then: &str, now: &str) {
        self.then.insert(name.to_owned(), then.to_owned());
        self.now.insert(name.to_owned(), now.to_owned());
    }

    /// Asks a step again: what was answered then and now, both without what differs from run to run.
    pub async fn ask(&mut self, step: &Step) -> (Answer, Answer) {
        let answer = read(self.send(step).await).await;
        if let (Some(then), Some(now)) = (&step.response.json, &answer.json) {
            for (name, value) in step.captured.iter().filter_map(|(n, v)| Some((n, v.as_ref()?))) {
                let path = pointer_to(then, value);
                if let Some(now) = path.and_then(|p| now.pointer(&p)).and_then(Value::as_str) {
                    self.name(name, value, now);
                }
            }
        }
        if step.response.status >= 400 && answer.status == 200 && step.request.method == "POST" {
            self.take_away(&step.request.path_template, answer.json.as_ref()).await;
        }
        let mut then = plain(&step.response, &self.then, THEN);
        let now = plain(&answer, &self.now, &self.url);
        same_field_named(&mut then, &now);
        (then, now)
    }

    async fn take_away(&self, list: &str, made: Option<&Value>) {
        let Some(uuid) = made.and_then(|m| m["uuid"].as_str()) else { return };
        let list = list.trim_end_matches("/manage");
        let gone = self.client.delete(format!("{}{list}/{uuid}", self.url)).send().await.unwrap();
        assert!(gone.status().is_success(), "{}", gone.text().await.unwrap());
    }

    async fn send(&self, step: &Step) -> Response {
        let request = &step.request;
        let path = self.filled(&request.path_template);
        let method = Method::from_bytes(request.method.as_bytes()).unwrap();
        let mut asked = self.client.request(method, format!("{}{path}", self.url));
        for (name, value) in &request.headers {
            asked = asked.header(name, value);
        }
        match (&request.raw_body, &request.body_template) {
            (Some(raw), _) => asked = asked.body(raw.clone()),
            (None, Value::Null) => {}
            (None, body) => asked = asked.body(self.filled(&body.to_string())),
        }
        asked.send().await.unwrap()
    }

    fn filled(&self, template: &str) -> String {
        self.now.iter().fold(template.to_owned(), |text, (name, value)| text.replace(&format!("{{{name}}}"), value))
    }
}

/// What differs though it is not meant, and what is meant though it does not differ; one line each. What a request made now that made nothing
/// then is taken away again, so that later steps meet what they met.
pub async fn differences(steps: &[(String, Step)], replay: &mut Replay, meant: &[Meant]) -> Vec<String> {
    let mut wrong = Vec::new();
    for (file, step) in steps {
        let (then, now) = replay.ask(step).await;
        let title = now.json.as_ref().and_then(|j| j["title"].as_str()).unwrap_or_default();
        let said = format!("{file}\n  then {} {}\n  now  {} {}", then.status, shown(&then), now.status, shown(&now));
        match meant.iter().find(|m| m.step == file) {
            None if then == now => {}
            None => wrong.push(said),
            Some(_) if then == now => wrong.push(format!("{file}: does not differ any more; take it from the list")),
            Some(m) if (m.status, m.title) == (now.status, title) && m.allows(&then, &now) => {}
            Some(m) => wrong.push(format!("{said}\n  meant {} {}: {}", m.status, m.title, m.why)),
        }
    }
    let unknown = meant.iter().filter(|m| !steps.is_empty() && steps.iter().all(|(file, _)| file != m.step));
    wrong.extend(unknown.map(|m| format!("{}: no such step", m.step)));
    wrong
}

fn shown(answer: &Answer) -> String {
    answer.json.as_ref().map(Value::to_string).unwrap_or_default()
}

async fn read(response: Response) -> Answer {
    let status = response.status().as_u16();
    let json = serde_json::from_str(&response.text().await.unwrap()).ok();
    Answer { status, json }
}

/// Where in a document a text stands.
fn pointer_to(value: &Value, wanted: &str) -> Option<String> {
    let under = |key: &str, v| {
        pointer_to(v, wanted).map(|rest| format!("/{}{rest}", key.replace('~', "~0").replace('/', "~1")))
    };
    match value {
        Value::String(text) if text == wanted => Some(String::new()),
        Value::Array(items) => items.iter().enumerate().find_map(|(n, v)| under(&n.to_string(), v)),
        Value::Object(map) => map.iter().find_map(|(key, v)| under(key, v)),
        _ => None,
    }
}

/// An answer without what differs from run to run.
fn plain(answer: &Answer, names: &BTreeMap<String, String>, url: &str) -> Answer {
    let mut json = answer.json.as_ref().map(|v| bare(v, names, url));
    if let Some(Value::Array(items)) = &mut json {
        items.sort_by_key(Value::to_string);
    }
    Answer { status: answer.status, json }
}

fn bare(value: &Value, names: &BTreeMap<String, String>, url: &str) -> Value {
    match value {
        Value::String(text) => Value::String(bare_text(text, names, url)),
        Value::Array(items) => items.iter().map(|v| bare(v, names, url)).collect(),
        Value::Object(map) => {
            let kept = map.iter().filter(|(key, _)| *key != "request_id");
            // Passwords were shown once; now they never are.
            let bare = |key: &str, v| if key == "password" { Value::from("***") } else { bare(v, names, url) };
            Value::Object(kept.map(|(key, v)| (key.clone(), bare(key, v))).collect::<Map<_, _>>())
        }
        other => other.clone(),
    }
}

fn bare_text(text: &str, names: &BTreeMap<String, String>, url: &str) -> String {
    if is_time(text) {
        return "{time}".into();
    }
    let named = names
        .iter()
        .fold(text.replace(url, "{host}"), |text, (name, value)| text.replace(value.as_str(), &format!("{{{name}}}")));
    if uuid::Uuid::parse_str(&named).is_ok() && !named.ends_with("dead") { "{id}".into() } else { named }
}

/// `YYYY-MM-DD HH:MM:SS UTC`.
fn is_time(text: &str) -> bool {
    text.strip_suffix(" UTC").is_some_and(|t| t.parse::<jiff::civil::DateTime>().is_ok() && t.len() == 19)
}

/// Where both are validation errors, and the one now names the field that was named then, their words are taken for the same.
fn same_field_named(then: &mut Answer, now: &Answer) {
    let (Some(then), Some(now)) = (&mut then.json, &now.json) else { return };
    if then["title"] != "Validation Error" || now["title"] != "Validation Error" {
        return;
    }
    let (Some(was), Some(is)) = (then["detail"].as_str(), now["detail"].as_str()) else { return };
    if field_of(was).is_none_or(|field| is.contains(field)) {
        then["detail"] = now["detail"].clone();
    }
}

/// The field that a validation error of then is about; none where it is about the whole body.
fn field_of(detail: &str) -> Option<&str> {
    if let Some(rest) = detail.strip_prefix("Additional properties are not allowed ('") {
        return rest.split('\'').next();
    }
    let named = detail.strip_prefix("Invalid input for field/attribute '");
    let named = named.or_else(|| detail.strip_prefix('\'').filter(|_| detail.ends_with("is a required property")));
    named.and_then(|rest| rest.split('\'').next())
}
