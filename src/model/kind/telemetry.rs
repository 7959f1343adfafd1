//! Kinds of the telemetry service: readings and subscriptions.

use serde_json::Value;

use super::read::{check, read};
use super::schema::schema;
use super::{Gates, Kind, kind, sync};
use crate::model::params;
use crate::model::problem::Problem;
use crate::model::topic::Topic;

/// The kinds.
pub(super) const KINDS: &[Kind] = &[
    Kind {
        needs_podm: true,
        check: check::<params::Collect>,
        schema: schema::<params::Collect>,
        ..kind("telemetry.collect", Topic::Telemetry, "Reads everything that a Pod Manager measures")
    },
    Kind {
        gates: Gates::Podm,
        needs_podm: true,
        admin: true,
        check: check_subscribe,
        schema: schema::<params::Subscribe>,
        ..kind("subscription.create", Topic::Telemetry, "Subscribes to a Pod Manager's events")
    },
    Kind {
        gates: Gates::Podm,
        drains: true,
        needs_podm: true,
        admin: true,
        ..kind("subscription.delete", Topic::Telemetry, "Ends this deployment's subscription at a Pod Manager")
    },
    Kind {
        check: check::<params::ReadingFilter>,
        schema: schema::<params::ReadingFilter>,
        ..sync("reading.list", Topic::Telemetry, "Lists the latest readings with their age")
    },
    Kind {
        check: check::<params::EventFilter>,
        schema: schema::<params::EventFilter>,
        ..sync("event.list", Topic::Telemetry, "Lists the newest events of a Pod Manager")
    },
    Kind {
        check: check::<params::SubscriptionFilter>,
        schema: schema::<params::SubscriptionFilter>,
        ..sync("subscription.list", Topic::Telemetry, "Lists the event subscriptions at Pod Managers")
    },
];

fn check_subscribe(value: &Value) -> Result<(), Problem> {
    let wanted: params::Subscribe = read(value)?;
    crate::model::podm::check_url(&wanted.receiver)
        .map_err(|problem| Problem { detail: problem.detail.replace("'url'", "'receiver'"), ..problem })
}
