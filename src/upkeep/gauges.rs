//! Shows the queues as metrics: depth by state, lag, pending, age. Every scheduler shows the same; dashboards take the maximum.

use std::time::Duration;

use crate::observe::metrics;
use crate::shutdown::Shutdown;
use crate::store::{Store, StoreError};

/// Between two looks.
const PAUSE: Duration = Duration::from_secs(5);

pub(super) fn spawn(store: &Store, shutdown: &Shutdown) {
    let store = store.clone();
    super::spawn_loop("gauges", shutdown, move || {
        let store = store.clone();
        async move {
            pass(&store).await?;
            Ok(PAUSE)
        }
    });
}

/// One look at all queues.
///
/// # Errors
/// When Redis is away.
pub async fn pass(store: &Store) -> Result<(), StoreError> {
    let shown = &metrics::get().upkeep;
    let workers = store.workers().await?;
    let number = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    for queue in store.queues().await? {
        let topic = queue.topic.as_str();
        for (state, n) in &queue.depth {
            shown.depth.with_label_values(&[topic, state.as_str()]).set(*n);
        }
        shown.lag.with_label_values(&[topic]).set(number(queue.lag));
        shown.pending.with_label_values(&[topic]).set(number(queue.pending));
        shown.oldest_age.with_label_values(&[topic]).set(queue.oldest_age_s);
        shown.paused.with_label_values(&[topic]).set(i64::from(queue.paused));
        let serving = workers.iter().filter(|w| w.topics.iter().any(|t| t.as_str() == topic)).count();
        shown.workers.with_label_values(&[topic]).set(i64::try_from(serving).unwrap_or(i64::MAX));
    }
    Ok(())
}
