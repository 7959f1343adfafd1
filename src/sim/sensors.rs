//! What is measured: Power and Thermal of a rack, Sensors of a sled, and a metric report. Readings follow from what is on, with a slow
//! swing; what is off draws little, and its processor's temperature is unknown.

use serde_json::{Value, json};

use super::answer::Answer;
use super::hardware::Place;
use super::view::{View, collection, link, ok, resource, with};

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

/// `/redfish/v1/Chassis/SledN/Sensors`.
pub(super) fn of_sled(view: &View<'_>, sled: usize, rest: &[&str]) -> Answer {
    let path = format!("{}/Sensors", Place::Sled(sled).path());
    let (on, swing) = (view.state.system(sled).on, swing(view));
    let watts = if on { 180 + 4 * swing } else { 12 };
    let all = [
        ("Inlet", "Inlet Temperature", "Temperature", "Cel", json!(21.5)),
        ("CPU", "CPU Temperature", "Temperature", "Cel", if on { json!(48 + swing) } else { Value::Null }),
        ("TotalPower", "Sled Power", "Power", "W", json!(watts)),
        ("Rail12V", "12 V Rail", "Voltage", "V", json!(12.06)),
    ];
    match rest {
        [] => {
            let members = all.iter().map(|(id, ..)| format!("{path}/{id}"));
            view.read(collection(&path, "SensorCollection", "Sensors", members))
        }
        [wanted] => match all.into_iter().find(|(id, ..)| id == wanted) {
            Some((id, name, kind, unit, reading)) => view.read(with(
                resource(&format!("{path}/{id}"), "Sensor.v1_0_0.Sensor", id, name),
                json!({ "ReadingType": kind, "Reading": reading, "ReadingUnits": unit, "Status": ok() }),
            )),
            None => view.missing(),
        },
        _ => view.missing(),
    }
}

/// `/redfish/v1/TelemetryService`: one report, of what the racks draw.
pub(super) fn reports(view: &View<'_>, rest: &[&str]) -> Answer {
    const PATH: &str = "/redfish/v1/TelemetryService";
    let path = format!("{PATH}/MetricReports");
    match rest {
        [] => view.read(with(
            resource(PATH, "TelemetryService.v1_0_0.TelemetryService", "TelemetryService", "Telemetry Service"),
            json!({ "Status": ok(), "MetricReports": link(&path) }),
        )),
        ["MetricReports"] => {
            view.read(collection(&path, "MetricReportCollection", "Metric Reports", [format!("{path}/RackPower")]))
        }
        ["MetricReports", "RackPower"] => {
            let racks = view.hardware.places().into_iter().filter_map(|p| match p {
                Place::Rack(n) => Some(n),
                _ => None,
            });
            let at = super::tasks::time(view.now_ms);
            let values = racks.map(|n| {
                let (on, all) = load(view, n);
                json!({
                    "MetricId": format!("Rack{n}AverageConsumedWatts"),
                    "MetricProperty": format!("{}/Power#/PowerControl/0/PowerMetrics/AverageConsumedWatts", Place::Rack(n).path()),
                    "MetricValue": (40 * all + 210 * on + 4).to_string(),
                    "Timestamp": at,
                })
            });
            view.read(with(
                resource(&format!("{path}/RackPower"), "MetricReport.v1_0_0.MetricReport", "RackPower", "Rack Power"),
                json!({ "MetricValues": values.collect::<Vec<_>>() }),
            ))
        }
        _ => view.missing(),
    }
}
