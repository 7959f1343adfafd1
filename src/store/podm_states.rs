//! How Pod Managers stand now, read beside the tasks that need them: one pipelined call for many.

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
/// Values that are read for one Pod Manager.
const VALUES: usize = 10;

/// How long a Pod Manager counts as silent without news, and its failures count, ms; as in lua/lib/base.lua.
pub(super) const NEWS_MS: u64 = 120_000;

type Breaker = (Option<u64>, Option<u64>, Option<u32>, Option<String>, Option<u64>, Option<u64>);

impl Store {
    /// The circuit of a Pod Manager.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn circuit(&self, podm_id: &str) -> Result<Circuit, StoreError> {
        let mut pipe = redis::pipe();
        self.ask_breaker(&mut pipe, podm_id);
        let (breaker,): (Breaker,) = pipe.query_async(&mut self.redis().shared()).await?;
        Ok(self.circuit_of(breaker))
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
        let values: Vec<redis::Value> = pipe.query_async(&mut self.redis().shared()).await?;
        let now = self.clock().now_ms();
        let mut states = Vec::with_capacity(podms.len());
        for ((podm, inventory), values) in podms.iter().zip(inventories).zip(values.chunks(VALUES)) {
            let [breaker, w1, w2, w3, w4, r1, r2, r3, r4, kept_out] = values else { continue };
            let mut changes = gate("changes", PODM_CHANGES, [w1, w2, w3, w4])?;
            changes.waiting += read::<u64>(kept_out)?;
            let draining = podm.policy.draining;
            states.push(PodmState {
                podm_id: podm.uuid.clone(),
                name: podm.name.clone(),
                driver: podm.driver.clone(),
                status: podm.status,
                cordoned: podm.policy.cordoned || draining,
                draining,
                under_way: if draining { Some(self.under_way(&podm.uuid).await?) } else { None },
                circuit: self.circuit_of(read(breaker)?),
                gates: vec![changes, gate("reads", PODM_READS, [r1, r2, r3, r4])?],
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
        pipe.cmd("HMGET").arg(key).arg(&["until", "later", "fails", "why", "silent", "since"]);
    }

    fn ask_gate(&self, pipe: &mut redis::Pipeline, podm_id: &str, changes: bool) {
        let (bucket, name) = (self.options().buckets.of_name(podm_id), podm_gate(podm_id, changes));
        let key = keys::of(bucket, &format!("gate:{name}"));
        let alive = format!("({}", self.clock().now_ms());
        pipe.hget(keys::of(bucket, "limits"), &name).zcount(&key, &alive, "+inf");
        pipe.cmd("ZRANGE").arg(&key).arg(&alive).arg("+inf").arg("BYSCORE").arg("LIMIT").arg(0).arg(HOLDERS);
        pipe.zcard(keys::of(bucket, &format!("gatewait:{name}")));
    }

    fn circuit_of(&self, (until, later, failures, why, silent, since): Breaker) -> Circuit {
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
        Circuit { state, failures: failures.filter(|_| counts).unwrap_or(0), until: shut.map(rfc3339), why }
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

/// A gate from its limit, its count, its first holders and its line.
fn gate(name: &str, default: u32, values: [&redis::Value; 4]) -> Result<GateState, StoreError> {
    let holders: Vec<String> = read(values[2])?;
    Ok(GateState {
        name: name.to_owned(),
        limit: read::<Option<u32>>(values[0])?.unwrap_or(default),
        in_flight: read(values[1])?,
        waiting: read(values[3])?,
        // Reads are no stored tasks: nobody can look them up.
        holders: holders.into_iter().filter(|h| h.parse::<TaskId>().is_ok()).collect(),
    })
}

fn read<T: redis::FromRedisValue>(value: &redis::Value) -> Result<T, StoreError> {
    redis::from_redis_value_ref(value).map_err(|e| StoreError::corrupt("a gate", e))
}
