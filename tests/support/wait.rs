//! Waiting for a condition, never for a time: the one way to wait.

use std::fmt::Debug;
use std::time::{Duration, Instant};

/// Longest that any condition is waited for unless said otherwise: generous, since the machine may be busy.
pub const DEADLINE: Duration = Duration::from_secs(30);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(10);

/// What one look at a condition saw.
pub trait Seen {
    /// What the wait gives back.
    type Found;
    /// The found, or what was seen in its place.
    fn found(self) -> Result<Self::Found, String>;
}

impl Seen for bool {
    type Found = ();
    fn found(self) -> Result<(), String> {
        if self { Ok(()) } else { Err("false".into()) }
    }
}

impl<T> Seen for Option<T> {
    type Found = T;
    fn found(self) -> Result<T, String> {
        self.ok_or_else(|| "nothing".into())
    }
}

impl<T, E: Debug> Seen for Result<T, E> {
    type Found = T;
    fn found(self) -> Result<T, String> {
        self.map_err(|seen| format!("{seen:?}"))
    }
}

/// Looks until `true`, `Some` or `Ok`; panics with `what`, and what was seen last, when it does not come in time.
pub async fn until<S: Seen>(what: &str, look: impl AsyncFnMut() -> S) -> S::Found {
    within(DEADLINE, what, look).await
}

/// As [`until`], with a deadline that is part of the promise.
pub async fn within<S: Seen>(limit: Duration, what: &str, mut look: impl AsyncFnMut() -> S) -> S::Found {
    let begun = Instant::now();
    loop {
        match look().await.found() {
            Ok(found) => return found,
            Err(seen) => assert!(begun.elapsed() < limit, "not within {limit:?}: {what}; last seen: {seen}"),
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// As [`until`], for tests without a runtime.
pub fn blocking<S: Seen>(what: &str, mut look: impl FnMut() -> S) -> S::Found {
    let begun = Instant::now();
    loop {
        match look().found() {
            Ok(found) => return found,
            Err(seen) => assert!(begun.elapsed() < DEADLINE, "not within {DEADLINE:?}: {what}; last seen: {seen}"),
        }
        std::thread::sleep(LOOK);
    }
}
