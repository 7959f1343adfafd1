//! The web console: its files come from the executable alone, and an operator works with it in a real browser (console/test/).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on should say so")]

mod support;

use std::path::Path;
use std::process::Command;

use serde_json::json;
use support::certs::self_signed;
use support::deployment::{Deployment, Shape};
use support::front::Front;
use support::saga::Plant;
use support::wait;
use valence::config::Config;
use valence::sim::SimConfig;

const POLICY: &str = "content-security-policy";

/// The console as the server gives it out, which must have one in it.
async fn built(base: &str) -> String {
    let page = reqwest::get(format!("{base}/console/")).await.unwrap().text().await.unwrap();
    assert!(page.contains("type=\"module\""), "there is no console in this build: `make console`, then build again");
    page
}

/// Addresses that a page names.
fn named(page: &str) -> Vec<String> {
    page.split('"').filter(|part| part.starts_with("/console/")).map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_and_all_it_names_are_served_under_a_strict_policy() {
    let plant = Plant::bare(SimConfig::default(), false).await;
    let front = Front::over(&plant).await;
    let page = built(&front.url).await;
    assert!(!page.contains("<style") && !page.contains("style=") && !page.contains("<script>"), "{page}");
    let files = named(&page);
    assert!(files.len() >= 3, "{page}");
    for file in files.iter().map(String::as_str).chain(["/console/", "/console"]) {
        let answer = reqwest::get(format!("{}{file}", front.url)).await.unwrap();
        assert_eq!(answer.status(), 200, "{file}");
        let policy = answer.headers()[POLICY].to_str().unwrap().to_owned();
        // Its own policy, under which it works, and not the one of all other answers.
        for part in ["default-src 'none'", "script-src 'self'", "connect-src 'self'", "frame-ancestors 'none'"] {
            assert!(policy.contains(part), "{policy}");
        }
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(answer.headers()["x-content-type-options"], "nosniff");
        let etag = answer.headers()["etag"].clone();
        let kept = answer.headers()["cache-control"].to_str().unwrap().contains("immutable");
        assert_eq!(kept, file.contains("/assets/"), "{file}");
        let again = reqwest::Client::new().get(format!("{}{file}", front.url)).header("if-none-match", etag);
        assert_eq!(again.send().await.unwrap().status(), 304, "{file}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_path_leads_out_of_the_console() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let plant = Plant::bare(SimConfig::default(), false).await;
    let front = Front::over(&plant).await;
    let host = front.url.strip_prefix("http://").unwrap();
    for path in [
        "/console/../Cargo.toml",
        "/console/..%2fCargo.toml",
        "/console/%2e%2e/Cargo.toml",
        "/console/assets/../../Cargo.toml",
        "/console/assets/..%5c..%5cCargo.toml",
        "/console//etc/passwd",
        "/console/%2fetc%2fpasswd",
        "/console/assets/",
        "/console/index.html%00",
        "/console/../src/main.tsx",
    ] {
        // By hand: every client makes such a path harmless before it sends it.
        let mut stream = tokio::net::TcpStream::connect(host).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 404"), "{path}: {answer}");
        assert!(!answer.contains("[package]") && !answer.contains("root:"), "{path}: {answer}");
    }
}

/// Runs a file of console/test/ with node's own test runner.
fn in_a_browser(file: &str, env: &[(&str, &str)]) {
    let console = Path::new(env!("CARGO_MANIFEST_DIR")).join("console");
    assert!(console.join("node_modules/playwright-core").exists(), "its packages are missing: make console");
    let output = Command::new("node")
        .args(["--test", "--test-reporter=spec", &format!("test/{file}")])
        .current_dir(console)
        .envs(env.iter().copied())
        .output()
        .expect("node must be installed");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    // A run that found no test is no success.
    assert!(said.contains("pass ") && !said.contains("pass 0"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_works_with_it_in_a_real_browser() {
    let deployment = Deployment::start(Shape { podms: 2, ..Shape::default() }).await;
    built(&deployment.apis[0]).await;
    deployment.podm_ids().await;
    wait::until("the Pod Managers are online", async || {
        let seen = deployment.get("/v1/pod_managers").await;
        if seen.as_array().unwrap().iter().all(|p| p["status"] == "Online") { Ok(()) } else { Err(seen) }
    })
    .await;
    let sims = deployment.sims.join(",");
    let env = [("VALENCE_CONSOLE_URL", deployment.apis[0].as_str()), ("VALENCE_SIM_URLS", &sims)];
    tokio::task::block_in_place(|| in_a_browser("console.test.mjs", &env));
    if std::env::var_os("VALENCE_PICTURES").is_some() {
        pictures(&deployment).await;
    }
}

/// `make pictures`: one Pod Manager hangs, tasks wait for it.
async fn pictures(deployment: &Deployment) {
    let podms = deployment.get("/v1/pod_managers").await;
    let podm = |name: &str| podms.as_array().unwrap().iter().find(|p| p["name"] == name).unwrap()["uuid"].clone();
    let hang = deployment.http.put(format!("{}/sim/faults", deployment.sims[1])).json(&json!([{"hang": true}]));
    assert!(hang.send().await.unwrap().status().is_success());
    for n in 1..=7 {
        let task = json!({"kind": "node.compose", "podm_id": podm("podm1"), "params": {"name": format!("db{n}")}});
        deployment.submit_task(&task).await;
    }
    deployment.submit("sleep", json!({"ms": 4000, "steps": 20})).await;
    wait::until("it is known to be stuck, and tasks wait for it", async || {
        let states = deployment.get("/v1/pod_managers/states").await;
        let stuck = states["states"].as_array().unwrap().iter().find(|s| s["name"] == "podm1").unwrap().clone();
        let waiting = deployment.get("/v1/tasks?state=waiting").await;
        // A probe that got no answer says so before the circuit opens.
        let known = stuck["status"] == "Offline" && !waiting["tasks"].as_array().unwrap().is_empty();
        if known { Ok(()) } else { Err(stuck) }
    })
    .await;
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut draw = Command::new("node");
    draw.arg(root.join("console/pictures/console.mjs")).arg(&deployment.apis[0]).arg(root.join("docs/pictures"));
    assert!(tokio::task::block_in_place(|| draw.status()).unwrap().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn over_https_and_where_the_api_wants_a_token_the_console_asks_for_one_and_is_live() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("tokens.toml");
    // SHA-256 of "open sesame".
    let hash = "41ef4bb0b23661e66301aac36066912dac037827b4ae63a7b1165a5aa93ed4eb";
    std::fs::write(&file, format!("[[token]]\nname = 'op'\nrole = 'admin'\nsha256 = '{hash}'\n")).unwrap();
    let plant = Plant::bare(SimConfig::default(), false).await;
    let mut config = Config { secret_key_file: Some(plant.lab.key_file()), ..Config::default() };
    config.api.tokens_file = Some(file);
    let server = self_signed(dir.path(), &["127.0.0.1"]);
    (config.api.tls.cert_file, config.api.tls.key_file) = (Some(server.cert.clone()), Some(server.key));
    let front = Front::with(&plant, config).await;
    let env = [
        ("VALENCE_CONSOLE_URL", front.url.as_str()),
        ("VALENCE_CONSOLE_TOKEN", "open sesame"),
        ("VALENCE_CONSOLE_CERTIFICATE", server.cert.to_str().unwrap()),
    ];
    tokio::task::block_in_place(|| in_a_browser("token.test.mjs", &env));
}
