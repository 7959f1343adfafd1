//! Where nodes are placed: never where they cannot be, never more than there is, and always with the reasons.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on should say so")]

mod support;

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use proptest::prelude::*;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use support::front::Front;
use support::redis::TestRedis;
use support::saga::Plant;
use valence::config::Config;
use valence::ids::{Bucket, TaskId, new_record_id};
use valence::model::inventory::{Inventory, Shape};
use valence::model::kind::PODM_CHANGES;
use valence::model::placement::{Candidate, Choice, Hints, Line, Reservation, Scene, Site, shape_key};

use valence::model::podm::{Podm, PodmStatus, Policy};
use valence::placement::{Request, decide};
use valence::sim::SimConfig;
use valence::store::Store;
use valence::store::gates::Gatekeeper;
use valence::store::record::TaskRecord;
use valence::store::records::{Collection, Writer};
use valence::store::reservations::Reserved;

const NOW: u64 = 1_000_000_000;
const LASTS: Duration = Duration::from_secs(60);

fn shape(cores: u32, free: u32) -> Shape {
    Shape { cores, memory_mib: u64::from(cores) * 1024, model: None, total: free.max(1), free }
}

fn podm_ids(plant: &Plant) -> Vec<String> {
    plant.lab.uuids.clone()
}

fn quick(podms: usize) -> SimConfig {
    SimConfig { podms, assemble_time: Duration::from_millis(40), ..SimConfig::default() }
}

fn writer(store: &Store) -> Writer {
    Writer { task: TaskId::mint(store.clock().now_ms(), Bucket(0)), claims: 1 }
}

/// Changes what the operator has set of a Pod Manager.
async fn set_policy(plant: &Plant, podm: usize, policy: Policy) {
    let id = &plant.lab.uuids[podm];
    let row: Podm = plant.store.record(Collection::Podm, id).await.unwrap().unwrap();
    let row = Podm { policy, status: PodmStatus::Online, ..row };
    assert!(plant.store.overwrite_record(Collection::Podm, id, &row, writer(&plant.store)).await.unwrap());
}

async fn count_hardware(store: &Store, podm_id: &str, shapes: Vec<Shape>) {
    let at_ms = store.clock().now_ms();
    store
        .put_inventory(&Inventory { podm_id: podm_id.to_owned(), at_ms, shapes, ..Inventory::default() })
        .await
        .unwrap();
}

async fn place(plant: &Plant, hints: Value) -> TaskRecord {
    plant.run("node.place", json!({"name": "n", "hints": hints}), None, None).await
}

fn where_is(task: &TaskRecord) -> &str {
    assert_eq!(task.state.as_str(), "completed", "{:?}", task.body);
    task.body.result["podm_id"].as_str().unwrap()
}

fn detail_of(task: &TaskRecord, status: u16) -> String {
    let problem = &task.body.error.as_ref().unwrap().problem;
    assert_eq!(problem.status, status, "{problem:?}");
    problem.detail.clone()
}

/// A store with Pod Managers on record whose hardware is counted.
async fn counted(redis: &TestRedis, hardware: &[Vec<Shape>]) -> (Store, Vec<String>) {
    let store = redis.open(Config::default().store_options()).await;
    let mut ids = Vec::new();
    for (n, shapes) in hardware.iter().enumerate() {
        let id = new_record_id();
        let row = json!({"uuid": id, "name": format!("podm-{n}"), "url": "https://podm.example", "driver": "redfishv1",
            "authentication": [], "status": "Online", "created_at": "", "updated_at": ""});
        assert!(store.put_record(Collection::Podm, &id, &row, writer(&store)).await.unwrap());
        count_hardware(&store, &id, shapes.clone()).await;
        ids.push(id);
    }
    (store, ids)
}

fn mint(store: &Store) -> TaskId {
    TaskId::mint(store.clock().now_ms(), Bucket(0))
}

