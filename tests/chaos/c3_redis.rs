//! C3: the same with Redis killed, stopped and held as well; it fsyncs always, so it must not lose anything either.

use std::time::Duration;

use super::run::{Run, amount, run, setting};
use super::schedule::WITH_REDIS;

#[tokio::test(flavor = "multi_thread")]
async fn c3_the_same_holds_while_redis_dies_in_sixteen_buckets() {
    let outcome = run(Run {
        name: "c3",
        seed: setting("SEED", 1),
        tasks: amount("TASKS", 20_000, 500),
        faults: amount("FAULTS", 320, 20),
        weights: WITH_REDIS,
        pace: Duration::from_millis(setting("PACE_MS", 1000)),
        buckets: u16::try_from(setting("BUCKETS", 16)).unwrap(),
        fsync: "always",
        net: None,
    })
    .await;
    outcome.assert_clean();
}
