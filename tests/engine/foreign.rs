//! What others have put into Valence's keys: it holds up nothing but itself.

use std::time::Duration;

use serde_json::{Value, json};
use valence::ids::{Bucket, TaskId};
use valence::model::audit::AuditFilter;
use valence::model::circuit::CircuitState;
use valence::model::inventory::Inventory;
use valence::model::reading::Reading;
use valence::model::state::State;
use valence::model::topic::{Lane, Topic};
use valence::shutdown::Shutdown;
use valence::store::claims::{Hold, Outcome, Settled, Settlement, Source, UNKNOWN};
use valence::store::events::{Hub, Position};
use valence::store::inventory::Looks;
use valence::store::listing::Filter;
use valence::store::readings::Latest;
use valence::store::records::{Collection, Writer};
use valence::store::tasks::Forget;
use valence::store::upkeep::all_lanes;

use super::support::engine::Engine;
use super::{pass_time, reclaim};

#[tokio::test]
async fn what_somebody_else_put_under_a_task_s_name_holds_up_no_other_task() {
    let e = Engine::start(1).await;
    let (kept, lost, odd, half) = (e.queued().await, e.queued().await, e.queued().await, e.queued().await);
    let claimed = e.claim_n("w1", 4).await;
    let key = |id: TaskId| format!("vl:{{b00}}:t:{id}");
    let () = e.server.command(&["DEL", &key(lost)]).await;
    let () = e.server.command(&["DEL", &key(odd)]).await;
    let () = e.server.command(&["SET", &key(odd), "nonsense"]).await;
    let () = e.server.command(&["HDEL", &key(half), "lane"]).await;
    let held: Vec<_> = claimed.iter().map(|c| (c.id, c.token.clone())).collect();
    let holds = e.store.extend(Bucket(0), "w1", &held).await.unwrap();
    let of = |id: TaskId| holds[claimed.iter().position(|c| c.id == id).unwrap()];
    assert_eq!([kept, lost, odd, half].map(of), [Hold::Held, Hold::Lost, Hold::Lost, Hold::Lost]);
    let repaired = e.store.repair(Bucket(0), 0, 100, false).await.unwrap();
    assert_eq!(repaired.found.len(), 3, "{repaired:?}");
    for gone in [lost, odd, half] {
        let left: Vec<String> = e.server.command(&["KEYS", &format!("{}*", key(gone))]).await;
        assert_eq!(left, Vec::<String>::new(), "what is left of a task that nobody can carry out any more");
    }
    pass_time(500).await;
    assert_eq!(reclaim(&e).await.requeued, 1);
    let again = e.claim("w2").await;
    assert_eq!((again.id, e.settle(&again, Outcome::Completed).await), (kept, Settled::Ok));
    let left: (u32, u32) = (
        e.server.command(&["ZCARD", "vl:{b00}:live"]).await,
        e.server.command(&["XLEN", "vl:{b00}:s:compute:normal"]).await,
    );
    assert_eq!(left, (0, 0));
}

#[tokio::test]
async fn a_task_that_cannot_be_read_does_not_hide_the_others_from_lists() {
    let e = Engine::start(1).await;
    let (first, bare, odd, last) = (e.queued().await, e.queued().await, e.queued().await, e.queued().await);
    let key = |id: TaskId| format!("vl:{{b00}}:t:{id}");
    let () = e.server.command(&["DEL", &format!("{}:d", key(bare))]).await;
    let () = e.server.command(&["DEL", &key(odd)]).await;
    let () = e.server.command(&["SET", &key(odd), "nonsense"]).await;
    let page = e.store.list(&Filter::default(), 10, None).await.unwrap();
    assert_eq!(page.tasks.iter().map(|t| t.id).collect::<Vec<_>>(), [last, bare, first]);
    assert_eq!(page.marker, None);
}

