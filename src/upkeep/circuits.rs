//! Shows how Pod Managers stand as metrics: reachable, circuit, gates. Every scheduler shows the same; dashboards take the maximum.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::readings::NAMED;
use crate::model::circuit::CircuitState;
use crate::model::podm::{Podm, PodmStatus};
use crate::observe::metrics;
use crate::shutdown::Shutdown;
use crate::store::records::Collection;
use crate::store::{Store, StoreError};

/// Shortest time between two looks, and how much longer for each Pod Manager: what thousands cost a second stays the same.
const PAUSE: Duration = Duration::from_secs(5);
const EACH: Duration = Duration::from_millis(15);
/// Longest time between two looks.
const LONGEST: Duration = Duration::from_secs(60);
/// Pod Managers in one call.
const AT_ONCE: usize = 200;

/// What was shown, by label: a Pod Manager that is gone is shown no more.
type Shown = BTreeMap<String, Totals>;

/// What is shown under one label; the Pod Managers without one of their own are added up, the worst of them shown.
#[derive(Clone, Copy)]
struct Totals {
    up: i64,
    circuit: i64,
    /// In flight, limit and line of the gates for changes and for reads.
    gates: [[i64; 3]; 2],
}

pub(super) fn spawn(store: &Store, shutdown: &Shutdown) {
    let (store, shown) = (store.clone(), Arc::new(Mutex::new(Shown::new())));
    super::spawn_loop("circuits", shutdown, move || {
        let (store, shown) = (store.clone(), shown.clone());
        async move {
            let (now, podms) = look(&store).await?;
            let mut before = shown.lock().unwrap_or_else(PoisonError::into_inner);
            show(&before, &now);
            *before = now;
            Ok((EACH * podms).clamp(PAUSE, LONGEST))
        }
    });
}

async fn look(store: &Store) -> Result<(Shown, u32), StoreError> {
    let mut podms: Vec<Podm> = store.records(Collection::Podm).await?;
    podms.sort_by(|a, b| a.name.cmp(&b.name));
    let number = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    let mut shown = Shown::new();
    let mut place = 0_usize;
    for some in podms.chunks(AT_ONCE) {
        for state in store.podm_states(some).await? {
            place += 1;
            let circuit = match state.circuit.state {
                CircuitState::Closed => 0,
                CircuitState::HalfOpen => 1,
                CircuitState::Open => 2,
            };
            let mut gates = [[0; 3]; 2];
            for (sums, gate) in gates.iter_mut().zip(&state.gates) {
                *sums = [number(gate.in_flight), i64::from(gate.limit), number(gate.waiting)];
            }
            let this = Totals { up: i64::from(state.status == PodmStatus::Online), circuit, gates };
            let label = if place <= NAMED { state.name } else { "other".to_owned() };
            shown.entry(label).and_modify(|all| all.add(this)).or_insert(this);
        }
    }
    Ok((shown, u32::try_from(place).unwrap_or(u32::MAX)))
}

impl Totals {
    fn add(&mut self, other: Self) {
        self.up = self.up.min(other.up);
        self.circuit = self.circuit.max(other.circuit);
        for (sums, more) in self.gates.iter_mut().flatten().zip(other.gates.iter().flatten()) {
            *sums += more;
        }
    }
}

fn show(before: &Shown, now: &Shown) {
    let shown = &metrics::get().podms;
    for (label, totals) in now {
        let podm = label.as_str();
        shown.up.with_label_values(&[podm]).set(totals.up);
        shown.circuit.with_label_values(&[podm]).set(totals.circuit);
        for (gate, [in_flight, limit, waiting]) in ["changes", "reads"].iter().zip(totals.gates) {
            shown.in_flight.with_label_values(&[podm, gate]).set(in_flight);
            shown.limit.with_label_values(&[podm, gate]).set(limit);
            shown.waiting.with_label_values(&[podm, gate]).set(waiting);
        }
    }
    for podm in before.keys().filter(|label| !now.contains_key(*label)) {
        // They were shown, so they are there; if not, that is what is wanted.
        let _gone = (shown.up.remove_label_values(&[podm]), shown.circuit.remove_label_values(&[podm]));
        for gate in ["changes", "reads"] {
            for family in [&shown.in_flight, &shown.limit, &shown.waiting] {
                let _gone = family.remove_label_values(&[podm.as_str(), gate]);
            }
        }
    }
}
