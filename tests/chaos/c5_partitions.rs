//! C5: workers, a scheduler and Pod Managers in network namespaces of their own, whose links to Redis and to each other are cut, one way or both.

use std::time::Duration;

use super::run::{Run, amount, run, setting};
use super::schedule::PARTITIONS;
use super::support::netns::{Net, is_outside};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "make chaos CAMPAIGN=c5"]
async fn c5_nothing_is_lost_while_links_are_cut() {
    if is_outside("c5_partitions::c5_nothing_is_lost_while_links_are_cut") {
        return;
    }
    let outcome = run(Run {
        name: "c5",
        seed: setting("SEED", 1),
        tasks: amount("TASKS", 3000, 300),
        faults: amount("FAULTS", 60, 10),
        weights: PARTITIONS,
        pace: Duration::from_millis(setting("PACE_MS", 6000)),
        buckets: u16::try_from(setting("BUCKETS", 1)).unwrap(),
        fsync: "everysec",
        net: Some(Net::new()),
    })
    .await;
    outcome.assert_clean();
}
