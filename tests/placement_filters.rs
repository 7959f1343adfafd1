//! Who is left out when a node is placed, and by which word; and what hardware counts as there. One case for each rule, at its edge.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on should say so")]

use valence::model::inventory::{Inventory, Shape};
use valence::model::placement::{CLOCKS_MS, Candidate, Decision, Hints, Reservation, Scene, Site, shape_key};
use valence::model::podm::{PodmStatus, Policy};
use valence::placement::{Request, decide};

const NOW: u64 = 1_000_000_000;
/// When the inventory was read.
const READ: u64 = NOW - 5_000;

fn xeon(free: u32) -> Shape {
    Shape { cores: 8, memory_mib: 16_384, model: Some("Xeon Gold".into()), total: 1, free }
}

fn podm(shapes: Vec<Shape>) -> Candidate {
    let (uuid, driver) = ("p1".to_owned(), "redfishv1".to_owned());
    let site = Site { name: uuid.clone(), uuid, driver, status: PodmStatus::Online, policy: Policy::default() };
    let inventory = Inventory { at_ms: READ, shapes, ..Inventory::default() };
    Candidate { site, ..Candidate::default() }.with_inventory(Some(inventory))
}

fn reserved(done_ms: u64, until_ms: u64) -> Reservation {
    Reservation { task: "t".into(), shape: shape_key(&xeon(1)), begun_ms: NOW - 9_000, until_ms, done_ms, own: false }
}

fn decided(request: &Request, candidate: Candidate) -> Decision {
    decide(request, &Scene { candidates: vec![candidate], lines: Vec::new(), now_ms: NOW })
}

/// Why a candidate is left out; `ok` when it is taken.
fn refusal(request: &Request, candidate: Candidate) -> String {
    let decision = decided(request, candidate);
    let reason = decision.placement.filtered.into_keys().next();
    assert_eq!(decision.choice.is_none(), reason.is_some());
    reason.unwrap_or_else(|| "ok".into())
}

fn any() -> Request {
    Request::default()
}

#[test]
fn each_reason_to_leave_a_pod_manager_out_is_one_by_itself() {
    let with = |change: fn(&mut Candidate)| {
        let mut candidate = podm(vec![xeon(1)]);
        change(&mut candidate);
        refusal(&any(), candidate)
    };
    assert_eq!(with(|_| {}), "ok");
    assert_eq!(with(|c| c.site.policy.cordoned = true), "cordoned");
    assert_eq!(with(|c| c.site.policy.draining = true), "cordoned");
    assert_eq!(with(|c| c.site.status = PodmStatus::Offline), "offline");
    assert_eq!(with(|c| c.site.status = PodmStatus::Unknown), "ok");
    assert_eq!(with(|c| c.site.driver = "telepathy".into()), "cannot_compose");
    assert_eq!(with(|c| c.shut_ms = NOW + 1), "circuit_open");
    assert_eq!(with(|c| c.shut_ms = NOW), "ok");
    let tried = Request { excluded: ["p1".to_owned()].into(), ..any() };
    assert_eq!(refusal(&tried, podm(vec![xeon(1)])), "excluded");
    for (only, reason) in [("p1", "ok"), ("p2", "not_allowed")] {
        let hints = Hints { podm_ids: vec![only.into()], ..Hints::default() };
        assert_eq!(refusal(&Request { hints, ..any() }, podm(vec![xeon(1)])), reason);
    }
}

#[test]
fn hardware_must_be_large_enough_in_every_respect_that_is_known() {
    let wanted = |cores: f64, memory_mib: f64, model: &str| Request { cores, memory_mib, model: model.into(), ..any() };
    let of_xeon = |request: &Request| refusal(request, podm(vec![xeon(1)]));
    assert_eq!(of_xeon(&wanted(8.0, 16_384.0, "gold")), "ok");
    for short in [wanted(9.0, 0.0, ""), wanted(0.0, 16_385.0, ""), wanted(0.0, 0.0, "epyc")] {
        assert_eq!(of_xeon(&short), "too_small", "{short:?}");
    }
    let unknown = Shape { cores: 0, memory_mib: 0, model: None, ..xeon(1) };
    assert_eq!(refusal(&wanted(9.0, 16_385.0, "epyc"), podm(vec![unknown])), "ok");
    assert_eq!(refusal(&any(), podm(vec![Shape { total: 0, ..xeon(0) }])), "too_small");
    assert_eq!(refusal(&any(), podm(vec![xeon(0)])), "full");
}

