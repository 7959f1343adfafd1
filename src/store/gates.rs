//! Gates: how many at once may change or read a Pod Manager, and one at a time for a node; and the circuit breaker in front of them.
//!
//! A stored task passes its gates inside `claim` and gives them back inside `settle`; nothing here concerns those. This file serves
//! sync reads, which are no stored tasks: they hold a place under a name of their own, and wait for one in their process. It tells the
//! breakers what came of requests, and sets the limits that the scripts read.

use std::time::Duration;

use super::entry::Text;
use super::records::Collection;
use super::{Store, StoreError, keys};
use crate::ids::Bucket;
use crate::model::kind::{PODM_CHANGES, PODM_READS, PODM_SESSIONS};
use crate::model::podm::Policy;

/// One gate as an operator sees it.
#[derive(Debug, Clone, serde::Serialize)]
pub struct GateView {
    /// Its name.
    pub name: String,
    /// How many may be in at once.
    pub limit: u32,
    /// Who is in.
    pub holders: Vec<String>,
    /// How many stand in line.
    pub waiting: u64,
}

/// What came of asking for a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    /// The place is taken.
    In,
    /// There is none now.
    Full,
    /// The circuit is open, or the Pod Manager asked to be left alone: nobody is let in for so long.
    Shut(Duration),
}

impl Store {
    /// Takes a place in a gate for a sync read, at most for `lasts`.
    ///
    /// # Errors
    /// When Redis is away.
    ///
    /// # Cancel safety
    /// A dropped call may leave a place taken until `lasts` is over.
    pub async fn gate_enter(
        &self,
        bucket: Bucket,
        gate: &str,
        holder: &str,
        limit: u32,
        lasts: Duration,
    ) -> Result<Entry, StoreError> {
        let holder = format!("sync:{holder}");
        let (limit, lasts) = (limit.to_string(), lasts.as_millis().to_string());
        let args = ["acquire", gate, &holder, &limit, &lasts];
        let reply: i64 = self.call(&self.scripts().gate, bucket, &args[..]).await?;
        Ok(match reply {
            1 => Entry::In,
            0 => Entry::Full,
            shut => Entry::Shut(Duration::from_millis(shut.unsigned_abs())),
        })
    }

    /// Gives a place back.
    ///
    /// # Errors
    /// When Redis is away; the place then lapses by itself.
    pub async fn gate_leave(&self, bucket: Bucket, gate: &str, holder: &str) -> Result<(), StoreError> {
        let holder = format!("sync:{holder}");
        let limit = if gate.ends_with(":r") { PODM_READS } else { PODM_CHANGES }.to_string();
        let args = ["release", gate, &holder, &limit];
        let _left: u8 = self.call(&self.scripts().gate, bucket, &args[..]).await?;
        Ok(())
    }

    /// Looks at a gate.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn gate(&self, bucket: Bucket, name: &str, default_limit: u32) -> Result<GateView, StoreError> {
        let (holders, waiting, limit): (Vec<String>, u64, Option<Text>) = redis::pipe()
            .zrange(keys::of(bucket, &format!("gate:{name}")), 0, -1)
            .zcard(keys::of(bucket, &format!("gatewait:{name}")))
            .hget(keys::of(bucket, "limits"), name)
            .query_async(&mut self.redis().shared())
            .await?;
        // A limit that is no number counts as none, as it does for the scripts.
        let limit = limit.and_then(|Text(n)| n.parse().ok()).unwrap_or(default_limit);
        Ok(GateView { name: name.to_owned(), limit, holders, waiting })
    }

    /// Whether anybody holds a place in a gate now, or waits for one.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn is_gate_used(&self, bucket: Bucket, name: &str) -> Result<bool, StoreError> {
        let (held, waiting): (u64, u64) = redis::pipe()
            .zcard(keys::of(bucket, &format!("gate:{name}")))
            .zcard(keys::of(bucket, &format!("gatewait:{name}")))
            .query_async(&mut self.redis().shared())
            .await?;
        Ok(held + waiting > 0)
    }

    /// Puts an operator's limits for a Pod Manager into force, for who waits as well.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn set_limits(&self, podm_id: &str, policy: &Policy) -> Result<(), StoreError> {
        let text = |n: Option<u32>| n.map(|n| n.to_string()).unwrap_or_default();
        let drain = if policy.draining { "1" } else { "" };
        self.limits(podm_id, &text(policy.max_changes), &text(policy.max_reads), drain).await
    }

    /// Forgets limits and circuit of a Pod Manager that is gone.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn forget_gates(&self, podm_id: &str) -> Result<(), StoreError> {
        self.forget_sessions(podm_id).await?;
        self.limits(podm_id, "", "", "forget").await
    }

    async fn limits(&self, podm_id: &str, changes: &str, reads: &str, drain: &str) -> Result<(), StoreError> {
        let default = PODM_CHANGES.to_string();
        let args = [podm_id, changes, reads, drain, &default];
        let bucket = self.options().buckets.of_name(podm_id);
        let _ok: String = self.call(&self.scripts().limits, bucket, &args[..]).await?;
        Ok(())
    }
}

