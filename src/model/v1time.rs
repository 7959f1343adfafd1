//! The two ways Valence writes a time: RFC 3339 in the task API, and the v1 API's `YYYY-MM-DD HH:MM:SS UTC`.

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// `2026-11-22 07:03:57 UTC`, one-second resolution: the timestamps of v1 rows.
#[must_use]
pub fn v1(ms: u64) -> String {
    at(ms).to_zoned(TimeZone::UTC).strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// RFC 3339 UTC with milliseconds: every time of the task API.
#[must_use]
pub fn rfc3339(ms: u64) -> String {
    format!("{:.3}", at(ms))
}

/// Milliseconds since 1970 of an RFC 3339 time with any offset.
///
/// # Errors
/// What is wrong with the text.
pub fn parse_ms(text: &str) -> Result<u64, String> {
    let time: Timestamp = text.parse().map_err(|e: jiff::Error| e.to_string())?;
    u64::try_from(time.as_millisecond()).map_err(|_| "the time lies before 1970".to_owned())
}

fn at(ms: u64) -> Timestamp {
    i64::try_from(ms).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok()).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn v1_rows_carry_seconds_and_the_word_utc() {
        assert_eq!(v1(1_483_228_800_123), "2017-01-01 00:00:00 UTC");
    }

    #[test]
    fn rfc3339_round_trips() {
        assert_eq!(rfc3339(1_483_228_800_123), "2017-01-01T00:00:00.123Z");
        assert_eq!(parse_ms("2017-01-01T01:00:00.123+01:00"), Ok(1_483_228_800_123));
        assert!(parse_ms("tomorrow").is_err());
    }
}