#[test]
fn several_blocks_are_enough_together_where_nodes_are_put_together_of_blocks() {
    let two = |driver: &str| {
        let mut candidate = podm(vec![Shape { total: 2, ..xeon(2) }]);
        candidate.site.driver = driver.into();
        candidate
    };
    let wanted = |cores: f64, memory_mib: f64| Request { cores, memory_mib, ..any() };
    assert_eq!(refusal(&wanted(16.0, 32_768.0), two("redfish")), "ok");
    assert_eq!(refusal(&wanted(17.0, 0.0), two("redfish")), "too_small");
    assert_eq!(refusal(&wanted(16.0, 32_769.0), two("redfish")), "too_small");
    assert_eq!(refusal(&wanted(16.0, 0.0), two("redfishv1")), "too_small");
}

#[test]
fn a_reservation_counts_until_it_lapses_or_an_inventory_was_read_well_after_its_node_was_there() {
    let beside = |reservation: Reservation| {
        refusal(&any(), Candidate { reservations: vec![reservation], ..podm(vec![xeon(1)]) })
    };
    assert_eq!(beside(reserved(0, NOW + 1)), "full");
    assert_eq!(beside(reserved(0, NOW)), "ok");
    assert_eq!(beside(reserved(READ - CLOCKS_MS, NOW + 1)), "ok");
    assert_eq!(beside(reserved(READ - CLOCKS_MS + 1, NOW + 1)), "full", "clocks differ a little");
    assert_eq!(beside(Reservation { shape: "another".into(), ..reserved(0, NOW + 1) }), "ok");
}

#[test]
fn what_is_old_or_from_before_hardware_was_given_back_is_no_proof_that_there_is_none() {
    let read_at = |at_ms: u64| {
        let inventory = Inventory { at_ms, shapes: vec![xeon(0)], ..Inventory::default() };
        podm(Vec::new()).with_inventory(Some(inventory))
    };
    assert_eq!(refusal(&any(), read_at(NOW - 600_000)), "full");
    assert_eq!(refusal(&any(), read_at(NOW - 600_001)), "ok", "one may be asked for");
    let asked = Candidate { reservations: vec![reserved(0, NOW + 1)], ..read_at(NOW - 600_001) };
    assert_eq!(refusal(&any(), asked), "full", "one, not two");
    let last = Inventory { at_ms: NOW - 600_001, shapes: vec![xeon(1)], ..Inventory::default() };
    let promised = Candidate { reservations: vec![reserved(0, NOW + 1)], ..podm(Vec::new()) };
    assert_eq!(
        refusal(&any(), promised.with_inventory(Some(last))),
        "full",
        "it said that there is one, and that is promised"
    );

    let given_back = |freed: u32, freed_ms: u64, reservations: Vec<Reservation>| Candidate {
        freed,
        freed_ms,
        reservations,
        ..podm(vec![xeon(0)])
    };
    assert_eq!(refusal(&any(), given_back(1, READ - CLOCKS_MS, Vec::new())), "full", "the inventory knows of it");
    assert_eq!(refusal(&any(), given_back(1, READ - CLOCKS_MS + 1, Vec::new())), "ok");
    assert_eq!(refusal(&any(), given_back(1, READ, vec![reserved(0, NOW + 1)])), "full", "it is spoken for");
    let gave_it = reserved(READ, NOW + 1);
    assert_eq!(refusal(&any(), given_back(1, READ, vec![gave_it])), "ok", "the node that was there before is gone");
    let two = decided(&any(), given_back(2, READ, vec![reserved(0, NOW + 1)]));
    assert_eq!(two.choice.unwrap().most, Some(2), "one more beside the one that is reserved");
}

#[test]
fn what_is_surely_there_comes_before_what_may_be_there_again_and_then_the_smallest_that_fits() {
    let sized = |cores: u32, free: u32| Shape { cores, total: 2, ..xeon(free) };
    let chosen = |shapes: Vec<Shape>| {
        let candidate = Candidate { freed: 1, freed_ms: READ, ..podm(shapes) };
        decided(&any(), candidate).choice.unwrap().shape
    };
    assert_eq!(chosen(vec![sized(8, 0), sized(64, 1)]), shape_key(&sized(64, 1)));
    assert_eq!(chosen(vec![sized(64, 1), sized(8, 1)]), shape_key(&sized(8, 1)));
    assert_eq!(chosen(vec![sized(64, 0), sized(8, 0)]), shape_key(&sized(8, 0)));
}
