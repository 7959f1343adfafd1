//! `valence` against an API that answers what it is told to: tables, JSON, exit codes, errors that help.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on should say so")]

mod support;

use std::net::TcpListener;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};
use support::canned::{Api, ID, a_bad_day, run, task, with};

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn node() -> Value {
    json!({"uuid": "n1", "name": "web1", "podm_id": "p1", "index": "1", "resource_uri": "/redfish/v1/Nodes/1"})
}

#[test]
fn a_list_is_a_table_for_people() {
    let running = with(task("running"), "progress", json!({"percent": 40, "step": "assembling"}));
    let api = Api::new(vec![("GET /v1/tasks", 200, json!({"tasks": [running, task("completed")], "marker": "m1"}))]);
    assert_eq!(
        api.out(&["task", "list", "--state", "running", "--podm", "p1", "--label", "site:north"]),
        "\
ID                                    KIND          STATE      PROGRESS        ATTEMPT  CREATED
019a0000-0000-7000-8000-000000000000  node.compose  running    40% assembling      1/5  2026-11-22T10:00:00.000Z
019a0000-0000-7000-8000-000000000000  node.compose  completed                      1/5  2026-11-22T10:00:00.000Z
There may be more: --marker m1
"
    );
    assert_eq!(api.seen()[0].line, "GET /v1/tasks?limit=50&state=running&podm_id=p1&label=site%3Anorth");
}

#[test]
fn json_is_the_apis_answer() {
    let answer = json!({"tasks": [task("queued")], "marker": null, "new_in_a_later_version": 1});
    let api = Api::new(vec![("GET /v1/tasks", 200, answer.clone())]);
    let out: Value = serde_json::from_str(&api.out(&["--json", "task", "list"])).unwrap();
    assert_eq!(out, answer);
}

#[test]
fn an_empty_list_says_so_and_what_to_do() {
    let api = Api::new(vec![("GET /v1/nodes", 200, json!([])), ("GET /v1/workers", 200, json!({"workers": []}))]);
    assert_eq!(api.out(&["node", "list"]), "no nodes: `valence node compose --name NAME` makes one\n");
    assert!(api.out(&["worker", "list"]).starts_with("no workers"));
}

