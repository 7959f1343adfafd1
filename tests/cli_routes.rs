//! Whatever the API can be asked, `valence` can ask: every route of its description has a command.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on should say so")]

mod support;

use std::collections::BTreeSet;

use serde_json::{Value, json};
use support::canned::{Api, run};
use support::examples::examples;

/// Commands that ask no API, and start or write something.
const NOT_RUN: [&str; 4] = ["up", "man", "completion", "secret"];

/// Routes that no command needs, and why.
const NOT_ASKED: [(&str, &str); 8] = [
    ("GET /", "what v1 clients look at first"),
    ("GET /v1", "what v1 clients look at first"),
    ("GET /console/", "for a browser"),
    ("GET /healthz", "for whoever watches the process"),
    ("GET /metrics", "for Prometheus"),
    ("GET /openapi.json", "for makers of clients"),
    ("GET /v1/inventory/{podm_id}", "`podm inventory --podm` asks for one of all"),
    ("POST /v1/telemetry/events/{podm_id}/{key}", "Pod Managers send to it"),
];

/// Whether a path is one of a route's.
fn fits(route: &str, path: &str) -> bool {
    let (route, path): (Vec<_>, Vec<_>) = (route.split('/').collect(), path.split('/').collect());
    route.len() == path.len() && route.iter().zip(&path).all(|(r, p)| r.starts_with('{') || r == p)
}

#[test]
fn every_route_of_the_api_has_a_command() {
    let dir = tempfile::tempdir().unwrap();
    let pem = dir.path().join("rack-1.pem");
    std::fs::write(&pem, "PEM").unwrap();
    // It knows Pod Managers, about which `podm show` asks twice; whatever else it is asked is not there.
    let api = Api::new(vec![("GET /v1/pod_managers/", 200, json!({}))]);
    for (command, mut words) in examples() {
        if NOT_RUN.contains(&command.split(' ').next().unwrap()) {
            continue;
        }
        for word in &mut words {
            if word == "rack-1.pem" {
                pem.to_str().unwrap().clone_into(word);
            }
        }
        let args: Vec<&str> = ["--api-url", &api.url].into_iter().chain(words.iter().map(String::as_str)).collect();
        let code = run(&args, "[]").status.code();
        // 3: an answer that cannot be read.
        assert!(matches!(code, Some(0 | 1 | 3 | 4)), "{command} {words:?}: exit code {code:?}");
    }
    let asked: BTreeSet<String> = api.seen().iter().map(|r| r.line.split('?').next().unwrap().to_owned()).collect();
    let described: Value = serde_json::from_str(include_str!("../docs/openapi.json")).unwrap();
    let mut without = Vec::new();
    for (path, methods) in described["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys().map(|m| m.to_uppercase()) {
            let route = format!("{method} {path}");
            let needless = NOT_ASKED.iter().any(|(known, _)| *known == route);
            let found =
                asked.iter().any(|line| line.split_once(' ').is_some_and(|(m, p)| m == method && fits(path, p)));
            assert!(!(needless && found), "{route} is asked: it needs no excuse");
            if !needless && !found {
                without.push(route);
            }
        }
    }
    assert!(without.is_empty(), "no command asks {without:#?}");
}
