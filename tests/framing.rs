//! How requests are framed on a connection: what clients send is served whatever way it comes, and what two servers could read differently is
//! refused with an answer of the usual shape, after the requests before it and with nothing done.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on should say so")]

mod support;

use std::time::Duration;

use reqwest::StatusCode;
use serde_json::{Value, json};
use support::api::{TestApi, five_keys};
use support::certs::Authority;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const HOST: &str = "Host: x\r\n";
const TASK: &str = r#"{"kind":"noop"}"#;

/// A request that makes a task, with the headers that frame its body, and the body.
fn task(framing: &str, body: &str) -> String {
    format!("POST /v1/tasks HTTP/1.1\r\n{HOST}Content-Type: application/json\r\n{framing}\r\n\r\n{body}")
}

/// The answers on a connection, each with its status and its body: whole, by their own Content-Length.
fn answers(mut text: &str) -> Vec<(u16, Value)> {
    let mut all = Vec::new();
    while let Some((head, rest)) = text.split_once("\r\n\r\n") {
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let length = head.to_lowercase().lines().find_map(|l| l.strip_prefix("content-length: ")?.parse().ok());
        let (body, after) = rest.split_at(length.unwrap_or(0));
        all.push((status, serde_json::from_str(body).unwrap_or(Value::Null)));
        text = after;
    }
    assert!(text.is_empty(), "{text}");
    all
}

async fn tasks(api: &TestApi) -> usize {
    api.get("/v1/tasks").await.1["tasks"].as_array().unwrap().len()
}

/// Sends it alone and behind two good requests; it must be refused, in five keys, and nothing be done of it.
async fn refused(api: &TestApi, bytes: &str, want: u16) {
    let good = format!("GET /healthz HTTP/1.1\r\n{HOST}\r\n");
    for (before, head) in [(0, String::new()), (2, good.repeat(2))] {
        let said = tokio::time::timeout(Duration::from_secs(10), api.raw(format!("{head}{bytes}").as_bytes())).await;
        let said = answers(&said.unwrap_or_else(|_| panic!("no end: {bytes:?}")));
        assert_eq!(said.len(), before + 1, "{bytes:?}: {said:?}");
        assert!(said[..before].iter().all(|(status, _)| *status == 200), "{bytes:?}: {said:?}");
        let (status, body) = &said[before];
        assert_eq!(*status, want, "{bytes:?}: {body}");
        five_keys(StatusCode::from_u16(*status).unwrap(), body);
        assert!(body["detail"].as_str().unwrap().len() > 10, "it says why: {body}");
    }
}

#[tokio::test]
async fn a_head_that_can_be_read_in_two_ways_is_400_after_the_requests_before_it() {
    let api = TestApi::start().await;
    let chunked = format!("f\r\n{TASK}\r\n0\r\n\r\n");
    for framing in [
        "Content-Length: 15\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 15",
        "Transfer-Encoding: chunked\r\ncontent-length: 15",
        "Transfer-Encoding: gzip, chunked",
        "Transfer-Encoding: chunked, chunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: identity",
        "Transfer-Encoding: \u{b}chunked",
        "Transfer-Encoding:\r\n chunked",
        "Transfer-Encoding : chunked",
    ] {
        refused(&api, &task(framing, &chunked), 400).await;
    }
    for framing in [
        "Content-Length: 15\r\nContent-Length: 16",
        "Content-Length: 15\r\nContent-Length: 15",
        "Content-Length: 15, 15",
        "Content-Length: +15",
        "Content-Length: -15",
        "Content-Length: 0x0f",
        "Content-Length: 1 5",
        "Content-Length: 15.0",
        "Content-Length:",
        "Content-Length: 99999999999999999999",
        "Content-Length : 15",
        "X: a\r\n folded: b\r\nContent-Length: 15",
        "X: a\nContent-Length: 15",
        "X: a\rContent-Length: 15",
        "X: a\0b\r\nContent-Length: 15",
        "Host: y\r\nContent-Length: 15",
        "\u{e9}: a\r\nContent-Length: 15",
        "no colon\r\nContent-Length: 15",
    ] {
        refused(&api, &task(framing, TASK), 400).await;
    }
    assert_eq!(tasks(&api).await, 0);
}

#[tokio::test]
async fn what_is_no_request_of_http_is_told_so_at_once() {
    let api = TestApi::start().await;
    for bytes in [
        "GET /healthz HTTP/1.1\r\n\r\n",
        "GET /healthz\r\n\r\n",
        "GET /healthz HTTP/1.1\nHost: x\n\n",
        "GET /healthz HTTP/9.9\r\nHost: x\r\n\r\n",
        "GET  /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /a b HTTP/1.1\r\nHost: x\r\n\r\n",
        "G\u{e9}T /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET http://[ HTTP/1.1\r\nHost: x\r\n\r\n",
        "\u{16}\u{3}\u{1}\u{2}",
        "EHLO mail\r\n",
        "POST /v1/tasks HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ] {
        refused(&api, bytes, 400).await;
    }
    let many: String = (0..101).map(|n| format!("X-{n}: y\r\n")).collect();
    let long = format!("X: {}\r\n", "y".repeat(70_000));
    let endless = format!("GET /healthz HTTP/1.1\r\nX: {}", "y".repeat(70_000));
    let address = format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "y".repeat(70_000));
    for head in [many, long] {
        refused(&api, &format!("GET /healthz HTTP/1.1\r\nHost: x\r\n{head}\r\n"), 431).await;
    }
    refused(&api, &endless, 431).await;
    refused(&api, &address, 431).await;
}

