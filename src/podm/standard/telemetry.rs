//! Everything that a Redfish service measures: chassis, systems, metric reports.
//!
//! The older Power and Thermal are read where their successors (Sensors, PowerSubsystem, ThermalSubsystem, EnvironmentMetrics) say
//! nothing of their kind, so that nothing is counted twice. A part that the service refuses is named and left out; a service that is
//! away is an error.

use std::collections::HashSet;

use super::Standard;
use super::measured::{Owner, by_name, by_type, every_field, read};
use crate::model::reading::{Reading, ReadingKind};
use crate::podm::driver::telemetry::{NewSubscription, Readings, SubscriptionView, Surroundings, TelemetryDriver};
use crate::podm::driver::{Begun, Call};
use crate::podm::error::{Cause, RedfishError};
use crate::podm::resource::Resource;

/// Readings that one Pod Manager may give at once.
const MOST: usize = 20_000;

impl TelemetryDriver for Standard {
    fn readings(&self) -> Call<'_, Readings> {
        Box::pin(self.read_everything())
    }
    fn surroundings<'a>(&'a self, node: &'a str) -> Call<'a, Surroundings> {
        Box::pin(self.read_surroundings(node))
    }
    fn subscriptions(&self) -> Call<'_, Option<Vec<SubscriptionView>>> {
        Box::pin(self.list_subscriptions())
    }
    fn subscribe<'a>(&'a self, wanted: &'a NewSubscription) -> Call<'a, Begun<Option<String>>> {
        Box::pin(self.subscribe_to(wanted))
    }
    fn unsubscribe<'a>(&'a self, subscription: &'a str) -> Call<'a, Begun<()>> {
        Box::pin(self.unsubscribe_from(subscription))
    }
}

/// What has been gathered so far.
#[derive(Default)]
struct Gathered {
    all: Vec<Reading>,
    incomplete: Vec<String>,
    first: Option<RedfishError>,
}

impl Gathered {
    /// The value, or nothing where the service refused this part; an error when it is away or refuses us.
    fn part<T: Default>(&mut self, path: &str, outcome: Result<T, RedfishError>) -> Result<T, RedfishError> {
        match outcome {
            Ok(value) => Ok(value),
            Err(e) if matches!(e.cause, Cause::Refused(_) | Cause::Malformed(_)) && e.status() != Some(401) => {
                self.incomplete.push(path.to_owned());
                self.first.get_or_insert(e);
                Ok(T::default())
            }
            Err(e) => Err(e),
        }
    }

    fn has(&self, from: usize, kinds: &[ReadingKind]) -> bool {
        self.all[from..].iter().any(|r| kinds.contains(&r.kind))
    }
}

impl Standard {
    async fn read_everything(&self) -> Result<Readings, RedfishError> {
        let mut got = Gathered::default();
        let chassis = self.top(&mut got, "Chassis").await?;
        for one in &chassis {
            self.chassis_readings(&mut got, one).await?;
        }
        mark_whole(&chassis, &mut got.all);
        for system in self.top(&mut got, "Systems").await? {
            self.system_readings(&mut got, &system).await?;
        }
        self.reports(&mut got).await?;
        match got.first {
            Some(error) if got.all.is_empty() => Err(error),
            _ => {
                got.all.truncate(MOST);
                Ok(Readings { all: got.all, incomplete: got.incomplete })
            }
        }
    }

    /// All members of a collection of the service root.
    async fn top(&self, got: &mut Gathered, name: &str) -> Result<Vec<Resource>, RedfishError> {
        let Some(link) = self.collection(name).await? else { return Ok(Vec::new()) };
        self.all_of(got, &link).await
    }

    /// All members of a collection; one that is refused is left out.
    async fn all_of(&self, got: &mut Gathered, link: &str) -> Result<Vec<Resource>, RedfishError> {
        let members = got.part(link, self.members(link).await)?;
        match self.read_all(&members).await {
            Ok(all) => Ok(all),
            Err(e) if e.status().is_none() => Err(e),
            // One of them is at fault: the others one by one.
            Err(_) => {
                let mut all = Vec::new();
                for member in &members {
                    all.extend(got.part(member, self.client.get_if_there(member).await)?);
                }
                Ok(all)
            }
        }
    }

    /// A linked resource; `None` when it is not linked, not there, or refused.
    async fn linked(&self, got: &mut Gathered, of: &Resource, field: &str) -> Result<Option<Resource>, RedfishError> {
        let Ok(Some(link)) = of.link(field) else { return Ok(None) };
        // A fragment is a part of what is read already.
        let outcome = self.client.get_if_there(&link).await;
        got.part(&link, outcome)
    }

