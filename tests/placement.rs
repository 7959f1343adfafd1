//! Where nodes are placed: never where they cannot be, never more than there is, and always with the reasons.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on should say so")]

mod support;

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use support::front::Front;
use support::redis::TestRedis;
use support::saga::Plant;
use support::wait;
use valence::config::Config;
use valence::ids::{Bucket, TaskId, new_record_id};
use valence::model::inventory::{Inventory, Shape};
use valence::model::placement::{CLOCKS_MS, Choice, shape_key};

use valence::model::podm::{Podm, PodmStatus, Policy};
use valence::model::topic::Topic;
use valence::placement::{Request, decide};
use valence::sim::SimConfig;
use valence::store::Store;
use valence::store::gates::Gatekeeper;
use valence::store::record::TaskRecord;
use valence::store::records::{Collection, Writer};
use valence::store::reservations::Reserved;

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
            "authentication": [], "status": "Online", "max_changes": 8, "created_at": "", "updated_at": ""});
        assert!(store.put_record(Collection::Podm, &id, &row, writer(&store)).await.unwrap());
        count_hardware(&store, &id, shapes.clone()).await;
        ids.push(id);
    }
    (store, ids)
}

/// How long the reservations of a Pod Manager are kept yet; negative: for good.
async fn kept_ms(redis: &TestRedis, podm_id: &str) -> i64 {
    redis.command(&["PTTL", &format!("vl:{{b00}}:reserved:{podm_id}")]).await
}

fn mint(store: &Store) -> TaskId {
    TaskId::mint(store.clock().now_ms(), Bucket(0))
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
        places: 8,
    };
    let now = store.clock().now_ms();
    let [a, b, c, d] = [0; 4].map(|_| mint(&store));
    let take = async |task, at_ms| store.reserve(task, &at(at_ms), LASTS).await.unwrap();
    assert_eq!(take(a, now).await, Reserved::Ok);
    assert!(kept_ms(&redis, &ids[0]).await > 0, "what nobody changes any more goes");
    assert_eq!((take(a, now).await, take(b, now).await), (Reserved::Ok, Reserved::Full));
    store.drop_reservation(&ids[0], a).await.unwrap();
    assert_eq!(take(b, now).await, Reserved::Ok);
    store.reservation_done(&ids[0], b, Duration::from_millis(700)).await.unwrap();
    // Told again, as after a lost answer: it is there once.
    store.reservation_done(&ids[0], b, Duration::from_secs(70)).await.unwrap();
    // Nobody has counted since: it is one of the free ones still.
    assert_eq!(take(c, now).await, Reserved::Full);
    store.read_candidates(Instant::now()).await.unwrap();
    let done = store.with_candidates(|all| all[0].reservations[0].done_ms);
    // One that was read about then may not have seen it.
    let later = done + CLOCKS_MS;
    assert_eq!(take(c, later - 1).await, Reserved::Full);
    assert_eq!(take(c, later).await, Reserved::Ok);
    // Who has not seen that inventory must not count by an older one.
    assert_eq!(take(d, now).await, Reserved::Stale);
    store.drop_reservation(&ids[0], c).await.unwrap();
    let short = store.reserve(c, &at(later), Duration::from_millis(1)).await.unwrap();
    assert_eq!(short, Reserved::Ok);
    wait::until("its lease is over", async || take(d, later).await == Reserved::Ok).await;
    store.read_candidates(Instant::now()).await.unwrap();
    assert_eq!(store.with_candidates(|all| all[0].compose_ms), Some(700));
}

