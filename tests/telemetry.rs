//! What Pod Managers measure and tell: collected, shown with its age, subscribed to, received. Real flows over HTTP.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on should say so")]

mod support;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::SignedDuration;
use reqwest::StatusCode;
use serde_json::{Value, json};
use support::api::TestApi;
use support::front::Front;
use support::podm::{Lab, PASSWORD};
use support::saga::Plant;
use support::wait;
use valence::config::RedfishConfig;
use valence::model::reading::ReadingKind;
use valence::podm::Pool;
use valence::secret::SecretKey;
use valence::sim::SimConfig;
use valence::store::readings::Latest;

const SUBSCRIPTIONS: &str = "/redfish/v1/EventService/Subscriptions";

async fn at_podm(lab: &Lab, path: &str) -> Value {
    let url = format!("{}{path}", lab.url);
    let got = reqwest::Client::new().get(url).basic_auth("admin", Some(PASSWORD)).send().await.unwrap();
    got.json().await.unwrap()
}

async fn subscriptions(lab: &Lab) -> Vec<Value> {
    let mut all = Vec::new();
    for member in at_podm(lab, SUBSCRIPTIONS).await["Members"].as_array().unwrap() {
        all.push(at_podm(lab, member["@odata.id"].as_str().unwrap()).await);
    }
    all
}

async fn remove(lab: &Lab, subscription: &Value) {
    let url = format!("{}{}", lab.url, subscription["@odata.id"].as_str().unwrap());
    reqwest::Client::new().delete(url).basic_auth("admin", Some(PASSWORD)).send().await.unwrap();
}

#[tokio::test]
async fn readings_are_collected_and_shown_with_their_age_and_unknown_is_not_nought() {
    let plant = Plant::start(SimConfig { systems: 4, ..SimConfig::default() }).await;
    let podm = plant.lab.uuids[0].clone();
    let task = plant.run("telemetry.collect", json!({}), Some(&podm), None).await;
    assert_eq!(task.state.as_str(), "completed", "{:?}", task.body);
    assert!(task.body.result["readings"].as_u64().unwrap() > 10, "{:?}", task.body.result);
    let all = plant.read("reading.list", json!({"podm_id": podm})).await.unwrap();
    let cpu = all.as_array().unwrap().iter().find(|r| r["name"] == "CPU Temperature").unwrap();
    assert_eq!((&cpu["value"], &cpu["stale"]), (&Value::Null, &json!(false)), "{cpu}");
    assert!(cpu["age_s"].as_f64().unwrap() < 30.0);
    let hot = plant.read("reading.list", json!({"kind": "temperature", "name": "Inlet"})).await.unwrap();
    assert!(hot.as_array().unwrap().iter().all(|r| r["value"] == 21.0), "{hot}");
    assert_eq!(plant.read("reading.list", json!({"podm_id": "none"})).await.unwrap_err().status, 404);

    let node = plant.compose(json!({"name": "n"})).await.body.result["uuid"].as_str().unwrap().to_owned();
    plant.run("telemetry.collect", json!({}), Some(&podm), None).await;
    let of_node = plant.read("reading.list", json!({ "node_id": node })).await.unwrap();
    let of_node = of_node.as_array().unwrap();
    assert_eq!(of_node.len(), 4, "{of_node:?}");
    assert!(of_node.iter().any(|r| r["name"] == "CPU Temperature" && r["value"].as_f64().unwrap() > 40.0));
}

/// So many readings of a Pod Manager, named by their numbers, every third of them a fan's.
async fn measured(plant: &Plant, podm: usize, count: usize) {
    let row = |n: usize| {
        let kind = if n.is_multiple_of(3) { "fan" } else { "power" };
        json!({"resource_uri": "/redfish/v1/Chassis/1", "name": n.to_string(), "kind": kind, "value": 1.0, "unit": ""})
    };
    let rows = serde_json::from_value((0..count).map(row).collect()).unwrap();
    let at_ms = plant.store.clock().now_ms();
    plant.store.put_readings(&plant.lab.uuids[podm], Latest { at_ms, fresh_s: 60, rows }).await.unwrap();
}

