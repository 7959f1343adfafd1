//! The rules of placement, without Redis or hardware: who may take a node, who should rather, who waits, and who is called.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on should say so")]

use std::collections::BTreeMap;

use proptest::prelude::*;
use valence::ids::new_record_id;
use valence::model::inventory::{Inventory, Shape};
use valence::model::kind::PODM_CHANGES;
use valence::model::placement::{Candidate, Choice, Hints, Line, Reservation, Scene, Site, shape_key};
use valence::model::podm::{PodmStatus, Policy};
use valence::placement::{RANK, Request, Turns, called, decide};

const NOW: u64 = 1_000_000_000;

fn shape(cores: u32, free: u32) -> Shape {
    Shape { cores, memory_mib: u64::from(cores) * 1024, model: None, total: free.max(1), free }
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
                    Some(Reservation { task, shape, begun_ms, until_ms, done_ms, own: false })
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

/// A Pod Manager with hardware for 30 that takes so long, does so much at once, and where composes have begun so long ago.
fn candidate(name: &str, compose_ms: u64, at_once: u32, begun_ago: &[u64]) -> Candidate {
    let policy = Policy { max_changes: Some(at_once), ..Policy::default() };
    let (uuid, driver) = (name.to_owned(), "redfishv1".to_owned());
    let site = Site { name: uuid.clone(), uuid, driver, status: PodmStatus::Online, policy };
    let inventory = Inventory { at_ms: NOW, shapes: vec![shape(8, 30)], ..Inventory::default() };
    let with = Candidate { site, compose_ms: Some(compose_ms), ..Candidate::default() }.with_inventory(Some(inventory));
    let shape = with.keys[0].clone();
    let reservations = begun_ago.iter().map(|ago| Reservation {
        task: format!("{name} {ago}"),
        shape: shape.clone(),
        begun_ms: NOW - ago,
        until_ms: NOW + 600_000,
        done_ms: 0,
        own: false,
    });
    Candidate { reservations: reservations.collect(), ..with }
}

fn line(caller: &str, count: u64, first: u64) -> Line {
    let wanted = serde_json::to_string(&Request { cores: 8.0, ..Request::default() }).unwrap();
    Line { name: caller.into(), caller: caller.into(), wanted, cores: 8.0, memory_mib: 0.0, count, first }
}

fn scene(candidates: Vec<Candidate>, lines: Vec<Line>) -> Scene {
    Scene { candidates, lines, now_ms: NOW }
}

/// Where a node is bound, or nothing while it waits.
fn bound(scene: &Scene) -> Option<String> {
    decide(&Request { cores: 8.0, ..Request::default() }, scene).choice.map(|choice| choice.podm_id)
}

#[test]
fn a_slow_free_place_is_taken_while_the_line_is_long_and_passed_by_at_its_end() {
    // The quick one's place is free in a second; ten are there by it after 51 s.
    let podms = || vec![candidate("quick", 5_000, 1, &[4_000]), candidate("slow", 30_000, 1, &[])];
    for (waiting, where_to) in [(0, None), (3, None), (9, Some("slow"))] {
        let scene = scene(podms(), vec![line("a", waiting, RANK)]);
        assert_eq!(bound(&scene).as_deref(), where_to, "{waiting} wait");
    }
    // What hangs is not waited for the longer, the longer it hangs.
    let hangs = vec![candidate("quick", 5_000, 1, &[60_000]), candidate("slow", 30_000, 1, &[])];
    assert_eq!(bound(&scene(hangs, Vec::new())).as_deref(), Some("slow"));
}

#[test]
fn a_node_that_waits_is_told_whether_all_are_busy_or_a_better_one_is_worth_it() {
    let told = |scene: &Scene| {
        let decision = decide(&Request { cores: 8.0, ..Request::default() }, scene);
        assert!(decision.choice.is_none());
        decision.placement.waits.unwrap()
    };
    let busy = told(&scene(vec![candidate("one", 5_000, 2, &[100, 200])], Vec::new()));
    assert!(busy.contains("as much at once as it may") && busy.contains("one"), "{busy}");
    let podms = vec![candidate("quick", 5_000, 1, &[4_000]), candidate("slow", 30_000, 1, &[])];
    let better = told(&scene(podms, Vec::new()));
    assert!(better.contains("quick is worth waiting for") && better.contains("1 of 2"), "{better}");
}

#[test]
fn as_many_are_called_as_there_are_places_and_callers_take_turns() {
    let podms = || vec![candidate("one", 5_000, 4, &[100]), candidate("two", 5_000, 2, &[100])];
    let mut many = scene(podms(), vec![line("crowd", 1_000, RANK + 1), line("late", 2, RANK + 900)]);
    let before = many.candidates.clone();
    let mut turns = Turns::default();
    let come = called(&mut many, &mut turns, |_| 0);
    assert_eq!(come, [("crowd".to_owned(), 2), ("late".to_owned(), 2)]);
    assert_eq!(many.lines[0].count, 1_000, "calling is not placing");
    assert!(many.candidates.iter().zip(&before).all(|(now, then)| now.reservations == then.reservations));
    // Those on their way are not called twice.
    let come = called(&mut many, &mut Turns::default(), |line| if line == "crowd" { 2 } else { 1 });
    assert_eq!(come, [("late".to_owned(), 1)]);
    // Nor do they take the turn of who is still in line, where there is a place for both.
    let mut both = scene(vec![candidate("one", 5_000, 2, &[])], vec![line("crowd", 1, RANK + 1)]);
    assert_eq!(called(&mut both, &mut Turns::default(), |_| 1), [("crowd".to_owned(), 1)]);
    // One place at a time: whose turn was last comes last.
    let mut one =
        scene(vec![candidate("one", 5_000, 1, &[])], vec![line("crowd", 9, RANK + 1), line("late", 9, RANK + 900)]);
    let (mut turns, mut order) = (Turns::default(), Vec::new());
    for _ in 0..4 {
        order.push(called(&mut one, &mut turns, |_| 0).remove(0).0);
    }
    assert_eq!(order, ["crowd", "late", "crowd", "late"]);
    // What is more urgent comes first, however long others have waited.
    one.lines[1].first = 900;
    assert_eq!(called(&mut one, &mut turns, |_| 0), [("late".to_owned(), 1)]);
}

/// A line of its own caller, of nodes that may be at one Pod Manager only.
fn only_at(podm: &str, n: usize) -> Line {
    let hints = Hints { podm_ids: vec![podm.into()], ..Hints::default() };
    let wanted = serde_json::to_string(&Request { cores: 8.0, hints, ..Request::default() }).unwrap();
    Line { wanted, ..line(&format!("{podm} {n}"), 1, RANK + n as u64) }
}

#[test]
fn a_free_place_is_given_away_however_many_lines_wait_for_others() {
    let podms = vec![candidate("busy", 5_000, 1, &[100]), candidate("idle", 5_000, 1, &[])];
    let mut lines: Vec<Line> = (0..600).map(|n| only_at("busy", n)).collect();
    lines.push(only_at("idle", 600));
    let come = called(&mut scene(podms, lines), &mut Turns::default(), |_| 0);
    assert_eq!(come, [("idle 600".to_owned(), 1)]);
}

#[test]
fn of_more_lines_than_one_pass_looks_at_each_comes_in_its_turn() {
    const LINES: usize = 300;
    let mut scene = scene(vec![candidate("one", 5_000, 1, &[])], (0..LINES).map(|n| only_at("one", n)).collect());
    let (mut turns, mut served) = (Turns::default(), Vec::new());
    while !scene.lines.is_empty() {
        let come = called(&mut scene, &mut turns, |_| 0);
        assert_eq!(come.len(), 1, "one place, one call");
        scene.lines.retain(|line| line.name != come[0].0);
        served.push(come[0].0.clone());
    }
    assert_eq!(served.len(), LINES);
    // Those whose nodes have nowhere to go any more are told, in some passes.
    let mut gone: Vec<Line> = (0..LINES).map(|n| only_at("removed", n)).collect();
    let mut scene = Scene { lines: std::mem::take(&mut gone), ..scene };
    for _ in 0..5 {
        let come = called(&mut scene, &mut turns, |_| 0);
        assert!(!come.is_empty(), "{} are left", scene.lines.len());
        scene.lines.retain(|line| come.iter().all(|(name, _)| *name != line.name));
    }
    assert_eq!(scene.lines, []);
}

#[test]
fn what_a_process_did_itself_a_moment_ago_stands_beside_a_read_that_began_before() {
    let reserved = |task: &str, done_ms| Reservation {
        task: task.into(),
        shape: String::new(),
        begun_ms: NOW - 100,
        until_ms: NOW + 60_000,
        done_ms,
        own: true,
    };
    let before = [reserved("promised", 0), reserved("ended", NOW - 50)];
    let read = || Candidate { reservations: vec![reserved("ended", 0)], ..candidate("one", 5_000, 2, &[]) };
    let mut known = read();
    assert_eq!(known.keep_own(&before, NOW), 1);
    let begun: Vec<&str> = known.begun(NOW).map(|r| r.task.as_str()).collect();
    assert_eq!(begun, ["promised"]);
    // A second later Redis knows better.
    let mut later = read();
    assert_eq!(later.keep_own(&before, NOW + 1_000), 0);
    assert_eq!(later.reservations, read().reservations);
}

#[test]
fn of_one_caller_large_nodes_come_before_small_ones_that_fit_in_more_places() {
    let of_one = |name: &str, cores: f64| {
        let wanted = serde_json::to_string(&Request { cores, ..Request::default() }).unwrap();
        Line { caller: "one".into(), cores, wanted, ..line(name, 9, RANK + if cores > 8.0 { 900 } else { 1 }) }
    };
    // One that can hold either, one for small nodes alone; a place at each.
    let (mut either, small) = (candidate("either", 5_000, 1, &[]), candidate("small", 5_000, 1, &[]));
    either.site.policy.weight = Some(5.0);
    let inventory = Inventory { at_ms: NOW - 5_000, shapes: vec![shape(32, 9)], ..Inventory::default() };
    let either = either.with_inventory(Some(inventory));
    let mut scene = scene(vec![either, small], vec![of_one("small", 8.0), of_one("large", 32.0)]);
    let come = called(&mut scene, &mut Turns::default(), |_| 0);
    assert_eq!(come, [("small".to_owned(), 1), ("large".to_owned(), 1)]);
}

#[test]
fn a_silent_or_failing_pod_manager_is_passed_by_before_its_circuit_opens() {
    for (silent, failing) in [(true, false), (false, true)] {
        let bad = Candidate { silent, failing, ..candidate("bad", 1_000, 4, &[]) };
        let free = scene(vec![bad.clone(), candidate("good", 20_000, 1, &[])], Vec::new());
        assert_eq!(bound(&free).as_deref(), Some("good"));
        let busy = scene(vec![bad.clone(), candidate("good", 1_000, 1, &[500])], Vec::new());
        assert_eq!(bound(&busy), None, "the good one is waited for");
        assert_eq!(bound(&scene(vec![bad], Vec::new())).as_deref(), Some("bad"), "where there is no other it is tried");
    }
}