fn any_candidate() -> impl Strategy<Value = Candidate> {
    let policy =
        (prop::bool::weighted(0.2), prop::bool::weighted(0.2), prop::option::of(-1.0..5.0_f64), prop::bool::ANY);
    let status = prop_oneof![Just(PodmStatus::Online), Just(PodmStatus::Offline), Just(PodmStatus::Unknown)];
    let driver = prop_oneof![4 => Just("redfishv1"), 1 => Just("telepathy")];
    let shapes = prop::option::weighted(0.8, prop::collection::btree_map(1..5_u32, 0..4_u32, 0..4));
    let held = prop::collection::vec((0..4_usize, 0..3_u64, prop::bool::ANY), 0..6);
    let known = (policy, status, driver, shapes, held, 0..9_u64, prop::option::of(1_000..100_000_u64));
    let shut = prop_oneof![4 => Just(0), 1 => Just(NOW - 1), 1 => Just(NOW + 1)];
    let news = (prop::bool::weighted(0.1), prop::bool::weighted(0.1));
    (known, shut, news).prop_map(
        |(
            ((cordoned, draining, weight, labelled), status, driver, shapes, held, in_flight, compose_ms),
            shut_ms,
            (silent, failing),
        )| {
            let labels = if labelled { BTreeMap::from([("zone".into(), "a".into())]) } else { BTreeMap::new() };
            let policy = Policy { cordoned, draining, weight, labels, ..Policy::default() };
            let uuid = new_record_id();
            let site = Site { name: uuid.clone(), uuid, driver: driver.into(), status, policy };
            let shapes: Option<Vec<Shape>> =
                shapes.map(|all| all.into_iter().map(|(n, free)| shape(n * 8, free)).collect());
            let keys: Vec<String> = shapes.iter().flatten().map(shape_key).collect();
            let inventory = shapes.map(|shapes| Inventory { at_ms: NOW - 5_000, shapes, ..Inventory::default() });
            let reservations = held
                .into_iter()
                .filter_map(|(n, done, lapsed)| {
                    let until_ms = if lapsed { NOW - 1 } else { NOW + 1 };
                    // Composing; there before the inventory was read; there after it.
                    let done_ms = [0, NOW - 60_000, NOW - 100][usize::try_from(done).unwrap()];
                    let (task, shape, begun_ms) = (format!("{n}{done}"), keys.get(n)?.clone(), NOW - 2_000);
                    Some(Reservation { task, shape, begun_ms, until_ms, done_ms })
                })
                .collect();
            let known = Candidate { site, in_flight, reservations, shut_ms, compose_ms, ..Candidate::default() };
            Candidate { silent, failing, ..known }.with_inventory(inventory)
        },
    )
}