/// Pod Managers whose readings nobody collects.
async fn measuring_nothing(podms: usize) -> Plant {
    let sim = SimConfig { podms, ..SimConfig::default() };
    Plant::start_with(sim, |config| config.telemetry.collect_interval = SignedDuration::ZERO).await
}

fn named(readings: &Value) -> Vec<(String, String)> {
    let text = |row: &Value, key: &str| row[key].as_str().unwrap().to_owned();
    readings.as_array().unwrap().iter().map(|row| (text(row, "podm_id"), text(row, "name"))).collect()
}

#[tokio::test]
async fn pages_of_readings_have_each_once_also_when_a_pod_manager_goes_meanwhile() {
    let plant = measuring_nothing(3).await;
    let front = Front::over(&plant).await;
    for podm in 0..3 {
        measured(&plant, podm, 40).await;
    }
    let list = async |query: &str| front.get(&format!("/v1/telemetry/readings{query}")).await;
    let (_, all) = list("").await;
    assert_eq!(all.as_array().unwrap().len(), 120);
    for filter in ["", "&kind=fan"] {
        let (mut paged, mut marker) = (Vec::new(), String::new());
        loop {
            let (status, page) = list(&format!("?limit=17{filter}{marker}")).await;
            assert_eq!(status, StatusCode::OK, "{page}");
            paged.extend(named(&page["readings"]));
            match page["marker"].as_str() {
                Some(next) => {
                    assert_eq!(page["readings"].as_array().unwrap().len(), 17);
                    marker = format!("&marker={next}");
                }
                None => break,
            }
        }
        let (_, whole) = list(&filter.replace('&', "?")).await;
        assert_eq!(paged, named(&whole), "{filter}");
    }
    let (_, first) = list("?limit=50").await;
    let marker = first["marker"].as_str().unwrap();
    let (gone, _) = marker.split_once('~').unwrap();
    plant.run("podm.delete", Value::Null, Some(gone), None).await;
    let (_, rest) = list(&format!("?marker={marker}")).await;
    assert_eq!(named(&rest["readings"]), named(&all)[80..], "the next Pod Manager's, from its first on");
    for odd in ["?marker=odd", "?marker=a~b", "?limit=0", "?limit=1001", "?limit=many"] {
        assert_eq!(list(odd).await.0, StatusCode::BAD_REQUEST, "{odd}");
    }
}

#[tokio::test]
async fn more_readings_than_one_answer_holds_are_given_in_pages_and_never_cut_short() {
    let plant = measuring_nothing(5).await;
    let front = Front::over(&plant).await;
    for podm in 0..5 {
        measured(&plant, podm, 4_001).await;
    }
    let (status, refused) = front.get("/v1/telemetry/readings").await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(refused["detail"].as_str().unwrap().contains("ask for pages by 'limit' and 'marker'"), "{refused}");
    let told = front.command(&["telemetry", "readings", "--json"]).await;
    assert_eq!(serde_json::from_str::<Vec<Value>>(&told).unwrap().len(), 5 * 4_001);
    let told = front.command(&["telemetry", "readings", "--limit", "1003", "--json"]).await;
    assert_eq!(serde_json::from_str::<Vec<Value>>(&told).unwrap().len(), 1003);
    // A page that finds nothing says where to go on.
    let (_, none) = front.get("/v1/telemetry/readings?limit=1&name=none").await;
    assert!(none["readings"].as_array().unwrap().is_empty() && none["marker"].is_string(), "{none}");
    let (_, few) = front.get("/v1/telemetry/readings?name=7").await;
    assert_eq!(few.as_array().unwrap().len(), 5);
}