fn sessions_gate(podm_id: &str) -> String {
    format!("podm:{podm_id}:s")
}

/// Tells the circuit breakers what came of requests: all that the code that speaks to Pod Managers may do to the store.
#[derive(Clone)]
pub struct Gatekeeper(pub(super) Store);

impl Gatekeeper {
    /// For the breakers of this store.
    #[must_use]
    pub fn new(store: &Store) -> Self {
        Self(store.clone())
    }

    /// Takes, or keeps, a place among the sessions at a Pod Manager for a process, for so long. `false`: others have them all.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn session_enter(&self, podm_id: &str, process: &str, lasts: Duration) -> Result<bool, StoreError> {
        let (bucket, gate) = (self.0.options().buckets.of_name(podm_id), sessions_gate(podm_id));
        Ok(self.0.gate_enter(bucket, &gate, process, PODM_SESSIONS, lasts).await? == Entry::In)
    }

    /// Gives the place back.
    ///
    /// # Errors
    /// When Redis is away; the place then lapses by itself.
    pub async fn session_leave(&self, podm_id: &str, process: &str) -> Result<(), StoreError> {
        self.0.gate_leave(self.0.options().buckets.of_name(podm_id), &sessions_gate(podm_id), process).await
    }

    /// Tells that a Pod Manager which is asked has answered nothing for a while.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn silent(&self, podm_id: &str) -> Result<(), StoreError> {
        self.tell(podm_id, ["0", "0", "", "", "silent"]).await.map(drop)
    }

    /// Tells how many requests to a Pod Manager were answered, how many were not, and how long it wants to be left alone; `true`: its
    /// circuit is open or half-open.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn report(
        &self,
        podm_id: &str,
        good: u32,
        bad: u32,
        later: Option<Duration>,
        why: &str,
    ) -> Result<bool, StoreError> {
        let later = later.map(|l| l.as_millis().to_string()).unwrap_or_default();
        let why: String = why.chars().filter(|c| !c.is_control()).take(200).collect();
        self.tell(podm_id, [&good.to_string(), &bad.to_string(), &later, &why, ""]).await
    }

    /// One word to the breaker: answered, not answered, ms to be left alone, what went wrong, `silent` or nothing.
    async fn tell(&self, podm_id: &str, [good, bad, later, why, silent]: [&str; 5]) -> Result<bool, StoreError> {
        let limits = format!("{PODM_CHANGES} {PODM_READS}");
        let args = [podm_id, good, bad, later, why, &limits, silent];
        let bucket = self.0.options().buckets.of_name(podm_id);
        let (state, _failures): (String, u32) = self.0.call(&self.0.scripts().breaker, bucket, &args[..]).await?;
        if state == "back" && self.0.record::<serde_json::Value>(Collection::Podm, podm_id).await?.is_some() {
            self.0.refresh_soon(podm_id).await?;
        }
        Ok(state == "open")
    }
}