    async fn chassis_readings(&self, got: &mut Gathered, chassis: &Resource) -> Result<(), RedfishError> {
        let owner = Owner { chassis: Some(chassis.path.clone()), system: None };
        let from = got.all.len();
        let mut seen = HashSet::new();
        if let Ok(Some(link)) = chassis.link("Sensors") {
            for sensor in self.all_of(got, &link).await? {
                let text = |field: &str| sensor.text(field).ok().flatten();
                let name = text("Name").unwrap_or_default();
                let (kind, unit) = by_type(text("ReadingType").as_deref(), text("ReadingUnits").as_deref(), &name);
                seen.insert(sensor.path.clone());
                got.all.extend(read(&sensor, "Reading", &owner, kind, &unit));
            }
        }
        let sensors = got.all.len();
        for field in ["EnvironmentMetrics", "PowerSubsystem", "ThermalSubsystem"] {
            let Some(sub) = self.linked(got, chassis, field).await? else { continue };
            got.all.extend(every_field(&sub, &owner, &seen).into_iter().filter(|r| r.name != "CapacityWatts"));
            if let Some(metrics) = self.linked(got, &sub, "ThermalMetrics").await? {
                for item in metrics.items("TemperatureReadingsCelsius").unwrap_or_default() {
                    if !item.raw("DataSourceUri").as_str().is_some_and(|uri| seen.contains(uri)) {
                        got.all.extend(read(&item, "Reading", &owner, ReadingKind::Temperature, "Cel"));
                    }
                }
            }
            for parts in ["Fans", "PowerSupplies"] {
                let Ok(Some(link)) = sub.link(parts) else { continue };
                for part in self.all_of(got, &link).await? {
                    let metrics = self.linked(got, &part, "Metrics").await?;
                    for r in [Some(&part), metrics.as_ref()].into_iter().flatten() {
                        got.all.extend(every_field(r, &owner, &seen).into_iter().filter(is_measured));
                    }
                }
            }
        }
        // What a whole chassis draws is said by its environment, by a sensor, or by the first control of the older Power.
        let environment = got.all[sensors..].iter_mut().find(|r| r.resource_uri.ends_with("#/PowerWatts"));
        let total = match environment {
            Some(found) => Some(found),
            None => got.all[from..].iter_mut().find(|r| {
                let name = r.resource_uri.to_ascii_lowercase();
                r.kind == ReadingKind::Power && name.contains("/sensors/") && name.ends_with("totalpower")
            }),
        };
        if let Some(total) = total {
            total.whole = true;
        }
        if !got.has(from, &[ReadingKind::Power, ReadingKind::Voltage])
            && let Some(power) = self.linked(got, chassis, "Power").await?
        {
            power_readings(got, &power, &owner);
        }
        if !got.has(from, &[ReadingKind::Temperature])
            && let Some(thermal) = self.linked(got, chassis, "Thermal").await?
        {
            thermal_readings(got, &thermal, &owner);
        }
        Ok(())
    }

    async fn system_readings(&self, got: &mut Gathered, system: &Resource) -> Result<(), RedfishError> {
        let owner = Owner { chassis: None, system: Some(system.path.clone()) };
        let none = HashSet::new();
        for field in ["Oem/Intel_RackScale/Metrics", "ProcessorSummary/Metrics", "MemorySummary/Metrics"] {
            if let Some(metrics) = self.linked(got, system, field).await? {
                got.all.extend(every_field(&metrics, &owner, &none));
            }
        }
        for parts in ["Processors", "Memory"] {
            let Ok(Some(link)) = system.link(parts) else { continue };
            let members = got.part(&link, self.members(&link).await)?;
            for member in &members {
                let Some(part) = got.part(member, self.client.get_if_there(member).await)? else { continue };
                let mut found = false;
                for field in ["Metrics", "EnvironmentMetrics", "Oem/Intel_RackScale/Metrics"] {
                    found |= matches!(part.link(field), Ok(Some(_)));
                    if let Some(metrics) = self.linked(got, &part, field).await? {
                        got.all.extend(every_field(&metrics, &owner, &none));
                    }
                }
                // They are of one kind: the first without metrics speaks for the rest.
                if !found {
                    break;
                }
            }
        }
        Ok(())
    }

    async fn reports(&self, got: &mut Gathered) -> Result<(), RedfishError> {
        let Some(link) = self.collection("TelemetryService").await? else { return Ok(()) };
        let Some(service) = got.part(&link, self.client.get_if_there(&link).await)? else { return Ok(()) };
        let Ok(Some(link)) = service.link("MetricReports") else { return Ok(()) };
        for report in self.all_of(got, &link).await? {
            for value in report.items("MetricValues").unwrap_or_default() {
                got.all.extend(reported(&report, &value));
            }
        }
        Ok(())
    }

