//! What a worker's metrics say of settled attempts.

use std::time::Duration;

use crate::observe::metrics;
use crate::store::claims::{Claimed, Outcome, Settled};

/// Books one settlement; `answered`: a refusal that the client which waited was told.
pub(super) fn settled(claimed: &Claimed, (outcome, answered): (&Outcome, bool), settled: Settled, ran: Duration) {
    let work = &metrics::get().work;
    let topic = claimed.lane.topic.as_str();
    let kind = claimed.def.as_ref().map_or("unknown", |d| d.kind.as_str());
    if settled == Settled::Fenced {
        work.fenced.with_label_values(&[topic, kind]).inc();
        return;
    }
    let (word, ends) = match outcome {
        Outcome::Completed => ("completed", true),
        Outcome::Failed => ("failed", true),
        Outcome::Cancelled => ("cancelled", true),
        Outcome::Retry(_) => ("retry", false),
        Outcome::Park(_) => ("park", false),
        Outcome::Release => ("release", false),
    };
    work.settled.with_label_values(&[topic, kind, word]).inc();
    work.run_time.with_label_values(&[topic, kind]).observe(ran.as_secs_f64());
    if ends {
        work.completed.with_label_values(&[topic, kind, word]).inc();
    } else {
        work.retried.with_label_values(&[topic, kind, word]).inc();
    }
    if *outcome == Outcome::Failed {
        let family = if answered { &work.refused } else { &work.dead_lettered };
        family.with_label_values(&[topic, kind]).inc();
    }
}

/// Books a first claim: how long the task waited since it was accepted, or since it was due when it was put off. Its time to the deadline
/// begins then, too.
pub(super) fn claimed(claimed: &Claimed) {
    let Some(def) = claimed.def.as_ref().filter(|_| claimed.claims == 1) else { return };
    let waited = Duration::from_secs(def.timeout_s).checked_sub(claimed.time_left);
    if let Some(waited) = waited {
        let wait = &metrics::get().work.queue_wait;
        wait.with_label_values(&[claimed.lane.topic.as_str()]).observe(waited.as_secs_f64());
    }
}
