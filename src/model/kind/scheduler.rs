//! Kinds of the scheduler service: placement and Pod Managers.

use serde_json::Value;

use super::compute::check_compose;
use super::read::{check, name, read};
use super::schema::schema;
use super::{Kind, kind, sync};
use crate::model::params;
use crate::model::problem::Problem;
use crate::model::topic::Topic;

/// The kinds.
pub(super) const KINDS: &[Kind] = &[
    Kind {
        check: check_compose,
        schema: schema::<params::Compose>,
        result_schema: schema::<crate::model::node::BriefNode>,
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
    sync("podm.list", Topic::Scheduler, "Lists Pod Managers"),
    Kind {
        check: check::<params::ById>,
        schema: schema::<params::ById>,
        ..sync("podm.get", Topic::Scheduler, "Reads a Pod Manager's record")
    },
];

fn check_podm_create(value: &Value) -> Result<(), Problem> {
    let podm: params::PodmCreate = read(value)?;
    name(value)?;
    crate::model::podm::check_url(&podm.url)?;
    credentials(&podm.authentication)
}

fn check_podm_update(value: &Value) -> Result<(), Problem> {
    let podm: params::PodmUpdate = read(value)?;
    name(value)?;
    crate::model::podm::check_policy(podm.labels.as_ref(), podm.weight, &[podm.max_changes, podm.max_reads])?;
    let Some(given) = podm.authentication else { return Ok(()) };
    if given.iter().any(|a| a.auth_items.password == crate::model::podm::MASK) {
        return Err(Problem::validation(
            "'***' stands for a password in answers and is none: give the password, or leave 'authentication' out to keep it",
        ));
    }
    credentials(&given)
}

fn credentials(given: &[crate::model::podm::Authentication]) -> Result<(), Problem> {
    if given.is_empty() {
        return Err(Problem::validation(
            "Invalid input for field/attribute 'authentication' Value: '[]'. [] is too short",
        ));
    }
    if !given.iter().any(|a| a.kind == "basic") {
        return Err(Problem::validation("'authentication' must have an entry of type 'basic'"));
    }
    Ok(())
}