#[tokio::test]
async fn a_task_whose_definition_is_gone_is_shown_as_it_stands_and_ends_with_the_reason() {
    let e = Engine::start(1).await;
    let ids = [e.queued().await, e.queued().await, e.queued().await, e.queued().await];
    let [gone, broken, odd, newer] = ids;
    let key = |id: TaskId| format!("vl:{{b00}}:t:{id}:d");
    let () = e.server.command(&["DEL", &key(gone)]).await;
    let () = e.server.command(&["SET", &key(broken), "{bad"]).await;
    let () = e.server.command(&["DEL", &key(odd)]).await;
    let _pushed: u8 = e.server.command(&["RPUSH", &key(odd), "nonsense"]).await;
    let explained = e.store.explain(&e.task(gone).await, true).await.unwrap();
    assert!(explained.reasons.iter().any(|r| r.code == "lost"), "{explained:?}");
    for id in [gone, broken, odd] {
        let shown = e.task(id).await.into_task();
        assert_eq!((shown.kind.as_str(), shown.state, shown.error), ("unknown", State::Queued, None));
    }
    assert!(e.store.repair(Bucket(0), 0, 100, false).await.unwrap().found.is_empty(), "no worker has tried it");
    for claimed in e.claim_n("w1", 4).await {
        assert_eq!(claimed.def.is_none(), claimed.id != newer);
        let outcome = Outcome::Park(Duration::from_secs(5));
        let (id, token, detail) = (claimed.id, claimed.token, UNKNOWN.to_owned());
        let settlement = Settlement { id, token, outcome, ending: None, body: None, detail };
        assert_eq!(e.store.settle(settlement).await.unwrap(), Settled::Ok);
    }
    assert_eq!(e.store.repair(Bucket(0), 0, 100, false).await.unwrap().found.len(), 3);
    for id in [gone, broken, odd] {
        let ended = e.task(id).await.into_task();
        let error = ended.error.expect("why it has failed");
        assert_eq!((ended.state, error.problem.status, error.retryable), (State::Failed, 500, false));
        assert!(error.problem.detail.contains("what the task was to do cannot be read"), "{error:?}");
    }
    assert_eq!(e.state(newer).await, "parked", "what another worker can carry out waits for it");
    let dead = e.store.list(&Filter { state: Some(State::Failed), ..Filter::default() }, 10, None).await.unwrap();
    assert_eq!(dead.tasks.len(), 3);
    let forgotten = e.store.forget(Bucket(0), &[gone, broken, odd], None).await.unwrap();
    assert_eq!(forgotten, [Forget::Gone; 3]);
}

#[tokio::test]
async fn entries_that_somebody_else_put_into_the_streams_are_dropped_and_cost_no_other_entry_its_turn() {
    let e = Engine::start(1).await;
    let add = async |stream: &str, fields: [&[u8]; 2]| {
        let mut cmd = redis::cmd("XADD");
        cmd.arg(format!("vl:{{b00}}:s:{stream}")).arg("*").arg(fields[0]).arg(fields[1]);
        let _entry: String = cmd.query_async(&mut e.store.redis().shared()).await.unwrap();
    };
    let foreign: [[&[u8]; 2]; 4] = [[b"\xff", b"\xff"], [b"t", b"\xff"], [b"x", b"1"], [b"t", b"nobody"]];
    for fields in foreign {
        add("compute:normal", fields).await;
        add("compute:sync", fields).await;
    }
    let id = e.queued().await;
    let lanes: Vec<Lane> = all_lanes().collect();
    let mut blocking = e.store.redis().blocking().await.unwrap();
    // The group is made by the first claim, which finds nothing of this consumer.
    e.store.claim(Bucket(0), "w1", "token", 1, &lanes, &Source::Own).await.unwrap();
    let mut turns = 0;
    while e.state(id).await != "running" {
        turns += 1;
        assert!(turns <= 5, "one entry a read");
        let given = e.store.wait_for_entries(&mut blocking, Bucket(0), "w1", &lanes).await.unwrap();
        e.store.claim(Bucket(0), "w1", "token", 1, &lanes, &Source::Given(given)).await.unwrap();
    }
    let topics = [Topic::Compute];
    let mut reads = Vec::new();
    while reads.len() < foreign.len() {
        let from = (e.store.redis(), &mut blocking);
        reads.extend(e.store.take_sync(from, Bucket(0), "w1", &topics, 10).await.unwrap());
    }
    assert!(reads.iter().all(|read| read.task.is_none()));
    assert_eq!(e.store.expire_sync(Bucket(0), Topic::Compute, Duration::ZERO).await.unwrap(), 4);
}

