//! The only code that speaks to Redis.
//!
//! [`Store`] is one handle, cheap to clone, over a shared connection; each file adds the operations of one concern. Every change
//! of a task is one script call on one bucket (see `lua/`). Blocking reads have connections of their own ([`connect`]).

pub mod audit;
pub mod batch;
pub mod calls;
pub mod candidates;
pub mod claims;
pub mod connect;
mod each;
mod entry;
pub mod error;
pub mod events;
pub mod explain;
pub mod gates;
pub mod homes;
pub mod idempotency;
pub mod inventory;
pub mod keys;
pub mod lines;
pub mod link;
pub mod listing;
pub mod meta;
pub mod podm_events;
pub mod podm_states;
pub mod queues;
pub mod rates;
pub mod readings;
pub mod record;
pub mod records;
pub mod reseal;
pub mod reservations;
pub mod roster;
pub mod schedules;
pub mod script;
pub mod sessions;
pub mod submit;
pub mod sync;
mod target;
pub mod tasks;
mod timed;
pub mod upkeep;
pub mod workers;

use std::sync::Arc;
use std::time::Duration;

use crate::clock::ServerClock;
use crate::ids::Buckets;
use batch::Batchers;
use connect::Redis;
pub use error::StoreError;
use script::Scripts;
pub use target::without_password;

/// What a deployment agrees on, and how this process treats Redis.
#[derive(Debug, Clone)]
pub struct StoreOptions {
    /// Number of buckets, fixed at the deployment's first start.
    pub buckets: Buckets,
    /// How long a claim is believed without news.
    pub lease: Duration,
    /// How long a changing PODM request whose answer was not seen may still be running.
    pub quarantine: Duration,
    /// How many state changes each bucket's events stream keeps.
    pub events_kept: u32,
    /// Part of every tag on hardware; never generated in Redis.
    pub deployment: String,
    /// Replicas that must have an accepted task before its client hears of it, and how long to wait for them.
    pub replicas: Option<(u32, Duration)>,
}

/// The store. Clones share connections, clock and batchers.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

struct Inner {
    redis: Redis,
    reads: Option<Redis>,
    options: StoreOptions,
    clock: ServerClock,
    scripts: Scripts,
    batchers: Batchers,
    candidates: candidates::Cache,
    calls: calls::Calls,
    homes: homes::Homes,
    roster: roster::Roster,
}

impl Store {
    /// Connects to the Redis of a URL and, when there is one, to that of `reads`, which carries sync tasks alone. No call takes longer than
    /// `reply_limit`.
    ///
    /// # Errors
    /// When a URL cannot be read or a Redis not be reached.
    pub async fn connect(
        url: &str,
        reads: Option<&str>,
        reply_limit: Duration,
        options: StoreOptions,
    ) -> Result<Self, StoreError> {
        let redis = Redis::connect(url, reply_limit).await?;
        let reads = match reads {
            Some(url) => Some(Redis::connect(url, reply_limit).await?),
            None => None,
        };
        Self::over(redis, reads, options).await
    }

    /// A store over one Redis; takes its time.
    ///
    /// # Errors
    /// When Redis cannot be reached.
    pub async fn open(redis: Redis, options: StoreOptions) -> Result<Self, StoreError> {
        Self::over(redis, None, options).await
    }

    async fn over(redis: Redis, reads: Option<Redis>, options: StoreOptions) -> Result<Self, StoreError> {
        let clock = ServerClock::new(redis.time_ms().await?);
        let scripts = Scripts::new(&options);
        let batchers = Batchers::new(options.buckets);
        Ok(Self(Arc::new(Inner {
            redis,
            reads,
            options,
            clock,
            scripts,
            batchers,
            candidates: candidates::Cache::default(),
            calls: calls::Calls::default(),
            homes: homes::Homes::default(),
            roster: roster::Roster::default(),
        })))
    }

    /// The connections.
    #[must_use]
    pub fn redis(&self) -> &Redis {
        &self.0.redis
    }

    /// Where sync tasks are sent.
    #[must_use]
    pub fn reads(&self) -> &Redis {
        self.0.reads.as_ref().unwrap_or(&self.0.redis)
    }

    /// Wherever sync tasks may come from: a process without `redis.sync_url` sends them through the one Redis, so workers look in both.
    pub fn all_reads(&self) -> impl Iterator<Item = &Redis> {
        std::iter::once(&self.0.redis).chain(self.0.reads.as_ref())
    }

    /// What the deployment agrees on.
    #[must_use]
    pub fn options(&self) -> &StoreOptions {
        &self.0.options
    }

    /// Redis's clock.
    #[must_use]
    pub fn clock(&self) -> &ServerClock {
        &self.0.clock
    }

    fn scripts(&self) -> &Scripts {
        &self.0.scripts
    }

    fn batchers(&self) -> &Batchers {
        &self.0.batchers
    }

    fn candidates_cache(&self) -> &candidates::Cache {
        &self.0.candidates
    }

    fn homes(&self) -> &homes::Homes {
        &self.0.homes
    }

    fn roster(&self) -> &roster::Roster {
        &self.0.roster
    }

    fn calls(&self) -> &calls::Calls {
        &self.0.calls
    }

    /// Takes Redis's time again; called every few seconds so that drift does not add up.
    ///
    /// # Errors
    /// When Redis cannot be reached.
    pub async fn sync_clock(&self) -> Result<(), StoreError> {
        let now = self.0.redis.time_ms().await?;
        self.0.clock.sync(now);
        Ok(())
    }
}
