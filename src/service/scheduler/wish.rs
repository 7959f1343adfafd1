//! A node to place, as its parameters and its flavor say, and the words for where it cannot be.

use std::collections::BTreeMap;

use crate::model::flavor::Flavor;
use crate::model::params::Place;
use crate::model::placement::{Placement, Tried};
use crate::model::problem::Problem;
use crate::placement::Request;

/// What placement is asked for. `flavor` is the one that the parameters name.
///
/// # Errors
/// 404 when there is no such flavor; 400 when a number is none.
pub(super) fn request(place: &Place, flavor: Option<Flavor>) -> Result<Request, Problem> {
    let wanted = match (&place.flavor_id, flavor) {
        (None, _) => place.properties.clone().unwrap_or_default(),
        (Some(_), Some(flavor)) => flavor.properties,
        (Some(id), None) => return Err(Problem::not_found(format!("Flavor {id} not found in database."))),
    };
    Request::new(&wanted, place.hints.clone().unwrap_or_default()).map_err(Problem::validation)
}

/// Why the node can be nowhere. Full, closed or unfit is what a client can change, 409; away is not, 503.
pub(super) fn nowhere(placement: &Placement, tried: &[Tried]) -> Problem {
    let Placement { considered, filtered, .. } = placement;
    if *considered == 0 {
        return Problem::unavailable("no Pod Manager is registered");
    }
    let mut reasons: Vec<String> = tried.iter().map(|t| format!("{}: {}", t.name, t.why)).collect();
    reasons.extend(filtered.iter().filter_map(|(reason, n)| Some(format!("{n} {}", words(reason)?))));
    let detail = format!("none of the {considered} Pod Managers could take the node; {}", reasons.join("; "));
    let refused = tried.iter().any(|t| matches!(t.status, 404 | 409)) || (tried.is_empty() && !only_away(filtered));
    if refused { Problem::conflict(detail) } else { Problem::unavailable(detail) }
}

/// Whether those that do not answer are the only ones that might have done it: that may pass.
pub(super) fn only_away(filtered: &BTreeMap<String, u32>) -> bool {
    let away = |reason: &&str| filtered.contains_key(*reason);
    ["offline", "circuit_open"].iter().any(away) && !filtered.contains_key("full")
}

/// A filter's reason for people; what was tried is told by its own words.
fn words(reason: &str) -> Option<&str> {
    Some(match reason {
        "excluded" => return None,
        "not_allowed" => "not among the hint's podm_ids",
        "cordoned" => "cordoned or being drained",
        "offline" => "not online",
        "cannot_compose" => "of a driver that does not compose",
        "no_devices" => "of a driver that gives no PCI devices",
        "too_small" => "without hardware that fits",
        "full" => "with all hardware that fits taken or reserved",
        "circuit_open" => "with an open circuit",
        other => other,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn placement(considered: u32, filtered: &[(&str, u32)]) -> Placement {
        let filtered = filtered.iter().map(|(reason, n)| ((*reason).to_owned(), *n)).collect();
        Placement { considered, filtered, ..Placement::default() }
    }

    fn tried(name: &str, status: u16) -> Tried {
        Tried { podm_id: "1".into(), name: name.into(), status, why: "no system fits".into() }
    }

    #[test]
    fn every_reason_is_told_by_name_or_by_count() {
        let problem = nowhere(
            &placement(7, &[("excluded", 2), ("full", 4), ("cordoned", 1)]),
            &[tried("lab-1", 503), tried("lab-2", 409)],
        );
        assert_eq!(problem.status, 409);
        for word in ["lab-1: no system fits", "lab-2", "4 with all hardware", "1 cordoned", "none of the 7"] {
            assert!(problem.detail.contains(word), "{}", problem.detail);
        }
        assert!(!problem.detail.contains("excluded"), "{}", problem.detail);
    }

    #[test]
    fn every_filter_has_its_words() {
        for reason in crate::placement::REASONS {
            assert_ne!(words(reason), Some(reason));
        }
    }

    #[test]
    fn away_is_unavailable_and_full_is_a_conflict() {
        assert_eq!(nowhere(&placement(0, &[]), &[]).status, 503);
        assert_eq!(nowhere(&placement(3, &[("offline", 3)]), &[]).status, 503);
        assert_eq!(nowhere(&placement(3, &[("offline", 2), ("circuit_open", 1)]), &[]).status, 503);
        assert_eq!(nowhere(&placement(3, &[("offline", 1), ("full", 2)]), &[]).status, 409);
        assert_eq!(nowhere(&placement(1, &[("excluded", 1)]), &[tried("lab-1", 503)]).status, 503);
        assert_eq!(nowhere(&placement(2, &[("too_small", 2)]), &[]).status, 409);
    }
}