#[tokio::test]
async fn who_was_called_is_on_the_way_until_it_stands_in_a_line_again_or_leaves() {
    let redis = TestRedis::start().await;
    let (store, _) = counted(&redis, &[]).await;
    let (task, wanted) = (mint(&store), json!({"caller": "a", "cores": 8.0, "memory_mib": 0.0}).to_string());
    let on_the_way = async || redis.command::<u64>(&["HLEN", "vl:{b00}:called"]).await;
    for leaves in [false, true] {
        store.join_line("alike", &wanted, task, 1).await.unwrap();
        assert_eq!(on_the_way().await, 0);
        assert_eq!(store.take_from_line("alike", 1).await.unwrap(), [task]);
        assert_eq!(on_the_way().await, 1);
        if leaves {
            store.leave_line("alike", task).await.unwrap();
            assert_eq!(on_the_way().await, 0);
        }
    }
    assert!(store.nobody_waits().await.unwrap());
}

#[tokio::test]
async fn what_was_given_back_counts_until_an_inventory_that_was_read_afterwards_is_used() {
    let redis = TestRedis::start().await;
    let (store, ids) = counted(&redis, &[vec![shape(8, 1)]]).await;
    let freed = async || {
        store.read_candidates(Instant::now()).await.unwrap();
        store.with_candidates(|all| (all[0].freed, all[0].freed_ms))
    };
    let used = async |inventory_ms| {
        let (podm_id, shape) = (ids[0].clone(), shape_key(&shape(8, 1)));
        let choice = Choice { at: 0, podm_id, shape, most: Some(1), inventory_ms, places: 8 };
        let task = mint(&store);
        assert_eq!(store.reserve(task, &choice, LASTS).await.unwrap(), Reserved::Ok);
        store.drop_reservation(&ids[0], task).await.unwrap();
    };
    store.hardware_freed(&ids[0]).await.unwrap();
    assert!(kept_ms(&redis, &ids[0]).await > 0, "what nobody changes any more goes");
    let (many, at_ms) = freed().await;
    assert_eq!(many, 1);
    used(at_ms + CLOCKS_MS - 1).await;
    assert_eq!(freed().await.0, 1, "it may have been read before");
    store.hardware_freed(&ids[0]).await.unwrap();
    let (many, at_ms) = freed().await;
    assert_eq!(many, 2);
    used(at_ms + CLOCKS_MS).await;
    store.hardware_freed(&ids[0]).await.unwrap();
    assert_eq!(freed().await.0, 1, "what an inventory knows does not count again");
}

#[tokio::test]
async fn a_place_is_promised_once_whichever_process_asks_and_what_others_do_there_counts() {
    let redis = TestRedis::start().await;
    let (first, ids) = counted(&redis, &[vec![shape(8, 30)]]).await;
    let second = redis.open(Config::default().store_options()).await;
    let wanted = Request { cores: 8.0, ..Request::default() };
    let place = async |store: &Store| store.place(mint(store), LASTS, |scene| decide(&wanted, scene)).await.unwrap();
    let mut choice = place(&first).await.choice.unwrap();
    for _ in 1..8 {
        choice = place(&first).await.choice.unwrap();
    }
    assert_eq!(choice.places, 8);
    // A choice that was made before the others' were known.
    let task = mint(&second);
    assert_eq!(second.reserve(task, &choice, LASTS).await.unwrap(), Reserved::Busy);
    let decision = place(&second).await;
    assert!(decision.choice.is_none() && decision.placement.waits.is_some(), "{decision:?}");
    // What others do there themselves has no reservation; who died there has no place.
    let narrow = Choice { places: 7, ..choice.clone() };
    let gate = format!("podm:{}:w", ids[0]);
    let later = (first.clock().now_ms() + 60_000).to_string();
    let lapsed = (first.clock().now_ms() - 1).to_string();
    let ours: Vec<String> = first.with_candidates(|all| all[0].reservations.iter().map(|r| r.task.clone()).collect());
    for task in &ours {
        first.drop_reservation(&ids[0], task.parse().unwrap()).await.unwrap();
    }
    for n in 0..6 {
        let _new: i64 =
            redis.command(&["ZADD", &format!("vl:{{b00}}:gate:{gate}"), &later, &format!("direct-{n}")]).await;
    }
    let _new: i64 = redis.command(&["ZADD", &format!("vl:{{b00}}:gate:{gate}"), &lapsed, "dead"]).await;
    assert_eq!(second.reserve(task, &narrow, LASTS).await.unwrap(), Reserved::Ok);
    second.drop_reservation(&ids[0], task).await.unwrap();
    let _new: i64 = redis.command(&["ZADD", &format!("vl:{{b00}}:gatewait:{gate}"), "1", "direct-7"]).await;
    assert_eq!(second.reserve(task, &narrow, LASTS).await.unwrap(), Reserved::Busy);
}

