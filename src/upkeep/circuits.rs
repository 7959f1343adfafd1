//! Shows how Pod Managers stand as metrics: reachable, circuit, gates. Every scheduler shows the same; dashboards take the maximum. All are
//! counted by how they stand, also those without series of their own.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::named::{OTHER, named};
use crate::model::circuit::CircuitState;
use crate::model::podm::PodmStatus;
use crate::observe::metrics;
use crate::shutdown::Shutdown;
use crate::store::{Store, StoreError};

/// Shortest time between two looks, and how much longer for each Pod Manager: what thousands cost a second stays the same.
const PAUSE: Duration = Duration::from_secs(5);
const EACH: Duration = Duration::from_millis(30);
/// Longest time between two looks.
const LONGEST: Duration = Duration::from_secs(60);
/// Pod Managers in one call.
const AT_ONCE: usize = 200;

/// How a Pod Manager stands, the worst that can be said of it; in the order of [`Totals::standing`].
const STANDINGS: [&str; 4] = ["well", "half_open", "open", "down"];

/// What was shown.
#[derive(Default)]
struct Shown {
    /// By label: a Pod Manager that is gone is shown no more.
    podms: BTreeMap<String, Totals>,
    /// How many stand so.
    standings: [i64; 4],
}

impl Shown {
    fn of(all: &[(String, Totals)]) -> Self {
        let mut shown = Self::default();
        let trouble = |totals: &Totals| u64::try_from(totals.standing()).unwrap_or(0);
        let own = named(all.iter().map(|(name, totals)| (name.as_str(), trouble(totals))));
        for (name, this) in all {
            shown.standings[this.standing()] += 1;
            let label = own.get(name.as_str()).map_or(OTHER, |name| name);
            shown.podms.entry(label.to_owned()).and_modify(|totals| totals.add(*this)).or_insert(*this);
        }
        shown
    }
}

/// What is shown under one label; the Pod Managers without one of their own are added up, the worst of them shown.
#[derive(Clone, Copy)]
struct Totals {
    up: i64,
    circuit: i64,
    /// In flight, limit and line of the gates for changes and for reads.
    gates: [[i64; 3]; 2],
}

pub(super) fn spawn(store: &Store, shutdown: &Shutdown) {
    let (store, shown) = (store.clone(), Arc::new(Mutex::new(Shown::default())));
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
    let podms = store.podms().await?;
    let number = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    let mut all = Vec::with_capacity(podms.len());
    let count = u32::try_from(podms.len()).unwrap_or(u32::MAX);
    for some in podms.chunks(AT_ONCE) {
        for (podm, (circuit, states)) in some.iter().zip(store.podm_gates(some).await?) {
            let circuit = match circuit.state {
                CircuitState::Closed => 0,
                CircuitState::HalfOpen => 1,
                CircuitState::Open => 2,
            };
            let mut gates = [[0; 3]; 2];
            for (sums, gate) in gates.iter_mut().zip(&states) {
                *sums = [number(gate.in_flight), i64::from(gate.limit), number(gate.waiting)];
            }
            let up = i64::from(podm.status == PodmStatus::Online);
            all.push((podm.name.clone(), Totals { up, circuit, gates }));
        }
    }
    Ok((Shown::of(&all), count))
}

impl Totals {
    /// Its place among [`STANDINGS`].
    const fn standing(&self) -> usize {
        match (self.up, self.circuit) {
            (0, _) => 3,
            (_, 2) => 2,
            (_, 1) => 1,
            _ => 0,
        }
    }

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
    for (standing, count) in STANDINGS.iter().zip(now.standings) {
        shown.standings.with_label_values(&[standing]).set(count);
    }
    for (label, totals) in &now.podms {
        let podm = label.as_str();
        shown.up.with_label_values(&[podm]).set(totals.up);
        shown.circuit.with_label_values(&[podm]).set(totals.circuit);
        for (gate, [in_flight, limit, waiting]) in ["changes", "reads"].iter().zip(totals.gates) {
            shown.in_flight.with_label_values(&[podm, gate]).set(in_flight);
            shown.limit.with_label_values(&[podm, gate]).set(limit);
            shown.waiting.with_label_values(&[podm, gate]).set(waiting);
        }
    }
    for podm in before.podms.keys().filter(|label| !now.podms.contains_key(*label)) {
        // They were shown, so they are there; if not, that is what is wanted.
        let _gone = (shown.up.remove_label_values(&[podm]), shown.circuit.remove_label_values(&[podm]));
        for gate in ["changes", "reads"] {
            for family in [&shown.in_flight, &shown.limit, &shown.waiting] {
                let _gone = family.remove_label_values(&[podm.as_str(), gate]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stands(up: i64, circuit: i64) -> Totals {
        Totals { up, circuit, gates: [[1, 4, 0]; 2] }
    }

    #[test]
    fn of_a_thousand_pod_managers_those_in_trouble_have_series_of_their_own_and_all_are_counted() {
        let totals = |n| match n {
            700 => stands(0, 2),
            800 => stands(1, 2),
            900 => stands(1, 1),
            _ => stands(1, 0),
        };
        let shown = Shown::of(&(0..1000).map(|n| (format!("podm{n:04}"), totals(n))).collect::<Vec<_>>());
        assert_eq!(shown.standings, [997, 1, 1, 1]);
        for (name, up) in [("podm0000", 1), ("podm0700", 0), ("podm0800", 1), ("podm0900", 1), ("other", 1)] {
            assert_eq!(shown.podms[name].up, up, "{name}");
        }
        assert_eq!(shown.podms["other"].circuit, 0, "the rest are well, and say so");
    }

    #[test]
    fn when_nearly_all_are_in_trouble_the_worst_of_the_others_is_told() {
        let shown = Shown::of(&(0..1000).map(|n| (format!("podm{n:04}"), stands(0, 2))).collect::<Vec<_>>());
        assert_eq!((shown.standings[3], shown.podms["other"].up), (1000, 0));
    }
}