    async fn read_surroundings(&self, node: &str) -> Result<Surroundings, RedfishError> {
        let Some(node) = self.client.get_if_there(node).await? else { return Ok(Surroundings::default()) };
        let mut around = Surroundings { systems: node.links("Links/ComputerSystem")?, chassis: Vec::new() };
        if around.systems.is_empty() {
            // Where nodes are systems, it is itself.
            around.chassis = node.links("Links/Chassis")?;
            around.systems.push(node.path);
            return Ok(around);
        }
        for system in self.read_all(&around.systems).await? {
            around.chassis.extend(system.links("Links/Chassis")?);
        }
        Ok(around)
    }
}

/// Fields of fans and power supplies that say what they could do are no readings.
fn is_measured(r: &Reading) -> bool {
    !["Capacity", "Rated", "Nominal", "Max", "Min"].iter().any(|word| r.name.contains(word))
}

fn power_readings(got: &mut Gathered, power: &Resource, owner: &Owner) {
    let items = |field: &str| power.items(field).unwrap_or_default();
    for (n, item) in items("PowerControl").iter().enumerate() {
        let found = read(item, "PowerConsumedWatts", owner, ReadingKind::Power, "W");
        got.all.extend(found.map(|r| Reading { whole: n == 0, ..r }));
    }
    for item in items("Voltages") {
        got.all.extend(read(&item, "ReadingVolts", owner, ReadingKind::Voltage, "V"));
    }
    for item in items("PowerSupplies") {
        for (field, kind, unit) in [
            ("LineInputVoltage", ReadingKind::Voltage, "V"),
            ("LastPowerOutputWatts", ReadingKind::Power, "W"),
            ("PowerInputWatts", ReadingKind::Power, "W"),
        ] {
            let found = read(&item, field, owner, kind, unit);
            got.all.extend(found.map(|r| Reading { name: format!("{}: {field}", r.name), ..r }));
        }
    }
}

fn thermal_readings(got: &mut Gathered, thermal: &Resource, owner: &Owner) {
    for item in thermal.items("Temperatures").unwrap_or_default() {
        got.all.extend(read(&item, "ReadingCelsius", owner, ReadingKind::Temperature, "Cel"));
    }
    for item in thermal.items("Fans").unwrap_or_default() {
        let unit = item.text("ReadingUnits").ok().flatten();
        let unit = if unit.as_deref() == Some("Percent") { "%" } else { "RPM" };
        // Before Redfish 1.0.1 the field had the unit in its name.
        let field =
            if item.raw("Reading").is_null() && !item.raw("ReadingRPM").is_null() { "ReadingRPM" } else { "Reading" };
        got.all.extend(read(&item, field, owner, ReadingKind::Fan, unit));
    }
}

/// A value of a metric report; texts such as `Ok` are no readings.
fn reported(report: &Resource, value: &Resource) -> Option<Reading> {
    let text = |field: &str| value.text(field).ok().flatten();
    let property = text("MetricProperty").unwrap_or_default();
    let last = property.rsplit(['/', '#']).next().unwrap_or_default().to_owned();
    let id = text("MetricId").filter(|id| !id.is_empty());
    let (kind, unit) = by_name(&last).or_else(|| by_name(id.as_deref()?)).unwrap_or((ReadingKind::Other, ""));
    let unknown = value.raw("MetricValue").is_null();
    let number = value.number("MetricValue").ok().flatten();
    if number.is_none() && !unknown {
        return None;
    }
    let path = property.split('#').next().unwrap_or_default();
    let under = |top: &str| {
        let at = path.find(top)?;
        let id = path[at + top.len()..].split('/').next().filter(|id| !id.is_empty())?;
        Some(format!("{}{top}{id}", &path[..at]))
    };
    Some(Reading {
        resource_uri: if property.is_empty() { report.path.clone() } else { property.clone() },
        chassis: under("/Chassis/"),
        system: under("/Systems/"),
        name: id.unwrap_or(last),
        kind,
        value: number,
        unit: unit.to_owned(),
        state: None,
        health: None,
        at: text("Timestamp").or_else(|| text("TimeStamp")).or_else(|| report.text("Timestamp").ok().flatten()),
        whole: false,
        reported: true,
    })
}

/// Leaves the mark only on the outermost chassis that says what it draws: a rack's power has that of its drawers in it.
fn mark_whole(chassis: &[Resource], all: &mut [Reading]) {
    let trimmed = |path: &str| path.trim_end_matches('/').to_owned();
    let parent = |path: &str| {
        let own = chassis.iter().find(|c| trimmed(&c.path) == path)?;
        own.link("Links/ContainedBy").ok().flatten().map(|p| trimmed(&p))
    };
    let saying: HashSet<String> =
        all.iter().filter(|r| r.whole && r.value.is_some()).filter_map(|r| r.chassis.as_deref().map(trimmed)).collect();
    for r in all.iter_mut().filter(|r| r.whole) {
        let mut at = r.chassis.as_deref().map(trimmed).and_then(|c| parent(&c));
        for _ in 0..chassis.len() {
            let Some(outer) = at else { break };
            r.whole &= !saying.contains(&outer);
            at = parent(&outer);
        }
    }
}
