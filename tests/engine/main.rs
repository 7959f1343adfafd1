//! The task engine's promises, script by script, on a real Redis: a module for each of what they are about.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on should say so")]

#[path = "../support/mod.rs"]
mod support;

mod cancels;
mod claims;
mod crashes;
mod ends;
mod foreign;
mod keeping;
mod lines;

use std::time::Duration;

use support::engine::Engine;
use valence::store::upkeep::Reclaimed;

const SOON: Duration = Duration::from_millis(1);

/// Waits for a time to pass in Redis: the engine knows no other clock, and nothing else can be waited for.
async fn pass_time(ms: u64) {
    tokio::time::sleep(Duration::from_millis(ms)).await;
}

async fn reclaim(e: &Engine) -> Reclaimed {
    let mut sum = Reclaimed::default();
    for bucket in e.store.options().buckets.iter() {
        let r = e.store.reclaim(bucket, 100).await.unwrap();
        sum.requeued += r.requeued;
        sum.quarantined += r.quarantined;
        sum.dead += r.dead;
    }
    sum
}
