//! podm-sim's composition flavour by itself, over HTTP: what it keeps to, and what survives a restart.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on should say so")]

mod support;

use reqwest::Method;
use serde_json::{Value, json};
use support::podm::{Lab, PASSWORD};
use valence::sim::{Deviation, SimConfig, SimFlavour};

const BLOCKS: &str = "/redfish/v1/CompositionService/ResourceBlocks";
const COMPOSE: &str = "/redfish/v1/CompositionService/Actions/CompositionService.Compose";
const SYSTEMS: &str = "/redfish/v1/Systems";

fn config() -> SimConfig {
    SimConfig { flavour: SimFlavour::Composition, assemble_time: std::time::Duration::ZERO, ..SimConfig::default() }
}

struct Answer {
    status: u16,
    location: Option<String>,
    etag: Option<String>,
    body: Value,
}

async fn ask(lab: &Lab, method: Method, path: &str, body: Value, version: Option<&str>) -> Answer {
    let mut request = reqwest::Client::new().request(method, format!("{}{path}", lab.url));
    request = request.basic_auth("admin", Some(PASSWORD));
    if let Some(version) = version {
        request = request.header("If-Match", version);
    }
    if !body.is_null() {
        request = request.json(&body);
    }
    let answer = request.send().await.unwrap();
    let header = |name: &str| answer.headers().get(name).map(|v| v.to_str().unwrap().to_owned());
    let (status, location, etag) = (answer.status().as_u16(), header("location"), header("etag"));
    Answer { status, location, etag, body: answer.json().await.unwrap_or_default() }
}

async fn get(lab: &Lab, path: &str) -> Answer {
    ask(lab, Method::GET, path, Value::Null, None).await
}

async fn post(lab: &Lab, path: &str, body: Value) -> Answer {
    ask(lab, Method::POST, path, body, None).await
}

fn of(blocks: &[&str]) -> Value {
    let links: Vec<Value> = blocks.iter().map(|b| json!({"@odata.id": format!("{BLOCKS}/{b}")})).collect();
    json!({"Name": "a", "Links": {"ResourceBlocks": links}})
}