#[tokio::test]
async fn every_recorded_tree_is_read_without_an_error() {
    let named = std::env::var_os("VALENCE_FIXTURES").map(PathBuf::from);
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/fixtures");
    let Some(fixtures) = named.or(Some(beside)).filter(|p| p.is_dir()) else {
        println!("skipped: no recorded trees (VALENCE_FIXTURES)");
        return;
    };
    let trees = [
        ("dmtf/public-telemetry", 5),
        ("dmtf/public-bladed", 5),
        ("dmtf/public-rackmount1", 40),
        ("rsd-2.x-podm-rsd-lib/tree", 8),
        ("rsd-2.x-intel-simulators/rmm", 2),
        ("rsd-2.x-intel-simulators/psme", 0),
        ("rsd-2.x-intel-simulators/lui", 0),
        ("rsd-2.x-intel-simulators/pnc", 0),
        ("rsd-1.2.1-podm-valence-simulator", 0),
    ];
    for (tree, least) in trees {
        let lab = Lab::start(SimConfig { tree: Some(fixtures.join(tree)), ..SimConfig::default() }).await;
        let driver = lab.driver();
        let telemetry = driver.telemetry().unwrap();
        let read = telemetry.readings().await.unwrap_or_else(|e| panic!("{tree}: {e}"));
        telemetry.subscriptions().await.unwrap_or_else(|e| panic!("{tree}: {e}"));
        println!("{tree}: {} readings, incomplete {:?}", read.all.len(), read.incomplete);
        assert!(read.all.len() >= least, "{tree}: {:?}", read.all);
        let cold = |r: &&valence::model::reading::Reading| r.kind == ReadingKind::Temperature && r.value == Some(0.0);
        assert!(read.all.iter().filter(cold).count() == 0, "{tree}");
    }
}

#[tokio::test]
async fn a_lost_answer_makes_no_second_subscription_and_other_peoples_stay() {
    let plant = Plant::start(SimConfig::default()).await;
    let (lab, podm) = (&plant.lab, plant.lab.uuids[0].clone());
    let foreign = json!({"Destination": "http://elsewhere/x", "Context": format!("valence:other:{podm}")});
    let url = format!("{}{SUBSCRIPTIONS}", lab.url);
    let post = reqwest::Client::new().post(url).basic_auth("admin", Some(PASSWORD)).json(&foreign).send();
    assert_eq!(post.await.unwrap().status(), StatusCode::CREATED);

    let wanted = json!({"receiver": "http://127.0.0.1:1"});
    for cut in ["before", "after", "within"] {
        let fault = json!([{"method": "POST", "path_prefix": SUBSCRIPTIONS, "cut": cut, "count": 1}]);
        lab.faults(fault).await;
        for _ in 0..2 {
            let task = plant.run("subscription.create", wanted.clone(), Some(&podm), None).await;
            assert_eq!(task.state.as_str(), "completed", "{cut}: {:?}", task.body);
        }
        assert_eq!(subscriptions(lab).await.len(), 2, "{cut}");
        let moved = json!({"receiver": "http://127.0.0.1:2"});
        plant.run("subscription.create", moved, Some(&podm), None).await;
        assert_eq!(subscriptions(lab).await.len(), 2, "a receiver that moved replaces the old one");
        let shown = plant.read("subscription.list", json!({})).await.unwrap();
        let own = shown["items"].as_array().unwrap().iter().find(|s| s["own"] == true).unwrap();
        assert_eq!(own["receiver"], "http://127.0.0.1:2");
        assert!(!shown.to_string().contains(&lab.key.event_key(&podm)));
        for _ in 0..2 {
            let task = plant.run("subscription.delete", json!({}), Some(&podm), None).await;
            assert_eq!(task.state.as_str(), "completed", "{:?}", task.body);
        }
        let left = subscriptions(lab).await;
        assert_eq!((left.len(), &left[0]["Context"]), (1, &foreign["Context"]), "{cut}");
    }
    plant.run("subscription.create", wanted, Some(&podm), None).await;
    plant.run("podm.delete", json!({}), Some(&podm), None).await;
    assert_eq!(subscriptions(lab).await.len(), 1, "ours goes with the Pod Manager");
}

