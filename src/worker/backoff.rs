//! When a failed attempt becomes due: full jitter below an exponential ceiling, or what the PODM asked for.

use std::time::Duration;

/// Ceiling of the first retry (DESIGN: 1 s).
pub const FIRST: Duration = Duration::from_secs(1);
/// Ceiling of every later one (DESIGN: 60 s).
pub const LONGEST: Duration = Duration::from_secs(60);
/// What a `Retry-After` may ask for at most, so that a lying PODM cannot park a task for ever.
pub const LONGEST_ASKED: Duration = Duration::from_secs(600);

/// The ceiling below which the delay after attempt `attempt` (from 1) is drawn.
#[must_use]
pub fn ceiling(attempt: u32) -> Duration {
    let doublings = attempt.saturating_sub(1).min(16);
    (FIRST * 2u32.pow(doublings)).min(LONGEST)
}

/// The delay after attempt `attempt`. `asked` (`Retry-After`) is a floor, with jitter on top so that waiters do not come back at once.
#[must_use]
pub fn delay(attempt: u32, asked: Option<Duration>) -> Duration {
    let jitter = ceiling(attempt).mul_f64(rand::random_range(0.0..1.0));
    match asked {
        Some(asked) => asked.min(LONGEST_ASKED) + jitter.min(FIRST),
        None => jitter,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ceilings_double_up_to_the_longest() {
        let seconds: Vec<u64> = (1..9).map(|n| ceiling(n).as_secs()).collect();
        assert_eq!(seconds, [1, 2, 4, 8, 16, 32, 60, 60]);
    }

    proptest! {
        #[test]
        fn no_delay_leaves_its_bounds(attempt in 0u32..100, asked in proptest::option::of(0u64..10_000)) {
            let asked = asked.map(Duration::from_secs);
            let delay = delay(attempt, asked);
            prop_assert!(delay <= LONGEST_ASKED + FIRST);
            prop_assert!(asked.is_none_or(|a| delay >= a.min(LONGEST_ASKED)));
        }
    }
}
