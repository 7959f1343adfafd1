//! One request is followed through all processes: HTTP, task, Redfish calls, logs, and a collector when there is one.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on should say so")]

mod support;

use std::collections::HashSet;

use serde_json::{Value, json};
use support::front::Front;
use support::saga::Plant;
use support::wait;
use valence::sim::SimConfig;

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

fn asked_in() -> String {
    format!("00-{TRACE}-b7ad6b7169203331-01")
}

async fn one() -> (Plant, Front) {
    let sim = SimConfig { podms: 1, assemble_time: std::time::Duration::ZERO, ..SimConfig::default() };
    let plant = Plant::start(sim).await;
    let front = Front::over(&plant).await;
    (plant, front)
}

async fn post(front: &Front, path: &str, body: &Value) -> Value {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let request = client.post(format!("{}{path}", front.url)).header("traceparent", asked_in()).json(body);
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 202);
    answer.json().await.unwrap()
}

async fn ended(front: &Front, id: &str) -> Value {
    wait::until("the task has ended", async || {
        let task = front.get(&format!("/v1/tasks/{id}")).await.1;
        if task["status"] == "In progress" { Err(task) } else { Ok(task) }
    })
    .await
}

/// The traces and spans of a simulator's requests: what it was asked with a `traceparent` of this trace.
async fn spans(plant: &Plant, trace: &str) -> Vec<(String, String)> {
    let log = plant.lab.log().await;
    let of = |e: &Value| {
        let mut parts = e["traceparent"].as_str()?.split('-').skip(1);
        (parts.next()? == trace).then(|| (e["method"].as_str().unwrap().to_owned(), parts.next().unwrap().to_owned()))
    };
    log.as_array().unwrap().iter().filter_map(of).collect()
}

#[tokio::test]
async fn the_trace_of_a_request_reaches_the_pod_manager_with_a_new_span_for_every_call() {
    let (plant, front) = one().await;
    let task = json!({"kind": "node.place", "params": {"name": "web1"}});
    let made = post(&front, "/v1/tasks", &task).await;
    let task = ended(&front, made["id"].as_str().unwrap()).await;
    assert_eq!(task["state"], "completed", "{task}");
    assert_eq!(task["traceparent"].as_str().unwrap().split('-').nth(1).unwrap(), TRACE, "{task}");
    let spans = spans(&plant, TRACE).await;
    assert!(
        spans.iter().any(|(method, _)| method == "POST"),
        "the children's changes are of the same trace: {spans:?}"
    );
    let unlike: HashSet<_> = spans.iter().map(|(_, span)| span).collect();
    assert_eq!(unlike.len(), spans.len(), "{spans:?}");
    assert!(!unlike.contains(&"b7ad6b7169203331".to_owned()), "the client's own span is not reused");
}

#[tokio::test]
async fn a_read_is_of_the_trace_of_its_request() {
    let (plant, front) = one().await;
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let read = client.get(format!("{}/v1/racks", front.url)).header("traceparent", asked_in());
    assert!(read.send().await.unwrap().status().is_success());
    assert!(!spans(&plant, TRACE).await.is_empty());
}

#[tokio::test]
async fn what_nobody_traces_is_a_trace_of_its_own_and_nonsense_is_no_trace() {
    let (plant, front) = one().await;
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    for given in ["", "00-xyz", "00-00000000000000000000000000000000-b7ad6b7169203331-01"] {
        let post = client.post(format!("{}/v1/tasks", front.url)).header("traceparent", given);
        let body = json!({"kind": "podm.probe", "podm_id": plant.lab.uuids[0], "params": {}});
        let made: Value = post.json(&body).send().await.unwrap().json().await.unwrap();
        let context = made["traceparent"].as_str().unwrap().to_owned();
        let trace = context.split('-').nth(1).unwrap();
        assert!(context.len() == 55 && trace.chars().any(|c| c != '0'), "{context}");
        ended(&front, made["id"].as_str().unwrap()).await;
        assert!(!spans(&plant, trace).await.is_empty(), "{context}");
    }
}

#[cfg(not(feature = "otlp"))]
#[test]
fn a_process_that_cannot_send_traces_says_so_and_does_not_start() {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_valence-worker"));
    let output = command.args(["--otlp-endpoint", "http://127.0.0.1:4318"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("--features otlp"), "{said}");
}

#[cfg(feature = "otlp")]
mod collector {
    use std::io::{Read as _, Write as _};

    use super::*;

    /// Takes OTLP over HTTP: the paths and bodies that came.
    fn collector() -> (String, std::sync::mpsc::Receiver<(String, Vec<u8>)>) {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (tell, told) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (mut stream, mut bytes, mut buffer) = (stream.unwrap(), Vec::new(), [0; 8192]);
                let (head, length) = loop {
                    let n = stream.read(&mut buffer).unwrap();
                    bytes.extend_from_slice(&buffer[..n]);
                    let text = String::from_utf8_lossy(&bytes).into_owned();
                    if let Some(end) = bytes.windows(4).position(|w| w == b"\r\n\r\n") {
                        let length =
                            text.lines().find_map(|l| l.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
                        break (end + 4, length.unwrap_or(0_usize));
                    }
                };
                while bytes.len() < head + length {
                    let n = stream.read(&mut buffer).unwrap();
                    bytes.extend_from_slice(&buffer[..n]);
                }
                let path = String::from_utf8_lossy(&bytes).split(' ').nth(1).unwrap().to_owned();
                tell.send((path, bytes[head..].to_vec())).unwrap();
                stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").unwrap();
            }
        });
        (url, told)
    }

    #[tokio::test]
    async fn a_collector_gets_the_spans_of_request_task_and_redfish_calls() {
        let (url, told) = collector();
        let collected = valence::observe::trace::collect(Some(&url), "lab").unwrap();
        let (plant, front) = one().await;
        let task = json!({"kind": "podm.probe", "podm_id": plant.lab.uuids[0], "params": {}});
        let made = post(&front, "/v1/tasks", &task).await;
        ended(&front, made["id"].as_str().unwrap()).await;
        let (_, probed) = spans(&plant, TRACE).await.remove(0);
        tokio::task::spawn_blocking(|| collected.end()).await.unwrap();
        let mut all = Vec::new();
        while let Ok((path, body)) = told.try_recv() {
            assert_eq!(path, "/v1/traces");
            all.extend(body);
        }
        let has = |bytes: &[u8]| all.windows(bytes.len()).any(|w| w == bytes);
        let raw = |hex: &str| {
            (0..hex.len() / 2).map(|n| u8::from_str_radix(&hex[2 * n..2 * n + 2], 16).unwrap()).collect::<Vec<u8>>()
        };
        assert!(has(&raw(TRACE)) && has(&raw("b7ad6b7169203331")) && has(&raw(&probed)));
        for word in ["POST /v1/tasks", "podm.probe", "GET Redfish", "lab"] {
            assert!(has(word.as_bytes()), "{word}");
        }
    }
}