#[tokio::test]
async fn a_subscription_made_by_hand_comes_back_after_a_restart_and_stays_gone_once_it_was_ended() {
    let plant = Plant::start_with(SimConfig::default(), |config| {
        config.telemetry.collect_interval = SignedDuration::from_millis(300);
    })
    .await;
    let (lab, podm) = (&plant.lab, plant.lab.uuids[0].clone());
    let by_hand = json!({"receiver": "http://127.0.0.1:1"});
    let task = plant.run("subscription.create", by_hand, Some(&podm), None).await;
    assert_eq!(task.state.as_str(), "completed", "{:?}", task.body);
    // What a Pod Manager that starts again has forgotten.
    remove(lab, &subscriptions(lab).await[0]).await;
    let back = wait::until("it is back", async || subscriptions(lab).await.into_iter().next()).await;
    assert!(back["Destination"].as_str().unwrap().starts_with("http://127.0.0.1:1/"), "{back}");
    let task = plant.run("subscription.delete", Value::Null, Some(&podm), None).await;
    assert_eq!(task.state.as_str(), "completed", "{:?}", task.body);
    let collected = async || {
        let log = lab.log().await;
        log.as_array().unwrap().iter().filter(|c| c["path"].as_str().unwrap().ends_with("/Thermal")).count()
    };
    let before = collected().await;
    wait::until("the scheduler has looked twice more", async || {
        let now = collected().await;
        if now >= before + 2 * 8 { Ok(()) } else { Err(now - before) }
    })
    .await;
    assert_eq!(subscriptions(lab).await.len(), 0);
}

#[tokio::test]
async fn a_renewal_that_comes_after_the_end_of_its_subscription_or_is_overtaken_by_it_leaves_none() {
    let plant = Plant::start(SimConfig::default()).await;
    let (lab, podm) = (&plant.lab, plant.lab.uuids[0].clone());
    let by_hand = json!({"receiver": "http://127.0.0.1:1"});
    let renewal = json!({"receiver": "http://127.0.0.1:1", "renewal": true});
    let late = plant.run("subscription.create", renewal.clone(), Some(&podm), None).await;
    assert_eq!((late.state.as_str(), subscriptions(lab).await.len()), ("completed", 0), "{:?}", late.body);

    plant.run("subscription.create", by_hand, Some(&podm), None).await;
    remove(lab, &subscriptions(lab).await[0]).await;
    lab.faults(json!([{"method": "POST", "path_prefix": SUBSCRIPTIONS, "latency_ms": 2000, "count": 1}])).await;
    let asked = async || {
        let log = lab.log().await;
        log.as_array().unwrap().iter().filter(|c| c["method"] == "POST" && c["path"] == SUBSCRIPTIONS).count()
    };
    let before = asked().await;
    let overtaken = plant.submit("subscription.create", renewal, Some(&podm), None).await;
    wait::until("it is asked for", async || if asked().await > before { Ok(()) } else { Err(before) }).await;
    let deleted = plant.run("subscription.delete", Value::Null, Some(&podm), None).await;
    assert_eq!(deleted.state.as_str(), "completed", "{:?}", deleted.body);
    let overtaken = plant.done(overtaken).await;
    assert_eq!((overtaken.state.as_str(), subscriptions(lab).await.len()), ("completed", 0), "{:?}", overtaken.body);
}

#[tokio::test]
async fn a_subscription_whose_end_failed_is_not_renewed_but_ended_as_soon_as_that_works() {
    let plant = Plant::start_with(SimConfig::default(), |config| {
        config.telemetry.collect_interval = SignedDuration::from_millis(300);
    })
    .await;
    let (lab, podm) = (&plant.lab, plant.lab.uuids[0].clone());
    plant.run("subscription.create", json!({"receiver": "http://127.0.0.1:1"}), Some(&podm), None).await;
    lab.faults(json!([{"method": "DELETE", "path_prefix": SUBSCRIPTIONS, "status": 403}])).await;
    let failed = plant.run("subscription.delete", Value::Null, Some(&podm), None).await;
    assert_eq!((failed.state.as_str(), subscriptions(lab).await.len()), ("failed", 1), "{:?}", failed.body);
    lab.faults(json!([])).await;
    wait::until("it is gone", async || subscriptions(lab).await.is_empty()).await;
    wait::until("nor is it on record", async || plant.store.subscribed(&podm).await.unwrap().is_none()).await;
}

