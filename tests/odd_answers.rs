//! What Pod Managers answer that is no Redfish: each is understood, or is an error at once that says what came, from whom and to what.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on should say so")]

mod support;

use reqwest::Method;
use serde_json::json;
use support::front::Front;
use support::podm::{Lab, PASSWORD};
use support::saga::Plant;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use valence::config::{ApiConfig, Config};
use valence::podm::RedfishError;
use valence::sim::SimConfig;

const ROOT: &str = r#"{"Systems": {"@odata.id": "/redfish/v1/Systems"}, "Nodes": {"@odata.id": "/redfish/v1/Nodes"}}"#;

/// Answers every request with these bytes, and closes the connection.
async fn server(answer: Vec<u8>) -> (String, tokio::task::JoinHandle<()>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let serving = tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut asked = [0; 4096];
            let _read = stream.read(&mut asked).await;
            let _written = stream.write_all(&answer).await;
        }
    });
    (url, serving)
}

async fn systems(lab: &Lab, answer: Vec<u8>) -> Result<usize, RedfishError> {
    let (url, serving) = server(answer).await;
    let mut record = lab.record();
    record.url = url;
    let seen = lab.pool.connect(&record, None).unwrap().systems(None).await;
    serving.abort();
    Ok(seen?.len())
}

fn answer(head: &str, body: &[u8]) -> Vec<u8> {
    let mut all = format!("HTTP/1.1 {head}Content-Length: {}\r\nConnection: close\r\n\r\n", body.len()).into_bytes();
    all.extend_from_slice(body);
    all
}

#[tokio::test]
async fn what_can_be_understood_is() {
    let lab = Lab::start(SimConfig::default()).await;
    let with_mark = [b"\xef\xbb\xbf", ROOT.as_bytes()].concat();
    for (what, said) in [
        ("as it should be", answer("200 OK\r\nContent-Type: application/json\r\n", ROOT.as_bytes())),
        ("a byte order mark", answer("200 OK\r\n", &with_mark)),
        ("HTTP/1.0 without a length", format!("HTTP/1.0 200 OK\r\n\r\n{ROOT}").into_bytes()),
        ("no content type", answer("200 OK\r\n", ROOT.as_bytes())),
        ("a key twice", answer("200 OK\r\n", br#"{"Systems": 5, "Systems": {"@odata.id": "/redfish/v1/Systems"}}"#)),
        (
            "a continue before",
            [b"HTTP/1.1 100 Continue\r\n\r\n".to_vec(), answer("200 OK\r\n", ROOT.as_bytes())].concat(),
        ),
    ] {
        systems(&lab, said).await.unwrap_or_else(|e| panic!("{what}: {e}"));
    }
}

#[tokio::test]
async fn what_cannot_be_understood_is_told_with_its_sort_its_sender_and_its_address() {
    let lab = Lab::start(SimConfig::default()).await;
    let page = b"<html>hello</html>";
    let deep = "[".repeat(100_000);
    for (said, status, words) in [
        (answer("200 OK\r\nContent-Type: text/html\r\n", page), 502, "the answer (text/html) is no JSON object"),
        (answer("200 OK\r\nContent-Encoding: gzip\r\n", b"\x1f\x8b\x08"), 502, "the answer (gzip) is no JSON object"),
        (answer("200 OK\r\n", b""), 502, "no JSON object"),
        (b"HTTP/1.1 204 No Content\r\n\r\n".to_vec(), 502, "no JSON object"),
        (answer("200 OK\r\n", b"[]"), 502, "no JSON object"),
        (answer("200 OK\r\n", b"{\"a\": \"\xff\"}"), 502, "no JSON object"),
        (answer("200 OK\r\n", deep.as_bytes()), 502, "no JSON object"),
        (answer("301 Moved\r\nLocation: https://podm/\r\n", b""), 502, "answered 301: it leads to 'https://podm/'"),
        (answer("307 Moved\r\nLocation: /here\r\n", b""), 502, "and redirects are not followed"),
        (answer("500 Oops\r\nContent-Type: text/html\r\n", page), 500, "answered 500: <html>hello</html>"),
        (answer("403 Forbidden\r\n", b"{}"), 403, "answered 403: Forbidden"),
        (answer("200 OK\r\nTransfer-Encoding: chunked\r\n", b"zz\r\n"), 502, "no HTTP"),
        (b"SSH-2.0-OpenSSH\r\n".to_vec(), 502, "answered what is no HTTP"),
        (b"HTTP/1.1 abc\r\n\r\n".to_vec(), 502, "answered what is no HTTP"),
        (b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n".to_vec(), 502, "answered what is no HTTP"),
        (b"".to_vec(), 504, "did not answer"),
    ] {
        let problem = systems(&lab, said).await.unwrap_err().problem();
        assert_eq!(problem.status, status, "{}", problem.detail);
        for word in ["Pod Manager lab-0: GET /redfish/v1/: ", words] {
            assert!(problem.detail.contains(word), "{word}: {}", problem.detail);
        }
    }
}

fn registration(plant: &Plant) -> serde_json::Value {
    let basic = json!([{"type": "basic", "auth_items": {"username": "admin", "password": PASSWORD}}]);
    json!({"name": "slow", "url": plant.lab.url, "authentication": basic})
}

#[tokio::test]
async fn one_that_says_not_now_is_registered_as_offline_at_once() {
    let plant = Plant::bare(SimConfig::default(), true).await;
    let front = Front::over(&plant).await;
    plant.lab.faults(json!([{"status": 503, "retry_after_s": 600}])).await;
    let row = front.ok(Method::POST, "/v1/pod_managers", Some(registration(&plant))).await;
    assert_eq!(row["status"], "Offline");
}

#[tokio::test]
async fn one_that_hangs_is_registered_as_offline_and_named_by_reads_that_end_in_time() {
    let plant = Plant::patient(SimConfig::default(), std::time::Duration::from_secs(60)).await;
    let api = ApiConfig { sync_timeout: jiff::SignedDuration::from_secs(3), ..ApiConfig::default() };
    let config = Config { secret_key_file: Some(plant.lab.key_file()), api, ..Config::default() };
    let front = Front::with(&plant, config).await;
    plant.lab.faults(json!([{"hang": true}])).await;
    let began = std::time::Instant::now();
    let row = front.ok(Method::POST, "/v1/pod_managers", Some(registration(&plant))).await;
    assert_eq!(row["status"], "Offline");
    assert!(began.elapsed() < std::time::Duration::from_secs(40), "{:?}", began.elapsed());
    let detail = front.refused(Method::GET, "/v1/racks", None, 504, "Gateway Timeout").await;
    assert!(detail.starts_with("Pod Manager slow: "), "{detail}");
}

#[tokio::test]
async fn devices_of_the_others_are_read_while_one_asks_to_be_left_alone() {
    let plant = Plant::start(SimConfig { podms: 2, ..SimConfig::default() }).await;
    let front = Front::over(&plant).await;
    plant.lab.faults(json!([{"podm": 0, "status": 503, "retry_after_s": 600}])).await;
    front.ask(Method::GET, &format!("/v1/systems?podm_id={}", plant.lab.uuids[0]), None).await;
    let began = std::time::Instant::now();
    let rows = front.ok(Method::POST, "/v1/devices/sync", None).await;
    assert!(began.elapsed() < std::time::Duration::from_secs(10), "{:?}", began.elapsed());
    for row in rows.as_array().unwrap() {
        let is_asked = row["podm_id"] != plant.lab.uuids[0].as_str();
        assert_eq!(row["status"], if is_asked { "SUCCESS" } else { "FAILED" }, "{rows}");
    }
}
