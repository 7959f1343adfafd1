//! The API's description is current, and describes what is served.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on should say so")]

mod support;

use reqwest::Method;
use serde_json::Value;
use support::api::TestApi;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/openapi.json");

/// Run with `VALENCE_UPDATE_DOCS=1` to write the file anew.
#[test]
fn the_written_description_is_the_one_that_is_served() {
    let served = format!("{}\n", serde_json::to_string_pretty(&valence::api::openapi()).unwrap());
    if std::env::var_os("VALENCE_UPDATE_DOCS").is_some() {
        std::fs::create_dir_all(concat!(env!("CARGO_MANIFEST_DIR"), "/docs")).unwrap();
        std::fs::write(FILE, &served).unwrap();
    }
    let written = std::fs::read_to_string(FILE).unwrap_or_default();
    assert!(written == served, "docs/openapi.json is stale: run this test with VALENCE_UPDATE_DOCS=1");
}

#[test]
fn every_reference_in_the_description_leads_somewhere() {
    let document = valence::api::openapi();
    let mut found = Vec::new();
    references(&document, &mut found);
    assert!(found.len() > 20);
    for reference in found {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
}

#[test]
fn every_list_is_a_list_of_its_own_items() {
    let document = valence::api::openapi();
    for (path, list, item) in
        [("pod_managers", "PodmList", "Podm"), ("flavors", "FlavorList", "Flavor"), ("nodes", "NodeList", "BriefNode")]
    {
        let place = format!("/paths/~1v1~1{path}/get/responses/200/content/application~1json/schema/$ref");
        assert_eq!(document.pointer(&place).unwrap(), &format!("#/components/schemas/{list}"));
        let schema = &document["components"]["schemas"][list];
        assert_eq!(
            (&schema["type"], &schema["items"]["$ref"]),
            (&"array".into(), &format!("#/components/schemas/{item}").into())
        );
    }
    assert!(document["components"]["schemas"].get("Vec").is_none());
}

fn references(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            found.extend(map.get("$ref").and_then(Value::as_str).map(str::to_owned));
            map.values().for_each(|v| references(v, found));
        }
        Value::Array(items) => items.iter().for_each(|v| references(v, found)),
        _ => {}
    }
}

#[tokio::test]
async fn every_described_path_is_routed_and_says_the_same_methods() {
    let api = TestApi::start().await;
    let (_, document) = api.get("/openapi.json").await;
    assert_eq!(document, valence::api::openapi());
    let paths = document["paths"].as_object().unwrap();
    assert!(paths.len() >= 25, "{}", paths.len());
    for (path, operations) in paths {
        let concrete: Vec<&str> = path.split('/').map(|s| if s.starts_with('{') { "x" } else { s }).collect();
        let concrete = concrete.join("/");
        let response = api.request(Method::OPTIONS, &concrete).send().await.unwrap();
        let allow = response.headers()["allow"].to_str().unwrap().to_owned();
        for method in operations.as_object().unwrap().keys() {
            let method = method.to_uppercase();
            assert!(allow.split(", ").any(|m| m == method), "{method} {path}: {allow}");
        }
        for method in allow.split(", ").filter(|m| !matches!(*m, "HEAD" | "OPTIONS")) {
            // `/v1/nodes/{uuid}` is also where a GET of `/v1/nodes/manage` goes, and so for devices.
            let described = operations.get(method.to_lowercase()).is_some();
            assert!(
                described || ["/manage", "/batch", "/sync", "/states"].iter().any(|s| concrete.ends_with(s)),
                "{method} {path}"
            );
        }
    }
}