async fn state_of(lab: &Lab, block: &str) -> String {
    let body = get(lab, &format!("{BLOCKS}/{block}")).await.body;
    body["CompositionStatus"]["CompositionState"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn blocks_are_composed_once_in_one_zone_and_freed_with_their_system() {
    let lab = Lab::start(config()).await;
    for (blocks, status) in [
        (["Compute1", "Drives5"].as_slice(), 400),
        (&["Memory1"], 400),
        (&["Compute1", "Compute1"], 400),
        (&["Compute99"], 400),
        (&[], 400),
        (&["Compute1", "Drives1", "Drives8"], 201),
        (&["Compute1"], 409),
        (&["Compute2", "Drives1"], 409),
        (&["Compute2", "Drives8"], 201),
        (&["Compute3", "Drives8"], 409),
    ] {
        assert_eq!(post(&lab, SYSTEMS, of(blocks)).await.status, status, "{blocks:?}");
    }
    assert_eq!(
        (state_of(&lab, "Drives1").await.as_str(), state_of(&lab, "Drives8").await.as_str()),
        ("Composed", "Composed")
    );
    let first = ask(&lab, Method::DELETE, &format!("{SYSTEMS}/Composed1"), Value::Null, None).await;
    assert_eq!(first.status, 204);
    assert_eq!(state_of(&lab, "Drives1").await, "Unused");
    assert_eq!(state_of(&lab, "Drives8").await, "ComposedAndAvailable", "it may be in two systems and is in one");
    assert_eq!(get(&lab, &format!("{SYSTEMS}/Composed1")).await.status, 404);
}

#[tokio::test]
async fn a_reservation_is_advice_and_changed_only_in_the_version_that_was_read() {
    let lab = Lab::start(config()).await;
    let path = format!("{BLOCKS}/Compute1");
    let version = get(&lab, &path).await.etag.unwrap();
    let reserve = |to: bool| json!({"CompositionStatus": {"Reserved": to}});
    assert_eq!(ask(&lab, Method::PATCH, &path, reserve(true), Some(&version)).await.status, 200);
    assert_eq!(ask(&lab, Method::PATCH, &path, reserve(false), Some(&version)).await.status, 412);
    assert_eq!(get(&lab, &path).await.body["CompositionStatus"]["Reserved"], true);
    assert_eq!(ask(&lab, Method::PATCH, &path, json!({"Name": "x"}), None).await.status, 400);
    assert_eq!(post(&lab, SYSTEMS, of(&["Compute1"])).await.status, 201, "whoever asks for it gets it");
}

#[tokio::test]
async fn constraints_are_met_exactly_or_exceeded_only_where_that_is_allowed() {
    let lab = Lab::start(config()).await;
    let wanted = |cores: u64, modules: u64, mib: u64, more: bool| {
        let count = |n: u64| json!({"@Redfish.RequestedCount": n, "@Redfish.AllowOverprovisioning": more});
        let (mut cpu, mut dimm) = (count(1), count(modules));
        cpu["ProcessorType"] = json!("CPU");
        cpu["TotalCores"] = json!(cores);
        dimm["CapacityMiB"] = json!(mib);
        json!({"Name": "c", "Processors": {"Members": [cpu]}, "Memory": {"Members": [dimm]}})
    };
    assert_eq!(post(&lab, SYSTEMS, wanted(3, 1, 1, false)).await.status, 409, "no processor has three cores");
    let exact = post(&lab, SYSTEMS, wanted(4, 2, 8192, false)).await;
    assert_eq!((exact.status, exact.body["Links"]["ResourceBlocks"].as_array().unwrap().len()), (201, 1));
    let more = post(&lab, SYSTEMS, wanted(3, 20, 16_000, true)).await;
    assert_eq!(
        (more.status, more.body["Links"]["ResourceBlocks"].as_array().unwrap().len()),
        (201, 3),
        "{}",
        more.body
    );
    let mut elsewhere = wanted(3, 1, 1, true);
    elsewhere["@Redfish.ZoneAffinity"] = json!("9");
    assert_eq!(post(&lab, SYSTEMS, elsewhere.clone()).await.status, 400);
    elsewhere["@Redfish.ZoneAffinity"] = json!("2");
    let zoned = post(&lab, SYSTEMS, elsewhere).await;
    assert_eq!(zoned.body["Links"]["ResourceBlocks"][0]["@odata.id"], format!("{BLOCKS}/Compute5"));
    assert_eq!(post(&lab, SYSTEMS, json!({"Name": "x", "Processors": {"Members": []}})).await.status, 400);
}

#[tokio::test]
async fn a_manifest_is_previewed_reserved_for_and_applied() {
    let lab = Lab::start(config()).await;
    let stanza = |blocks: &[&str]| json!({"StanzaType": "ComposeSystem", "StanzaId": "1", "Request": of(blocks)});
    let asked = |kind: &str, blocks: &[&str]| json!({"RequestFormat": "Manifest", "RequestType": kind, "Manifest": {"Stanzas": [stanza(blocks)]}});
    let response = |answer: &Answer| answer.body["Manifest"]["Stanzas"][0]["Response"].clone();
    let preview = post(&lab, COMPOSE, asked("Preview", &["Compute1"])).await;
    assert!(response(&preview)["error"].is_null() && preview.body["ReservationId"].is_null(), "{}", preview.body);
    let held = post(&lab, COMPOSE, asked("PreviewReserve", &["Compute1"])).await;
    let id = held.body["ReservationId"].as_str().unwrap().to_owned();
    let refused = post(&lab, COMPOSE, asked("Apply", &["Compute1"])).await;
    assert_eq!(refused.status, 200);
    assert!(response(&refused)["error"]["message"].as_str().unwrap().contains("Compute1"), "{}", refused.body);
    assert_eq!(post(&lab, SYSTEMS, of(&["Compute1"])).await.status, 409, "it is held for its client");

    let mut apply = asked("Apply", &["Compute1"]);
    apply["ReservationId"] = json!(id);
    let made = post(&lab, COMPOSE, apply.clone()).await;
    let system = response(&made)["@odata.id"].as_str().unwrap().to_owned();
    assert_eq!(get(&lab, &system).await.body["Links"]["ResourceBlocks"][0]["@odata.id"], format!("{BLOCKS}/Compute1"));
    assert_eq!(post(&lab, COMPOSE, apply).await.status, 409, "a reservation is used once");
    let decompose = json!({"StanzaType": "DecomposeSystem", "StanzaId": "2", "Request": {"@odata.id": system}});
    let freed = json!({"RequestFormat": "Manifest", "RequestType": "Apply", "Manifest": {"Stanzas": [decompose]}});
    assert_eq!(post(&lab, COMPOSE, freed).await.status, 200);
    assert_eq!(state_of(&lab, "Compute1").await, "Unused");
    for wrong in [
        json!({}),
        json!({"RequestType": "Guess", "Manifest": {"Stanzas": [stanza(&["Compute1"])]}}),
        json!({"RequestType": "Apply", "Colour": 1}),
    ] {
        assert_eq!(post(&lab, COMPOSE, wrong.clone()).await.status, 400, "{wrong}");
    }
}

#[tokio::test]
async fn blocks_are_added_to_a_system_and_taken_away() {
    let lab = Lab::start(config()).await;
    let system = format!("{SYSTEMS}/Composed1");
    assert_eq!(post(&lab, SYSTEMS, of(&["Compute1"])).await.status, 201);
    let change = async |action: &str, block: &str, version: Option<&str>| {
        let mut body = json!({"ResourceBlock": {"@odata.id": format!("{BLOCKS}/{block}")}});
        if let Some(version) = version {
            body["ComputerSystemETag"] = json!(version);
        }
        post(&lab, &format!("{system}/Actions/ComputerSystem.{action}"), body).await.status
    };
    assert_eq!(change("AddResourceBlock", "Memory2", Some("\"old\"")).await, 412);
    let version = get(&lab, &system).await.etag.unwrap();
    assert_eq!(change("AddResourceBlock", "Memory2", Some(&version)).await, 204);
    assert_eq!(change("AddResourceBlock", "Memory2", None).await, 409);
    assert_eq!(change("AddResourceBlock", "Memory5", None).await, 400, "it lies in another zone");
    assert_eq!(get(&lab, &system).await.body["MemorySummary"]["TotalSystemMemoryGiB"], 16 + 64);
    assert_eq!(change("RemoveResourceBlock", "Compute1", None).await, 409, "nothing runs without it");
    assert_eq!(change("RemoveResourceBlock", "Memory2", None).await, 204);
    assert_eq!(state_of(&lab, "Memory2").await, "Unused");
}

#[tokio::test]
async fn what_was_composed_is_there_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let config = SimConfig { data_dir: Some(dir.path().to_owned()), ..config() };
    let lab = Lab::start(config.clone()).await;
    let made = post(&lab, SYSTEMS, of(&["Compute2", "Gpu1"])).await;
    assert!(made.location.unwrap().ends_with("/redfish/v1/Systems/Composed1"));
    drop(lab);
    let lab = Lab::start(config).await;
    let there = get(&lab, &format!("{SYSTEMS}/Composed1")).await;
    assert_eq!((there.status, &there.body["UUID"]), (200, &made.body["UUID"]));
    assert_eq!(state_of(&lab, "Gpu1").await, "Composed");
}

#[tokio::test]
async fn each_deviation_is_what_it_says() {
    let lab = async |deviation| Lab::start(SimConfig { deviations: vec![deviation], ..config() }).await;
    let first = async |lab: &Lab| post(lab, SYSTEMS, of(&["Compute1"])).await;
    let unused = lab(Deviation::Unused).await;
    assert_eq!((first(&unused).await.status, first(&unused).await.status), (201, 201));
    assert_eq!(state_of(&unused, "Compute1").await, "Unused");
    let made = first(&lab(Deviation::Create200).await).await;
    assert_eq!((made.status, &made.location, &made.body["Id"]), (200, &None, &json!("Composed1")));
    let made = first(&lab(Deviation::Create204).await).await;
    assert!(made.status == 204 && made.location.is_some() && made.body.is_null());
    let hidden = post(&lab(Deviation::HiddenErrors).await, SYSTEMS, of(&["Compute99"])).await;
    assert_eq!((hidden.status, hidden.body), (200, json!(500)));
    let text = get(&lab(Deviation::ReservedText).await, &format!("{BLOCKS}/Compute1")).await.body;
    assert_eq!(text["CompositionStatus"]["Reserved"], "false");
    let linked = lab(Deviation::LinksMembers).await;
    first(&linked).await;
    let all = get(&linked, SYSTEMS).await.body;
    assert!(all["Members"].is_null() && all["Links"]["Members"].as_array().unwrap().len() == 1, "{all}");
    let service = get(&lab(Deviation::MisspeltTarget).await, "/redfish/v1/CompositionService").await.body;
    let target = service["Actions"]["#CompositionService.Compose"]["target"].as_str().unwrap();
    assert!(target.starts_with("/redfish/v1/CompostionService/"), "{target}");
}
