//! Kinds of the scheduler service: placement and Pod Managers.

use serde_json::Value;

use super::read::{check, name, no_nulls, read};
use super::schema::schema;
use super::{Kind, kind, sync};
use crate::ids::is_record_id;
use crate::model::driver::DriverInfo;
use crate::model::params;
use crate::model::placement::{PlacedNode, Placement};
use crate::model::problem::Problem;
use crate::model::topic::Topic;
use crate::model::trust;

/// The kinds.
pub(super) const KINDS: &[Kind] = &[
    Kind {
        check: check_place,
        schema: schema::<params::Place>,
        result_schema: schema::<PlacedNode>,
        ..kind("node.place", Topic::Scheduler, "Chooses a Pod Manager and composes the node there")
    },
    Kind {
        admin: true,
        check: check_podm_create,
        schema: schema::<params::PodmCreate>,
        result_schema: schema::<crate::model::podm::Podm>,
        ..kind("podm.create", Topic::Scheduler, "Registers a Pod Manager")
    },
    Kind {
        needs_podm: true,
        admin: true,
        check: check_podm_update,
        schema: schema::<params::PodmUpdate>,
        result_schema: schema::<crate::model::podm::Podm>,
        ..kind("podm.update", Topic::Scheduler, "Changes a Pod Manager's record")
    },
    Kind {
        needs_podm: true,
        admin: true,
        ..kind("podm.delete", Topic::Scheduler, "Decomposes a Pod Manager's nodes and forgets it")
    },
    Kind {
        needs_podm: true,
        check: check::<params::PodmCordon>,
        schema: schema::<params::PodmCordon>,
        result_schema: schema::<crate::model::podm::Podm>,
        ..kind("podm.cordon", Topic::Scheduler, "Cordons a Pod Manager, drains it, or lets it take nodes again")
    },
    Kind { needs_podm: true, ..kind("podm.probe", Topic::Scheduler, "Asks a Pod Manager whether it is there") },
    Kind {
        check: check_place,
        schema: schema::<params::Place>,
        result_schema: schema::<Placement>,
        ..sync("placement.preview", Topic::Scheduler, "Says where a node would be placed, and why")
    },
    Kind {
        needs_podm: true,
        gates: super::Gates::Refresh,
        check: check::<params::Refresh>,
        schema: schema::<params::Refresh>,
        result_schema: schema::<crate::model::inventory::Inventory>,
        ..kind("inventory.refresh", Topic::Scheduler, "Reads what a Pod Manager has")
    },
    Kind {
        check: check::<params::OfPodm>,
        schema: schema::<params::OfPodm>,
        ..sync("inventory.list", Topic::Scheduler, "Lists what Pod Managers have, with its age")
    },
    Kind {
        check: check::<params::ById>,
        schema: schema::<params::ById>,
        ..sync("inventory.get", Topic::Scheduler, "Shows what a Pod Manager has, row by row")
    },
    Kind {
        check: check::<params::OfPodm>,
        schema: schema::<params::OfPodm>,
        ..sync("drift.list", Topic::Scheduler, "Lists where hardware and records disagree")
    },
    sync("podm.list", Topic::Scheduler, "Lists Pod Managers"),
    Kind {
        check: check::<params::ById>,
        schema: schema::<params::ById>,
        ..sync("podm.get", Topic::Scheduler, "Reads a Pod Manager's record")
    },
];

/// Labels, and Pod Managers, that hints may name of each sort.
const MOST_HINTS: usize = 64;

fn check_place(value: &Value) -> Result<(), Problem> {
    no_nulls(value)?;
    let place: params::Place = read(value)?;
    name(value)?;
    if place.flavor_id.is_some() && place.properties.is_some() {
        return Err(Problem::validation("'flavor_id' and 'properties' cannot stand together"));
    }
    let Some(hints) = place.hints else { return Ok(()) };
    let bad = |field: &str, value: &str, why: &str| {
        let shown: String = value.chars().take(100).collect();
        let detail = format!("Invalid input for field/attribute '{field}' Value: '{}'. {why}", shown.escape_debug());
        Err(Problem::validation(detail))
    };
    for (field, n) in [
        ("affinity", hints.affinity.len()),
        ("anti_affinity", hints.anti_affinity.len()),
        ("podm_ids", hints.podm_ids.len()),
    ] {
        if n > MOST_HINTS {
            return bad(field, &n.to_string(), "at most 64 are possible");
        }
    }
    if let Some(id) = hints.podm_ids.iter().find(|id| !is_record_id(id)) {
        return bad("podm_ids", id, "1 to 64 letters, digits and dashes are wanted");
    }
    if let Some((name, _)) = hints.affinity.iter().find(|(name, value)| hints.anti_affinity.get(*name) == Some(value)) {
        return bad("anti_affinity", name, "the same label is wanted in 'affinity'");
    }
    Ok(())
}

fn check_podm_create(value: &Value) -> Result<(), Problem> {
    no_nulls(value)?;
    let podm: params::PodmCreate = read(value)?;
    name(value)?;
    crate::model::podm::check_url(&podm.url)?;
    let (ca_pem, fingerprint) = (podm.ca_pem.as_deref(), podm.fingerprint.as_deref());
    check_trust(ca_pem, fingerprint)?;
    trust::check(&podm.url, podm.insecure_skip_verify, ca_pem, fingerprint)?;
    credentials(&podm.authentication)
}

fn check_podm_update(value: &Value) -> Result<(), Problem> {
    no_nulls(value)?;
    let podm: params::PodmUpdate = read(value)?;
    name(value)?;
    crate::model::podm::check_policy(podm.labels.as_ref(), podm.weight, &[podm.max_changes, podm.max_reads])?;
    check_trust(podm.ca_pem.as_deref(), podm.fingerprint.as_deref())?;
    if let Some(driver) = podm.driver.filter(|name| DriverInfo::find(name).is_none()) {
        return Err(Problem::unknown_driver(format!("podmanager could not be loaded with specified driver {driver}")));
    }
    podm.authentication.map_or(Ok(()), |given| credentials(&given))
}

fn check_trust(ca_pem: Option<&str>, fingerprint: Option<&str>) -> Result<(), Problem> {
    ca_pem.map_or(Ok(()), trust::check_ca)?;
    fingerprint.map_or(Ok(()), |f| trust::canonical_fingerprint(f).map(drop))
}

fn credentials(given: &[crate::model::podm::Authentication]) -> Result<(), Problem> {
    if given.is_empty() {
        return Err(Problem::validation(
            "Invalid input for field/attribute 'authentication' Value: '[]'. [] is too short",
        ));
    }
    if given.iter().any(|a| a.auth_items.password == crate::model::podm::MASK) {
        return Err(Problem::validation(
            "'***' stands for a password in answers and is none: give the password; a PATCH without 'authentication' keeps it",
        ));
    }
    if !given.iter().any(|a| a.kind == "basic") {
        return Err(Problem::validation("'authentication' must have an entry of type 'basic'"));
    }
    Ok(())
}
