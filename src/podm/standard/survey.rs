//! Computer systems and racks for the inventory. A system whose version has not changed is not read again, nor are its parts; where
//! systems stand is read anew when any of them came, went or changed.

use std::collections::HashMap;

use futures_util::future::try_join_all;

use super::chassis::trimmed;
use super::{AT_ONCE, Standard};
use crate::model::inventory::{Rack, Unit};
use crate::podm::driver::survey::{Known, whole};
use crate::podm::error::RedfishError;
use crate::podm::http::Seen;
use crate::podm::resource::Resource;

impl Standard {
    /// Units of resources by their links: `make` turns one that has changed into a unit, or into none.
    pub(in crate::podm) async fn units<'a, F>(
        &'a self,
        links: &'a [String],
        known: &'a Known,
        make: impl Fn(Resource) -> F + Sync,
    ) -> Result<Vec<Unit>, RedfishError>
    where
        F: Future<Output = Result<Option<Unit>, RedfishError>> + Send,
    {
        let one = async |link: &'a String| {
            let before = known.units.get(link);
            match self.client.get_if_changed(link, before.and_then(|u| u.etag.as_deref())).await? {
                Seen::Same => Ok(before.cloned()),
                Seen::Gone => Ok(None),
                Seen::Changed(resource) => {
                    let etag = resource.etag.clone();
                    let unit = make(*resource).await?;
                    Ok(unit.map(|unit| Unit { etag, path: link.clone(), ..unit }))
                }
            }
        };
        let mut units = Vec::with_capacity(links.len());
        for some in links.chunks(AT_ONCE) {
            units.extend(try_join_all(some.iter().map(one)).await?.into_iter().flatten());
        }
        Ok(units)
    }

    /// A computer system as a unit.
    pub(in crate::podm) async fn system_unit(&self, system: Resource) -> Result<Unit, RedfishError> {
        let mut cores = system.number("ProcessorSummary/CoreCount")?.unwrap_or(0.0);
        let mut model = system.text("ProcessorSummary/Model")?;
        if cores == 0.0 {
            let (of_all, last) = processors(&self.parts(&system, "Processors").await?)?;
            (cores, model) = (of_all, last.or(model));
        }
        let memory_mib = match system.number("MemorySummary/TotalSystemMemoryGiB")? {
            Some(gib) => gib * 1024.0,
            None => memory(&self.parts(&system, "Memory").await?)?,
        };
        unit(&system, cores, memory_mib, model)
    }

    /// Racks, and each unit's. Nothing is read when no unit differs from what is known.
    pub(in crate::podm) async fn placed(&self, units: &mut [Unit], known: &Known) -> Result<Vec<Rack>, RedfishError> {
        let same = |unit: &Unit| {
            let before = known.units.get(&unit.path);
            before.is_some_and(|b| b.etag.is_some() && b.etag == unit.etag)
        };
        if units.len() == known.units.len() && units.iter().all(same) {
            return Ok(known.racks.clone());
        }
        let found = self.rack_contents().await?;
        let mut rack_of: HashMap<&str, &str> = HashMap::new();
        for (rack, systems) in &found {
            rack_of.extend(systems.iter().map(|path| (path.as_str(), rack.id.as_str())));
        }
        for unit in units {
            unit.rack = rack_of.get(trimmed(&unit.path).as_str()).map(|id| (*id).to_owned());
        }
        Ok(found.into_iter().map(|(rack, _)| rack).collect())
    }
}

/// A unit of a resource.
pub(in crate::podm) fn unit(
    of: &Resource,
    cores: f64,
    memory_mib: f64,
    model: Option<String>,
) -> Result<Unit, RedfishError> {
    Ok(Unit {
        name: of.text("Name")?.unwrap_or_default(),
        uuid: of.text("UUID")?,
        cores: whole(cores).try_into().unwrap_or(u32::MAX),
        memory_mib: whole(memory_mib),
        model,
        health: of.text("Status/Health")?,
        ..Unit::default()
    })
}

/// Cores of all, and the last model.
pub(in crate::podm) fn processors(all: &[Resource]) -> Result<(f64, Option<String>), RedfishError> {
    let (mut cores, mut model) = (0.0, None);
    for p in all {
        cores += p.number("TotalCores")?.unwrap_or(0.0);
        model = p.text("Model")?.or(model);
    }
    Ok((cores, model))
}

/// MiB of all.
pub(in crate::podm) fn memory(all: &[Resource]) -> Result<f64, RedfishError> {
    all.iter().try_fold(0.0, |sum, m| Ok(sum + m.number("CapacityMiB")?.unwrap_or(0.0)))
}
