//! How Pod Managers stand now, read beside the tasks that need them: a few pipelined calls for many. What somebody else has put there counts
//! as nothing, as it does for the scripts.

use std::collections::{BTreeMap, HashMap};

use super::each::{each, value};
use super::listing::Filter;
use super::{Store, StoreError, keys};
use crate::ids::{Bucket, TaskId};
use crate::model::circuit::{Circuit, CircuitState, GateState, InventoryAge, PodmState};
use crate::model::kind::{PODM_CHANGES, PODM_READS, podm_gate};
use crate::model::podm::Podm;
use crate::model::state::Status;
use crate::model::v1time::rfc3339;

/// Holders of a gate that are named.
const HOLDERS: isize = 20;
/// The gates of a Pod Manager: for changes, and for reads.
const BOTH: [bool; 2] = [true, false];
/// Tasks of a drained Pod Manager that are looked at.
const MOST_COUNTED: usize = 1_000;

/// How long a Pod Manager counts as silent without news, and its failures count, ms; as in lua/lib/base.lua.
pub(super) const NEWS_MS: u64 = 120_000;

type Answer = Result<redis::Value, StoreError>;

impl Store {
    /// The circuit of a Pod Manager.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn circuit(&self, podm_id: &str) -> Result<Circuit, StoreError> {
        let mut pipe = redis::pipe();
        self.ask_breaker(&mut pipe, podm_id);
        let [breaker] = next_of(&mut each(&mut pipe, self.redis()).await?.into_iter());
        Ok(self.circuit_of(podm_id, breaker))
    }

    /// Circuits and gates of Pod Managers, in their order, without who is in the gates: what is cheap to look at often.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn podm_gates(&self, podms: &[Podm]) -> Result<Vec<(Circuit, [GateState; 2])>, StoreError> {
        if podms.is_empty() {
            return Ok(Vec::new());
        }
        let limits = self.own_limits(podms).await?;
        let alive = format!("({}", self.clock().now_ms());
        let mut pipe = redis::pipe();
        for Podm { uuid: id, .. } in podms {
            self.ask_breaker(&mut pipe, id);
            for changes in BOTH {
                let (bucket, name) = (self.bucket_of(id), podm_gate(id, changes));
                pipe.zcount(keys::of(bucket, &format!("gate:{name}")), &alive, "+inf");
                pipe.zcard(keys::of(bucket, &format!("gatewait:{name}")));
            }
            pipe.zcard(keys::of(self.bucket_of(id), &format!("gatewait:podm:{id}:drain")));
        }
        let mut values = each::<redis::Value>(&mut pipe, self.redis()).await?.into_iter();
        let mut all = Vec::with_capacity(podms.len());
        for Podm { uuid: id, .. } in podms {
            // All of this one's, also after what cannot be read.
            let [breaker, changing, to_change, reading, to_read, kept_out] = next_of(&mut values);
            let number = |answer| known::<u64>(id, answer).unwrap_or(0);
            let gate = |changes, in_flight, waiting| {
                let (name, default) = if changes { ("changes", PODM_CHANGES) } else { ("reads", PODM_READS) };
                let limit = limits.get(&podm_gate(id, changes)).copied().unwrap_or(default);
                GateState { name: name.to_owned(), limit, in_flight, waiting, holders: Vec::new() }
            };
            let changes = gate(true, number(changing), number(to_change) + number(kept_out));
            all.push((self.circuit_of(id, breaker), [changes, gate(false, number(reading), number(to_read))]));
        }
        Ok(all)
    }

    /// Limits that operators have set, by gate.
    async fn own_limits(&self, podms: &[Podm]) -> Result<HashMap<String, u32>, StoreError> {
        let mut gates: BTreeMap<Bucket, Vec<String>> = BTreeMap::new();
        for Podm { uuid: id, .. } in podms {
            gates.entry(self.bucket_of(id)).or_default().extend(BOTH.map(|changes| podm_gate(id, changes)));
        }
        let mut pipe = redis::pipe();
        for (bucket, names) in &gates {
            pipe.cmd("HMGET").arg(keys::of(*bucket, "limits")).arg(names);
        }
        let mut own = HashMap::new();
        for (names, answer) in gates.into_values().zip(each::<redis::Value>(&mut pipe, self.redis()).await?) {
            let limits: Vec<redis::Value> = value("limits of gates", "", answer).unwrap_or_default();
            let known =
                names.into_iter().zip(limits).filter_map(|(gate, limit)| Some((known(&gate, Ok(limit))?, gate)));
            own.extend(known.map(|(limit, gate)| (gate, limit)));
        }
        Ok(own)
    }

    /// How Pod Managers stand, in their order.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn podm_states(&self, podms: &[Podm]) -> Result<Vec<PodmState>, StoreError> {
        let ids: Vec<String> = podms.iter().map(|p| p.uuid.clone()).collect();
        let (inventories, holders) = (self.inventories(&ids).await?, self.holders(&ids).await?);
        let stand = self.podm_gates(podms).await?;
        let now = self.clock().now_ms();
        let mut states = Vec::with_capacity(podms.len());
        for (((podm, inventory), held), (circuit, mut gates)) in
            podms.iter().zip(inventories).zip(holders.chunks(BOTH.len())).zip(stand)
        {
            for (gate, held) in gates.iter_mut().zip(held) {
                // Reads are no stored tasks: nobody can look them up.
                gate.holders = held.iter().filter(|h| h.parse::<TaskId>().is_ok()).cloned().collect();
            }
            let draining = podm.policy.draining;
            states.push(PodmState {
                podm_id: podm.uuid.clone(),
                name: podm.name.clone(),
                driver: podm.driver.clone(),
                status: podm.status,
                cordoned: podm.policy.cordoned || draining,
                draining,
                under_way: if draining { Some(self.under_way(&podm.uuid).await?) } else { None },
                circuit,
                gates: gates.into(),
                inventory: inventory.map(|i| {
                    let age_s = now.saturating_sub(i.at_ms) / 1000;
                    InventoryAge { at: rfc3339(i.at_ms), age_s }
                }),
            });
        }
        Ok(states)
    }

    fn ask_breaker(&self, pipe: &mut redis::Pipeline, podm_id: &str) {
        let key = keys::of(self.bucket_of(podm_id), &format!("breaker:{podm_id}"));
        pipe.cmd("HMGET").arg(key).arg(&["until", "later", "fails", "why", "silent", "since"]);
    }

    /// The first who are in each gate of each Pod Manager.
    async fn holders(&self, podm_ids: &[String]) -> Result<Vec<Vec<String>>, StoreError> {
        if podm_ids.is_empty() {
            return Ok(Vec::new());
        }
        let alive = format!("({}", self.clock().now_ms());
        let mut pipe = redis::pipe();
        for (id, changes) in podm_ids.iter().flat_map(|id| BOTH.map(|changes| (id, changes))) {
            let key = keys::of(self.bucket_of(id), &format!("gate:{}", podm_gate(id, changes)));
            pipe.cmd("ZRANGE").arg(key).arg(&alive).arg("+inf").arg("BYSCORE").arg("LIMIT").arg(0).arg(HOLDERS);
        }
        let held = podm_ids.iter().flat_map(|id| [id; 2]).zip(each(&mut pipe, self.redis()).await?);
        Ok(held.map(|(id, answer)| known(id, answer).unwrap_or_default()).collect())
    }

    fn circuit_of(&self, podm_id: &str, breaker: Answer) -> Circuit {
        let fields: Vec<redis::Value> = known(podm_id, breaker).unwrap_or_default();
        let [until, later, failures, why, silent, since] = next_of(&mut fields.into_iter().map(Ok));
        let [until, later, silent, since] = [until, later, silent, since].map(|at| known::<u64>(podm_id, at));
        let (failures, why) = (known(podm_id, failures).unwrap_or(0), known::<String>(podm_id, why));
        let now = self.clock().now_ms();
        let shut = until.max(later).filter(|at| *at > now);
        let state = match (shut, until) {
            (Some(_), _) => CircuitState::Open,
            (None, Some(_)) => CircuitState::HalfOpen,
            (None, None) => CircuitState::Closed,
        };
        let is_silent = silent.is_some_and(|at| at + NEWS_MS > now);
        let silence =
            is_silent.then(|| "it was asked and has answered nothing for a while: one at a time is let in".into());
        let why = if state == CircuitState::Closed { silence } else { why };
        // Closed, what failed counts only so long.
        let counts = until.is_some() || since.is_some_and(|at| at + NEWS_MS >= now);
        Circuit { state, failures: if counts { failures } else { 0 }, until: shut.map(rfc3339), why }
    }

    /// Tasks of a Pod Manager that have begun, in this life if they were redriven, and have not ended.
    async fn under_way(&self, podm_id: &str) -> Result<u64, StoreError> {
        let filter =
            Filter { status: Some(Status::InProgress), podm_id: Some(podm_id.to_owned()), ..Filter::default() };
        let page = self.list(&filter, MOST_COUNTED, None).await?;
        let begun = page.tasks.iter().filter(|t| t.field("started").is_some()).count();
        Ok(u64::try_from(begun).unwrap_or(u64::MAX))
    }
}

/// The next answers; none in the place of those that are missing.
fn next_of<const N: usize>(answers: &mut impl Iterator<Item = Answer>) -> [Answer; N] {
    std::array::from_fn(|_| answers.next().unwrap_or(Ok(redis::Value::Nil)))
}

fn known<T: redis::FromRedisValue>(podm_id: &str, answer: Answer) -> Option<T> {
    value("how it stands", podm_id, answer)
}
