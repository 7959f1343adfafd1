//! Changes whose answers are twisted, each change of a node's life with each twist: nothing panics or hangs, every task ends, an error has a
//! status of its own and names its Pod Manager, and what is composed is what is on record.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on should say so")]

mod support;

use std::time::Duration;

use serde_json::{Value, json};
use support::podm::PASSWORD;
use support::saga::Plant;
use support::twister::{Reply, Twist, Twister, Which};
use support::wait;
use valence::model::task::Definition;
use valence::sim::{ComposeBy, SimConfig, SimFlavour};
use valence::store::record::TaskRecord;

use Twist::{After, Instead};

fn location(reply: &mut Reply, to: &[u8]) {
    reply.set("Location", Some(to));
}

/// What is done to the answer of a change, and how it is called.
const TWISTS: [(&str, Twist); 24] = [
    ("as it is", After(|_| {})),
    ("without a Location", After(|r| r.set("Location", None))),
    ("with an empty Location", After(|r| location(r, b""))),
    ("with a Location elsewhere", After(|r| location(r, b"http://127.0.0.2:9/redfish/v1/Nodes/1"))),
    ("with the root as Location", After(|r| location(r, b"/redfish/v1/"))),
    ("with a Location of no text", After(|r| location(r, b"\xff\xfe"))),
    ("with a Location that is none", After(|r| location(r, b"::: [7]"))),
    ("with a body that is null", After(|r| r.body = b"null".to_vec())),
    ("with a body that is a number", After(|r| r.body = b"7".to_vec())),
    ("with a body that is a list", After(|r| r.body = b"[{}]".to_vec())),
    ("with a body of other types", After(|r| r.body = br#"{"@odata.id": 7, "Id": [], "group_id": {}}"#.to_vec())),
    ("with a page", After(|r| r.body = b"<html>done</html>".to_vec())),
    ("with status 200", After(|r| r.status = 200)),
    ("with status 204", After(|r| (r.status, r.body) = (204, Vec::new()))),
    ("with status 299", After(|r| r.status = 299)),
    ("202 without a monitor", After(|r| (r.status, r.headers, r.body) = (202, Vec::new(), Vec::new()))),
    (
        "202 with a monitor that is not there",
        After(|r| {
            r.status = 202;
            location(r, b"/redfish/v1/TaskService/TaskMonitors/nowhere");
        }),
    ),
    (
        "with an ETag and a Retry-After of no sense",
        After(|r| {
            r.set("ETag", Some(b"\xffW/\"\""));
            r.set("Retry-After", Some(b"soon"));
        }),
    ),
    (
        "a redirect",
        Instead(|| {
            let mut reply = Reply::of(302, b"");
            location(&mut reply, b"/redfish/v1/Nodes/1");
            reply
        }),
    ),
    ("a refusal of no sense", Instead(|| Reply::of(400, br#"{"error": 7}"#))),
    ("a refusal in a page", Instead(|| Reply::of(409, b"<html>no</html>"))),
    ("status 412", Instead(|| Reply::of(412, b"{}"))),
    (
        "status 500",
        Instead(|| Reply::of(500, br#"{"error": {"code": [], "message": {}, "@Message.ExtendedInfo": 7}}"#)),
    ),
    ("status 999", Instead(|| Reply::of(999, b"{}"))),
];

/// How the monitor of a change answers.
const ENDS: [(&str, Twist); 11] = [
    (
        "200 with a task that has failed",
        Instead(|| Reply::of(200, br#"{"TaskState": "Exception", "TaskStatus": "Critical"}"#)),
    ),
    ("200 with a task of no sense", Instead(|| Reply::of(200, br#"{"TaskState": 7, "Messages": 7}"#))),
    ("200 with a number", Instead(|| Reply::of(200, b"7"))),
    ("200 with a page", Instead(|| Reply::of(200, b"<html>"))),
    ("204", Instead(|| Reply::of(204, b""))),
    ("404", Instead(|| Reply::of(404, b"{}"))),
    ("410", Instead(|| Reply::of(410, b""))),
    ("500", Instead(|| Reply::of(500, b"[]"))),
    ("400", Instead(|| Reply::of(400, b"null"))),
    ("a redirect", Instead(|| Reply::of(307, b""))),
    (
        "201 with a Location elsewhere",
        Instead(|| {
            let mut reply = Reply::of(201, b"{}");
            location(&mut reply, b"http://127.0.0.2:9/x");
            reply
        }),
    ),
];

/// A node's life at one Pod Manager, each step by a task; what is wrong with it.
async fn life(plant: &Plant, podm: usize, which: Which, twist: Twist) -> (Vec<String>, usize, Vec<String>) {
    let twister = Twister::before(&plant.lab.urls[podm], which, twist).await;
    let (name, id) = (format!("lab-{podm}"), &plant.lab.uuids[podm]);
    let registered = plant.register(podm, &name, &twister.url).await;
    assert_eq!(registered.state.as_str(), "completed", "{:?}", registered.body);
    let devices = if plant.lab.driver_name == "expether" { json!(["SSD", "NIC"]) } else { json!([]) };
    let wanted = json!({"name": "n", "properties": {"pci_device": {"type": devices}}});
    let mut wrong = Vec::new();
    let mut step = async |kind: &str, params: Value, node: Option<&str>| {
        let mut def = Definition::new(kind, params);
        (def.podm_id, def.node_id) = (Some(id.clone()), node.map(str::to_owned));
        def.max_attempts = 2;
        let task = plant.submit_def(def).await;
        let task = wait::within(Duration::from_secs(150), "the task has ended", async || {
            let task = plant.store.task(task).await.unwrap().unwrap();
            if task.state.is_terminal() { Ok(task) } else { Err((&name, task.state, task.history())) }
        })
        .await;
        wrong.extend(fault(&task, &name).map(|fault| format!("{kind}: {fault}")));
        task
    };
    let made = step("node.compose", wanted, None).await;
    if let Some(node) = made.body.result["uuid"].as_str().map(str::to_owned) {
        if plant.lab.driver_name != "expether" {
            step("node.action", json!({"Reset": {"Type": "ForceOff"}}), Some(&node)).await;
            step("node.action", json!({"Boot": {"Enabled": "Once", "Target": "Pxe"}}), Some(&node)).await;
        }
        step("node.delete", json!({}), Some(&node)).await;
    }
    let rows = plant.node_rows().await.into_iter().filter(|row| row.podm_id == *id).count();
    let there = plant.lab.seen("nodes").await[podm]["nodes"].as_array().map_or(0, Vec::len);
    if plant.lab.driver_name != "expether" && rows != there {
        wrong.push(format!("{there} composed, {rows} on record"));
    }
    (twister.changes(), twister.twisted(), wrong)
}

fn fault(task: &TaskRecord, name: &str) -> Option<String> {
    if task.state.as_str() == "completed" {
        return None;
    }
    let Some(error) = &task.body.error else { return Some("it failed without an error".into()) };
    let problem = &error.problem;
    let is_named = error.podm_id.is_some() || problem.detail.contains(name);
    let is_whole = (400..600).contains(&problem.status) && !problem.code.is_empty() && !problem.title.is_empty();
    let is_own = is_whole && is_named && !problem.detail.is_empty();
    (!is_own || problem.code == "UndoIncomplete" || problem.detail.contains(PASSWORD)).then(|| format!("{error:?}"))
}

/// Every change of a node's life with every twist, each at a Pod Manager of its own.
async fn holds(sim: SimConfig, twists: &[(&str, Twist)], monitors: bool) {
    let plain = SimConfig { assemble_time: Duration::ZERO, systems: 2, ..sim };
    let plant = Plant::bare(SimConfig { podms: 1, ..plain.clone() }, true).await;
    let (changes, _, wrong) = life(&plant, 0, Which::None, After(|_| {})).await;
    assert!(wrong.is_empty() && changes.len() > 1, "{changes:?} {wrong:?}");
    drop(plant);
    let of: Vec<Which> = if monitors { vec![Which::Monitors] } else { (0..changes.len()).map(Which::Change).collect() };
    let plant = Plant::bare(SimConfig { podms: of.len() * twists.len(), ..plain }, true).await;
    let cases = of.iter().flat_map(|which| twists.iter().map(move |twist| (which, twist))).enumerate();
    let lives = cases.map(|(podm, (which, (called, twist)))| {
        let (plant, changes) = (&plant, &changes);
        async move {
            let (_, twisted, mut wrong) = life(plant, podm, which.clone(), *twist).await;
            if twisted == 0 {
                wrong.push("it was never asked".into());
            }
            let change = if let Which::Change(n) = which { changes[*n].as_str() } else { "monitor" };
            wrong.into_iter().map(|fault| format!("{change} {called}: {fault}")).collect::<Vec<_>>()
        }
    });
    let wrong: Vec<String> = futures_util::future::join_all(lives).await.into_iter().flatten().collect();
    assert!(wrong.is_empty(), "{}\n{}", wrong.len(), wrong.join("\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rack_scale_changes_end_well_or_named_however_they_are_answered() {
    holds(SimConfig::default(), &TWISTS, false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_with_task_monitors_end_well_or_named_however_those_end() {
    holds(SimConfig { task_monitors: true, ..SimConfig::default() }, &ENDS, true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn compositions_end_well_or_named_however_they_are_answered() {
    let compose_by = vec![ComposeBy::Specific];
    holds(SimConfig { flavour: SimFlavour::Composition, compose_by, ..SimConfig::default() }, &TWISTS, false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn expether_changes_end_well_or_named_however_they_are_answered() {
    holds(SimConfig { flavour: SimFlavour::Eem, ..SimConfig::default() }, &TWISTS, false).await;
}