#[test]
fn one_task_is_shown_with_its_history() {
    let error = json!({"code": "Conflict", "title": "Base.1.0", "status": 409, "detail": "no system available"});
    let api = Api::new(vec![("GET /v1/tasks/", 200, with(task("failed"), "error", error))]);
    assert_eq!(
        api.out(&["task", "show", ID]),
        format!(
            "\
id        {ID}
kind      node.compose
topic     compute
status    Failed
state     failed
priority  normal
attempt   1 of 5
podm      p1
params    {{\"name\":\"web1\"}}
created   2026-11-22T10:00:00.000Z
error     409 Base.1.0: no system available

AT                        STATE   ATTEMPT  WORKER  DETAIL
2026-11-22T10:00:00.000Z  queued
"
        )
    );
}

#[test]
fn queues_workers_flavors_podms_kinds_and_schedules_have_their_tables() {
    let queue = json!({"topic": "compute", "paused": true, "depth": {"queued": 3, "running": 2, "parked": 1, "waiting": 4},
        "priorities": {}, "lag": 3, "pending": 2, "sync": 0, "oldest_age_s": 1.25, "totals": {"failed": 7}, "rates": {},
        "workers": 1});
    let worker = json!({"id": "w1", "topics": ["compute", "storage"], "slots": 64, "busy": 2, "sync_slots": 16,
        "version": "0.1.0", "host": "h", "started_at": "2026-11-22T10:00:00.000Z", "draining": false});
    let flavor = json!({"uuid": "f1", "name": "small", "properties": {"memory": {"capacity_mib": "4096"},
        "processor": {"total_cores": "8"}}, "created_at": "2026-11-22 10:00:00 UTC", "updated_at": "x"});
    let podm = json!({"uuid": "p1", "name": "rack-1", "url": "https://h", "driver": "redfishv1", "status": "Online"});
    let kind = json!({"name": "node.compose", "topic": "compute", "mode": "async", "about": "Composes a node"});
    let schedule = json!({"id": "s1", "name": "probe", "every_s": 60, "time_zone": "UTC", "enabled": true,
        "task": {"kind": "podm.probe"}, "created_at": "x", "updated_at": "x"});
    let system = json!({"id": "1", "name": "sled", "ram": "8", "links": {}});
    let api = Api::new(vec![
        ("GET /v1/queues", 200, json!({"queues": [queue]})),
        ("GET /v1/workers", 200, json!({"workers": [worker]})),
        ("GET /v1/flavors", 200, json!([flavor])),
        ("GET /v1/pod_managers", 200, json!([podm])),
        ("GET /v1/kinds", 200, json!({"kinds": [kind]})),
        ("GET /v1/schedules", 200, json!({"schedules": [schedule]})),
        ("GET /v1/systems", 200, json!([system])),
    ]);
    let second = |args: &[&str]| {
        let out = api.out(args);
        let line = out.lines().nth(1).unwrap_or_default().to_owned();
        line.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(second(&["queue", "list"]), "compute paused 3 2 5 0 1.2 7 1");
    assert_eq!(second(&["worker", "list"]), "w1 compute,storage 2/64 live h 0.1.0 2026-11-22T10:00:00.000Z");
    assert_eq!(second(&["flavor", "list"]), "f1 small 4096 8 2026-11-22 10:00:00 UTC");
    assert_eq!(second(&["podm", "list"]), "p1 rack-1 https://h redfishv1 Online");
    assert_eq!(second(&["kind", "list"]), "node.compose compute async Composes a node");
    assert_eq!(second(&["schedule", "list"]), "s1 probe every 60 s UTC yes podm.probe");
    assert_eq!(second(&["system", "list"]), "1 sled 8");
}

#[test]
fn compose_hands_over_the_task_and_says_how_to_follow_it() {
    let api = Api::new(vec![("POST /v1/nodes", 202, task("queued"))]);
    let out = api.out(&["node", "compose", "--name", "web1", "--memory-mib", "4096", "--cores", "8", "--podm", "p1"]);
    assert_eq!(out, format!("task {ID} (node.compose) is queued\nFollow it with: valence task wait {ID}\n"));
    let request = &api.seen()[0];
    assert!(request.headers.contains("prefer: respond-async"), "{}", request.headers);
    let wanted = json!({"name": "web1", "podm_id": "p1",
        "properties": {"memory": {"capacity_mib": "4096"}, "processor": {"total_cores": "8"}}});
    assert_eq!(request.body, wanted);
}

#[test]
fn compose_that_waits_tells_each_step_once_and_ends_with_the_node() {
    let step = with(task("running"), "progress", json!({"percent": 40, "step": "assembling"}));
    let api = Api::new(vec![
        ("POST /v1/nodes", 202, task("queued")),
        ("GET /v1/tasks/", 200, task("queued")),
        ("GET /v1/tasks/", 200, step.clone()),
        ("GET /v1/tasks/", 200, step),
        ("GET /v1/tasks/", 200, with(task("completed"), "result", node())),
    ]);
    assert_eq!(
        api.out(&["node", "compose", "--name", "web1", "--wait"]),
        "\
queued
running 40% assembling
completed
UUID  NAME  PODM  INDEX  RESOURCE
n1    web1  p1        1  /redfish/v1/Nodes/1
"
    );
    assert!(api.seen()[1].line.ends_with("?wait=1"));
}

#[test]
fn waiting_survives_an_api_that_answers_503_for_a_while() {
    let api = Api::new(vec![
        ("GET /v1/tasks/", 503, json!({"title": "Connection Error", "detail": "Redis is not reachable"})),
        ("GET /v1/tasks/", 200, task("completed")),
    ]);
    assert!(api.out(&["task", "wait", ID]).ends_with("completed in attempt 1\n"));
}

#[test]
fn a_failed_task_is_exit_code_1_with_its_reason_and_what_next() {
    let error = json!({"code": "Conflict", "title": "Conflict", "status": 409, "detail": "no system available"});
    let api = Api::new(vec![("GET /v1/tasks/", 200, with(task("failed"), "error", error))]);
    let output = api.run(&["task", "wait", ID]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        err(&output),
        format!(
            "valence: task {ID} ended failed: 409 Conflict: no system available\nSee `valence task show {ID}`; `valence task retry {ID}` \
             tries again.\n"
        )
    );
}

/// It once said "cancelled" behind the JSON.
#[test]
fn a_cancel_that_is_waited_for_is_json_and_nothing_else() {
    let api = Api::new(vec![("POST /v1/tasks/", 202, task("cancelling")), ("GET /v1/tasks/", 200, task("cancelled"))]);
    let shown: Value = serde_json::from_str(&api.out(&["task", "cancel", ID, "--wait", "--json"])).unwrap();
    assert_eq!(shown["state"], "cancelled");
    assert_eq!(api.out(&["task", "cancel", ID, "--wait"]), "cancelled\ncancelled\n");
}

#[test]
fn a_wait_that_is_over_leaves_the_task_alone() {
    let api = Api::new(vec![("GET /v1/tasks/", 200, task("running"))]);
    let output = api.run(&["task", "wait", ID, "--timeout", "0"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(err(&output).contains("it goes on"), "{}", err(&output));
    assert_eq!(api.seen().len(), 1);
}

#[test]
fn a_wrong_command_line_is_exit_code_2() {
    let api = Api::new(vec![]);
    for args in [
        &["task", "frobnicate"][..],
        &["task", "list", "--state", "sleeping"],
        &["task", "create", "noop", "--params", "{"],
        &["task", "show", ".."],
        &["dead-letter", "redrive"],
        &["podm", "add", "--name", "a", "--url", "https://h", "--username", "u"],
        &["node", "compose", "--name", "a", "--flavor", "f", "--cores", "2"],
    ] {
        let output = api.run(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {}", err(&output));
    }
    assert_eq!(run(&["--api-url", "nonsense", "task", "list"], "").status.code(), Some(2));
    assert!(api.seen().is_empty(), "nothing was asked of the API");
}

#[test]
fn an_api_that_is_not_there_is_exit_code_3_and_says_how_to_start_one() {
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let output = run(&["--api-url", &format!("http://{gone}"), "task", "list"], "");
    assert_eq!(output.status.code(), Some(3));
    assert!(err(&output).contains("cannot reach the API") && err(&output).contains("valence up"), "{}", err(&output));
}

#[test]
fn a_refusal_is_exit_code_4_with_the_apis_words_and_what_next() {
    let api = Api::new(vec![
        (
            "POST /v1/tasks/",
            409,
            json!({"request_id": "r", "code": "Conflict", "status": 409, "title": "Conflict",
            "detail": "a completed task cannot be cancelled"}),
        ),
        ("GET /v1/queues", 401, json!({"title": "Authorization Error", "detail": "no token"})),
    ]);
    let output = api.run(&["task", "cancel", ID]);
    assert_eq!(output.status.code(), Some(4));
    assert_eq!(
        err(&output),
        format!(
            "valence: POST /v1/tasks/{ID}/cancel was refused: 409 Conflict: a completed task cannot be cancelled\n"
        )
    );
    let output = api.run(&["queue", "list"]);
    assert_eq!(output.status.code(), Some(4));
    assert!(err(&output).contains("VALENCE_API_TOKEN"), "{}", err(&output));
}

#[test]
fn a_password_comes_from_standard_input_and_shows_nowhere() {
    let podm = json!({"uuid": "p1", "name": "rack-1", "url": "https://h", "driver": "redfishv1", "status": "Online"});
    let api = Api::new(vec![
        ("POST /v1/pod_managers", 202, task("queued")),
        ("GET /v1/tasks/", 200, with(task("completed"), "result", podm)),
    ]);
    let args = [
        "--api-url",
        &api.url,
        "podm",
        "add",
        "--name",
        "rack-1",
        "--url",
        "https://h",
        "--username",
        "u",
        "--password-stdin",
    ];
    let output = run(&args, "canary\n");
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    assert_eq!(api.seen()[0].body["authentication"][0]["auth_items"]["password"], "canary");
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), err(&output));
    assert!(!said.contains("canary"), "{said}");
}

#[test]
fn a_token_from_the_environment_goes_with_every_request_and_into_no_help() {
    let api = Api::new(vec![("GET /v1/nodes", 200, json!([]))]);
    let with_token = |args: &[&str]| {
        Command::new(env!("CARGO_BIN_EXE_valence")).args(args).env("VALENCE_API_TOKEN", "canary").output().unwrap()
    };
    assert!(with_token(&["--api-url", &api.url, "node", "list"]).status.success());
    assert!(api.seen()[0].headers.contains("authorization: bearer canary"));
    let help = with_token(&["--help"]);
    assert!(!String::from_utf8_lossy(&help.stdout).contains("canary"));
}

#[test]
fn doctor_says_what_is_wrong_and_fails_only_then() {
    let durable = |fsync: &str| {
        json!({"ready": true, "redis": {"role": "master", "redis_version": "7.0.15",
        "appendonly": true, "appendfsync": fsync, "maxmemory_policy": "noeviction", "guarantee": "words"}})
    };
    let worker = json!({"id": "w1", "topics": ["compute"], "slots": 64, "busy": 0, "sync_slots": 16, "version": "0.1.0",
        "host": "h", "started_at": "x", "draining": false});
    let queue = |paused: bool| {
        json!({"topic": "compute", "paused": paused, "depth": {"queued": 3}, "priorities": {}, "lag": 3,
        "pending": 0, "sync": 0, "oldest_age_s": 1.0, "totals": {}, "rates": {}, "workers": 1})
    };
    let api = |fsync: &str, paused: bool| {
        Api::new(vec![
            ("GET /readyz", 200, durable(fsync)),
            ("GET /v1/queues", 200, json!({"queues": [queue(paused)]})),
            ("GET /v1/workers", 200, json!({"workers": [worker.clone()]})),
            ("GET /v1/pod_managers/states", 200, json!({"states": [standing("rack-1", "Online", "closed", 1)]})),
            ("GET /v1/dead-letters", 200, json!({"dead_letters": []})),
        ])
    };
    assert_eq!(
        api("always", false).out(&["doctor"]),
        "\
ok     the API answers and is ready
ok     Redis 7.0.15: words
ok     Redis is a master
ok     maxmemory-policy is noeviction
ok     1 workers, 0 of 64 slots busy
ok     1 Pod Managers, none stuck
"
    );
    assert_eq!(api("always", false).out(&["doctor", "--check"]), "");
    let output = api("everysec", true).run(&["doctor", "--check"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "\
WRONG  Redis 7.0.15: words
WRONG  topic compute is paused with 3 queued: valence queue resume compute
"
    );
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    assert_eq!(run(&["--api-url", &format!("http://{gone}"), "doctor"], "").status.code(), Some(3));
}

/// A Pod Manager as the API tells of it, with a gate for four.
fn standing(name: &str, status: &str, circuit: &str, in_flight: u32) -> Value {
    json!({"podm_id": format!("id-{name}"), "name": name, "driver": "redfishv1", "status": status, "cordoned": false,
        "draining": false, "circuit": {"state": circuit, "failures": 5, "why": "answered 503"},
        "gates": [{"name": "changes", "limit": 4, "in_flight": in_flight, "waiting": 2, "holders": []}]})
}

#[test]
fn doctor_names_the_pod_manager_that_is_stuck_and_the_one_that_is_slow() {
    let states = [
        standing("well", "Online", "closed", 1),
        standing("slow", "Online", "closed", 4),
        standing("stuck", "Offline", "open", 0),
    ];
    let api = Api::new(vec![
        ("GET /readyz", 200, json!({"ready": true})),
        ("GET /v1/queues", 200, json!({"queues": []})),
        ("GET /v1/workers", 200, json!({"workers": []})),
        ("GET /v1/pod_managers/states", 200, json!({"states": states})),
        ("GET /v1/dead-letters", 200, json!({"dead_letters": [task("failed")]})),
    ]);
    let output = api.run(&["doctor"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "\
ok     the API answers and is ready
look   Pod Manager slow is slow: changes are full (4 of 4), 2 tasks wait; valence podm show id-slow
look   1 tasks have failed for good: valence dead-letter list
WRONG  no worker is there: tasks wait until one starts
WRONG  Pod Manager stuck is stuck: its circuit is open after 5 failures: answered 503; it did not answer its last probe; 2 tasks wait; \
valence podm show id-stuck
"
    );
}

#[test]
fn doctor_and_top_look_at_every_page_of_pod_managers() {
    let page = |name: &str, status: &str, marker: Value| {
        ("GET /v1/pod_managers/states", 200, json!({"states": [standing(name, status, "closed", 1)], "marker": marker}))
    };
    let pages = || {
        vec![
            ("GET /readyz", 200, json!({"ready": true})),
            ("GET /v1/queues", 200, json!({"queues": []})),
            ("GET /v1/workers", 200, json!({"workers": []})),
            ("GET /v1/tasks", 200, json!({"tasks": []})),
            ("GET /v1/dead-letters", 200, json!({"dead_letters": []})),
            page("first", "Online", json!("first~1")),
            page("last", "Offline", Value::Null),
        ]
    };
    let api = Api::new(pages());
    let doctor = String::from_utf8(api.run(&["doctor"]).stdout).unwrap();
    assert!(doctor.contains("Pod Manager last is stuck"), "{doctor}");
    let asked = api.seen().into_iter().filter(|r| r.line.contains("/states")).map(|r| r.line).collect::<Vec<_>>();
    let marked = ["GET /v1/pod_managers/states?limit=1000", "GET /v1/pod_managers/states?limit=1000&marker=first%7E1"];
    assert_eq!(asked, marked);
    let top: Value = serde_json::from_str(&Api::new(pages()).out(&["--json", "top", "--once"])).unwrap();
    assert_eq!(top["pod_managers"].as_array().unwrap().len(), 2, "{top}");
}

#[test]
fn what_is_changed_is_what_was_given_and_nothing_else() {
    let podm = json!({"uuid": "p1", "name": "rack-1", "url": "https://h", "driver": "redfishv1", "status": "Online"});
    let flavor = json!({"uuid": "f1", "name": "medium", "properties": {"memory": {"capacity_mib": "8192"}}});
    let schedule = json!({"id": "s1", "name": "nightly", "every_s": 7200, "enabled": true});
    let sent = |answer: Value, change: &'static str, args: &[&str]| {
        let api = Api::new(vec![
            (change, 202, task("queued")),
            ("GET /v1/tasks/", 200, with(task("completed"), "result", answer)),
        ]);
        api.out(args);
        api.seen()[0].body.clone()
    };
    let given = ["--max-changes", "8", "--weight", "0.5", "--label", "rack=a", "--insecure-skip-verify=false"];
    let body = sent(podm, "PATCH /v1/pod_managers/p1", &[&["podm", "update", "p1"], &given[..]].concat());
    let wanted = json!({"max_changes": 8, "weight": 0.5, "labels": {"rack": "a"}, "insecure_skip_verify": false});
    assert_eq!(body, wanted);
    let body = sent(flavor, "PATCH /v1/flavors/f1", &["flavor", "update", "f1", "--memory-mib", "8192"]);
    assert_eq!(body, json!({"properties": {"memory": {"capacity_mib": "8192"}}}));
    let body = sent(node(), "POST /v1/nodes/manage", &["node", "manage", "1", "--podm", "p1", "--wait"]);
    assert_eq!(body, json!({"node_index": "1", "podm_id": "p1"}));
    let api = Api::new(vec![("PATCH /v1/schedules/s1", 200, schedule)]);
    assert!(api.out(&["schedule", "update", "s1", "--every-s", "7200"]).contains("every_s  7200"));
    assert_eq!(api.seen()[0].body, json!({"every_s": 7200}));
    for nothing in [["podm", "update", "p1"], ["flavor", "update", "f1"], ["schedule", "update", "s1"]] {
        let output = api.run(&nothing);
        assert_eq!((output.status.code(), api.seen().len()), (Some(2), 1), "{nothing:?}: {}", err(&output));
    }
    let both = ["podm", "update", "p1", "--insecure-skip-verify", "--fingerprint", "00"];
    assert_eq!(api.run(&both).status.code(), Some(2));
}

#[test]
fn a_batch_tells_what_became_of_each_task() {
    let made = json!({"tasks": [{"id": ID}, {"error": {"code": "Bad Request", "title": "t", "status": 400, "detail": "no such kind"}}]});
    let api = Api::new(vec![("POST /v1/tasks/batch", 202, made)]);
    let given = r#"[{"kind": "noop"}, {"kind": "nope"}]"#;
    let output = run(&["--api-url", &api.url, "task", "batch", "-"], given);
    assert_eq!(output.status.code(), Some(1), "{}", err(&output));
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains(ID) && said.contains("no such kind"), "{said}");
    assert!(err(&output).contains("1 of 2 tasks were not made"), "{}", err(&output));
    assert_eq!(api.seen()[0].body["tasks"], serde_json::from_str::<Value>(given).unwrap());
}

#[test]
fn completion_scripts_know_the_commands() {
    for shell in ["bash", "zsh", "fish"] {
        let output = run(&["completion", shell], "");
        assert!(output.status.success());
        assert!(String::from_utf8_lossy(&output.stdout).contains("dead-letter"), "{shell}");
    }
}

#[test]
fn a_reader_that_leaves_early_is_no_failure() {
    let many: Vec<Value> = (0..3000).map(|_| task("queued")).collect();
    let api = Api::new(vec![("GET /v1/tasks", 200, json!({"tasks": many}))]);
    let mut child = Command::new(env!("CARGO_BIN_EXE_valence"))
        .args(["--api-url", &api.url, "task", "list"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn top_shows_what_is_wrong_first_and_fits_80_by_24() {
    let api = Api::new(a_bad_day());
    let shown = api.out(&["top", "--once"]);
    assert_eq!(shown.lines().count(), 24, "{shown}");
    assert!(shown.lines().all(|line| line.chars().count() <= 80), "{shown}");
    insta::assert_snapshot!(shown.replace(&api.url, "http://HOST"));
    // Where nobody watches it is one frame, asked for or not.
    assert_eq!(api.out(&["top"]), shown);
    let asked = api.seen().iter().find(|r| r.line.starts_with("GET /v1/tasks")).unwrap().line.clone();
    assert!(asked.contains("state=failed"), "{asked}");
}

#[test]
fn top_in_json_is_what_the_api_said() {
    let shown: Value = serde_json::from_str(&Api::new(a_bad_day()).out(&["top", "--json"])).unwrap();
    assert_eq!(shown["queues"][1]["paused"], true);
    assert_eq!(shown["pod_managers"][2]["circuit"]["why"], "no answer in time");
    assert_eq!((&shown["workers"][0]["busy"], &shown["failures"][0]["id"]), (&json!(2), &json!(ID)));
}

#[test]
fn every_command_has_a_manual_page() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path().join("man1");
    let output = run(&["man", at.to_str().unwrap()], "");
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    let page = |name: &str| std::fs::read_to_string(at.join(name)).unwrap_or_else(|e| panic!("{name}: {e}"));
    assert!(page("valence.1").contains("Exit codes"));
    for name in ["valence-top.1", "valence-task-list.1", "valence-dead-letter-redrive.1", "valence-podm-cordon.1"] {
        assert!(page(name).contains(".SH SYNOPSIS"), "{name}");
    }
}
