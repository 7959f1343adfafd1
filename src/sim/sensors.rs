//! Power and Thermal of a rack: readings that follow from how many of its systems are on, with a slow swing.

use serde_json::{Value, json};

use super::hardware::Place;
use super::view::{View, ok, resource, with};

/// How many systems of a rack are on, and how many there are.
fn load(view: &View<'_>, rack: usize) -> (u64, u64) {
    let systems = view.hardware.systems_in(Place::Rack(rack));
    let on = systems.iter().filter(|n| view.state.system(**n).on).count();
    (on as u64, systems.len() as u64)
}

/// A swing of 0 to 9 over about ten minutes, so that two readings differ.
fn swing(view: &View<'_>) -> u64 {
    let step = view.now_ms / 30_000 % 20;
    step.min(19 - step)
}

/// `/redfish/v1/Chassis/RackN/Power`.
pub(super) fn power(view: &View<'_>, rack: usize) -> Value {
    let (on, all) = load(view, rack);
    let path = format!("{}/Power", Place::Rack(rack).path());
    let watts = 40 * all + 210 * on + swing(view);
    with(
        resource(&path, "Power.v1_5_0.Power", "Power", "Power"),
        json!({
            "PowerControl": [{
                "@odata.id": format!("{path}#/PowerControl/0"),
                "MemberId": "0",
                "Name": "Rack Power",
                "PowerConsumedWatts": watts,
                "PowerCapacityWatts": 300 * all + 500,
                "Status": ok(),
            }],
            "PowerControl@odata.count": 1,
        }),
    )
}

/// `/redfish/v1/Chassis/RackN/Thermal`.
pub(super) fn thermal(view: &View<'_>, rack: usize) -> Value {
    let (on, _) = load(view, rack);
    let path = format!("{}/Thermal", Place::Rack(rack).path());
    let sensor = |n: u64, name: &str, context: &str, celsius: u64| {
        json!({
            "@odata.id": format!("{path}#/Temperatures/{n}"),
            "MemberId": n.to_string(),
            "Name": name,
            "SensorNumber": n + 1,
            "PhysicalContext": context,
            "ReadingCelsius": celsius,
            "UpperThresholdCritical": 60,
            "Status": ok(),
        })
    };
    let temperatures =
        [sensor(0, "Inlet", "Intake", 21), sensor(1, "Exhaust", "Exhaust", (24 + 2 * on + swing(view) / 3).min(55))];
    with(
        resource(&path, "Thermal.v1_4_0.Thermal", "Thermal", "Thermal"),
        json!({
            "Temperatures": temperatures,
            "Temperatures@odata.count": 2,
            "Fans": [{
                "@odata.id": format!("{path}#/Fans/0"),
                "MemberId": "0",
                "Name": "Rear Fan",
                "Reading": 3000 + 150 * on,
                "ReadingUnits": "RPM",
                "Status": ok(),
            }],
            "Fans@odata.count": 1,
        }),
    )
}
