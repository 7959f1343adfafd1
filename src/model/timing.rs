//! When a periodic task is next due: a cron expression in a time zone, or an interval.

use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use jiff::Timestamp;
use jiff::tz::TimeZone;

/// How often something is due.
#[derive(Debug, Clone)]
pub enum Timing {
    /// By a cron expression.
    Cron(Box<Cron>, TimeZone),
    /// Every so many ms.
    Every(u64),
}

impl Timing {
    /// Reads a cron expression of five fields, or six with seconds first.
    ///
    /// # Errors
    /// What is wrong with the expression.
    pub fn cron(expression: &str, zone: TimeZone) -> Result<Self, String> {
        let parser = CronParser::builder().seconds(Seconds::Optional).year(Year::Disallowed).build();
        let cron = parser.parse(expression).map_err(|e| e.to_string())?;
        Ok(Self::Cron(Box::new(cron), zone))
    }

    /// Reads an IANA time zone's name.
    ///
    /// # Errors
    /// When there is none of that name.
    pub fn zone(name: &str) -> Result<TimeZone, String> {
        TimeZone::get(name).map_err(|e| e.to_string())
    }

    /// The first time after `after_ms`, ms since 1970. `None`: never again.
    #[must_use]
    pub fn next(&self, after_ms: u64) -> Option<u64> {
        match self {
            Self::Every(ms) => after_ms.checked_add(*ms),
            Self::Cron(cron, zone) => {
                let after = Timestamp::from_millisecond(i64::try_from(after_ms).ok()?).ok()?;
                let next = cron.find_next_occurrence(&after.to_zoned(zone.clone()), false).ok()?;
                u64::try_from(next.timestamp().as_millisecond()).ok()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::v1time::{parse_ms, rfc3339};

    #[test]
    fn an_expression_is_read_in_its_zone_across_a_change_of_clocks() {
        let berlin = Timing::cron("30 2 * * *", Timing::zone("Europe/Berlin").unwrap()).unwrap();
        let next = |from: &str| rfc3339(berlin.next(parse_ms(from).unwrap()).unwrap());
        assert_eq!(next("2026-01-10T00:00:00Z"), "2026-01-10T01:30:00.000Z");
        assert_eq!(next("2026-07-10T00:00:00Z"), "2026-07-10T00:30:00.000Z");
    }

    #[test]
    fn nonsense_is_refused_and_the_impossible_never_comes() {
        let utc = || TimeZone::UTC;
        assert!(Timing::cron("61 * * * *", utc()).is_err());
        assert!(Timing::cron("every day", utc()).is_err());
        assert!(Timing::zone("Mars/Olympus").is_err());
        assert_eq!(Timing::cron("0 0 30 2 *", utc()).ok().and_then(|t| t.next(0)), None);
        assert_eq!(Timing::Every(5000).next(1000), Some(6000));
    }
}