#[tokio::test]
async fn a_body_whose_chunks_cannot_be_read_is_400_and_nothing_is_done() {
    let api = TestApi::start().await;
    let long = format!("f;{}\r\n{TASK}\r\n0\r\n\r\n", "x".repeat(5000));
    let trailer = format!("f\r\n{TASK}\r\n0\r\nX: {}\r\n\r\n", "x".repeat(5000));
    for body in [
        &format!("0xf\r\n{TASK}\r\n0\r\n\r\n"),
        &format!("+f\r\n{TASK}\r\n0\r\n\r\n"),
        &format!("f \r\n{TASK}\r\n0\r\n\r\n"),
        &format!("f\n{TASK}\r\n0\r\n\r\n"),
        &format!("f;a\nb\r\n{TASK}\r\n0\r\n\r\n"),
        &format!("e\r\n{TASK}\r\n0\r\n\r\n"),
        &format!("10\r\n{TASK}\r\n0\r\n\r\n"),
        &format!("f\r\n{TASK}\n0\r\n\r\n"),
        &format!("1000000000000000f\r\n{TASK}\r\n0\r\n\r\n"),
        &long,
        &trailer,
    ] {
        refused(&api, &task("Transfer-Encoding: chunked", body), 400).await;
    }
    assert_eq!(tasks(&api).await, 0);
}

