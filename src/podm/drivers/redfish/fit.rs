//! Which parts make the wanted node, the best fit first.

use std::cmp::Ordering;

use super::Redfish;
use crate::model::flavor::Requirements;
use crate::podm::driver::Offer;
use crate::podm::error::RedfishError;
use crate::podm::resource::Resource;

/// Choices of further parts that are offered for one base: two composes at once need not want the same.
const TURNS: usize = 4;

/// What a network interface is called.
const NETWORK: [&str; 2] = ["nic", "network"];

/// What a node must have.
pub(super) struct Wants {
    memory_mib: f64,
    memory_type: Option<String>,
    cores: f64,
    model: Option<String>,
    devices: Vec<String>,
}

/// What a block, or a whole server, has.
#[derive(Default)]
pub(super) struct Part {
    pub path: String,
    cores: f64,
    models: Vec<String>,
    memory_mib: f64,
    memory_types: Vec<String>,
    /// Words for each device: what it is called by its kind, medium and protocol.
    devices: Vec<Vec<String>>,
    /// Whether it is a system of its own, which is no part of another.
    is_system: bool,
}

impl Wants {
    pub(super) fn of(requirements: &Requirements) -> Result<Self, String> {
        let number = |what: &str, text: Option<&String>| match text.map(|t| t.trim()) {
            None | Some("") => Ok(0.0),
            Some(text) => text.parse().map_err(|_| format!("{what} '{text}' is not a number")),
        };
        let memory = requirements.memory.clone().unwrap_or_default();
        let processor = requirements.processor.clone().unwrap_or_default();
        let devices = requirements.pci_device.clone().unwrap_or_default().kind.unwrap_or_default();
        let word = |text: Option<String>| text.filter(|t| !t.trim().is_empty()).map(|t| t.to_lowercase());
        Ok(Self {
            memory_mib: number("memory.capacity_mib", memory.capacity_mib.as_ref())?,
            memory_type: word(memory.kind),
            cores: number("processor.total_cores", processor.total_cores.as_ref())?,
            model: word(processor.model),
            devices: devices.iter().filter_map(|d| d.as_str()).map(str::to_lowercase).collect(),
        })
    }

    pub(super) fn are_met_by(&self, parts: &[&Part]) -> bool {
        let cores: f64 = parts.iter().map(|p| p.cores).sum();
        let memory: f64 = parts.iter().map(|p| p.memory_mib).sum();
        let has_model = |wanted: &String| parts.iter().any(|p| p.models.iter().any(|m| m.contains(wanted.as_str())));
        let has_type = |wanted: &String| parts.iter().any(|p| p.memory_types.contains(wanted));
        cores >= self.cores
            && memory >= self.memory_mib
            && self.model.as_ref().is_none_or(has_model)
            && self.memory_type.as_ref().is_none_or(has_type)
            && self.has_devices(parts)
    }

    /// Whether a network interface is wanted.
    pub(super) fn has_network(&self) -> bool {
        self.devices.iter().any(|word| NETWORK.contains(&word.as_str()))
    }

    /// One device for each that is wanted.
    fn has_devices(&self, parts: &[&Part]) -> bool {
        let mut left: Vec<&Vec<String>> = parts.iter().flat_map(|p| &p.devices).collect();
        self.devices.iter().all(|wanted| {
            let found = left.iter().position(|words| words.contains(wanted));
            found.map(|n| left.swap_remove(n)).is_some()
        })
    }

    /// What is still missing grows less with this part.
    fn are_helped_by(&self, chosen: &[&Part], part: &Part) -> bool {
        let cores: f64 = chosen.iter().map(|p| p.cores).sum();
        let memory: f64 = chosen.iter().map(|p| p.memory_mib).sum();
        let count = |word: &String, parts: &[&Part]| {
            parts.iter().flat_map(|p| &p.devices).filter(|words| words.contains(word)).count()
        };
        let lacks_device = |word: &String| {
            let needed = self.devices.iter().filter(|d| *d == word).count();
            count(word, chosen) < needed && count(word, &[part]) > 0
        };
        // Nothing runs without memory.
        (memory < self.memory_mib.max(1.0) && part.memory_mib > 0.0)
            || (cores < self.cores && part.cores > 0.0)
            || self.devices.iter().any(lacks_device)
    }
}

impl Part {
    /// The smaller first.
    pub(super) fn by_size(a: &Self, b: &Self) -> Ordering {
        let devices = a.devices.len().cmp(&b.devices.len());
        a.cores.total_cmp(&b.cores).then(a.memory_mib.total_cmp(&b.memory_mib)).then(devices).then(a.path.cmp(&b.path))
    }

    fn add(&mut self, processors: &[Resource], memory: &[Resource]) -> Result<(), RedfishError> {
        for p in processors {
            let kind = p.text("ProcessorType")?.unwrap_or_else(|| "CPU".into()).to_lowercase();
            if kind == "cpu" {
                self.cores += p.number("TotalCores")?.unwrap_or(0.0);
                self.models.extend(p.text("Model")?.map(|m| m.to_lowercase()));
            } else {
                self.devices.push(vec![kind]);
            }
        }
        for m in memory {
            self.memory_mib += m.number("CapacityMiB")?.unwrap_or(0.0);
            for field in ["MemoryDeviceType", "MemoryType"] {
                self.memory_types.extend(m.text(field)?.map(|t| t.to_lowercase()));
            }
        }
        Ok(())
    }

    fn add_drives(&mut self, drives: &[Resource]) -> Result<(), RedfishError> {
        for drive in drives {
            let mut words = vec!["storage".to_owned(), "drive".to_owned()];
            for field in ["MediaType", "Protocol"] {
                words.extend(drive.text(field)?.map(|w| w.to_lowercase()));
            }
            self.devices.push(words);
        }
        Ok(())
    }
}

