//! What one caller may take of the server: requests a second, held in Redis for all API processes together, and requests under way at once
//! in this process, waits and event streams among them.
//!
//! Tokens are taken out of Redis a handful at a time, a twentieth of a second's worth, so that a busy caller costs a call now and then and
//! not one a request. While Redis does not answer nothing is limited: such a request fails by itself.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use warp::http::header::RETRY_AFTER;

use super::answer::Failure;
use super::auth::Caller;
use super::call::Remote;
use crate::config::ApiConfig;
use crate::model::problem::Problem;
use crate::model::task::ANONYMOUS;
use crate::store::Store;
use crate::store::rates::Taken;

/// How long tokens may be held unused.
const HELD: Duration = Duration::from_secs(1);
/// Callers remembered before those not seen lately are forgotten.
const MOST_CALLERS: usize = 10_000;

/// Who is counted: a caller, or an address where nobody says who they are.
pub(crate) fn counted(caller: &Caller, remote: Option<&Remote>) -> String {
    match remote {
        Some(remote) if caller.name == ANONYMOUS => format!("{ANONYMOUS}@{}", network(remote.address.ip())),
        _ => caller.name.clone(),
    }
}

/// An address as one client has it: a whole /64 in IPv6.
pub(crate) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6((u128::from(v6) & !u128::from(u64::MAX)).into()),
        v4 @ IpAddr::V4(_) => v4,
    }
}

/// Things in use, counted by whose they are, at most so many each.
pub(crate) struct Shares<K> {
    most: usize,
    used: Arc<Mutex<HashMap<K, usize>>>,
}

impl<K: std::hash::Hash + Eq + Clone> Shares<K> {
    pub(crate) fn new(most: usize) -> Self {
        Self { most, used: Arc::default() }
    }

    /// One more, given back when the share is dropped; `None` when there are so many already.
    pub(crate) fn take(&self, whose: K) -> Option<Share<K>> {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let count = used.entry(whose.clone()).or_insert(0);
        if *count >= self.most {
            return None;
        }
        *count += 1;
        Some(Share { whose, used: Arc::clone(&self.used) })
    }
}

/// One of somebody's.
pub(crate) struct Share<K: std::hash::Hash + Eq> {
    whose: K,
    used: Arc<Mutex<HashMap<K, usize>>>,
}

impl<K: std::hash::Hash + Eq> Drop for Share<K> {
    fn drop(&mut self) {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = used.get_mut(&self.whose) {
            *count -= 1;
            if *count == 0 {
                used.remove(&self.whose);
            }
        }
    }
}

/// What this process holds of a caller's bucket.
struct Held {
    tokens: u32,
    until: Instant,
    /// There is none before.
    empty_until: Instant,
}

/// The limits of all callers.
pub(crate) struct Limits {
    rate: u32,
    burst: u32,
    held: Mutex<HashMap<String, Held>>,
    under_way: Shares<String>,
}

impl Limits {
    pub(crate) fn new(config: &ApiConfig) -> Self {
        Self {
            rate: config.requests_per_second,
            burst: config.requests_burst.max(config.requests_per_second),
            held: Mutex::default(),
            under_way: Shares::new(config.max_requests_under_way),
        }
    }

    /// Lets a request of `who` in; it counts as under way until the share is dropped.
    ///
    /// # Errors
    /// 429 with `Retry-After`.
    pub(crate) async fn enter(&self, store: &Store, who: &str) -> Result<Share<String>, Failure> {
        self.spend(store, who).await?;
        let most = self.under_way.most;
        let full = || too_many(Duration::from_secs(1), format!("{most} requests of this caller are under way"));
        self.under_way.take(who.to_owned()).ok_or_else(full)
    }

    async fn spend(&self, store: &Store, who: &str) -> Result<(), Failure> {
        if self.rate == 0 {
            return Ok(());
        }
        let told = |wait: Duration| too_many(wait, format!("{} requests a second are allowed to a caller", self.rate));
        match self.on_hand(who) {
            Some(Taken::Tokens(_)) => return Ok(()),
            Some(Taken::Wait(wait)) => return Err(told(wait)),
            None => {}
        }
        let want = (self.rate / 20).max(1);
        let taken = match store.take_tokens(who, self.rate, self.burst, want).await {
            Ok(taken) => taken,
            Err(error) => {
                tracing::debug!(%error, "the rate of requests is not known");
                return Ok(());
            }
        };
        let now = Instant::now();
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if held.len() >= MOST_CALLERS {
            held.retain(|_, h| h.until > now || h.empty_until > now);
        }
        let mine = held.entry(who.to_owned()).or_insert(Held { tokens: 0, until: now, empty_until: now });
        match taken {
            Taken::Tokens(given) => {
                // What somebody else has brought meanwhile counts as well.
                mine.tokens = (if mine.until > now { mine.tokens } else { 0 }).saturating_add(given - 1);
                mine.until = now + HELD;
                Ok(())
            }
            Taken::Wait(wait) => {
                mine.empty_until = now + wait;
                Err(told(wait))
            }
        }
    }

    /// What the tokens on hand say; `None`: Redis has to be asked.
    fn on_hand(&self, who: &str) -> Option<Taken> {
        let now = Instant::now();
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let mine = held.get_mut(who)?;
        if mine.until > now && mine.tokens > 0 {
            mine.tokens -= 1;
            return Some(Taken::Tokens(1));
        }
        (mine.empty_until > now).then(|| Taken::Wait(mine.empty_until - now))
    }
}

fn too_many(wait: Duration, detail: String) -> Failure {
    let seconds = wait.as_secs_f64().ceil().max(1.0);
    Failure::from(Problem::too_many_requests(detail)).with(RETRY_AFTER, &format!("{seconds:.0}"))
}
