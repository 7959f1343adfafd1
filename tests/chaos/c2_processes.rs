//! C2: workers, APIs, schedulers and Pod Managers are killed, paused and drained, and clocks jump, while clients go on.

use std::time::Duration;

use super::run::{Outcome, Run, amount, run, setting};
use super::schedule::PROCESSES;

/// As the environment says.
pub async fn as_asked() -> Outcome {
    run(Run {
        name: "c2",
        seed: setting("SEED", 1),
        tasks: amount("TASKS", 100_000, 1500),
        faults: amount("FAULTS", 1000, 60),
        weights: PROCESSES,
        pace: Duration::from_millis(setting("PACE_MS", 450)),
        buckets: u16::try_from(setting("BUCKETS", 1)).unwrap(),
        fsync: "everysec",
        net: None,
    })
    .await
}

#[cfg(not(feature = "unsafe-controls"))]
#[tokio::test(flavor = "multi_thread")]
async fn c2_nothing_accepted_is_lost_and_everything_ends_once_while_processes_die() {
    let outcome = as_asked().await;
    outcome.assert_clean();
    assert!(outcome.fenced > 0, "no late writer was fenced: the faults were too gentle to prove anything");
}

#[cfg(feature = "unsafe-controls")]
#[tokio::test(flavor = "multi_thread")]
async fn control_c2_without_the_claim_check_shows_violations() {
    let outcome = as_asked().await;
    assert!(!outcome.wrong.is_empty(), "the campaign does not notice that the claim check is gone");
    println!("as it must be, {} violations, such as {}", outcome.wrong.len(), outcome.wrong[0]);
}
