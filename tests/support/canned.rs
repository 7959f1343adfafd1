//! An API of canned answers, and `valence` run against it.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

/// The id of every task it has.
pub const ID: &str = "019a0000-0000-7000-8000-000000000000";

/// One request as it came.
#[derive(Debug, Clone)]
pub struct Request {
    pub line: String,
    pub headers: String,
    pub body: Value,
}

/// Answers: (request line's beginning, status, body).
pub type Answers = Vec<(&'static str, u16, Value)>;

/// An API of canned answers; the first one that matches is given, again and again,
/// but several with the same beginning are given one after another.
pub struct Api {
    pub url: String,
    seen: Arc<Mutex<Vec<Request>>>,
    answers: Arc<Mutex<Answers>>,
}

impl Api {
    pub fn new(answers: Answers) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seen: Arc<Mutex<Vec<Request>>> = Arc::default();
        let answers = Arc::new(Mutex::new(answers));
        let (log, given) = (Arc::clone(&seen), Arc::clone(&answers));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                serve(stream.unwrap(), &given, &log);
            }
        });
        Self { url, seen, answers }
    }

    /// From now on it answers otherwise.
    pub fn answers(&self, answers: Answers) {
        *self.answers.lock().unwrap() = answers;
    }

    pub fn seen(&self) -> Vec<Request> {
        self.seen.lock().unwrap().clone()
    }

    pub fn run(&self, args: &[&str]) -> Output {
        run(&[&["--api-url", &self.url], args].concat(), "")
    }

    pub fn out(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert_eq!(output.status.code(), Some(0), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }
}

fn serve(mut stream: TcpStream, answers: &Mutex<Answers>, log: &Mutex<Vec<Request>>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut line = String::new();
    if reader.read_line(&mut line).unwrap_or(0) == 0 {
        return;
    }
    let mut headers = String::new();
    let mut length = 0;
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).unwrap();
        if header.trim().is_empty() {
            break;
        }
        let header = header.to_lowercase();
        if let Some(n) = header.strip_prefix("content-length:") {
            length = n.trim().parse().unwrap();
        }
        headers.push_str(&header);
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let line = line.trim_end().trim_end_matches(" HTTP/1.1").to_owned();
    let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
    log.lock().unwrap().push(Request { line: line.clone(), headers, body });
    let fits = |(start, _, _): &(&str, u16, Value)| line.starts_with(start);
    let mut answers = answers.lock().unwrap();
    let (status, body) = match answers.iter().position(fits) {
        None => (404, json!({"title": "no such canned answer", "detail": line})),
        Some(at) => {
            let (start, status, body) = answers[at].clone();
            if answers.iter().filter(|(other, _, _)| *other == start).count() > 1 {
                answers.remove(at);
            }
            (status, body)
        }
    };
    drop(answers);
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let _client_left = write!(
        stream,
        "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
}

pub fn run(args: &[&str], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_valence"))
        .args(args)
        .env_remove("VALENCE_API_TOKEN")
        .env_remove("VALENCE_PODM_PASSWORD")
        .env_remove("VALENCE_REDIS_URL")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

pub fn task(state: &str) -> Value {
    let status = match state {
        "completed" => "Completed",
        "failed" => "Failed",
        "cancelled" => "Cancelled",
        _ => "In progress",
    };
    json!({
        "id": ID, "kind": "node.compose", "topic": "compute", "status": status, "state": state, "priority": "normal",
        "params": {"name": "web1"}, "result": null, "error": null, "progress": null, "attempt": 1, "max_attempts": 5,
        "crashes": 0, "podm_id": "p1", "node_id": null, "parent_id": null, "labels": {}, "timeout_s": 3600,
        "created_at": "2026-11-22T10:00:00.000Z", "started_at": null, "finished_at": null, "run_at": null, "worker": null,
        "history": [{"at": "2026-11-22T10:00:00.000Z", "state": "queued"}], "links": [],
    })
}

pub fn with(mut task: Value, key: &str, value: Value) -> Value {
    task[key] = value;
    task
}

/// What `valence top` asks for: a stuck Pod Manager, a paused queue, a failed task.
pub fn a_bad_day() -> Answers {
    let queue = |topic: &str, paused: bool, workers: u32| {
        json!({"topic": topic, "paused": paused, "depth": {"queued": 3, "running": 2, "retrying": 1, "parked": 4},
            "priorities": {}, "lag": 3, "pending": 2, "sync": 0, "oldest_age_s": 12.34,
            "totals": {"failed": 7}, "rates": {"completed": 1.25}, "workers": workers})
    };
    let podm = |name: &str, status: &str, circuit: Value| {
        json!({"podm_id": name, "name": name, "driver": "redfish", "status": status, "cordoned": name == "rack-b",
            "draining": false, "circuit": circuit, "gates": [
                {"name": "changes", "limit": 4, "in_flight": 1, "waiting": 5, "holders": []},
                {"name": "reads", "limit": 8, "in_flight": 2, "waiting": 0, "holders": []}]})
    };
    let worker = json!({"id": "worker-1", "topics": ["compute", "storage"], "slots": 8, "busy": 2, "sync_slots": 8,
        "version": "0.1.0", "host": "lab", "started_at": "2026-01-01T00:00:00.000Z", "draining": false});
    let mut failed = with(
        task("failed"),
        "error",
        json!({"code": "X", "status": 502, "title": "Bad Gateway",
        "detail": "no answer from rack-a", "retryable": true}),
    );
    failed["finished_at"] = json!("2026-01-01T10:20:30.000Z");
    let closed = json!({"state": "closed", "failures": 0});
    vec![
        ("GET /v1/queues", 200, json!({"queues": [queue("compute", false, 2), queue("network", true, 1)]})),
        ("GET /v1/workers", 200, json!({"workers": [worker]})),
        (
            "GET /v1/pod_managers/states",
            200,
            json!({"states": [
            podm("rack-c", "Online", closed.clone()), podm("rack-b", "Online", closed),
            podm("rack-a", "Offline", json!({"state": "open", "failures": 5, "why": "no answer in time"}))]}),
        ),
        ("GET /v1/tasks?", 200, json!({"tasks": [failed]})),
    ]
}
