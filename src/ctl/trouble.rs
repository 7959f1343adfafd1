//! What is wrong with a Pod Manager, in words: one answer for `valence doctor`, `valence top` and `valence podm show`.

use serde_json::Value;

use super::client::{Client, list};
use super::error::CtlError;
use crate::model::circuit::{CircuitState, PodmState};
use crate::model::podm::PodmStatus;

/// Pod Managers that are asked for at once.
const PAGE: &str = "1000";

/// How bad it is; the worst is the greatest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    /// Nothing is wrong.
    Well,
    /// It works, but others wait for it.
    Slow,
    /// It does not work.
    Stuck,
}

impl Level {
    /// For people.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Well => "well",
            Self::Slow => "slow",
            Self::Stuck => "stuck",
        }
    }
}

/// How every Pod Manager stands, page by page, as it was answered and as it is read.
pub(super) async fn states(api: &Client) -> Result<(Vec<Value>, Vec<PodmState>), CtlError> {
    let (mut answered, mut states) = (Vec::new(), Vec::new());
    let mut query = vec![("limit", PAGE.to_owned())];
    loop {
        let mut answer = api.get(&["v1", "pod_managers", "states"], &query).await?;
        let page: Vec<PodmState> = list("GET /v1/pod_managers/states", "states", &answer)?;
        states.extend(page);
        if let Value::Array(page) = answer["states"].take() {
            answered.extend(page);
        }
        let Some(marker) = answer["marker"].as_str() else { return Ok((answered, states)) };
        query.truncate(1);
        query.push(("marker", marker.to_owned()));
    }
}

/// How bad it is with one, and why.
pub(super) fn of(podm: &PodmState) -> (Level, Vec<String>) {
    let mut seen = Vec::new();
    match podm.circuit.state {
        CircuitState::Open => seen.push((Level::Stuck, format!("its circuit is open after {}", failures(podm)))),
        CircuitState::HalfOpen => {
            seen.push((Level::Slow, format!("one request tries whether it answers again, after {}", failures(podm))));
        }
        CircuitState::Closed => {}
    }
    if podm.status == PodmStatus::Offline {
        seen.push((Level::Stuck, "it did not answer its last probe".into()));
    }
    for gate in podm.gates.iter().filter(|g| g.waiting > 0) {
        let wait = if gate.waiting == 1 { "1 task waits".into() } else { format!("{} tasks wait", gate.waiting) };
        if gate.in_flight >= u64::from(gate.limit) {
            let full = format!("{} are full ({} of {}), {wait}", gate.name, gate.in_flight, gate.limit);
            seen.push((Level::Slow, full));
        } else if !seen.is_empty() {
            // They wait for one of the above.
            seen.push((Level::Well, wait));
        }
    }
    let worst = seen.iter().map(|(level, _)| *level).max().unwrap_or(Level::Well);
    (worst, seen.into_iter().map(|(_, why)| why).collect())
}

/// How often it failed, and what went wrong last.
fn failures(podm: &PodmState) -> String {
    let circuit = &podm.circuit;
    let often = if circuit.failures == 1 { "1 failure".into() } else { format!("{} failures", circuit.failures) };
    circuit.why.as_ref().map_or_else(|| often.clone(), |why| format!("{often}: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::circuit::{Circuit, GateState};

    fn podm(state: CircuitState, status: PodmStatus, in_flight: u64, waiting: u64) -> PodmState {
        let circuit = Circuit { state, failures: 5, until: None, why: Some("answered 503".into()) };
        let gate = GateState { name: "changes".into(), limit: 4, in_flight, waiting, holders: Vec::new() };
        PodmState {
            podm_id: "p".into(),
            name: "p".into(),
            driver: "redfishv1".into(),
            status,
            cordoned: false,
            draining: false,
            under_way: None,
            circuit,
            gates: vec![gate],
            inventory: None,
        }
    }

    #[test]
    fn an_open_circuit_or_a_probe_without_answer_is_stuck_and_tells_who_waits() {
        let (level, why) = of(&podm(CircuitState::Open, PodmStatus::Offline, 0, 6));
        let wanted =
            ["its circuit is open after 5 failures: answered 503", "it did not answer its last probe", "6 tasks wait"];
        assert_eq!((level, why), (Level::Stuck, wanted.map(str::to_owned).to_vec()));
        assert_eq!(of(&podm(CircuitState::Closed, PodmStatus::Offline, 0, 0)).0, Level::Stuck);
    }

    #[test]
    fn a_full_gate_is_slow_and_one_with_room_is_well() {
        let (level, why) = of(&podm(CircuitState::Closed, PodmStatus::Online, 4, 1));
        assert_eq!((level, why), (Level::Slow, vec!["changes are full (4 of 4), 1 task waits".to_owned()]));
        for (in_flight, waiting) in [(4, 0), (1, 5), (0, 0)] {
            let (level, why) = of(&podm(CircuitState::Closed, PodmStatus::Online, in_flight, waiting));
            assert_eq!((level, why.len()), (Level::Well, 0), "{in_flight} {waiting}");
        }
    }
}
