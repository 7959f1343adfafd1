//! Which Pod Managers have series of their own. Each has some dozens of series, so of thousands only some do: the first by name, that there is
//! something to see where all is well, and besides whoever is in trouble, the worst first, since that is who is looked for. The others are
//! `other`, with the worst that can be said of any.

use std::cmp::Reverse;
use std::collections::HashSet;

/// So many of the first, and so many of those in trouble.
pub(super) const NAMED: usize = 50;
/// The label of the others.
pub(super) const OTHER: &str = "other";

/// Of Pod Managers by name, each with how bad it is with it (0: it is well), those that have series of their own.
pub(super) fn named<'n>(podms: impl Iterator<Item = (&'n str, u64)>) -> HashSet<&'n str> {
    let mut all: Vec<(&str, u64)> = podms.collect();
    all.sort_unstable_by_key(|(name, _)| *name);
    let mut troubled = all.split_off(NAMED.min(all.len()));
    troubled.retain(|(_, trouble)| *trouble > 0);
    troubled.sort_by_key(|(_, trouble)| Reverse(*trouble));
    all.into_iter().chain(troubled.into_iter().take(NAMED)).map(|(name, _)| name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(trouble: impl Fn(u64) -> u64) -> HashSet<String> {
        let podms: Vec<(String, u64)> = (0..1000).map(|n| (format!("podm{n:04}"), trouble(n))).collect();
        named(podms.iter().rev().map(|(name, n)| (name.as_str(), *n))).into_iter().map(str::to_owned).collect()
    }

    #[test]
    fn of_a_thousand_pod_managers_the_first_and_those_in_trouble_have_series_of_their_own() {
        let names = of(|n| u64::from(n == 700 || n == 900));
        assert_eq!(names.len(), NAMED + 2);
        assert!(["podm0000", "podm0049", "podm0700", "podm0900"].iter().all(|name| names.contains(*name)), "{names:?}");
    }

    #[test]
    fn when_nearly_all_are_in_trouble_the_worst_have_series_and_their_number_stays_bounded() {
        let names = of(|n| n);
        assert_eq!(names.len(), 2 * NAMED);
        assert!((950..1000).all(|n| names.contains(&format!("podm{n:04}"))), "{names:?}");
    }
}
