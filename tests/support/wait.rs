//! Waiting for a condition, never for a time.

use std::future::Future;
use std::time::Duration;

use tokio::time::Instant;

/// Longest that any condition is waited for: generous, since the machine may be busy.
pub const DEADLINE: Duration = Duration::from_secs(20);

/// Asks until there is an answer; panics with `what` when none comes in time.
pub async fn until<T, F>(what: &str, mut ask: impl FnMut() -> F) -> T
where
    F: Future<Output = Option<T>>,
{
    let end = Instant::now() + DEADLINE;
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(Instant::now() < end, "waited {DEADLINE:?} in vain: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