#[tokio::test]
async fn telemetry_is_served_by_the_command_line() {
    let plant = Plant::start(SimConfig::default()).await;
    let front = Front::over(&plant).await;
    let podm = plant.lab.uuids[0].as_str();
    let tell = async |words: &[&str]| front.command(&[&["telemetry"], words].concat()).await;
    let none = tell(&["readings"]).await;
    assert!(none.contains("no readings: the first come"), "{none}");
    let collected = tell(&["collect", podm]).await;
    assert!(collected.trim_end().ends_with(&format!(" readings of Pod Manager {podm}")), "{collected}");
    let inlets = tell(&["readings", "--podm", podm, "--kind", "temperature", "--name", "Inlet"]).await;
    assert!(inlets.contains("Inlet") && !inlets.contains("CPU Temperature"), "{inlets}");
    assert!(tell(&["subscriptions"]).await.contains("no subscriptions"));
    let subscribed = tell(&["subscribe", podm, "--receiver", "http://127.0.0.1:1"]).await;
    assert!(subscribed.contains("subscribed to the events of Pod Manager"), "{subscribed}");
    let shown = tell(&["subscriptions", "--podm", podm]).await;
    assert!(shown.contains("http://127.0.0.1:1") && shown.contains("true"), "{shown}");
    assert!(!shown.contains(&plant.lab.key.event_key(podm)), "the secret in the address is shown: {shown}");
    assert_eq!(subscriptions(&plant.lab).await.len(), 1);
    assert!(tell(&["unsubscribe", podm]).await.contains("no longer subscribed"));
    assert_eq!(subscriptions(&plant.lab).await.len(), 0);
    assert!(tell(&["events", podm]).await.contains("no events"));
}

/// API, worker and scheduler in this process over one Redis, and a simulated Pod Manager.
struct Whole {
    api: TestApi,
    lab: Lab,
    podm: String,
}

impl Whole {
    async fn start() -> Self {
        let api = TestApi::start_with(|config| {
            config.telemetry.collect_interval = SignedDuration::from_millis(300);
        })
        .await;
        let lab = Lab::start(SimConfig::default()).await;
        let mut config = api.config.clone();
        config.telemetry.event_receiver_url = Some(format!("http://{}", api.address));
        let redfish = RedfishConfig { allow_cidrs: vec!["127.0.0.0/8".parse().unwrap()], ..RedfishConfig::default() };
        let key = Arc::new(SecretKey::read(config.secret_key_file.as_ref().unwrap()).unwrap());
        let pool = Pool::new(&redfish, Some(key.clone())).unwrap();
        pool.keep(&api.shutdown);
        valence::worker::run(&config, api.store.clone(), pool.clone(), &api.shutdown).await.unwrap();
        valence::upkeep::run(&config, api.store.clone(), pool, Some(key), &api.shutdown).await.unwrap();
        let body = json!({"name": "lab", "url": lab.url,
            "authentication": [{"type": "basic", "auth_items": {"username": "admin", "password": PASSWORD}}]});
        wait::until("a worker serves", async || api.get("/v1/pod_managers").await.0 == StatusCode::OK).await;
        let (status, row) = api.post("/v1/pod_managers", &body).await;
        assert_eq!(status, StatusCode::OK, "{row}");
        Self { api, lab, podm: row["uuid"].as_str().unwrap().to_owned() }
    }
}

