//! How fast the queues move: totals taken every few seconds, and the difference between two of them.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::model::topic::Topic;
use crate::shutdown::{Shutdown, sleep_or_stop};
use crate::store::{Store, StoreError};

/// How often the totals are taken.
const EVERY: Duration = Duration::from_secs(5);
/// How many are kept: rates are over the last quarter of a minute.
const KEPT: usize = 4;

type Totals = HashMap<String, i64>;

/// The samples.
#[derive(Clone, Default)]
pub(crate) struct Sampler(Arc<Mutex<VecDeque<(Instant, Totals)>>>);

impl Sampler {
    /// Starts to sample. Also takes Redis's time now and then, so that drift does not add up.
    pub(crate) fn start(store: &Store, shutdown: &Shutdown) -> Self {
        let sampler = Self::default();
        let (this, store, token) = (sampler.clone(), store.clone(), shutdown.token());
        shutdown.spawn("queue rates", async move {
            loop {
                match store.counts().await {
                    Ok(totals) => this.add(Instant::now(), totals),
                    Err(error) => tracing::debug!(%error, "counts not readable"),
                }
                if let Err(error) = store.sync_clock().await {
                    tracing::debug!(%error, "Redis's time not readable");
                }
                if !sleep_or_stop(&token, EVERY).await {
                    return Ok::<(), StoreError>(());
                }
            }
        });
        sampler
    }

    fn add(&self, at: Instant, totals: Totals) {
        let mut samples = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        samples.push_back((at, totals));
        while samples.len() > KEPT {
            samples.pop_front();
        }
    }

    /// Tasks a second of a topic, by what became of them.
    pub(crate) fn rates(&self, topic: Topic) -> BTreeMap<String, f64> {
        let samples = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (Some((from, old)), Some((to, new))) = (samples.front(), samples.back()) else { return BTreeMap::new() };
        let seconds = (*to - *from).as_secs_f64();
        ["enqueued", "completed", "failed", "cancelled", "fenced"]
            .into_iter()
            .map(|what| {
                let field = format!("{topic}:{what}");
                let total = |totals: &Totals| totals.get(&field).copied().unwrap_or(0);
                // A Redis that was emptied counts from nothing again.
                let more = u32::try_from((total(new) - total(old)).max(0)).unwrap_or(u32::MAX);
                let rate = if seconds > 0.0 { f64::from(more) / seconds } else { 0.0 };
                (what.to_owned(), rate)
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_the_difference_over_the_time_and_never_below_nothing() {
        let sampler = Sampler::default();
        let begin = Instant::now();
        let totals = |n: i64| HashMap::from([("compute:enqueued".to_owned(), n)]);
        sampler.add(begin, totals(100));
        assert_eq!(sampler.rates(Topic::Compute)["enqueued"], 0.0);
        sampler.add(begin + Duration::from_secs(5), totals(150));
        assert_eq!(sampler.rates(Topic::Compute)["enqueued"], 10.0);
        sampler.add(begin + Duration::from_secs(10), totals(0));
        assert_eq!(sampler.rates(Topic::Compute)["enqueued"], 0.0);
    }
}