proptest! {
    #[test]
    fn a_node_is_never_placed_where_it_cannot_be_and_the_explanation_adds_up(
        candidates in prop::collection::vec(any_candidate(), 0..12),
        cores in 0..40_u32,
        devices in prop::bool::ANY,
        only_first in prop::bool::ANY,
        excluded in prop::bool::ANY,
        waiting in 0..30_u64,
        seed in any::<u64>(),
    ) {
        let ids: Vec<String> = candidates.iter().map(|c| c.site.uuid.clone()).collect();
        let hints = Hints { podm_ids: ids.iter().take(if only_first { 1 } else { 0 }).cloned().collect(), ..Hints::default() };
        let request = Request {
            cores: f64::from(cores), devices, seed,
            hints: hints.clone(),
            excluded: ids.iter().rev().take(usize::from(excluded)).cloned().collect(),
            ..Request::default()
        };
        let lines = vec![Line { cores: f64::from(cores), count: waiting, ..Line::default() }];
        let scene = Scene { candidates, lines, now_ms: NOW };
        let decision = decide(&request, &scene);
        prop_assert_eq!(&decision, &decide(&request, &scene));
        let candidates = &scene.candidates;
        let placement = &decision.placement;
        let left_out: u32 = placement.filtered.values().sum();
        let left = u32::try_from(candidates.len()).unwrap() - left_out;
        prop_assert_eq!(placement.considered as usize, candidates.len());
        prop_assert_eq!(placement.scores.len(), left.min(5) as usize);
        prop_assert!(placement.scores.windows(2).all(|two| two[0].score >= two[1].score));
        let shut = placement.filtered.contains_key("circuit_open");
        prop_assert_eq!(decision.choice.is_some() || placement.waits.is_some(), left > 0 || shut);
        prop_assert!(decision.choice.is_none() || placement.waits.is_none());
        if let Some(Choice { at, podm_id, shape, most, .. }) = decision.choice {
            let chosen = &candidates[at];
            prop_assert_eq!(&chosen.site.uuid, &podm_id);
            prop_assert_eq!(&placement.scores[0].podm_id, &podm_id);
            prop_assert_eq!(&placement.chosen.as_ref().unwrap().podm_id, &podm_id);
            prop_assert!(!request.excluded.contains(&podm_id));
            prop_assert!(hints.podm_ids.is_empty() || hints.podm_ids.contains(&podm_id));
            prop_assert!(!chosen.site.policy.cordoned && !chosen.site.policy.draining);
            prop_assert!(chosen.shut_ms <= NOW);
            // Nothing is bound to one that does as much as it may already.
            let begun = chosen.reservations.iter().filter(|r| r.done_ms == 0 && r.until_ms > NOW).count() as u64;
            let at_once = if chosen.silent { 1 } else { u64::from(PODM_CHANGES) };
            prop_assert!(chosen.in_flight.max(begun) < at_once);
            prop_assert!(chosen.site.status != PodmStatus::Offline && chosen.site.driver == "redfishv1");
            if let Some(inventory) = &chosen.inventory {
                let of = inventory.shapes.iter().find(|s| shape_key(s) == shape).unwrap();
                let held = chosen.reservations.iter().filter(|r| r.shape == shape && r.until_ms > NOW);
                // Those that the inventory counts already stand no more beside it.
                let beside = held.filter(|r| r.done_ms == 0 || r.done_ms > inventory.at_ms).count();
                prop_assert!(of.cores >= cores && most == Some(of.free) && (beside as u64) < u64::from(of.free));
            }
            // Nobody that is known to be there, answers and has a place is passed by for one that nobody has asked, unless its operator
            // hardly wants it taken.
            if chosen.site.status == PodmStatus::Unknown {
                let free = |id: &str| candidates.iter().any(|c| c.site.uuid == id && c.in_flight + 6 < u64::from(PODM_CHANGES));
                let poor = |w: &BTreeMap<String, f64>| w["knowledge"] <= 0.02 || w["answers"] <= 0.02 || w["operator"] < 0.1;
                prop_assert!(placement.scores.iter().all(|s| !free(&s.podm_id) || poor(&s.weights)));
            }
        }
    }
}

