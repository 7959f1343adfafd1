//! When a schedule fires: a cron expression in a time zone, or an interval; and a jitter that every scheduler computes alike.

use std::str::FromStr;

use aws_lc_rs::digest::{SHA256, digest};
use croner::Cron;
use jiff::Timestamp;
use jiff::tz::TimeZone;

/// A rule for nominal times.
#[derive(Debug, Clone)]
pub enum Recurrence {
    /// Cron expression, read in a time zone (summer time is respected).
    Cron(Box<Cron>, TimeZone),
    /// Every so many ms, counted from 1970: the same grid in every process.
    Every(u64),
}

impl Recurrence {
    /// Reads a rule: exactly one of `cron` and `every_s`, and an IANA time zone (`UTC`, `Europe/Berlin`).
    ///
    /// # Errors
    /// What is wrong, for the caller.
    pub fn parse(cron: Option<&str>, every_s: Option<u64>, time_zone: &str) -> Result<Self, String> {
        let zone = TimeZone::get(time_zone).map_err(|e| format!("time_zone: {e}"))?;
        match (cron, every_s) {
            (Some(pattern), None) => {
                let cron = Cron::from_str(pattern).map_err(|e| format!("cron: {e}"))?;
                Ok(Self::Cron(Box::new(cron), zone))
            }
            (None, Some(s @ 1..=31_536_000)) => Ok(Self::Every(s * 1000)),
            (None, Some(_)) => Err("every_s: 1 to 31536000 are possible".into()),
            _ => Err("exactly one of 'cron' and 'every_s' is wanted".into()),
        }
    }

    /// The first nominal time after `ms`; `None` when there is none any more.
    #[must_use]
    pub fn next_after(&self, ms: u64) -> Option<u64> {
        match self {
            Self::Every(period) => Some((ms / period + 1) * period),
            Self::Cron(cron, zone) => {
                let from = Timestamp::from_millisecond(i64::try_from(ms).ok()?).ok()?.to_zoned(zone.clone());
                let next = cron.find_next_occurrence(&from, false).ok()?;
                u64::try_from(next.timestamp().as_millisecond()).ok()
            }
        }
    }

    /// The last nominal time at or before `ms`, if it is after `after`: what missed firings come down to.
    #[must_use]
    pub fn last_between(&self, after: u64, ms: u64) -> Option<u64> {
        match self {
            Self::Every(period) => Some(ms / period * period).filter(|t| *t > after),
            Self::Cron(cron, zone) => {
                let to = Timestamp::from_millisecond(i64::try_from(ms).ok()?).ok()?.to_zoned(zone.clone());
                let last = cron.find_previous_occurrence(&to, true).ok()?;
                u64::try_from(last.timestamp().as_millisecond()).ok().filter(|t| *t > after)
            }
        }
    }
}

/// How many ms a firing is late: below `jitter_s`, derived from its key.
#[must_use]
pub fn jitter_ms(key: &str, jitter_s: u64) -> u64 {
    let hash = digest(&SHA256, key.as_bytes());
    let mut first = [0u8; 8];
    first.copy_from_slice(&hash.as_ref()[..8]);
    u64::from_be_bytes(first).checked_rem(jitter_s * 1000).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-22T12:00:30Z
    const NOON: u64 = 1_795_348_830_000;

    #[test]
    fn intervals_lie_on_one_grid() {
        let rule = Recurrence::parse(None, Some(60), "UTC").unwrap();
        assert_eq!(rule.next_after(NOON), Some(NOON + 30_000));
        assert_eq!(rule.last_between(0, NOON), Some(NOON - 30_000));
        assert_eq!(rule.last_between(NOON - 30_000, NOON), None);
    }

    #[test]
    fn cron_is_read_in_its_time_zone_and_missed_times_come_down_to_the_last() {
        let rule = Recurrence::parse(Some("0 14 * * *"), None, "Europe/Berlin").unwrap();
        assert_eq!(rule.next_after(NOON), Some(NOON - 30_000 + 3_600_000));
        let week_ago = NOON - 7 * 86_400_000;
        assert_eq!(rule.last_between(week_ago, NOON), Some(NOON - 30_000 - 23 * 3_600_000));
    }

    #[test]
    fn bad_rules_are_refused_by_name() {
        for (cron, every, zone, word) in [
            (Some("nonsense"), None, "UTC", "cron"),
            (None, Some(0), "UTC", "every_s"),
            (None, None, "UTC", "exactly one"),
            (Some("* * * * *"), Some(5), "UTC", "exactly one"),
            (Some("* * * * *"), None, "Mars/Base", "time_zone"),
        ] {
            let error = Recurrence::parse(cron, every, zone).unwrap_err();
            assert!(error.contains(word), "{error}");
        }
    }

    #[test]
    fn jitter_is_the_same_everywhere_and_below_its_bound() {
        assert_eq!(jitter_ms("a", 0), 0);
        assert_eq!(jitter_ms("a", 30), jitter_ms("a", 30));
        assert!(jitter_ms("b", 30) < 30_000);
    }
}
