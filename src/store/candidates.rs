//! The Pod Managers that a node may be placed at, as last read: records without credentials, inventories, what is in flight, circuits,
//! reservations; and who waits for a place.
//!
//! One read of all of them serves every placement of the process for a moment ([`FRESH`]), so that a decision costs no round trip a
//! candidate; records and inventories, which hardly change and are most of it, serve four such reads. What a process reserves itself it
//! sees at once; what another one reserves it sees with the next read, or when a reservation is refused. Nothing promised depends on it: the
//! reservation is checked in Redis.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::each::{each, value};
use super::podm_states::NEWS_MS;
use super::reservations::parse;
use super::{Store, StoreError, keys};
use crate::model::kind::podm_gate;
use crate::model::placement::{Candidate, Choice, Scene, Site};

/// How long a read serves.
pub const FRESH: Duration = Duration::from_millis(500);
/// How long the records and inventories of a read serve. An inventory that somebody else has used meanwhile is read when a reservation says so.
const KNOWN: Duration = Duration::from_secs(2);

/// What was read last. Readers share it; one at a time reads anew.
#[derive(Default)]
pub(super) struct Cache {
    reading: tokio::sync::Mutex<()>,
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    began: Option<Instant>,
    /// When the records and inventories were read.
    known: Option<Instant>,
    scene: Scene,
}

impl Held {
    fn is_since(&self, not_before: Instant, known_not_before: Instant) -> bool {
        self.began.is_some_and(|began| began >= not_before) && self.knows_since(known_not_before)
    }

    fn knows_since(&self, not_before: Instant) -> bool {
        self.known.is_some_and(|known| known >= not_before)
    }
}

/// What the breaker says: until when nobody is let in, twice, since when it is silent, failures in a row, since when they count.
type Breaker = (Option<u64>, Option<u64>, Option<u64>, Option<u64>, Option<u64>);
/// What is read beside a record and its inventory: reservations, changes that run, changes that wait, the breaker.
type Read = (HashMap<String, String>, u64, u64, Breaker);