#[test]
fn a_small_node_does_not_take_a_large_system_while_a_small_one_is_free() {
    let candidate = |name: &str, cores: u32| {
        let site =
            Site { uuid: name.into(), driver: "redfishv1".into(), status: PodmStatus::Online, ..Site::default() };
        let inventory = Inventory { at_ms: NOW, shapes: vec![shape(cores, 2)], ..Inventory::default() };
        Candidate { site, ..Candidate::default() }.with_inventory(Some(inventory))
    };
    let candidates = vec![candidate("large", 64), candidate("small", 8)];
    let scene = Scene { candidates, now_ms: NOW, ..Scene::default() };
    for seed in 0..20 {
        let request = Request { cores: 4.0, seed, ..Request::default() };
        assert_eq!(decide(&request, &scene).choice.unwrap().podm_id, "small");
        let request = Request { cores: 32.0, seed, ..Request::default() };
        assert_eq!(decide(&request, &scene).choice.unwrap().podm_id, "large");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_schedulers_with_64_placers_each_promise_exactly_what_there_is() {
    let redis = TestRedis::start().await;
    let hardware: Vec<Vec<Shape>> = (0..20).map(|n| vec![shape(8, n % 4), shape(16, n % 3)]).collect();
    let (first, _) = counted(&redis, &hardware).await;
    let second = redis.open(Config::default().store_options()).await;
    let there: u32 = hardware.iter().flatten().map(|s| s.free).sum();
    let placers: Vec<_> = [first.clone(), second].into_iter().cycle().take(128).collect();
    let placed: Vec<_> = placers
        .into_iter()
        .enumerate()
        .map(|(n, store)| {
            tokio::spawn(async move {
                let request = Request { cores: 8.0, seed: n as u64, ..Request::default() };
                let placed = store.place(mint(&store), LASTS, |scene| decide(&request, scene)).await.unwrap();
                u32::from(placed.choice.is_some())
            })
        })
        .collect();
    let mut promised = 0;
    for one in placed {
        promised += one.await.unwrap();
    }
    assert!(there < 128);
    assert_eq!(promised, there);
    first.read_candidates(Instant::now()).await.unwrap();
    first.with_candidates(|all| {
        for candidate in all.iter() {
            let mut by_shape: HashMap<&str, u32> = HashMap::new();
            candidate.reservations.iter().for_each(|r| *by_shape.entry(r.shape.as_str()).or_default() += 1);
            for shape in &candidate.inventory.as_ref().unwrap().shapes {
                assert_eq!(by_shape.get(shape_key(shape).as_str()).copied().unwrap_or(0), shape.free, "{candidate:?}");
            }
        }
    });
}

#[tokio::test]
async fn a_reservation_counts_until_an_inventory_knows_its_node_or_it_is_given_back_or_lapses() {
    let redis = TestRedis::start().await;
    let (store, ids) = counted(&redis, &[vec![shape(8, 1)]]).await;
    let at = |inventory_ms| Choice {
        at: 0,
        podm_id: ids[0].clone(),
        shape: shape_key(&shape(8, 1)),
        most: Some(1),
        inventory_ms,
    };
    let now = store.clock().now_ms();
    let [a, b, c, d] = [0; 4].map(|_| mint(&store));
    let take = async |task, at_ms| store.reserve(task, &at(at_ms), LASTS).await.unwrap();
    assert_eq!(take(a, now).await, Reserved::Ok);
    assert_eq!((take(a, now).await, take(b, now).await), (Reserved::Ok, Reserved::Full));
    store.drop_reservation(&ids[0], a).await.unwrap();
    assert_eq!(take(b, now).await, Reserved::Ok);
    store.reservation_done(&ids[0], b, Duration::from_millis(700)).await.unwrap();
    // Nobody has counted since: it is one of the free ones still.
    assert_eq!(take(c, now).await, Reserved::Full);
    let later = store.clock().now_ms() + 60_000;
    assert_eq!(take(c, later).await, Reserved::Ok);
    // Who has not seen that inventory must not count by an older one.
    assert_eq!(take(d, now).await, Reserved::Stale);
    store.drop_reservation(&ids[0], c).await.unwrap();
    let short = store.reserve(c, &at(later), Duration::from_millis(1)).await.unwrap();
    assert_eq!(short, Reserved::Ok);
    support::wait::until("its lease is over", async || take(d, later).await == Reserved::Ok).await;
    store.read_candidates(Instant::now()).await.unwrap();
    assert_eq!(store.with_candidates(|all| all[0].compose_ms), Some(700));
}

#[tokio::test]
async fn hints_decide_where_a_node_is_and_the_task_says_why() {
    let plant = Plant::start(quick(3)).await;
    let ids = podm_ids(&plant);
    let label = |zone: &str| Policy { labels: BTreeMap::from([("zone".into(), zone.into())]), ..Policy::default() };
    for (n, zone) in ["a", "b", "b"].iter().enumerate() {
        set_policy(&plant, n, label(zone)).await;
        count_hardware(&plant.store, &ids[n], vec![shape(8, 4)]).await;
    }
    let task = place(&plant, json!({"podm_ids": [ids[1]]})).await;
    assert_eq!(where_is(&task), ids[1]);
    let placement = &task.body.result["placement"];
    assert_eq!((&placement["considered"], &placement["filtered"]), (&json!(3), &json!({"not_allowed": 2})));
    assert_eq!(placement["chosen"]["podm_id"], json!(ids[1]));
    assert!(placement["scores"][0]["weights"]["load"].is_number(), "{placement}");
    assert_eq!(where_is(&place(&plant, json!({"affinity": {"zone": "a"}})).await), ids[0]);
    assert_ne!(where_is(&place(&plant, json!({"anti_affinity": {"zone": "a"}})).await), ids[0]);
    // Spread: of two that are equal otherwise, the one with fewer nodes.
    for (n, nodes) in [(1, 9), (2, 0)] {
        let at_ms = plant.store.clock().now_ms() + 5_000;
        let shapes = vec![shape(8, 4)];
        let inventory = Inventory { podm_id: ids[n].clone(), at_ms, nodes, racks: 3, shapes, ..Inventory::default() };
        plant.store.put_inventory(&inventory).await.unwrap();
    }
    // What was read a moment ago would serve otherwise.
    plant.store.read_candidates(Instant::now()).await.unwrap();
    for spread in ["podm", "rack"] {
        let task = place(&plant, json!({"spread": spread, "podm_ids": [ids[1], ids[2]]})).await;
        assert_eq!(where_is(&task), ids[2], "{spread}: {:?}", task.body);
    }
}

#[tokio::test]
async fn where_nothing_is_free_the_error_says_why_by_counts_and_no_pod_manager_is_asked() {
    let plant = Plant::start(quick(3)).await;
    let ids = podm_ids(&plant);
    set_policy(&plant, 0, Policy { cordoned: true, ..Policy::default() }).await;
    count_hardware(&plant.store, &ids[1], vec![shape(8, 0)]).await;
    count_hardware(&plant.store, &ids[2], vec![shape(2, 5)]).await;
    let asked = plant.lab.posts().await;
    let wanted = json!({"name": "n", "properties": {"processor": {"total_cores": "4"}}});
    let task = plant.run("node.place", wanted.clone(), None, None).await;
    let detail = detail_of(&task, 409);
    for word in ["none of the 3", "1 cordoned", "1 with all hardware that fits taken", "1 without hardware that fits"] {
        assert!(detail.contains(word), "{detail}");
    }
    assert_eq!(plant.lab.posts().await, asked);
    // Hardware that was given back since the count makes the count doubtful: then the Pod Manager is asked.
    plant.store.hardware_freed(&ids[1]).await.unwrap();
    assert_eq!(where_is(&plant.run("node.place", wanted, None, None).await), ids[1]);
}

#[tokio::test]
async fn a_node_is_placed_past_an_open_circuit_and_waits_only_where_no_other_is_left() {
    let plant = Plant::start(quick(2)).await;
    let ids = podm_ids(&plant);
    // The second is not counted, so the first is taken while its circuit is closed.
    count_hardware(&plant.store, &ids[0], vec![shape(8, 4)]).await;
    let gates = Gatekeeper::new(&plant.store);
    let shut = async |id: &str| gates.report(id, 0, 1, Some(Duration::from_secs(60)), "answered 503").await.unwrap();
    shut(&ids[0]).await;
    let task = place(&plant, json!({})).await;
    assert_eq!(where_is(&task), ids[1]);
    assert_eq!(task.body.result["placement"]["filtered"], json!({"circuit_open": 1}));
    let only_first = json!({"name": "n", "hints": {"podm_ids": [ids[0]]}});
    let id = plant.submit("node.place", only_first, None, None).await;
    support::wait::until("it waits for the circuit", async || {
        let task = plant.store.task(id).await.unwrap().unwrap();
        let why = task.field("why").unwrap_or_default().to_owned();
        if why.contains("open circuit") { Ok(()) } else { Err((task.state, why)) }
    })
    .await;
    let key = format!("vl:{{b00}}:breaker:{}", ids[0]);
    let _closed: i64 = plant.redis.command(&["DEL", &key]).await;
    assert_eq!(where_is(&plant.done(id).await), ids[0]);
}

#[tokio::test]
async fn a_pod_manager_that_dies_in_the_middle_of_a_compose_is_left_for_another() {
    let plant = Plant::start(quick(2)).await;
    let ids = podm_ids(&plant);
    // The second is not counted, so the first is taken.
    count_hardware(&plant.store, &ids[0], vec![shape(8, 4)]).await;
    // It allocates, and is not heard of again.
    plant
        .lab
        .faults(json!([{"podm": 0, "cut": "before", "method": "GET", "path_prefix": "/redfish/v1/Nodes/"},
            {"podm": 0, "cut": "before", "method": "POST", "path_prefix": "/redfish/v1/Nodes/1/"}]))
        .await;
    let task = plant.run("node.place", json!({"name": "n"}), None, None).await;
    assert_eq!(where_is(&task), ids[1]);
    let tried = &task.body.result["placement"]["tried"];
    assert_eq!((&tried[0]["podm_id"], tried.as_array().unwrap().len()), (&json!(ids[0]), 1), "{tried}");
    assert!(!tried[0]["why"].as_str().unwrap().is_empty());
    // Where the Pod Manager was named, its failure is the answer.
    let mut def = valence::model::task::Definition::new("node.compose", json!({"name": "n"}));
    def.podm_id = Some(ids[0].clone());
    def.max_attempts = 1;
    let id = plant.submit_def(def).await;
    let given_up = support::wait::until("it has given up", async || {
        let task = plant.store.task(id).await.unwrap().unwrap();
        (task.has_given_up() || task.state.is_terminal()).then_some(task)
    });
    let error = given_up.await.body.error.unwrap();
    assert!(error.problem.status >= 500 && error.podm_id.as_ref() == Some(&ids[0]), "{error:?}");
}

#[tokio::test]
async fn the_v1_answer_stays_v1s_and_a_dry_run_tells_the_same_and_keeps_nothing() {
    let plant = Plant::start(quick(2)).await;
    let front = Front::over(&plant).await;
    let ids = podm_ids(&plant);
    count_hardware(&plant.store, &ids[0], vec![shape(8, 4)]).await;
    count_hardware(&plant.store, &ids[1], vec![shape(8, 0)]).await;
    let body = json!({"name": "n", "hints": {"spread": "podm"}});
    let (status, dry) = front.ask(Method::POST, "/v1/placements", Some(body.clone())).await;
    assert_eq!(status, StatusCode::OK, "{dry}");
    assert_eq!((&dry["chosen"]["podm_id"], &dry["filtered"]), (&json!(ids[0]), &json!({"full": 1})));
    let told = front.command(&["node", "compose", "--name", "n", "--spread", "podm", "--dry-run"]).await;
    assert!(told.contains(&ids[0]) && told.contains("2 considered, left out: 1 full"), "{told}");
    assert!(plant.node_rows().await.is_empty() && plant.lab.nodes().await.is_empty());
    plant.store.read_candidates(Instant::now()).await.unwrap();
    assert!(plant.store.with_candidates(|all| all.iter().all(|c| c.reservations.is_empty())));

    let (status, node) = front.ask(Method::POST, "/v1/nodes", Some(body)).await;
    assert_eq!(status, StatusCode::OK, "{node}");
    let mut keys: Vec<&String> = node.as_object().unwrap().keys().collect();
    keys.sort();
    assert_eq!(keys, ["index", "name", "podm_id", "resource_uri", "uuid"]);
    assert_eq!(node["podm_id"], json!(ids[0]));
}

#[tokio::test]
async fn hints_that_are_none_are_refused_and_nothing_is_stored() {
    let plant = Plant::start(quick(1)).await;
    let front = Front::over(&plant).await;
    let with = |hints: Value| json!({"name": "n", "hints": hints});
    let both = json!({"name": "n", "podm_id": podm_ids(&plant)[0], "hints": {"spread": "podm"}});
    for body in [
        with(json!({"colour": "red"})),
        with(json!({"spread": "moon"})),
        with(json!({"affinity": {"zone": 1}})),
        with(json!({"podm_ids": ["../x"]})),
        with(json!({"podm_ids": "all"})),
        with(json!({"affinity": {"zone": "a"}, "anti_affinity": {"zone": "a"}})),
        with(json!(null)),
        both,
    ] {
        for path in ["/v1/nodes", "/v1/placements"] {
            let (status, answer) = front.ask(Method::POST, path, Some(body.clone())).await;
            assert_eq!(status, StatusCode::BAD_REQUEST, "{path} {body}: {answer}");
        }
    }
    let unknown = json!({"name": "n", "podm_id": new_record_id()});
    assert_eq!(front.ask(Method::POST, "/v1/placements", Some(unknown)).await.0, StatusCode::NOT_FOUND);
    let unknown = json!({"name": "n", "flavor_id": new_record_id()});
    assert_eq!(front.ask(Method::POST, "/v1/placements", Some(unknown)).await.0, StatusCode::NOT_FOUND);
    let (_, tasks) = front.get("/v1/tasks?kind=node.place").await;
    assert_eq!(tasks["tasks"], json!([]));
}