#[tokio::test]
async fn a_subscription_that_a_restart_lost_comes_back_and_its_events_are_shown() {
    let whole = Whole::start().await;
    let Whole { api, lab, podm } = &whole;
    for _ in 0..2 {
        let one = wait::until("it is subscribed to", async || subscriptions(lab).await.into_iter().next()).await;
        assert_eq!(one["Context"], format!("valence:valence:{podm}"));
        remove(lab, &one).await;
    }
    wait::until("it is subscribed to", async || subscriptions(lab).await.len() == 1).await;
    let (status, node) = api.post("/v1/nodes", &json!({"name": "n", "podm_id": podm})).await;
    assert_eq!(status, StatusCode::OK, "{node}");
    let path = format!("/v1/telemetry/events?podm_id={podm}");
    let events = wait::until("the node's events are there", async || {
        let (_, events) = api.get(&path).await;
        let kinds: Vec<_> = events.as_array().unwrap().iter().map(|e| e["event_type"].clone()).collect();
        let all = kinds.contains(&json!("ResourceAdded")) && kinds.contains(&json!("StatusChange"));
        if all { Ok(events) } else { Err(kinds) }
    })
    .await;
    let times: Vec<&str> = events.as_array().unwrap().iter().map(|e| e["received_at"].as_str().unwrap()).collect();
    assert!(times.is_sorted_by(|a, b| a >= b), "newest first: {times:?}");
    wait::until("the event has caused a probe", async || {
        let (_, tasks) = api.get("/v1/tasks?kind=podm.probe&label=cause:event").await;
        !tasks["tasks"].as_array().unwrap().is_empty()
    })
    .await;
    let path = format!("/v1/telemetry/readings?podm_id={podm}&kind=power");
    wait::until("readings are collected", async || !api.get(&path).await.1.as_array().unwrap().is_empty()).await;
    let (_, tasks) = api.get("/v1/tasks?kind=telemetry.collect").await;
    assert!(tasks["tasks"].as_array().unwrap().len() <= 2, "collections leave no tasks behind: {tasks}");

    // Neither password nor session token nor the key of the events stands anywhere but where it must.
    let mut dump = String::new();
    for key in api.redis.keys().await {
        let bytes: redis::Value = api.redis.command(&["DUMP", &key]).await;
        if let redis::Value::BulkString(bytes) = bytes {
            dump.push_str(&String::from_utf8_lossy(&bytes));
        }
    }
    let metrics = valence::observe::metrics::get().page();
    let secret = subscriptions(lab).await[0]["Destination"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
    for canary in [PASSWORD, secret.as_str()] {
        assert!(!dump.contains(canary) && !metrics.contains(canary));
    }
}

#[tokio::test]
async fn only_who_knows_the_key_can_send_events_and_nonsense_is_refused() {
    let whole = Whole::start().await;
    let Whole { api, podm, .. } = &whole;
    let key = SecretKey::read(api.config.secret_key_file.as_ref().unwrap()).unwrap();
    let good = format!("/v1/telemetry/events/{podm}/{}", key.event_key(podm));
    let event = json!({"Events": [{"EventType": "Alert", "Message": "hot"}]});
    assert_eq!(api.post(&good, &event).await.0, StatusCode::NO_CONTENT);
    for bad in
        [format!("/v1/telemetry/events/{podm}/{}", key.event_key("other")), format!("/v1/telemetry/events/{podm}/x")]
    {
        assert_eq!(api.post(&bad, &event).await.0, StatusCode::NOT_FOUND);
    }
    let gone = format!("/v1/telemetry/events/gone/{}", key.event_key("gone"));
    assert_eq!(api.post(&gone, &event).await.0, StatusCode::NOT_FOUND);
    assert_eq!(api.post(&good, &json!({"hello": 1})).await.0, StatusCode::BAD_REQUEST);
    let huge = json!({"Events": [{"Message": "x".repeat(300_000)}]});
    assert_eq!(api.post(&good, &huge).await.0, StatusCode::PAYLOAD_TOO_LARGE);
    let (_, kept) = api.get(&format!("/v1/telemetry/events?podm_id={podm}&limit=1")).await;
    assert_eq!(kept.as_array().unwrap().len(), 1);
}