#[tokio::test]
async fn a_record_that_cannot_be_read_takes_no_other_with_it() {
    let e = Engine::start(1).await;
    let writer = Writer { task: e.new_task("noop").id, claims: 1 };
    assert!(e.store.put_record(Collection::Flavor, "good", &json!({"name": "good"}), writer).await.unwrap());
    let () = e.server.command(&["SADD", "vl:flavors", "odd", "broken", "bytes", "missing"]).await;
    let () = e.server.command(&["SET", "vl:flavor:odd", "nonsense"]).await;
    let () = e.server.command(&["HSET", "vl:flavor:broken", "row", "{bad"]).await;
    let mut bytes = redis::cmd("HSET");
    bytes.arg("vl:flavor:bytes").arg("row").arg(&b"\xff"[..]);
    let () = bytes.query_async(&mut e.store.redis().shared()).await.unwrap();
    let rows: Vec<Value> = e.store.records(Collection::Flavor).await.unwrap();
    assert_eq!(rows, [json!({"name": "good"})]);
    let raw = e.store.raw_rows(Collection::Flavor).await.unwrap();
    assert_eq!(raw.len(), 2, "what can be read: {raw:?}");
}

#[tokio::test]
async fn what_is_no_text_or_of_another_shape_holds_up_nobody_who_works_waits_or_looks() {
    let e = Engine::start(1).await;
    let put = async |words: &[&[u8]]| {
        let mut cmd = redis::Cmd::new();
        cmd.arg(words);
        let _done: redis::Value = cmd.query_async(&mut e.store.redis().shared()).await.unwrap();
    };
    let shutdown = Shutdown::new();
    let hub = Hub::start(&e.store, &shutdown);
    let mut changes = hub.changes();
    while tokio::time::timeout(Duration::from_millis(50), changes.changed()).await.is_err() {
        e.queued().await;
    }
    put(&[b"XADD", b"vl:{b00}:events", b"*", b"\xff", b"\xff"]).await;
    put(&[b"SADD", b"vl:{b00}:paused", b"\xff"]).await;
    put(&[b"XADD", b"vl:audit", b"*", b"\xff", b"\xff"]).await;
    put(&[b"SET", b"vl:worker:odd", b"nonsense"]).await;
    put(&[b"ZADD", b"vl:workers", b"9000000000000", b"odd"]).await;
    put(&[b"HSET", b"vl:inventory:p1", b"summary", b"{bad", b"drift", b"{bad"]).await;
    let task = e.new_task("noop");
    let watch = hub.watch(task.id);
    let heard = watch.notify().notified();
    let id = e.put(task).await;
    tokio::time::timeout(Duration::from_secs(20), heard).await.expect("whoever waits for a task hears of it");
    assert!(e.claim_n("w1", 1000).await.iter().any(|claimed| claimed.id == id));
    let events = e.store.events(Bucket(0), Position::default(), 1000).await.unwrap().events;
    let states: Vec<_> = events.iter().filter(|event| event.id == id).map(|event| event.state.as_str()).collect();
    assert_eq!(states, ["queued", "running"]);
    assert_eq!(e.store.workers().await.unwrap(), []);
    assert!(e.store.audits(&AuditFilter::default(), 10, None).await.unwrap().entries.is_empty());
    let podm = ["p1".to_owned()];
    assert_eq!(e.store.inventories(&podm).await.unwrap(), [None]);
    assert_eq!(e.store.drifts(&podm).await.unwrap(), [[]]);
    shutdown.stop();
}