impl Store {
    /// Reads the candidates, unless a read that began at or after `not_before` is held.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn read_candidates(&self, not_before: Instant) -> Result<(), StoreError> {
        self.read_since(not_before, not_before).await
    }

    /// Reads the candidates, unless a read of a moment ago is held.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn recent_candidates(&self) -> Result<(), StoreError> {
        let now = Instant::now();
        let ago = |time: Duration| now.checked_sub(time).unwrap_or(now);
        self.read_since(ago(FRESH), ago(KNOWN)).await
    }

    async fn read_since(&self, not_before: Instant, known_not_before: Instant) -> Result<(), StoreError> {
        let cache = self.candidates_cache();
        let held = || cache.held.lock().unwrap_or_else(PoisonError::into_inner);
        if held().is_since(not_before, known_not_before) {
            return Ok(());
        }
        let _one_at_a_time = cache.reading.lock().await;
        if held().is_since(not_before, known_not_before) {
            return Ok(());
        }
        let began = Instant::now();
        let kept = {
            let held = held();
            held.knows_since(known_not_before).then(|| {
                let known = held.scene.candidates.iter().map(|c| {
                    let (site, inventory, keys) = (c.site.clone(), c.inventory.clone(), c.keys.clone());
                    Candidate { site, inventory, keys, ..Candidate::default() }
                });
                (held.known, known.collect())
            })
        };
        let (known, candidates) = match kept {
            Some(kept) => kept,
            None => (Some(began), self.known_candidates().await?),
        };
        let (mut candidates, lines) = (self.with_what_moves(candidates).await?, self.lines().await?);
        let now_ms = self.clock().now_ms();
        let mut held = held();
        let before: HashMap<&str, &Candidate> =
            held.scene.candidates.iter().map(|c| (c.site.uuid.as_str(), c)).collect();
        for candidate in &mut candidates {
            if let Some(before) = before.get(candidate.site.uuid.as_str()) {
                let ended = candidate.keep_own(&before.reservations, now_ms);
                candidate.in_flight = candidate.in_flight.saturating_sub(ended);
            }
        }
        *held = Held { began: Some(began), known, scene: Scene { candidates, lines, now_ms: 0 } };
        Ok(())
    }

    /// Works with the candidates that are held. Nobody else does meanwhile, so it should be quick.
    pub fn with_candidates<T>(&self, work: impl FnOnce(&mut [Candidate]) -> T) -> T {
        self.with_scene(|scene| work(&mut scene.candidates))
    }

    /// Works with all that is held, as [`Store::with_candidates`].
    pub fn with_scene<T>(&self, work: impl FnOnce(&mut Scene) -> T) -> T {
        let mut held = self.candidates_cache().held.lock().unwrap_or_else(PoisonError::into_inner);
        held.scene.now_ms = self.clock().now_ms();
        work(&mut held.scene)
    }

    /// Records and inventories.
    async fn known_candidates(&self) -> Result<Vec<Candidate>, StoreError> {
        let sites: Vec<Site> = self.podms().await?.iter().map(Site::from).collect();
        let ids: Vec<String> = sites.iter().map(|s| s.uuid.clone()).collect();
        let inventories = self.inventories(&ids).await?;
        let known = sites.into_iter().zip(inventories);
        Ok(known
            .map(|(site, inventory)| Candidate { site, ..Candidate::default() }.with_inventory(inventory))
            .collect())
    }

    /// Reads the inventory of a candidate anew.
    pub(super) async fn learn_inventory(&self, choice: &Choice) -> Result<(), StoreError> {
        let inventory = self.inventories(std::slice::from_ref(&choice.podm_id)).await?.pop().flatten();
        self.with_candidates(|all| {
            let here = all.get_mut(choice.at).filter(|c| c.site.uuid == choice.podm_id);
            here.into_iter().for_each(|c| *c = std::mem::take(c).with_inventory(inventory.clone()));
        });
        Ok(())
    }

    /// What is reserved, in flight and shut at candidates: one round trip, however many there are.
    async fn with_what_moves(&self, known: Vec<Candidate>) -> Result<Vec<Candidate>, StoreError> {
        if known.is_empty() {
            return Ok(known);
        }
        let now_ms = self.clock().now_ms();
        let mut pipe = redis::pipe();
        for id in known.iter().map(|candidate| &candidate.site.uuid) {
            let (bucket, gate) = (self.bucket_of(id), podm_gate(id, true));
            pipe.hgetall(keys::of(bucket, &format!("reserved:{id}")));
            pipe.zcount(keys::of(bucket, &format!("gate:{gate}")), format!("({now_ms}"), "+inf");
            pipe.zcard(keys::of(bucket, &format!("gatewait:{gate}")));
            pipe.cmd("HMGET")
                .arg(keys::of(bucket, &format!("breaker:{id}")))
                .arg(&["until", "later", "silent", "row", "since"]);
        }
        let mut replies = each::<redis::Value>(&mut pipe, self.redis()).await?.into_iter();
        let mut candidates = Vec::with_capacity(known.len());
        for known in known {
            // All of this one's, also after what cannot be read.
            let reply: Vec<_> = replies.by_ref().take(4).collect();
            let reply = reply.into_iter().collect::<Result<_, _>>().map(redis::Value::Array);
            let Some((fields, held, waiting, breaker)) = value::<Read>("reservations", &known.site.uuid, reply) else {
                // Nobody knows what is promised there.
                candidates.push(Candidate { shut_ms: u64::MAX, ..known });
                continue;
            };
            let (until, later, silent, row, since) = breaker;
            let counts = |at: Option<u64>| at.is_some_and(|at| at + NEWS_MS > now_ms);
            let number = |name: &str| fields.get(name).and_then(|n| n.parse::<u64>().ok());
            candidates.push(Candidate {
                in_flight: held + waiting,
                reservations: parse(&fields),
                freed_ms: number("!freed").unwrap_or(0),
                freed: number("!back").and_then(|n| n.try_into().ok()).unwrap_or(0),
                shut_ms: until.max(later).unwrap_or(0),
                compose_ms: number("!took"),
                // Half-open it lets in one as well.
                silent: counts(silent) || until.is_some(),
                failing: row.is_some_and(|row| row > 0) && counts(since),
                ..known
            });
        }
        Ok(candidates)
    }
}
