//! Requests made of the API's own description, thousands of them: none may end in an error of the server's, and each answer must be as the
//! description says. `make fuzz` asks ten times as often; EXAMPLES and SEED say otherwise.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that cannot go on should say so"
)]

mod support;

use std::path::Path;

use support::certs::tokens_file;
use support::front::Front;
use support::saga::Plant;
use valence::config::Config;
use valence::sim::SimConfig;

/// Where `make setup-test` puts it.
const SCHEMATHESIS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/venv/schemathesis/bin/st");

/// What is not asked of answers, and why.
const SETTINGS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/schemathesis.toml");

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_asked_by_the_description_is_answered_by_it_and_never_with_an_error_of_the_servers() {
    ask_as("admin").await;
}

/// What an operator may not do is refused by the description too.
#[tokio::test(flavor = "multi_thread")]
async fn an_operator_is_answered_by_the_description() {
    ask_as("operator").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_is_answered_by_the_description_and_changes_nothing() {
    let (before, after) = ask_as("reader").await;
    assert_eq!(before, after);
}

/// What is on record that a request could have changed.
async fn records(url: &str, token: &str) -> Vec<String> {
    let http = reqwest::Client::new();
    let mut all = Vec::new();
    for path in ["pod_managers", "nodes", "flavors", "schedules"] {
        let answer = http.get(format!("{url}/v1/{path}")).bearer_auth(token).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{path}");
        all.push(answer.text().await.unwrap());
    }
    all
}

/// Asks all that the description describes, with the token of a role; gives back what was on record before and after.
async fn ask_as(role: &str) -> (Vec<String>, Vec<String>) {
    assert!(Path::new(SCHEMATHESIS).exists(), "schemathesis is not there: make setup-test");
    let plant =
        Plant::start(SimConfig { podms: 2, assemble_time: std::time::Duration::ZERO, ..SimConfig::default() }).await;
    let dir = tempfile::tempdir().unwrap();
    let mut config = Config { secret_key_file: Some(plant.lab.key_file()), ..Config::default() };
    config.api.tokens_file = Some(tokens_file(dir.path(), &[role], &[]));
    let front = Front::with(&plant, config).await;
    let number = |name: &str, default: u32| std::env::var(name).ok().and_then(|v| v.parse().ok()).unwrap_or(default);
    let (examples, seed) = (number("EXAMPLES", 6), number("SEED", 1).to_string());
    // What `make fuzz` promises, and what the tests of every day make do with.
    let at_least = if examples >= 130 { 10_000 } else { 1_000 };
    let examples = examples.to_string();
    let before = records(&front.url, role).await;
    let output = tokio::process::Command::new(SCHEMATHESIS)
        .args([
            "--config-file",
            SETTINGS,
            "run",
            &format!("{}/openapi.json", front.url),
            "-u",
            &front.url,
            "--workers",
            "1",
            "--no-color",
        ])
        .args(["--phases", "examples,coverage,fuzzing"])
        .args(["-n", &examples, "--seed", &seed, "--request-timeout", "20", "--suppress-health-check", "all"])
        // Streams of events do not end by themselves.
        .args(["--exclude-path-regex", "events$", "--warnings", "off"])
        .args(["-H", &format!("Authorization: Bearer {role}"), "-H", "Prefer: wait=1"])
        .current_dir(dir.path())
        .output()
        .await
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    println!("{said}");
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    let generated = said.lines().find_map(|l| l.trim().split_once(" generated")?.0.rsplit(' ').next()?.parse().ok());
    let generated: u32 = generated.expect("it says how many requests it made");
    println!("requests as {role}: {generated}");
    assert!(generated >= at_least, "only {generated} requests were made: {said}");
    (before, records(&front.url, role).await)
}