#[tokio::test]
async fn a_body_ends_where_it_says_and_the_next_request_begins_there() {
    let api = TestApi::start().await;
    let sized = task(&format!("Content-Length: {}", TASK.len()), TASK);
    let chunked = task(
        "Transfer-Encoding: chunked",
        &format!("5;ext=1\r\n{}\r\n0a\r\n{}\r\n0\r\nX: y\r\n\r\n", &TASK[..5], &TASK[5..]),
    );
    let old = "GET /healthz HTTP/1.0\r\n\r\n".to_owned();
    let all = format!("\r\n{sized}{chunked}\r\n{sized}GET /healthz HTTP/1.1\r\n{HOST}\r\n{chunked}{old}");
    let statuses = |text: &str| answers(text).iter().map(|(status, _)| *status).collect::<Vec<_>>();
    assert_eq!(statuses(&api.raw(all.as_bytes()).await), [202, 202, 202, 200, 202, 200]);
    // However the bytes are cut into packets.
    for size in [1, 7, 100] {
        let mut stream = TcpStream::connect(api.address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        for part in all.as_bytes().chunks(size) {
            stream.write_all(part).await.unwrap();
            tokio::task::yield_now().await;
        }
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        assert_eq!(statuses(&text), [202, 202, 202, 200, 202, 200], "{size}");
    }
    assert_eq!(tasks(&api).await, 16);
}

#[tokio::test]
async fn a_client_that_waits_for_100_gets_it_only_where_its_body_is_wanted() {
    let api = TestApi::start().await;
    let mut stream = TcpStream::connect(api.address).await.unwrap();
    let head = task(&format!("Content-Length: {}\r\nExpect: 100-continue", TASK.len()), "");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut first = [0; 25];
    stream.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(TASK.as_bytes()).await.unwrap();
    let mut rest = [0; 12];
    stream.read_exact(&mut rest).await.unwrap();
    assert_eq!(&rest, b"HTTP/1.1 202");
    for (line, length, want) in
        [("POST /nowhere", 15, 404), ("PATCH /v1/nodes/x", 15, 405), ("POST /v1/tasks", 2_000_000, 413)]
    {
        let head = format!("{line} HTTP/1.1\r\n{HOST}Content-Length: {length}\r\nExpect: 100-continue\r\n\r\n");
        let text = api.raw(head.as_bytes()).await;
        assert_eq!(answers(&text)[0].0, want, "{line}: {text}");
        assert!(text.to_lowercase().contains("connection: close"), "{line}: {text}");
    }
}

#[tokio::test]
async fn a_refusal_leaves_the_connection_usable_or_says_that_it_ends() {
    let api = TestApi::start().await;
    let size = |n: usize| format!("Host: x\r\nContent-Type: application/json\r\nContent-Length: {n}\r\n\r\n");
    let next = format!("GET /healthz HTTP/1.1\r\n{HOST}Connection: close\r\n\r\n");
    for (line, want) in [("PATCH /v1/nodes/x", 405), ("POST /nowhere", 404), ("DELETE /v1/flavors/x", 404)] {
        // As Python's http.client sends it: the head by itself, and the body a moment later.
        let mut stream = TcpStream::connect(api.address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        stream.write_all(format!("{line} HTTP/1.1\r\n{}", size(TASK.len())).as_bytes()).await.unwrap();
        tokio::task::yield_now().await;
        stream.write_all(format!("{TASK}{next}").as_bytes()).await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        let said: Vec<u16> = answers(&text).iter().map(|(status, _)| *status).collect();
        assert_eq!(said, [want, 200], "{line}: {text}");
    }
    // What is too large, or does not come, is not waited for.
    for (line, sent) in [("POST /nowhere", 200_000), ("PATCH /v1/nodes/x", 10)] {
        let request = format!("{line} HTTP/1.1\r\n{}{}", size(2_500_000), "x".repeat(sent));
        let said = api.raw(request.as_bytes()).await;
        assert!(said.to_lowercase().contains("connection: close"), "{line}: {said}");
    }
    // One that is sent whole all the same finds its answer behind it.
    let large = format!("POST /v1/flavors HTTP/1.1\r\n{}{}{next}", size(2_000_000), "x".repeat(2_000_000));
    let said: Vec<u16> = answers(&api.raw(large.as_bytes()).await).iter().map(|(status, _)| *status).collect();
    assert_eq!(said, [413, 200]);
}

#[tokio::test]
async fn a_client_of_http_2_needs_no_upgrade_and_hears_the_same_refusals() {
    let api = TestApi::start().await;
    let client = reqwest::Client::builder().no_proxy().http2_prior_knowledge().build().unwrap();
    let asks = (0..20).map(|n| {
        let body = if n % 2 == 0 { json!({"kind": "noop"}) } else { json!({"kind": "nope"}) };
        client.post(api.url("/v1/tasks")).json(&body).send()
    });
    for (n, answer) in futures_util::future::join_all(asks).await.into_iter().enumerate() {
        let answer = answer.unwrap();
        assert_eq!(answer.version(), reqwest::Version::HTTP_2);
        assert_eq!(answer.status().as_u16(), if n % 2 == 0 { 202 } else { 400 });
    }
    assert_eq!(tasks(&api).await, 10);
    let v1: Value = client.get(api.url("/v1")).send().await.unwrap().json().await.unwrap();
    assert_eq!(v1["links"][0]["href"], format!("http://{}/v1/", api.address), "links lead to where the client came");
}

#[tokio::test]
async fn an_address_without_a_path_is_400_and_one_of_another_host_is_that_host() {
    let api = TestApi::start().await;
    for line in ["CONNECT x:1", "GET x:1", "GET x", "POST mailto:a@b"] {
        refused(&api, &format!("{line} HTTP/1.1\r\n{HOST}Connection: close\r\n\r\n"), 400).await;
    }
    for (line, host, base) in [
        ("GET /v1", "h:1", "http://h:1"),
        ("GET http://other:2/v1", "h:1", "http://other:2"),
        ("GET /v1", "", "http://localhost"),
        ("GET /v1", "a\"<b>", "http://localhost"),
    ] {
        let text = api.raw(format!("{line} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").as_bytes()).await;
        assert_eq!(answers(&text)[0].1["links"][0]["href"], format!("{base}/v1/"), "{line} {host}");
    }
}

#[tokio::test]
async fn behind_tls_the_same_is_refused() {
    let ca = Authority::new();
    let server = ca.server(&["127.0.0.1"]);
    let api = TestApi::start_with(|c| {
        c.api.tls.cert_file = Some(server.cert.clone());
        c.api.tls.key_file = Some(server.key.clone());
    })
    .await;
    let mut roots = tokio_rustls::rustls::RootCertStore::empty();
    use rustls_pki_types::pem::PemObject as _;
    roots.add(rustls_pki_types::CertificateDer::from_pem_slice(ca.pem().as_bytes()).unwrap()).unwrap();
    let provider = std::sync::Arc::new(tokio_rustls::rustls::crypto::aws_lc_rs::default_provider());
    let config =
        tokio_rustls::rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.unwrap().with_root_certificates(roots).with_no_client_auth();
    let name = rustls_pki_types::ServerName::try_from("127.0.0.1").unwrap();
    let connector = tokio_rustls::TlsConnector::from(std::sync::Arc::new(config));
    let mut stream = connector.connect(name, TcpStream::connect(api.address).await.unwrap()).await.unwrap();
    let good = format!("GET /healthz HTTP/1.1\r\n{HOST}\r\n");
    let bad = task("Content-Length: 15\r\nTransfer-Encoding: chunked", "f\r\n");
    stream.write_all(format!("{good}{bad}").as_bytes()).await.unwrap();
    let mut text = Vec::new();
    // An end without TLS's own good-bye is an end like any other.
    let _end = stream.read_to_end(&mut text).await;
    let text = String::from_utf8(text).unwrap();
    assert!(text.to_lowercase().contains("strict-transport-security"), "{text}");
    let said = answers(&text);
    assert_eq!(said.iter().map(|(status, _)| *status).collect::<Vec<_>>(), [200, 400], "{text}");
    five_keys(StatusCode::BAD_REQUEST, &said[1].1);
}
