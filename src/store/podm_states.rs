//! How Pod Managers stand now, read beside the tasks that need them: one pipelined call for many. What somebody else has put there counts as
//! nothing, as it does for the scripts.

use super::each::{each, value};
use super::listing::Filter;
use super::{Store, StoreError, keys};
use crate::ids::TaskId;
use crate::model::circuit::{Circuit, CircuitState, GateState, InventoryAge, PodmState};
use crate::model::kind::{PODM_CHANGES, PODM_READS, podm_gate};
use crate::model::podm::Podm;
use crate::model::state::Status;
use crate::model::v1time::rfc3339;

/// Holders of a gate that are named.
const HOLDERS: isize = 20;
/// Tasks of a drained Pod Manager that are looked at.
const MOST_COUNTED: usize = 1_000;

/// How long a Pod Manager counts as silent without news, ms; as in lua/lib/gates.lua.
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

    /// How Pod Managers stand, in their order.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn podm_states(&self, podms: &[Podm]) -> Result<Vec<PodmState>, StoreError> {
        if podms.is_empty() {
            return Ok(Vec::new());
        }
        let ids: Vec<String> = podms.iter().map(|p| p.uuid.clone()).collect();
        let inventories = self.inventories(&ids).await?;
        let mut pipe = redis::pipe();
        for id in &ids {
            self.ask_breaker(&mut pipe, id);
            self.ask_gate(&mut pipe, id, true);
            self.ask_gate(&mut pipe, id, false);
            pipe.zcard(keys::of(self.options().buckets.of_name(id), &format!("gatewait:podm:{id}:drain")));
        }
        let mut values = each::<redis::Value>(&mut pipe, self.redis()).await?.into_iter();
        let now = self.clock().now_ms();
        let mut states = Vec::with_capacity(podms.len());
        for (podm, inventory) in podms.iter().zip(inventories) {
            // All of this one's, also after what cannot be read.
            let [breaker, w1, w2, w3, w4, r1, r2, r3, r4, kept_out] = next_of(&mut values);
            let mut changes = gate(&podm.uuid, "changes", PODM_CHANGES, [w1, w2, w3, w4]);
            changes.waiting += known::<u64>(&podm.uuid, kept_out).unwrap_or(0);
            let draining = podm.policy.draining;
            states.push(PodmState {
                podm_id: podm.uuid.clone(),
                name: podm.name.clone(),
                driver: podm.driver.clone(),
                status: podm.status,
                cordoned: podm.policy.cordoned || draining,
                draining,
                under_way: if draining { Some(self.under_way(&podm.uuid).await?) } else { None },
                circuit: self.circuit_of(&podm.uuid, breaker),
                gates: vec![changes, gate(&podm.uuid, "reads", PODM_READS, [r1, r2, r3, r4])],
                inventory: inventory.map(|i| {
                    let age_s = now.saturating_sub(i.at_ms) / 1000;
                    InventoryAge { at: rfc3339(i.at_ms), age_s }
                }),
            });
        }
        Ok(states)
    }

    fn ask_breaker(&self, pipe: &mut redis::Pipeline, podm_id: &str) {
        let key = keys::of(self.options().buckets.of_name(podm_id), &format!("breaker:{podm_id}"));
        pipe.cmd("HMGET").arg(key).arg(&["until", "later", "fails", "why", "silent"]);
    }

    fn ask_gate(&self, pipe: &mut redis::Pipeline, podm_id: &str, changes: bool) {
        let (bucket, name) = (self.options().buckets.of_name(podm_id), podm_gate(podm_id, changes));
        let key = keys::of(bucket, &format!("gate:{name}"));
        let alive = format!("({}", self.clock().now_ms());
        pipe.hget(keys::of(bucket, "limits"), &name).zcount(&key, &alive, "+inf");
        pipe.cmd("ZRANGE").arg(&key).arg(&alive).arg("+inf").arg("BYSCORE").arg("LIMIT").arg(0).arg(HOLDERS);
        pipe.zcard(keys::of(bucket, &format!("gatewait:{name}")));
    }

    fn circuit_of(&self, podm_id: &str, breaker: Answer) -> Circuit {
        let fields: Vec<redis::Value> = known(podm_id, breaker).unwrap_or_default();
        let [until, later, failures, why, silent] = next_of(&mut fields.into_iter().map(Ok));
        let [until, later, silent] = [until, later, silent].map(|at| known::<u64>(podm_id, at));
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
        Circuit { state, failures, until: shut.map(rfc3339), why }
    }

    /// Tasks of a Pod Manager that have begun and have not ended.
    async fn under_way(&self, podm_id: &str) -> Result<u64, StoreError> {
        let filter =
            Filter { status: Some(Status::InProgress), podm_id: Some(podm_id.to_owned()), ..Filter::default() };
        let page = self.list(&filter, MOST_COUNTED, None).await?;
        let begun = page.tasks.iter().filter(|t| t.claims() > 0).count();
        Ok(u64::try_from(begun).unwrap_or(u64::MAX))
    }
}

/// The next answers; none in the place of those that are missing.
fn next_of<const N: usize>(answers: &mut impl Iterator<Item = Answer>) -> [Answer; N] {
    std::array::from_fn(|_| answers.next().unwrap_or(Ok(redis::Value::Nil)))
}

/// A gate from its limit, its count, its first holders and its line.
fn gate(podm_id: &str, name: &str, default: u32, [limit, count, holders, line]: [Answer; 4]) -> GateState {
    let holders: Vec<String> = known(podm_id, holders).unwrap_or_default();
    GateState {
        name: name.to_owned(),
        limit: known(podm_id, limit).unwrap_or(default),
        in_flight: known(podm_id, count).unwrap_or(0),
        waiting: known(podm_id, line).unwrap_or(0),
        // Reads are no stored tasks: nobody can look them up.
        holders: holders.into_iter().filter(|h| h.parse::<TaskId>().is_ok()).collect(),
    }
}

fn known<T: redis::FromRedisValue>(podm_id: &str, answer: Answer) -> Option<T> {
    value("how it stands", podm_id, answer)
}