impl Redfish {
    pub(super) async fn block(&self, block: &Resource, wants: &Wants) -> Result<Part, RedfishError> {
        let types = block.texts("ResourceBlockType")?;
        let is_system = types.iter().any(|t| t == "ComputerSystem");
        let mut part = Part { path: block.path.clone(), is_system, ..Part::default() };
        let processors = self.read_all(&block.links("Processors")?).await?;
        let memory = self.read_all(&block.links("Memory")?).await?;
        part.add(&processors, &memory)?;
        if !wants.devices.is_empty() {
            let drives = self.drives(block).await?;
            part.add_drives(&drives)?;
            // What is shown as drives may be shown as simple storage too.
            for _ in block.links("SimpleStorage")?.into_iter().filter(|_| drives.is_empty()) {
                part.devices.push(vec!["storage".into()]);
            }
            for field in ["EthernetInterfaces", "NetworkInterfaces"] {
                part.devices.extend(block.links(field)?.iter().map(|_| NETWORK.map(str::to_owned).to_vec()));
            }
        }
        Ok(part)
    }

    /// The drives of a block, each once: they are listed by the block, by its storages, or by both.
    pub(super) async fn drives(&self, block: &Resource) -> Result<Vec<Resource>, RedfishError> {
        let mut links = block.links("Drives")?;
        for storage in self.read_all(&block.links("Storage")?).await? {
            links.extend(storage.links("Drives")?);
        }
        links.sort();
        links.dedup();
        self.read_all(&links).await
    }

    pub(super) async fn server(&self, system: &Resource, wants: &Wants) -> Result<Part, RedfishError> {
        let mut part = Part { path: system.path.clone(), is_system: true, ..Part::default() };
        let processors = self.parts(system, "Processors").await?;
        let memory = self.parts(system, "Memory").await?;
        part.add(&processors, &memory)?;
        part.models.extend(system.text("ProcessorSummary/Model")?.map(|m| m.to_lowercase()));
        if part.cores == 0.0 {
            part.cores = system.number("ProcessorSummary/CoreCount")?.unwrap_or(0.0);
        }
        if let Some(gib) = system.number("MemorySummary/TotalSystemMemoryGiB")? {
            part.memory_mib = part.memory_mib.max(gib * 1024.0);
        }
        if !wants.devices.is_empty() {
            for storage in self.parts(system, "Storage").await? {
                part.add_drives(&self.read_all(&storage.links("Drives")?).await?)?;
            }
            let interfaces = self.parts(system, "EthernetInterfaces").await?;
            part.devices.extend(interfaces.iter().map(|_| NETWORK.map(str::to_owned).to_vec()));
        }
        Ok(part)
    }
}

/// Choices of parts of one zone: each part with processors is the base of some, and others are added until all is there.
pub(super) fn choose(parts: &[&Part], wants: &Wants) -> Vec<Offer> {
    let mut parts: Vec<&Part> = parts.iter().copied().filter(|p| !p.is_system).collect();
    parts.sort_by(|a, b| Part::by_size(a, b));
    let mut found: Vec<Vec<&Part>> = Vec::new();
    for turn in 0..TURNS.min(parts.len()) {
        for base in parts.iter().filter(|p| p.cores > 0.0) {
            let mut chosen = vec![*base];
            for part in parts.iter().cycle().skip(turn).take(parts.len()) {
                if part.path != base.path && wants.are_helped_by(&chosen, part) {
                    chosen.push(part);
                }
            }
            let has_memory = chosen.iter().any(|p| p.memory_mib > 0.0);
            if has_memory && wants.are_met_by(&chosen) {
                found.push(chosen);
            }
        }
    }
    let cores = |parts: &[&Part]| parts.iter().map(|p| p.cores).sum::<f64>();
    let memory = |parts: &[&Part]| parts.iter().map(|p| p.memory_mib).sum::<f64>();
    found.sort_by(|a, b| {
        a.len().cmp(&b.len()).then(cores(a).total_cmp(&cores(b))).then(memory(a).total_cmp(&memory(b)))
    });
    let mut offers: Vec<Offer> = Vec::new();
    for chosen in found {
        let offer = Offer { parts: chosen.iter().map(|p| p.path.clone()).collect() };
        if !offers.contains(&offer) {
            offers.push(offer);
        }
    }
    offers
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_smallest_parts_that_have_all_come_first() {
        let compute = |path: &str, cores, memory_mib| Part { path: path.into(), cores, memory_mib, ..Part::default() };
        let ssd = Part { path: "ssd".into(), devices: vec![vec!["ssd".into()]], ..Part::default() };
        let parts = [compute("large", 32.0, 65536.0), compute("small", 8.0, 8192.0), ssd];
        let wants = |wanted| Wants::of(&serde_json::from_value(wanted).unwrap()).unwrap();
        let all: Vec<&Part> = parts.iter().collect();
        let first = |wanted| choose(&all, &wants(wanted)).first().map(|o| o.parts.clone());
        assert_eq!(first(json!({})), Some(vec!["small".into()]));
        assert_eq!(first(json!({"processor": {"total_cores": "16"}})), Some(vec!["large".into()]));
        assert_eq!(first(json!({"pci_device": {"type": ["SSD"]}})), Some(vec!["small".into(), "ssd".into()]));
        assert_eq!(first(json!({"pci_device": {"type": ["SSD", "SSD"]}})), None);
        assert!(Wants::of(&serde_json::from_value(json!({"memory": {"capacity_mib": "much"}})).unwrap()).is_err());
    }
}
