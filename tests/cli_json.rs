//! `--json`, against a deployment that works: whatever a command does, standard output is JSON and nothing else, and the exit code tells the rest.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on should say so")]

mod support;

use std::collections::BTreeMap;

use serde_json::Value;
use support::examples::examples;
use support::up::Up;
use support::wait::blocking as until;

/// Commands whose examples are not run: they do not end, start something, write where the example says, or read what is not there.
const NOT_RUN: [&str; 6] = ["up", "task events", "man", "podm add", "podm update", "task batch"];

fn first(up: &Up, list: &[&str], field: &str) -> Option<String> {
    let answer: Value = serde_json::from_str(&up.says(&[list, &["--json"]].concat())).unwrap();
    let rows = answer.as_array().cloned().or_else(|| answer.as_object()?.values().find_map(|v| v.as_array().cloned()));
    rows?.first()?[field].as_str().map(str::to_owned)
}

#[test]
fn every_commands_answer_is_json_alone_on_standard_output() {
    let dir = tempfile::tempdir().unwrap();
    let up = Up::start(&dir.path().join("up"));
    up.says(&["flavor", "create", "--name", "f1", "--memory-mib", "1024"]);
    up.says(&["node", "compose", "--name", "first", "--wait"]);
    up.says(&["schedule", "create", "--name", "hourly", "--every-s", "3600", "--kind", "device.sync"]);
    let podm = until("a Pod Manager", || first(&up, &["podm", "list"], "uuid"));
    let key = dir.path().join("secret.key");
    let mut codes: BTreeMap<i32, Vec<String>> = BTreeMap::new();
    for (command, words) in examples() {
        if NOT_RUN.contains(&command.as_str()) {
            continue;
        }
        // A real id for each that an example names; what is gone by then is made up, and refused.
        let resource = command.split(' ').next().unwrap();
        let id = match resource {
            "task" => first(&up, &["task", "list"], "id"),
            "node" => first(&up, &["node", "list"], "uuid"),
            "flavor" => first(&up, &["flavor", "list"], "uuid"),
            "schedule" => first(&up, &["schedule", "list"], "id"),
            "device" => first(&up, &["device", "list"], "uuid"),
            _ => None,
        };
        let mut before = String::new();
        let args: Vec<String> = words
            .iter()
            .map(|word| {
                let of_podm = ["--podm", "telemetry", "podm"].iter().any(|w| before.contains(w)) || resource == "podm";
                let filled = match word.as_str() {
                    "ID" if before == "--node" => up.node_uuids().first().cloned(),
                    "ID" | "PODM" if of_podm || word == "PODM" => Some(podm.clone()),
                    "ID" => id.clone(),
                    "secret.key" => Some(key.to_str().unwrap().to_owned()),
                    _ => None,
                };
                before.clone_from(word);
                filled.unwrap_or_else(|| word.clone())
            })
            .chain(["--json".to_owned()])
            .collect();
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let output = up.run(&args);
        let (said, why) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        let code = output.status.code().unwrap();
        assert!(matches!(code, 0 | 1 | 4), "{args:?}: {code}: {why}");
        if code == 0 || !said.is_empty() {
            let read = serde_json::from_str::<Value>(&said);
            assert!(read.is_ok(), "{args:?}: {code}: {read:?}: {said:?} {why}");
        }
        assert_eq!(code == 0, why.is_empty(), "{args:?}: {code}: {why:?}");
        codes.entry(code).or_default().push(command);
    }
    // Most of them work here; what simulated Pod Managers do not have is refused.
    assert!(codes[&0].len() > 45, "{codes:?}");
}