#[tokio::test]
async fn an_inventory_that_another_process_has_used_already_is_read_before_the_choice_is_made_anew() {
    let redis = TestRedis::start().await;
    // By what the first knows there is room, so it would choose the same for ever.
    let (first, ids) = counted(&redis, &[vec![shape(8, 5)]]).await;
    let second = redis.open(Config::default().store_options()).await;
    first.read_candidates(Instant::now()).await.unwrap();
    let at_ms = first.clock().now_ms() + 1;
    let newer = Inventory { podm_id: ids[0].clone(), at_ms, shapes: vec![shape(8, 2)], ..Inventory::default() };
    assert!(second.put_inventory(&newer).await.unwrap());
    let wanted = Request { cores: 8.0, ..Request::default() };
    for store in [&second, &first] {
        let placed = store.place(mint(store), LASTS, |scene| decide(&wanted, scene)).await.unwrap();
        assert_eq!(placed.choice.map(|choice| choice.most), Some(Some(2)), "{:?}", placed.placement);
    }
}

#[tokio::test]
async fn one_that_refuses_is_not_asked_again_however_much_it_is_wanted_and_its_hardware_is_given_back() {
    let plant = Plant::start(quick(2)).await;
    let ids = podm_ids(&plant);
    set_policy(&plant, 0, Policy { weight: Some(1_000.0), ..Policy::default() }).await;
    let allocate = "/redfish/v1/Nodes/Actions/Allocate";
    for status in [409, 404] {
        plant.lab.faults(json!([{"podm": 0, "method": "POST", "path_prefix": allocate, "status": status}])).await;
        let task = place(&plant, json!({})).await;
        assert_eq!(where_is(&task), ids[1]);
        let tried = &task.body.result["placement"]["tried"];
        assert_eq!((tried.as_array().unwrap().len(), &tried[0]["podm_id"]), (1, &json!(ids[0])), "{tried}");
        assert_eq!(tried[0]["status"], status, "{tried}");
    }
    plant.store.read_candidates(Instant::now()).await.unwrap();
    let held =
        plant.store.with_candidates(|all| all.iter().find(|c| c.site.uuid == ids[0]).unwrap().reservations.clone());
    assert_eq!(held, []);
}

#[tokio::test]
async fn a_node_that_waits_for_its_compose_is_explained_by_what_holds_that_up() {
    let plant = Plant::start(quick(1)).await;
    let front = Front::over(&plant).await;
    plant.store.pause(Topic::Compute, true).await.unwrap();
    let id = plant.submit("node.place", json!({"name": "n"}), None, None).await;
    let explained = wait::until("its compose is explained", async || {
        let (_, explained) = front.get(&format!("/v1/tasks/{id}/explain")).await;
        let codes: Vec<&Value> = (0..2).map(|n| &explained["reasons"][n]["code"]).collect();
        if codes == ["parked", "paused"] { Ok(explained) } else { Err(explained) }
    })
    .await;
    let summary = explained["summary"].as_str().unwrap();
    assert!(
        summary.starts_with("it waits for the task ") && summary.ends_with(": topic compute is paused"),
        "{summary}"
    );
    plant.store.pause(Topic::Compute, false).await.unwrap();
    assert_eq!(plant.done(id).await.state.as_str(), "completed");
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
    wait::until("it waits for the circuit", async || {
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
    let given_up = wait::until("it has given up", async || {
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
