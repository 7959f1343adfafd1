//! `Retry-After`: seconds, or an HTTP date.
//!
//! *Source*: RFC 9110, section 10.2.3.

use std::time::Duration;

use jiff::Timestamp;

/// Longest wait that a Pod Manager may ask for; beyond it one looks again anyway.
const MAX: Duration = Duration::from_secs(3_600);

/// Reads the header's value; `None` when it is neither form.
#[must_use]
pub fn parse(value: &str, now: Timestamp) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse::<u64>() {
        return Some(Duration::from_secs(seconds).min(MAX));
    }
    let at = jiff::fmt::rfc2822::parse(value).ok()?.timestamp();
    let left = at.duration_since(now);
    Some(if left.is_negative() { Duration::ZERO } else { left.unsigned_abs().min(MAX) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_and_dates_are_both_understood() {
        let now: Timestamp = "2026-11-22T07:00:00Z".parse().unwrap();
        assert_eq!(parse("30", now), Some(Duration::from_secs(30)));
        assert_eq!(parse("Sun, 22 Nov 2026 07:00:20 GMT", now), Some(Duration::from_secs(20)));
        assert_eq!(parse("Sun, 22 Nov 2026 06:00:00 GMT", now), Some(Duration::ZERO));
        assert_eq!(parse("soon", now), None);
    }

    #[test]
    fn nobody_is_made_to_wait_for_ever() {
        assert_eq!(parse("99999999999", Timestamp::UNIX_EPOCH), Some(MAX));
    }
}