#[tokio::test]
async fn what_cannot_be_read_of_one_pod_manager_takes_no_other_with_it_and_is_written_anew() {
    let e = Engine::start(1).await;
    let reading: Reading = serde_json::from_value(json!({"resource_uri": "/redfish/v1/Chassis/1/Thermal",
        "name": "Inlet", "kind": "temperature", "value": 21.0, "unit": "Cel"}))
    .unwrap();
    let latest = || Latest { at_ms: 1_700_000_000_000, fresh_s: 60, rows: vec![reading.clone()] };
    let ids: Vec<String> = ["good", "string", "broken", "words"].map(str::to_owned).into();
    e.store.put_readings("good", latest()).await.unwrap();
    let () = e.server.command(&["SET", "vl:readings:string", "nonsense"]).await;
    let () = e.server.command(&["HSET", "vl:readings:broken", "at", "1", "rows", "{bad", "summary", "{bad"]).await;
    let () = e.server.command(&["HSET", "vl:readings:words", "at", "soon", "rows", "[]", "summary", "[]"]).await;
    let () = e.server.command(&["SET", "vl:inventory:string", "nonsense"]).await;
    let () = e.server.command(&["HSET", "vl:inventory:words", "at", "soon"]).await;
    for id in &ids {
        let rows = e.store.readings(id).await.unwrap().map(|latest| latest.rows);
        assert_eq!(rows, (id == "good").then(|| vec![reading.clone()]), "{id}");
    }
    let there: Vec<bool> = e.store.overviews(&ids).await.unwrap().iter().map(Option::is_some).collect();
    assert_eq!(there, [true, false, false, false]);
    assert_eq!(e.store.looks(&ids).await.unwrap(), [Looks::default(); 4]);
    for id in &ids {
        e.store.put_readings(id, latest()).await.unwrap();
        assert!(e.store.readings(id).await.unwrap().is_some(), "{id} is collected anew");
    }
    let found = Inventory { podm_id: "words".into(), at_ms: 7, ..Inventory::default() };
    assert!(e.store.put_inventory(&found).await.unwrap(), "{found:?} is read anew");
}

#[tokio::test]
async fn a_limit_or_a_circuit_that_is_no_number_counts_as_none_and_hides_no_other_pod_manager() {
    let e = Engine::start(1).await;
    let put = async |words: &[&str]| {
        let _done: redis::Value = e.server.command(words).await;
    };
    put(&["HSET", "vl:{b00}:limits", "podm:p1:w", "many", "podm:p1:r", "-"]).await;
    put(&["HSET", "vl:{b00}:breaker:p1", "until", "soon", "later", "9000000000000", "why", "it asked"]).await;
    put(&["SET", "vl:{b00}:gate:podm:p2:r", "nonsense"]).await;
    put(&["SET", "vl:{b00}:reserved:p2", "nonsense"]).await;
    put(&["HSET", "vl:{b00}:limits", "podm:p3:w", "9"]).await;
    let writer = Writer { task: e.new_task("noop").id, claims: 1 };
    let mut podms = Vec::new();
    for id in ["p1", "p2", "p3"] {
        let row = json!({"uuid": id, "name": id, "url": "http://127.0.0.1:1", "driver": "redfishv1", "status": "Online",
            "authentication": [], "created_at": "", "updated_at": ""});
        assert!(e.store.put_record(Collection::Podm, id, &row, writer).await.unwrap());
        podms.push(serde_json::from_value(row).unwrap());
    }
    let states = e.store.podm_states(&podms).await.unwrap();
    let limits: Vec<_> = states.iter().map(|s| (s.gates[0].limit, s.gates[1].limit)).collect();
    assert_eq!(limits, [(4, 8), (4, 8), (9, 8)]);
    let circuits: Vec<_> = states.iter().map(|s| s.circuit.state).collect();
    assert_eq!(circuits, [CircuitState::Open, CircuitState::Closed, CircuitState::Closed]);
    assert_eq!(e.store.gate(Bucket(0), "podm:p1:w", 4).await.unwrap().limit, 4);
    e.store.recent_candidates().await.unwrap();
    let shut = e.store.with_candidates(|all| {
        let mut shut: Vec<_> = all.iter().filter(|c| c.shut_ms > 0).map(|c| c.site.uuid.clone()).collect();
        shut.sort();
        shut
    });
    assert_eq!(shut, ["p1", "p2"], "nobody knows what is promised there; the third takes nodes");
}

#[tokio::test]
async fn limits_of_another_type_hold_up_no_task() {
    let e = Engine::start(1).await;
    let () = e.server.command(&["SET", "vl:{b00}:limits", "nonsense"]).await;
    let id = e.put(e.gated(60)).await;
    let claimed = e.claim("w1").await;
    assert_eq!((claimed.id, e.settle(&claimed, Outcome::Completed).await), (id, Settled::Ok));
}
